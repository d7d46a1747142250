"""Windows of crops for clip models, collected while frames pass.

As in `detector.pipeline.windows`, faces are searched at some frames and interpolated in between;
boxes of optical flow are not used, since their jumps at each search are motion that the face did
not make. A frame waits, cut down to the face's surroundings, until the next search."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from detector import vision
from detector.live.face_tracker import TrackedFace
from detector.models.base import CropRecipe, ModelSpec
from detector.pipeline.windows import ANCHOR_EVERY, ClipShape
from detector.schema.analysis import Modality
from detector.vision import Detection

MISSED_STEPS = 3
"""steps without a frame after which a run begins anew"""
AROUND = 0.6
"""times the longer side of a face's box on each side that is kept of a waiting frame"""
MAX_BYTES = 64 << 20
"""of the crops of one window; a larger one is not for live use"""


def unfit(spec: ModelSpec) -> str | None:
    """Why a model can't be served live, if so."""
    if spec.modality.of_sound:
        return "it judges no faces"
    if spec.kind != "clip":
        return None
    shape = ClipShape.of(spec, None)
    if shape.recipe.modality is Modality.FULL_FRAME:
        return "it judges whole frames over time, which the live view does not keep"
    if shape.frames * shape.recipe.size**2 * 3 > MAX_BYTES:
        return "its windows take more memory than a live session has"
    return None


@dataclass(frozen=True)
class ClipCrops:
    """A complete window of one person: crops uint8 [T, S, S, 3]."""

    shape: ClipShape
    person: int
    start: float
    end: float
    crops: np.ndarray


@dataclass
class _WaitingPatch:
    """What is kept of a frame: the surroundings of a face, and where they were."""

    time: float
    rgb: np.ndarray
    corner: tuple[int, int]

    def cut(self, face: Detection, recipe: CropRecipe) -> np.ndarray:
        left, top = self.corner
        x0, y0, x1, y1 = face.box
        points = tuple((x - left, y - top) for x, y in face.landmarks)
        box = (x0 - left, y0 - top, x1 - left, y1 - top)
        return vision.cut(self.rgb, box, recipe, points)


@dataclass
class _CropBuffer:
    """One person's window in the making, for one shape."""

    crops: deque[tuple[float, np.ndarray]]
    """(s, uint8 [S, S, 3])"""
    waiting: list[_WaitingPatch] = field(default_factory=list)
    anchor: tuple[float, Detection] | None = None
    step: int = -1


class ClipCollector:
    """Windows of one viewer. Used by one thread at a time."""

    def __init__(self, shapes: Sequence[ClipShape], detector: str) -> None:
        self._shapes = list(shapes)
        self._detector = detector
        self._strips: dict[tuple[int, ClipShape], _CropBuffer] = {}

    @property
    def anchor_every(self) -> float:
        """s within which a search is needed; inf without clip models."""
        return min((s.step * ANCHOR_EVERY for s in self._shapes), default=math.inf)

    def add(self, rgb: np.ndarray, time: float, people: Sequence[TrackedFace]) -> list[ClipCrops]:
        """Take notice of a frame and of who is in it; gives the windows it completed."""
        complete = []
        for shape in self._shapes:
            for person in people:
                empty = _CropBuffer(deque(maxlen=shape.frames))
                strip = self._strips.setdefault((person.number, shape), empty)
                if self._extend(strip, shape, rgb, time, person):
                    times, crops = zip(*strip.crops, strict=True)
                    window = ClipCrops(shape, person.number, times[0], times[-1], np.stack(crops))
                    complete.append(window)
        here = {person.number for person in people}
        for key, strip in list(self._strips.items()):
            times = [patch.time for patch in strip.waiting] or [t for t, _ in strip.crops]
            if key[0] not in here and time - max(times, default=time) > MISSED_STEPS * key[1].step:
                del self._strips[key]
        return complete

    def _extend(
        self,
        strip: _CropBuffer,
        shape: ClipShape,
        rgb: np.ndarray,
        time: float,
        person: TrackedFace,
    ) -> bool:
        """Keep this frame if it is on the grid; at a search cut what waits. True: a new window."""
        step = round(time / shape.step)
        if step > strip.step:
            if strip.step >= 0 and step - strip.step > MISSED_STEPS:
                strip.crops.clear()
                strip.waiting.clear()
                strip.anchor = None
            # What was on the screen at a missed step is the frame before, as in a slow file.
            missed = step - strip.step - 1 if strip.waiting else 0
            strip.waiting += strip.waiting[-1:] * missed
            strip.waiting.append(_patch(rgb, time, person.face))
            strip.step = step
        far = strip.anchor is None or time - strip.anchor[0] >= shape.step * (ANCHOR_EVERY - 0.5)
        if not person.searched or not far:
            return False
        here = (time, person.face)
        between = [strip.anchor, here] if strip.anchor else [here]
        for patch in strip.waiting:
            face = vision.interpolate(between, patch.time)
            if face is None:  # from before the first search, or across too long a gap
                strip.crops.clear()
                continue
            box = vision.box_for(shape.recipe, face.box, self._detector)
            crop = patch.cut(Detection(box, face.landmarks, 1.0), shape.recipe)
            strip.crops.append((patch.time, crop))
        strip.waiting.clear()
        strip.anchor = here
        return len(strip.crops) == shape.frames


def _patch(rgb: np.ndarray, time: float, face: Detection) -> _WaitingPatch:
    """Copy a face's surroundings: the frame itself need not be kept."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = face.box
    around = AROUND * max(x1 - x0, y1 - y0)
    left, top = max(0, int(x0 - around)), max(0, int(y0 - around))
    right, bottom = min(width, int(x1 + around)), min(height, int(y1 + around))
    if right <= left or bottom <= top:  # past the edge: a pixel, so that the cut is black there
        left, top, right, bottom = 0, 0, 1, 1
    return _WaitingPatch(time, rgb[top:bottom, left:right].copy(), (left, top))
