"""How much of a clip was looked at, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detector.sentences import ENGLISH, Speech

if TYPE_CHECKING:
    from detector.schema.extent import Coverage


def covered(coverage: Coverage | None, speech: Speech = ENGLISH) -> str:
    """Return "32 of 6,000 frames, every shot seen (4)"; "" for a picture and where nobody knows."""
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
