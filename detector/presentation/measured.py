"""Data behind figures, and coverage of a clip."""

from collections.abc import Iterable, Mapping
from typing import Any

from detector import messages
from detector.presentation import Row, series, summary
from detector.schema.analysis import Analysis, Calibration, Evidence, Thresholds
from detector.schema.media import Coverage
from detector.sentences import NBSP, _, count, join, ngettext, numeral, say, spec_of


def unit(limits: Thresholds) -> str:
    """Return the noun of the calibration files: "pictures"."""
    nouns = {"pictures": _("pictures"), "recordings": _("recordings")}
    return nouns.get(str(_params(limits.data).get("unit")), _("clips"))


def of_these(limits: Thresholds) -> str:
    """Return the size of the subset that the error rates refer to; empty for all files."""
    untouched, manipulated = limits.false_positives, limits.false_negatives
    if untouched is None or manipulated is None:
        return ""
    clips = untouched.files + manipulated.files
    if not part_of(clips, limits.data):
        return ""
    return _(
        "Of these, {clips} {unit} ask this question and could be judged: {untouched} untouched, "
        "{manipulated} manipulated."
    ).format(
        clips=clips, unit=unit(limits), untouched=untouched.files, manipulated=manipulated.files
    )


def part_of(clips: int, data: str) -> bool:
    """Return whether this number of clips is a subset of `data`."""
    return 0 < clips < files(data)


def in_copies(calibration: Calibration) -> bool:
    """Return whether a calibration counts each clip in several versions."""
    return 0 < files(calibration.data) < calibration.clips


def fitted_on(calibration: Calibration) -> str:
    """Return the size of a calibration set, with the versions of each clip: "on 705 clips, as
    recorded and as MP3"."""
    if in_copies(calibration):
        data = say(calibration.data)
        return _("on {data}").format(data=data)
    return on_clips(calibration)


def on_clips(calibration: Calibration) -> str:
    """Return the number of distinct clips of a calibration set."""
    clips = min(calibration.clips, files(calibration.data) or calibration.clips)
    text = ngettext("on {number} clip", "on {number} clips", clips)
    return text.format(number=numeral(clips))


def _params(data: str) -> Mapping[str, Any]:
    spec = spec_of(data)
    return spec.params if spec is not None else {}


def files(data: str) -> int:
    """Return the number of files in a description of data; 0 if it states none."""
    return int(_params(data).get("clips", 0))


_UNRATED = ("frames", "surroundings", "clipping")
"""Kinds of evidence whose value does not say how good that is."""


def material(items: Iterable[Evidence]) -> tuple[Row, ...]:
    """Return the quality ratings of the material."""
    ratings = {"good": _("good"), "fair": _("fair"), "poor": _("poor")}
    return tuple(
        Row(*messages.wording(item), ratings[item.rating] if item.code in _UNRATED else "")
        for item in items
    )


def looks(analysis: Analysis, scored: int) -> tuple[str, str, str]:
    """Return the length of the clip, the number of scored moments, and the coverage."""
    length = summary.length(series.length(analysis))
    said = _("{scored} scored moments over {length}").format(scored=scored, length=length)
    rest = _("the gap: no score for them") if scored < len(analysis.timestamps) else ""
    return _("of {length}").format(length=length), said, join(looked_at(analysis), rest, by=" · ")


def sampling(analysis: Analysis) -> str:
    """Return the sampling strategy: "spread evenly"."""
    settings = analysis.settings
    rate = numeral(settings.fps, ".1f") if analysis.media.live else numeral(settings.fps, "g")
    return {
        "uniform": _("spread evenly"),
        "keyframes": _("where the picture changes"),
        "fps": _("{number} a second").format(number=rate),
        "closer": _("more of them where the score moves"),
    }[settings.sampling]


def covered(coverage: Coverage | None) -> str:
    """Return "32 of 6,000 frames, every shot seen (4)"; empty for a picture."""
    if coverage is None or coverage.frames <= 1:
        return ""
    text = ngettext(
        "{moments} of {frames} frame", "{moments} of {frames} frames", coverage.frames
    ).format(moments=coverage.sampled, frames=numeral(coverage.frames))
    if coverage.shots is None or coverage.shots_seen is None:
        return text
    if coverage.shots == 1:
        return f"{text}, {_('one shot')}"
    every = coverage.shots_seen >= coverage.shots
    shots = _("every shot seen ({shots})") if every else _("{seen} of {shots} shots seen")
    return f"{text}, {shots.format(seen=coverage.shots_seen, shots=coverage.shots)}"


def looked_at(analysis: Analysis) -> str:
    """Return the same with the interval: "32 of 6,000 frames, every shot seen (4), one each 7.5
    s"."""
    sampled = len(analysis.timestamps)
    many = covered(analysis.coverage) or count(sampled, "frame", "frames")
    step = series.length(analysis) / sampled
    if sampled < 2 or step < 1 or analysis.settings.sampling == "closer":
        return many
    return _("{many}, one each {step}").format(many=many, step=f"{numeral(step, '.2g')}{NBSP}s")
