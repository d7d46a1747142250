"""How a run differs from a usual one, where a file is gone through more than once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.media import Shot
from detector.schema.analysis import FrameSegment, Media, Modality
from detector.vision import Detection

Seen = tuple[Detection | None, FrameSegment]
"""A frame's segment that was scored before, and the face it is of."""
SeenAt = Mapping[float, Sequence[Seen]]  # Time of a frame, s -> what was seen there


@dataclass
class RunOptions:
    """What a run need not find out, and what it does otherwise."""

    media: Media | None = None  # probed already
    source: Media | None = None  # what is decoded, where `media` says what it is changed to
    shots: list[Shot] | None = None  # searched already, with `media`
    timestamps: tuple[float, ...] | None = None  # of the frames to sample, chosen already, s
    known: Mapping[Modality, SeenAt] = field(default_factory=dict)  # found and scored before
    frames_only: bool = False  # leave out the models of clips
    faces_at: Callable[[float], list[Detection] | None] | None = None
    """Time of a frame -> its faces, where they need not be searched, or None where they must."""
    speech: Sequence[tuple[float, float]] | None = None  # where somebody speaks, s, if known
    change: Callable[[np.ndarray], np.ndarray] | None = None
    """What happens to each decoded picture, uint8 [H, W, 3] to [H', W', 3]: a perturbation."""
