"""Facts of a media file, its sound, the analyzed part, and the software."""

from typing import Literal

from pydantic import Field

from detector.schema.base import Sentence, StrictModel
from detector.schema.codes import OF_PICTURE, OF_SOUND, Question

LEAST_SIDE, MOST_ASPECT = 16, 20
"""px of a picture's shorter side, and how many times as long its longer side may be, to be judged:
no face fits into less, and what brings the shorter side to a size makes the longer one so long."""


class SpeechMeasurement(StrictModel):
    """Facts on the analyzed sound: where speech is, and how good it is for judging a voice.

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
    assumed: bool = Field(
        default=False,
        description="too little speech was recognized: taken for speech is what is loud, as "
        "`Settings.assume_speech` asks for",
    )
    music_ratio: float = Field(
        default=0.0, ge=0, le=1, description="share of what is no speech that holds tones: music"
    )

    @property
    def speech_seconds(self) -> float:
        """Return how much is spoken, s."""
        return sum(end - start for start, end in self.spans)


class SoundSource(StrictModel):
    """The channels and tracks that are analyzed."""

    track: int = Field(default=0, ge=0, description="of its sounds, 0: the one that players choose")
    channel: int | None = Field(default=None, ge=0, description="None: the mix of all")
    gain: float = Field(default=1.0, gt=0, description="that samples are multiplied by")

    @property
    def sides(self) -> dict[str, "SoundSource"]:
        """Return the left and the right channel of this."""
        names = ("left", "right")
        return {name: self.model_copy(update={"channel": n}) for n, name in enumerate(names)}


class Audio(StrictModel):
    """The sound of a clip, as its container states it."""

    codec: str
    channels: int
    sample_rate: int
    duration: float | None = None
    tracks: int = Field(default=1, ge=1, description="sounds in the file")
    source: SoundSource = Field(default_factory=SoundSource, description="what was heard")
    speech: SpeechMeasurement | None = Field(default=None, description="None: not measured")
    sides: dict[str, SpeechMeasurement] = Field(
        default_factory=dict,
        description="by subject, left and right, where each channel holds a voice of its own; "
        "`speech` is that of the mix",
    )

    def source_of(self, subject: str | None) -> SoundSource:
        """Return the spans of a voice, by its subject's id."""
        return self.source.sides[subject] if subject in self.sides else self.source

    def speech_of(self, subject: str | None) -> SpeechMeasurement | None:
        """Return the facts on the sound of a voice, by its subject's id."""
        return self.sides.get(subject or "", self.speech)


class SlowScoring(StrictModel):
    """How long a live session scored too few frames for a verdict."""

    seconds: float = Field(ge=0, description="with a face in view")
    slow_seconds: float = Field(ge=0, description="of these, with too few scored frames")


class Media(StrictModel):
    """Facts of a media file. Width and height are upright, after rotation; 0 without a picture. The
    codec and the bit rate of a sound are those of the sound."""

    name: str
    sha256: str
    kind: Literal["video", "image", "animation", "audio"]
    size: int = Field(description="bytes")
    width: int
    height: int
    duration: float | None = Field(default=None, description="seconds; None for a still picture")
    fps: float | None = Field(default=None, description="average frames per second")
    frame_count: int | None = Field(default=None, description="an estimate, by the container")
    variable_frame_rate: bool | None = None
    container: str
    codec: str
    pixel_format: str | None = None
    bit_rate: float | None = Field(default=None, description="bits a second of the picture stream")
    colors: int | None = Field(
        default=None, description="of its palette, or of a still of at most 256; None: any number"
    )
    interlaced: bool = Field(
        default=False, description="two fields a frame; they are put together before it is judged"
    )
    false_colors: bool = Field(
        default=False,
        description="its colors are coded in a way that can't be converted here (Dolby Vision "
        "profile 5): it was looked at in false ones",
    )
    view: Literal["stereo", "spherical"] | None = Field(
        default=None,
        description="several views in one picture: two for two eyes, or all directions, by the "
        "file's own account; faces are squeezed or bent",
    )
    frozen: bool = Field(
        default=False, description="a video whose sampled frames are one unmoving picture"
    )
    loop: float | None = Field(
        default=None,
        description="s of a stretch that the clip repeats again and again; its moments count once",
    )
    rotation: int = Field(default=0, description="degrees clockwise, applied to stand upright")
    turned_in_stream: bool = Field(
        default=False,
        description="the codec's stream states how it is turned, not the file, which browsers' "
        "players do not follow",
    )
    turned: Literal[0, 90, 180, 270] = Field(
        default=0,
        description="degrees clockwise beyond `rotation`: faces were only found so, or the "
        "settings ask for it. Sizes, boxes and points are those of the turned picture",
    )
    faces_turned: Literal[0, 90, 180, 270] = Field(
        default=0,
        description="degrees clockwise: some faces were only found with the picture turned so, too "
        "few to turn it unasked",
    )
    film: float | None = Field(
        default=None,
        ge=0,
        description="s of a film behind a still picture (a motion photo), which is not judged with "
        "it",
    )
    audio: Audio | None = None
    live: bool = Field(
        default=False,
        description="a session at a camera or stream: no file was kept, so `size` is 0 and "
        "`sha256` is empty",
    )
    too_slow: SlowScoring | None = Field(
        default=None,
        description="of a live session that was too slow for most of its time or at its end, so "
        "that it gets no verdict",
    )
    notes: list[Sentence] = Field(
        default_factory=list,
        description="sentences for a person, such as where a truncated file stops",
    )

    @property
    def still(self) -> bool:
        """Return whether it shows one picture, in whatever file: one rule judges it."""
        return self.kind == "image" or self.frozen

    @property
    def too_narrow(self) -> bool:
        """Return whether its picture is refused by `LEAST_SIDE` and `MOST_ASPECT`: no model,
        detector or copy sees it. Never of a sound; a video's sound is judged all the same."""
        short, long = sorted((self.width, self.height))
        return self.kind != "audio" and (short < LEAST_SIDE or long > MOST_ASPECT * short)

    @property
    def questions(self) -> tuple[Question, ...]:
        """Return what can be asked of it: of its picture, of its sound."""
        picture = OF_PICTURE if self.kind != "audio" else ()
        return (*picture, *(OF_SOUND if self.audio else ()))


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
