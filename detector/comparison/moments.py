"""The moments that are measured: pairs of pictures, aligned to parts of a pixel, with faces."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from detector import vision
from detector.comparison import geometry, grading, light
from detector.comparison.align import Aligned
from detector.comparison.reading import FootageReader, gray
from detector.isolation import Frame
from detector.vision import Detection, FaceDetector

MOMENTS = 24
"""that are measured"""
SIDE = 640
"""px of the longer side at which they are read"""
MIN_FACE = 20
"""px at that size"""
AROUND = 2
"""frames of the original before and after the one that was found, among which the best is chosen"""
FURTHER = 0.02
"""by how much more alike a frame has to be for each frame that it lies off the path in time"""

MIXED, LEAST_MIXED = 0.8, 0.15
"""What two frames laid over each other may leave of what the best one alone leaves, to be taken in
its place; and how much of it each of them is at least."""


@dataclass(frozen=True)
class MomentPair:
    """One moment of both."""

    time: float
    """s, of the copy"""
    copy: np.ndarray
    """uint8 [H, W, 3]"""
    around: tuple[Frame, ...]
    """frames of the original about the one that was found in time"""
    chosen: int
    """which of them is most alike"""
    matrix: np.ndarray
    """float [3, 3]: px of `original` to px of `copy`"""
    faces: tuple[tuple[int, Detection], ...]
    """Person's number and face, in px of `copy`."""

    @property
    def original(self) -> np.ndarray:
        """The original's picture, uint8 [h, w, 3]."""
        return self.around[self.chosen].rgb

    @property
    def original_time(self) -> float:
        """Its time in the original, s."""
        return self.around[self.chosen].time

    @property
    def before(self) -> np.ndarray:
        """The original's frame before or after it, uint8 [h, w, 3]."""
        return self.around[self.chosen - 1 if self.chosen else min(1, len(self.around) - 1)].rgb


def chosen(aligned: Aligned) -> list[int]:
    """Return which of the aligned frames are measured."""
    count = len(aligned.copy_times)
    return sorted({round(i) for i in np.linspace(0, count - 1, min(MOMENTS, count))})


def pairs(
    copy: FootageReader,
    original: FootageReader,
    aligned: Aligned,
    detector: FaceDetector,
    on_progress: Callable[[float], None],
) -> list[MomentPair]:
    """Return the measured moments, ascending in time of the copy.

    Raises
    ------
    MediaError, Canceled
    """
    picks = chosen(aligned)
    copies = {
        round(frame.time, 3): frame
        for frame in copy.frames([aligned.copy_times[i] + 1e-3 for i in picks], SIDE)
    }
    gap = 1.0 / (original.media.fps or 25.0)
    wanted = sorted({
        round(max(0.0, aligned.original_times[i] + step * gap) + 1e-3, 4)
        for i in picks for step in range(-AROUND, AROUND + 1)
    })  # fmt: skip
    originals = list(original.frames(wanted, SIDE))
    on_progress(0.5)
    scale = _shrunk(aligned.matrix, copy, original, copies, originals)
    # Faces are found upright only: a copy that lies on its side is held as its original is.
    base = original.media.width, original.media.height
    turns = geometry.quarter_turns(aligned.matrix, *base)
    search, theirs = (vision.FaceSearch(detector, MIN_FACE) for _ in range(2))
    found: list[MomentPair] = []
    for index in picks:
        frame = copies.get(round(aligned.copy_times[index], 3))
        at = aligned.original_times[index]
        around = [f for f in originals if abs(f.time - at) < (AROUND + 0.5) * gap]
        if frame is None or not around:
            continue
        pair = MomentPair(frame.time, frame.rgb, tuple(around), _nearest(around, at), scale, ())
        upright = np.ascontiguousarray(np.rot90(pair.copy, turns))
        known = [turned(f, turns, upright.shape) for f in search.find(pair.time, upright)]
        known += _unseen(known, theirs.find(pair.time, pair.original), pair.matrix)
        found.append(replace(pair, faces=tuple(enumerate(known))))
        on_progress(0.5 + 0.3 * len(found) / len(picks))
    return found


def _unseen(
    known: Sequence[Detection], originals: Sequence[Detection], matrix: np.ndarray
) -> list[Detection]:
    """Return the original's faces, where they lie in the copy, that were not found there: what was
    put in their place is not always taken for a face, and a crop may cut through one."""
    missed = []
    for face in originals:
        x0, y0, x1, y1 = face.box
        edge = geometry.moved_points(matrix, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
        box = np.concatenate([edge.min(0), edge.max(0)])
        moved = Detection.of(
            box, geometry.moved_points(matrix, np.array(face.landmarks)), face.confidence
        )
        if not any(_overlap(moved, other) for other in known):
            missed.append(moved)
    return missed


def _overlap(one: Detection, other: Detection) -> bool:
    """Whether the middle of either face is in the other."""
    return any(
        box[0] <= x <= box[2] and box[1] <= y <= box[3]
        for box, (x, y) in ((one.box, _middle(other)), (other.box, _middle(one)))
    )


def _middle(face: Detection) -> tuple[float, float]:
    x0, y0, x1, y1 = face.box
    return (x0 + x1) / 2, (y0 + y1) / 2


def turned(face: Detection, turns: int, shape: Sequence[int]) -> Detection:
    """Return a face of a picture (`shape` [H, W, …]) where it is in the same one turned clockwise
    by so many quarters."""
    height, width = shape[:2]
    x0, y0, x1, y1 = face.box
    points = np.vstack([[[x0, y0], [x1, y1]], np.array(face.landmarks)])
    for _ in range(turns):
        points = np.stack([height - points[:, 1], points[:, 0]], 1)
        width, height = height, width
    box = np.concatenate([points[:2].min(0), points[:2].max(0)])
    return Detection.of(box, points[2:], face.confidence)


def _shrunk(
    matrix: np.ndarray,
    copy: FootageReader,
    original: FootageReader,
    copies: dict[float, Frame],
    originals: Sequence[Frame],
) -> np.ndarray:
    """Return the map of full pictures as one of pictures as they were read."""
    if not copies or not originals:
        return matrix
    height, width = next(iter(copies.values())).rgb.shape[:2]
    base_height, base_width = originals[0].rgb.shape[:2]
    return geometry.rescaled(
        matrix,
        (base_width / original.media.width, base_height / original.media.height),
        (width / copy.media.width, height / copy.media.height),
    )


def _nearest(around: Sequence[Frame], time: float) -> int:
    return int(np.argmin([abs(frame.time - time) for frame in around]))


def timed(pair: MomentPair, *, mixed: bool = True) -> tuple[MomentPair, MomentPair | None]:
    """Return a moment with the frame of the original that is most alike, in what tells those about
    it apart: what moves between them; and, if `mixed`, with a mixture of it and the next where that
    is more alike by far."""
    copy = grading.blurred(gray(pair.copy), 1.0)
    height, width = copy.shape
    warped = np.stack([
        cv2.warpPerspective(
            grading.blurred(gray(f.rgb), 1.0), pair.matrix, (width, height), borderValue=-1
        )
        for f in pair.around
    ])  # fmt: skip
    valid = np.asarray((warped >= 0).all(0))
    if valid.sum() < 64:
        return pair, None
    gain, offset = grading.brightness(warped[pair.chosen][valid], copy[valid])
    graded = warped * gain + offset
    if lit := light.fit(graded[pair.chosen], copy, valid):
        graded = np.stack([lit(picture) for picture in graded])
    telling = np.ptp(warped, axis=0) * valid

    def apart(picture: np.ndarray) -> float:
        return float((telling * np.minimum(np.abs(picture - copy), 40)).sum())

    each = [
        apart(picture) * (1 + FURTHER * abs(place - pair.chosen))
        for place, picture in enumerate(graded)
    ]
    best = int(np.argmin(each))
    single = replace(pair, chosen=best)
    if not mixed:
        return single, None
    both = [
        (apart(share * graded[k + 1] + (1 - share) * graded[k]), k, share)
        for k in (best - 1, best)
        if 0 <= k < len(graded) - 1 and (share := _share(graded[k], graded[k + 1], copy, telling))
    ]
    least, first, share = min(both, default=(math.inf, 0, 0.0))
    if least > MIXED * each[best]:
        return single, None
    between = _between(pair.around[first], pair.around[first + 1], share)
    around = (*pair.around[: first + 1], between, *pair.around[first + 1 :])
    return single, replace(pair, around=around, chosen=first + 1)


def _share(first: np.ndarray, second: np.ndarray, copy: np.ndarray, weights: np.ndarray) -> float:
    """Return how much of the second of two frames, besides the first, makes the copy; 0 where it is
    all or none of it."""
    step = second - first
    share = float((weights * step * (copy - first)).sum() / max(1e-6, (weights * step**2).sum()))
    return share if LEAST_MIXED < share < 1 - LEAST_MIXED else 0.0


def _between(first: Frame, second: Frame, share: float) -> Frame:
    """Return two frames laid over each other, as converters of frame rates and fields do."""
    rgb = cv2.addWeighted(first.rgb, 1 - share, second.rgb, share, 0.0)
    return Frame(first.index, (1 - share) * first.time + share * second.time, rgb)


def rest_mask(pair: MomentPair, reach: float = 1.3) -> np.ndarray:
    """Return where no face is, bool [H, W] of the copy; faces are taken `reach` times as large."""
    mask = np.ones(pair.copy.shape[:2], np.uint8)
    for _, face in pair.faces:
        draw(mask, face, reach, 0)
    return mask.astype(bool)


def draw(mask: np.ndarray, face: Detection, reach: float, value: int) -> None:
    """Fill a face's ellipse, `reach` times as large, with a value."""
    x0, y0, x1, y1 = face.box
    center = (round((x0 + x1) / 2), round((y0 + y1) / 2))
    axes = (max(1, round((x1 - x0) / 2 * reach)), max(1, round((y1 - y0) / 2 * reach)))
    cv2.ellipse(mask, center, axes, 0, 0, 360, value, -1)


def _shown(pair: MomentPair) -> np.ndarray:
    """Return the original's picture where it lies in the copy, uint8 [H, W, 3]."""
    height, width = pair.copy.shape[:2]
    shown: np.ndarray = cv2.warpPerspective(pair.original, pair.matrix, (width, height))
    return shown


def numbered(found: Sequence[MomentPair]) -> list[MomentPair]:
    """Return the moments with people told apart over time, without what only looked like a face."""
    tracker = vision.Tracker()
    # By the colors of the original: a copy may fade, and one person would be several.
    numbers = [
        tracker.update(pair.time, _shown(pair), [face for _, face in pair.faces]) for pair in found
    ]
    tracks: dict[int, list[Detection]] = {}
    for pair, given in zip(found, numbers, strict=True):
        for number, (_, face) in zip(given, pair.faces, strict=True):
            tracks.setdefault(number, []).append(face)
    real = [n for n, track in tracks.items() if vision.is_face_track(track, len(found))]
    order = {number: place for place, number in enumerate(sorted(real))}
    return [
        replace(
            pair,
            faces=tuple(
                (order[n], face)
                for n, (_, face) in zip(given, pair.faces, strict=True)
                if n in order
            ),
        )
        for pair, given in zip(found, numbers, strict=True)
    ]
