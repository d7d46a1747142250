"""How a run differs from a usual one, where a file is gone through more than once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.media import Shot
from detector.schema.analysis import FrameSegment, Media, Modality
from detector.vision import Detection

Seen = tuple[Detection | None, FrameSegment]
"""A frame's segment that was scored before, and the face it is of."""
SeenAt = Mapping[float, Sequence[Seen]]
"""Time of a frame, s -> what was seen there."""


@dataclass
class RunOptions:
    """What a run need not find out, and what it does otherwise.

    Attributes
    ----------
    media : Media, optional
        Probed already.
    source : Media, optional
        What is decoded, where `media` says what it is changed to.
    shots : list of Shot, optional
        Searched already, with `media`.
    timestamps : tuple of float, optional
        Of the frames to sample, chosen already, s.
    known : mapping
        What was found and scored before, by modality.
    frames_only : bool
        Leave out the models of clips.
    faces_at : callable, optional
        Time of a frame -> its faces, where they need not be searched, or None where they must.
    speech : sequence of (start, end), optional
        Where somebody speaks, s, where it need not be searched.
    change : callable, optional
        What happens to each decoded picture, uint8 [H, W, 3] to [H', W', 3]: a perturbation.
    """

    media: Media | None = None
    source: Media | None = None
    shots: list[Shot] | None = None
    timestamps: tuple[float, ...] | None = None
    known: Mapping[Modality, SeenAt] = field(default_factory=dict)
    frames_only: bool = False
    faces_at: Callable[[float], list[Detection] | None] | None = None
    speech: Sequence[tuple[float, float]] | None = None
    change: Callable[[np.ndarray], np.ndarray] | None = None
