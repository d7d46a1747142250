"""What figures were measured on, and how much of a clip was looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from detector.sentences import ENGLISH, Speech

if TYPE_CHECKING:
    from detector.schema.analysis import Analysis, Calibration, Thresholds
    from detector.schema.media import Coverage


def unit(limits: Thresholds, speech: Speech = ENGLISH) -> str:
    """Return what the error rates count, by the words on the material: "978 pictures in …"."""
    _ = speech.gettext
    noun = re.match(r"[\d,]+ (pictures|recordings)", limits.data)
    return {"pictures": _("pictures"), "recordings": _("recordings")}.get(
        noun[1] if noun else "", _("clips")
    )


def of_these(limits: Thresholds, speech: Speech = ENGLISH) -> str:
    """Return the size of the subset that the error rates refer to; empty for all clips."""
    untouched, manipulated = limits.false_positives, limits.false_negatives
    if untouched is None or manipulated is None:
        return ""
    files = untouched.files + manipulated.files
    if not part_of(files, limits.data):
        return ""
    return speech.gettext(
        "Of these, {clips} {unit} ask this question and could be judged: {untouched} untouched, "
        "{manipulated} manipulated."
    ).format(
        clips=files,
        unit=unit(limits, speech),
        untouched=untouched.files,
        manipulated=manipulated.files,
    )


def part_of(clips: int, data: str) -> bool:
    """Return whether so many clips are only some of those in words: "479 clips, each …"."""
    return 0 < clips < _named(data)


def fitted_on(calibration: Calibration, speech: Speech = ENGLISH) -> str:
    """Return on how many clips a map was fitted; where it counts each in more forms than one, what
    they were: "on 705 clips, as recorded and as MP3"."""
    if 0 < _named(calibration.data) < calibration.clips:
        data = speech.gettext(calibration.data)
        return speech.gettext("on {data}").format(data=data)
    text = speech.ngettext("on {number} clip", "on {number} clips", calibration.clips)
    return text.format(number=calibration.clips)


def _named(data: str) -> int:
    """Return the number that words begin with; 0 where they begin with none."""
    number = re.match(r"\d[\d,]*", data)
    return int(number[0].replace(",", "")) if number else 0


def sampling(analysis: Analysis, speech: Speech = ENGLISH) -> str:
    """Return how the moments that were looked at were chosen: "spread evenly"."""
    _, settings = speech.gettext, analysis.settings
    rate = f"{settings.fps:.1f}" if analysis.media.live else f"{settings.fps:g}"
    return {
        "uniform": _("spread evenly"),
        "keyframes": _("where the picture changes"),
        "fps": _("{number} a second").format(number=rate),
        "closer": _("more of them where the score moves"),
    }[settings.sampling]


def covered(coverage: Coverage | None, speech: Speech = ENGLISH) -> str:
    """Return "32 of 6,000 frames, every shot seen (4)"; "" for a picture and where it is
    unknown."""
    if coverage is None or coverage.frames <= 1:
        return ""
    _ = speech.gettext
    text = speech.ngettext(
        "{moments} of {frames} frame", "{moments} of {frames} frames", coverage.frames
    ).format(moments=coverage.sampled, frames=f"{coverage.frames:,}")
    if coverage.shots is None or coverage.shots_seen is None:
        return text
    if coverage.shots == 1:
        return f"{text}, {_('one shot')}"
    every = coverage.shots_seen >= coverage.shots
    shots = _("every shot seen ({shots})") if every else _("{seen} of {shots} shots seen")
    return f"{text}, {shots.format(seen=coverage.shots_seen, shots=coverage.shots)}"
