"""Thresholds from a person's own clips: their guarantee and its weaknesses."""

from detector.decision.conformal import OwnCalibration, least, rate_words, worst
from detector.messages.format import percent
from detector.sentences import _, join, ngettext


def guarantee(count: int, rate: float) -> str:
    """Return the guarantee, its condition, and its precision with so few clips."""
    text = _(
        "Of untouched clips of the same kind at most {rate} land above it, on average over all "
        "choices of {count} such clips; with just these it can be up to {worst} (in 19 of 20 "
        "cases). That holds only for clips like these: other cameras, apps or rooms can give more."
    )
    most = percent(worst(count, rate))
    return text.format(rate=rate_words(rate), count=count, worst=most)


def alike(own: OwnCalibration) -> str:
    """Return a warning if most clips share a recording with another; else empty.

    The promise takes the clips as drawn one by one (exchangeable with the next one). Cuts of one
    recording are not: they tell little more than one clip does of a recording that is new.
    """
    clips, need = len(own.clips), least(own.rate)
    if 2 * own.sources >= clips:
        return ""
    warning = _(
        "These {clips} clips are of only {recordings}. Cuts of one recording are alike and tell "
        "little more than one of them, but the promise counts each: new recordings can give more "
        "false alarms than it says."
    ).format(clips=clips, recordings=_recordings(own.sources))
    advice = _("Add clips of others, or take fewer of each.")
    if own.sources < need:
        text = _("Add clips of others: this rate takes {need} different recordings.")
        advice = text.format(need=need)
    return join(warning, advice)


def in_words(own: OwnCalibration) -> str:
    """Return a calibration in a line: "40 clips of 3 recordings (phone), 2026-11-20, 5 % false
    alarms, for clip, texture"."""
    kind = f" ({own.domain})" if own.domain else ""
    text = _("{clips} clips of {recordings}{kind}, {day}, {rate} false alarms, for {models}")
    return text.format(
        clips=len(own.clips), recordings=_recordings(own.sources), kind=kind,
        day=f"{own.created:%Y-%m-%d}", rate=rate_words(own.rate),
        models=", ".join(own.models),
    )  # fmt: skip


def _recordings(count: int) -> str:
    return ngettext("{number} recording", "{number} recordings", count).format(number=count)
