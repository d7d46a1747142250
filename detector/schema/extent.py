"""Parts of a result that stand on their own: the sound, how much was looked at, what computed."""

from pydantic import Field

from detector.schema.base import StrictModel


class SpeechMeasurement(StrictModel):
    """What was heard of a sound: where somebody speaks, and how good that is for judging a voice.

    Measured on at most a minute of speech, and of what is between.
    """

    seconds: float = Field(ge=0, description="that were listened to")
    spans: list[tuple[float, float]] = Field(
        default_factory=list, description="start and end of what is spoken, s, ascending"
    )
    bandwidth_hz: float | None = Field(
        default=None, description="Hz up to which speech holds anything; None without speech"
    )
    snr: float | None = Field(
        default=None, description="dB of speech over what is between; None without pauses"
    )
    clipped: float | None = Field(default=None, description="share of samples at full scale")
    level_dbfs: float | None = Field(default=None, description="of speech; 0: full scale")
    sustained_ratio: float | None = Field(
        default=None, description="share of what is voiced that stays on a note, as in singing"
    )
    music_ratio: float = Field(
        default=0.0, ge=0, le=1, description="share of what is no speech that holds tones: music"
    )

    @property
    def speech_seconds(self) -> float:
        """How much is spoken, s."""
        return sum(end - start for start, end in self.spans)


class Audio(StrictModel):
    """The sound of a clip, as its container states it."""

    codec: str
    channels: int
    sample_rate: int
    duration: float | None = None
    speech: SpeechMeasurement | None = Field(default=None, description="None: not measured")


class Coverage(StrictModel):
    """How much of the file was looked at."""

    sampled: int = Field(ge=0, description="frames that were searched for faces")
    frames: int = Field(
        ge=0, description="of the part that was asked for; an estimate from its length and rate"
    )
    longest_gap: float = Field(ge=0, description="s; longest stretch of that part without a moment")
    shots: int | None = Field(
        default=None, description="found between cuts; None: not searched, since that takes long"
    )
    shots_seen: int | None = Field(default=None, description="of these, with a moment in them")


class Software(StrictModel):
    """What an analysis was made with."""

    version: str
    commit: str | None = None
    python: str
    torch: str
    device: str
    backend: str
