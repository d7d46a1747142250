"""How much of a clip was looked at, in words."""

from __future__ import annotations

from typing import Protocol

from detector.messages.types import ENGLISH, Speech


class Covered(Protocol):
    """What is said here of `detector.schema.extent.Coverage`."""

    @property
    def moments(self) -> int: ...

    @property
    def frames(self) -> int: ...

    @property
    def shots(self) -> int | None: ...

    @property
    def shots_seen(self) -> int | None: ...


def covered(seen: Covered | None, speech: Speech = ENGLISH) -> str:
    """Return "32 of 6,000 frames, every shot seen (4)"; "" for a picture and where nobody knows."""
    if seen is None or seen.frames <= 1:
        return ""
    _ = speech.gettext
    text = speech.ngettext(
        "{moments} of {frames} frame", "{moments} of {frames} frames", seen.frames
    ).format(moments=seen.moments, frames=f"{seen.frames:,}")
    if seen.shots is None or seen.shots_seen is None:
        return text
    if seen.shots == 1:
        shots = _("one shot")
    elif seen.shots_seen >= seen.shots:
        shots = _("every shot seen ({shots})").format(shots=seen.shots)
    else:
        shots = _("{seen} of {shots} shots seen").format(seen=seen.shots_seen, shots=seen.shots)
    return f"{text}, {shots}"
