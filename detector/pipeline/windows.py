"""Windows of consecutive frames for video models.

Faces are detected in the sampled frames and in every `anchor_every`-th frame of a window; in
between, the box is interpolated. A frame is buffered until the next detection. Models of whole
frames need no detection.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detector import vision
from detector.media import Frame
from detector.models.base import CropRecipe, ModelSpec
from detector.pipeline.scoring import ScoreItem
from detector.schema.analysis import Modality, Settings, SpanSegment
from detector.vision import Detection
from detector.vision.detection import iou

COUNT = 4
"""windows of a clip, spread over it, at the usual number of frames; of more frames, more"""
FRAMES_PER_WINDOW = 8  # sampled frames for each window
FRAMES_PER_FEW = 32
"""sampled frames for each window of models that run unasked and don't vote, so that they take at
most 5 % of an analysis"""
QUIET_SUBJECTS = 3
"""largest faces that such a window is cut around"""
MATCHED = 0.3
"""intersection over union with the box of the same face in the detection before"""
MAX_ADAPTIVE_WINDOWS = 24
"""windows of a closer look, which has hundreds of frames: each takes four face detections"""
ANCHOR_EVERY = 5  # frames between two face detections (0.4 s at the usual step of 0.08 s)
HELD_BYTES = 128 * 1024**2
"""of frames that wait for a detection, and of those decoded ahead (a 4K frame has 25 MB, 8K 100)"""
USUAL_RATE = 25.0  # frames a second of a file that states no rate, or of a camera


Track = Sequence[tuple[float, Detection]]
"""Times, ascending, s, and detections of a face."""


@dataclass(frozen=True)
class ClipShape:
    """Input shape of a video model. Models of one shape share windows and crops."""

    frames: int
    step: float  # s
    recipe: CropRecipe
    modality: Modality = Modality.FACE

    @classmethod
    def of(cls, spec: ModelSpec, fps: float | None) -> ClipShape:
        """Return the shape for a source of `fps` frames a second, if known."""
        step = spec.clip_stride / (fps or USUAL_RATE) if spec.clip_stride else spec.clip_step
        return cls(spec.clip_frames, step, spec.crop, spec.modality)


def held_frames(width: int, height: int) -> int:
    """Return how many frames of this size, px, fit into `HELD_BYTES`."""
    return HELD_BYTES // max(1, 3 * width * height)


def count(settings: Settings, *, few: bool = False) -> int:
    """Return the largest number of windows of a clip; `few`: of models that nothing depends on."""
    if few:
        return max(1, settings.frames // FRAMES_PER_FEW)
    most = max(COUNT, settings.frames // FRAMES_PER_WINDOW)
    return min(most, MAX_ADAPTIVE_WINDOWS) if settings.sampling == "closer" else most


CompleteRun = tuple[int, SpanSegment, ScoreItem]
"""A subject's number, its span, and its crops, uint8 [T, S, S, 3], as an item to score."""


@dataclass
class FrameWindow:
    """One window while it is being collected."""

    models: tuple[str, ...]
    recipe: CropRecipe
    times: tuple[float, ...]  # s, ascending
    modality: Modality = Modality.FACE
    anchor_every: int = ANCHOR_EVERY  # frames between two face detections
    frames: dict[int, Frame] = field(default_factory=dict)  # position -> frame to be cropped
    crops: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)
    """(subject, position) -> crop"""
    quiet: bool = False
    """of models that don't vote: people are followed within the window alone, so that who is
    found in the file does not depend on it"""
    tracks: dict[int, list[tuple[float, Detection]]] = field(default_factory=dict)
    """of a quiet window: detections by subject"""
    until: float = -1.0
    """of a quiet window: time of its last detection, s"""

    @property
    def anchors(self) -> tuple[float, ...]:
        """Return the times of face detections: every few frames and the last; for full frames
        none."""
        if self.modality is not Modality.FACE:
            return ()
        last = len(self.times) - 1
        return tuple(self.times[p] for p in [*range(0, last, self.anchor_every), last])

    def add(self, frame: Frame, times: Sequence[float]) -> None:
        """Buffer a frame for each of its times in this window."""
        for position, t in enumerate(self.times):
            if t in times:
                self.frames[position] = frame

    def begin(self, time: float, faces: Mapping[int, Detection]) -> None:
        """Begin a quiet window with the largest faces of its first frame, by subject."""
        largest = sorted(faces, key=lambda number: -_width(faces[number]))[:QUIET_SUBJECTS]
        self.tracks = {number: [(time, faces[number])] for number in largest}

    @property
    def last(self) -> list[Detection]:
        """Return the latest detection of each subject of a quiet window."""
        return [track[-1][1] for track in self.tracks.values()]

    def follow(self, time: float, found: Sequence[Detection]) -> None:
        """Add detections near the latest ones; a face without one is lost."""
        boxes = np.array([face.box for face in found]).reshape(-1, 4)
        for track in self.tracks.values():
            overlaps = iou(np.array(track[-1][1].box), boxes)
            if len(overlaps) and overlaps.max() >= MATCHED:
                track.append((time, found[int(overlaps.argmax())]))

    def cut(
        self, tracks: Mapping[int, Track], detector: str, until: float = math.inf
    ) -> Iterator[CompleteRun]:
        """Crop the buffered frames up to a time, s, and yield each subject's run if that completes
        the window. `tracks`: faces that `detector` found, by subject; full frames are subject 0."""
        ready = [p for p in self.frames if self.times[p] <= until]
        for position, frame in [(p, self.frames.pop(p)) for p in ready]:
            if self.recipe.whole:
                crop = vision.cut(frame.rgb, (0.0, 0.0, 1.0, 1.0), self.recipe)
                self.crops[0, position] = crop
                continue
            for number, track in tracks.items():
                if (face := vision.interpolate(track, frame.time)) is not None:
                    self.crops[number, position] = vision.cut(
                        frame.rgb, face.box, self.recipe, face.landmarks, detector
                    )
        if len(self.times) - 1 not in ready:
            return
        positions = range(len(self.times))
        for number in sorted({number for number, _ in self.crops}):
            run = [self.crops[number, n] for n in positions if (number, n) in self.crops]
            if len(run) == len(positions):
                span = SpanSegment(start=round(self.times[0], 4), end=round(self.times[-1], 4))
                item = ScoreItem(self.modality, self.models, span, np.stack(run))
                yield number, span, item
        self.crops.clear()


def _width(face: Detection) -> float:
    return face.box[2] - face.box[0]
