"""What a file is."""

from typing import Literal

from pydantic import Field

from detector.schema.base import StrictModel
from detector.schema.codes import OF_PICTURE, OF_SOUND, Question
from detector.schema.extent import Audio


class Media(StrictModel):
    """What the file is. Width and height are upright, after rotation; 0 where there is no picture.
    The codec and the bit rate of a sound are those of the sound.
    """

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
    frozen: bool = Field(
        default=False, description="a video whose sampled frames are one unmoving picture"
    )
    rotation: int = Field(default=0, description="degrees clockwise, applied to stand upright")
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
    audio: Audio | None = None
    live: bool = Field(
        default=False,
        description="a session at a camera or stream: no file was kept, so `size` is 0 and "
        "`sha256` is empty",
    )
    notes: list[str] = Field(
        default_factory=list,
        description="sentences for a person, such as where a truncated file stops",
    )

    @property
    def questions(self) -> tuple[Question, ...]:
        """What can be asked of it: of its picture, of its sound."""
        picture = OF_PICTURE if self.kind != "audio" else ()
        return (*picture, *(OF_SOUND if self.audio else ()))
