"""Parts of a result that stand on their own: the sound, how much was looked at, what computed."""

from __future__ import annotations

from pydantic import Field

from detector.schema.base import StrictModel


class Audio(StrictModel):
    """The sound of a clip, as its container states it."""

    codec: str
    channels: int
    sample_rate: int
    duration: float | None = None


class Coverage(StrictModel):
    """How much of the file was looked at."""

    moments: int = Field(ge=0, description="looked at for faces")
    frames: int = Field(
        ge=0, description="of the part that was asked for; an estimate from its length and rate"
    )
    longest_gap: float = Field(
        ge=0, description="s; the longest stretch of that part without a moment"
    )
    shots: int | None = Field(
        default=None, description="found between cuts; None: not searched, since that takes long"
    )
    shots_seen: int | None = Field(default=None, description="of these, with a moment in them")

    @property
    def every_shot(self) -> bool:
        """Whether shots were searched and none was left out."""
        return self.shots is not None and self.shots_seen == self.shots


class Software(StrictModel):
    """What an analysis was made with."""

    version: str
    commit: str | None = None
    python: str
    torch: str
    device: str
    backend: str
