"""Alignment of a copy with its original in space (homography) and in time (Viterbi path).

A step of the path may have any length in the original; its price grows with the deviation from even
playback up to a maximum, so dropped frames and another frame rate cost little, and a cut costs the
same wherever it leads.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from detector.correlation import correlation
from detector.errors import Canceled
from detector.isolation import Frame, stream_isolated
from detector.media import decode_scaled
from detector.schema.analysis import Media
from detector.schema.comparison import SharedStretch, SpaceAlignment, Span
from detector.vision import Detection

COPY_FRAMES, ORIGINAL_FRAMES = 160, 900  # aligned in time
FEATURE_SIDE, THUMB_SIDE = 480, 128
"""px of the longer side of pictures aligned in space, and in time"""
COPY_KEYS, ORIGINAL_KEYS, MOST_KEYS = 6, 14, 48
"""key frames whose features are matched; of a long original one in five seconds"""
CANDIDATES = 3  # homographies of single frames of the copy that are aligned in time
ENOUGH_INLIERS = 150
FINE_STEP = 0.12  # s between frames of the original from which the matched stretch is read again

STEP_PRICE, CUT_PRICE = 20.0, 40.0
"""Price of a second's deviation from even playback, and the largest of a step, in units of the
noise."""
CUT_SECONDS = 0.35  # A step that deviates by more is a cut
SHORTEST = 0.5  # s of a stretch from which its rate is measured
ROUNDED = 1e-3  # s by which stated times of frames are rounded
FEATURES = 700
RATIO = 0.85  # Lowe's ratio test
REPROJECTION = 2.5  # px of the working size
FEWEST_INLIERS = 12  # Between 2,000 pairs of unrelated frames there are eight at most
ROUNDING = 0.02  # Share of the picture that rounding alone may cut off


@dataclass(frozen=True)
class FootageReader:
    """Reader of a file's frames at several sizes."""

    path: str | Path
    media: Media
    notes: list[str]
    cancel: Event

    @property
    def size(self) -> tuple[int, int]:
        """Return the upright width and height."""
        return self.media.width, self.media.height

    def fit(self, side: int) -> tuple[int, int]:
        """Return the coded width and height with a longer side of at most `side` px."""
        size = self.size[::-1] if self.media.turned % 180 else self.size
        scale = min(1.0, side / max(size))
        width, height = (max(16, round(length * scale)) for length in size)
        return width, height

    def frames(self, times: Sequence[float], side: int) -> Iterator[Frame]:
        """Yield the frames shown at `times`, ascending, each once."""
        size = self.fit(side)
        notes: list[str] = []
        yield from stream_isolated(
            decode_scaled, self.path, self.media, tuple(times), size,
            size=size, count=len(times), notes=notes, cancel=self.cancel,
        )  # fmt: skip
        self.notes.extend(note for note in notes if note not in self.notes)
        if self.cancel.is_set():
            raise Canceled

    def spread(self, most: int, start: float = 0.0, end: float | None = None) -> list[float]:
        """Return times of a stretch, s: of every frame, or `most` at even distances."""
        length = self.media.duration or 0.0
        if self.media.kind == "image" or not length:
            return [0.0]
        start, end = max(0.0, start), min(length, length if end is None else end)
        rate = self.media.fps or 25.0
        count = max(1, min(most, round((end - start) * rate)))
        # The middle of each frame's interval, so that rounding does not skip one.
        return [start + (i + 0.5) * (end - start) / count for i in range(count)]


@dataclass(frozen=True, eq=False)
class Features:
    """Local features of one picture; hashed by identity."""

    points: np.ndarray  # float32 [N, 2], px
    descriptors: np.ndarray  # float32 [N, 128], of unit length


Match = tuple[int, np.ndarray]
"""Inliers, and the homography: px of the original (not mirrored) to px of the copy."""


def features(luma: np.ndarray) -> Features:
    """Return the local features of a picture, uint8 [H, W]."""
    sift = cv2.SIFT.create(nfeatures=FEATURES, contrastThreshold=0.015, edgeThreshold=15)
    points, descriptors = sift.detectAndCompute(luma, None)
    if descriptors is None or not len(points):
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    rooted = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6))
    return Features(np.array([p.pt for p in points], np.float32), rooted.astype(np.float32))


def matched(original: Features, copy: Features) -> tuple[np.ndarray, np.ndarray]:
    """Return mutual best matches, as points of both, float32 [N, 2] each."""
    empty = np.zeros((0, 2), np.float32)
    if len(original.points) < 4 or len(copy.points) < 4:
        return empty, empty
    likeness = original.descriptors @ copy.descriptors.T
    best = likeness.argmax(1)
    rows = np.arange(len(likeness))
    top = likeness[rows, best]
    mutual = likeness.argmax(0)[best] == rows
    likeness[rows, best] = -1.0
    second = likeness.max(1)
    distance, next_distance = (np.sqrt(np.maximum(2 - 2 * x, 0.0)) for x in (top, second))
    good = mutual & (distance < RATIO * np.maximum(next_distance, 1e-6))
    return original.points[good], copy.points[best[good]]


def estimate(from_points: np.ndarray, to_points: np.ndarray) -> Match | None:
    """Return the homography under which most points agree, or None where too few do."""
    if len(from_points) < FEWEST_INLIERS:
        return None
    matrix, inlying = cv2.findHomography(
        from_points, to_points, cv2.USAC_MAGSAC, REPROJECTION, maxIters=2000, confidence=0.999
    )
    if matrix is None:
        return None
    kept = inlying.ravel().astype(bool)
    count = int(kept.sum())
    if count < FEWEST_INLIERS or not _plausible(matrix, from_points[kept]):
        return None
    return count, _simplest(matrix, from_points[kept], to_points[kept])


def _simplest(matrix: np.ndarray, originals: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Return a similarity or an affine map if it fits as well, since a homography overfits."""

    def error(candidate: np.ndarray) -> float:
        moved = moved_points(candidate, originals)
        return float(np.median(np.linalg.norm(moved - copies, axis=1)))

    for fit in (cv2.estimateAffinePartial2D, cv2.estimateAffine2D):
        found, _ = fit(originals, copies, method=cv2.RANSAC, ransacReprojThreshold=REPROJECTION)
        if found is not None:
            simpler = np.vstack([found, [0.0, 0.0, 1.0]])
            if error(simpler) < 1.1 * error(matrix) + 0.03:
                return simpler
    return matrix


def _plausible(matrix: np.ndarray, points: np.ndarray) -> bool:
    size = max(points.std(), 8.0)
    around = points.mean(0) + np.array([[0, 0], [1, 0], [0, 1]], float) * size
    moved = moved_points(matrix, around)
    a, b = (moved[1:] - moved[0]) / size
    area = a[0] * b[1] - a[1] * b[0]
    sides = sorted((float(np.linalg.norm(a)), float(np.linalg.norm(b))))
    stretch = sides[1] / max(1e-6, sides[0])
    return bool(0.03 < area < 30.0 and stretch < 2.0 and np.linalg.norm(points.std(0)) > 12.0)


def moved_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points [N, 2] under a homography."""
    homogeneous = np.hstack([points, np.ones((len(points), 1))]) @ matrix.T
    moved: np.ndarray = homogeneous[:, :2] / homogeneous[:, 2:]
    return moved


def moved_face(face: Detection, matrix: np.ndarray) -> Detection:
    """Return a face under a homography."""
    x0, y0, x1, y1 = face.box
    edge = moved_points(matrix, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
    points = moved_points(matrix, np.array(face.landmarks))
    return Detection.of(np.concatenate([edge.min(0), edge.max(0)]), points, face.confidence)


def mirrored(width: int) -> np.ndarray:
    """Return the homography that mirrors a picture of that width."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def corners(width: float, height: float) -> np.ndarray:
    """Return the corners of a picture, clockwise from the upper left, float [4, 2]."""
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], float)


Size = tuple[int, ...]  # width and height, px


def moved_to(
    matrix: np.ndarray, originals: tuple[Size, Size], copies: tuple[Size, Size]
) -> np.ndarray:
    """Return the homography between resized pictures, given each one's old and new size."""

    def resize(before: Size, after: Size) -> np.ndarray:
        x, y = after[0] / before[0], after[1] / before[1]
        return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])

    scaled = resize(*copies) @ matrix @ np.linalg.inv(resize(*originals))
    unit: np.ndarray = scaled / scaled[2, 2]
    return unit


def refined(
    matrix: np.ndarray, original: np.ndarray, copy: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Return a homography refined by brightness (ECC, Evangelidis and Psarakis 2008) where the
    mask, uint8 [H, W], of the copy is set; unchanged where that does not converge."""
    height, width = copy.shape
    warped = cv2.warpPerspective(original, matrix, (width, height), flags=cv2.INTER_LINEAR)
    end = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    try:
        start = np.eye(3, dtype=np.float32)
        _, step = cv2.findTransformECC(copy, warped, start, cv2.MOTION_HOMOGRAPHY, end, mask, 5)
    except cv2.error:
        return matrix
    moved: np.ndarray = np.linalg.inv(step.astype(float)) @ matrix
    edge = corners(original.shape[1], original.shape[0])
    furthest = np.abs(moved_points(moved, edge) - moved_points(matrix, edge)).max()
    again = cv2.warpPerspective(original, moved, (width, height), flags=cv2.INTER_LINEAR)
    better = _likeness(again, copy, mask) > _likeness(warped, copy, mask)
    return moved if better and furthest <= 0.06 * max(width, height) else matrix


def _likeness(one: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    kept = mask > 0
    return correlation(one[kept], other[kept]) if kept.sum() >= 64 else -1.0


def described(
    matrix: np.ndarray, original: tuple[int, int], copy: tuple[int, int]
) -> SpaceAlignment:
    """Describe a homography (px of the original to px of the copy) as rotation, scale and crop;
    both sizes are (width, height)."""
    edge = corners(*original)
    moved = moved_points(matrix, edge).astype(np.float32)
    area = abs(cv2.contourArea(moved))
    overlap, _ = cv2.intersectConvexConvex(moved, corners(*copy).astype(np.float32))
    kept = min(1.0, overlap / area) if area > 0 else 0.0
    flipped = cv2.contourArea(moved, oriented=True) < 0
    to = moved_points(matrix @ mirrored(original[0]) if flipped else matrix, edge)
    similar, _ = cv2.estimateAffinePartial2D(edge.astype(np.float32), to.astype(np.float32))
    if similar is None:
        similar = np.eye(2, 3)
    bent = moved_points(np.vstack([similar, [0, 0, 1]]), edge) - to
    low, high = moved.min(0), moved.max(0)
    covered = overlap / (copy[0] * copy[1])
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return SpaceAlignment(
        mirrored=bool(flipped),
        rotation=round(float(np.degrees(np.arctan2(similar[1, 0], similar[0, 0]))), 2),
        scale=round(float(np.hypot(similar[0, 0], similar[1, 0])), 4),
        kept=round(float(kept), 4),
        frame=box if covered < 1 - 2 * ROUNDING else None,
        perspective=round(float(np.abs(bent).max() / copy[0]), 4),
    )


@dataclass(frozen=True)
class FrameThumbnails:
    """A file's thumbnails for alignment in time, and key frames for alignment in space."""

    times: tuple[float, ...]
    thumbs: np.ndarray  # uint8 [N, h, w], luma
    keys: tuple[np.ndarray, ...]  # uint8 [H, W], luma, evenly spread

    @functools.cached_property
    def features(self) -> list[Features]:
        """Return features of each key frame."""
        return [features(key) for key in self.keys]

    @functools.cached_property
    def mirrored(self) -> list[Features]:
        """Return features of each mirrored key frame."""
        return [features(np.ascontiguousarray(key[:, ::-1])) for key in self.keys]


@dataclass(frozen=True)
class Aligned:
    """Matched times, and the homography of the original into the copy."""

    copy_times: tuple[float, ...]
    original_times: tuple[float, ...]
    matrix: np.ndarray  # float [3, 3]: px of the original to px of the copy, at full size


def read_thumbnails(source: FootageReader, times: Sequence[float], keys: int) -> FrameThumbnails:
    """Read a file's thumbnails at `times`, s, with `keys` key frames."""
    chosen = {round(i) for i in np.linspace(0, len(times) - 1, min(keys, len(times)))}
    moments: list[float] = []
    thumbs: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    size = source.fit(THUMB_SIDE)
    for frame in source.frames(times, FEATURE_SIDE):
        luma = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY)
        moments.append(frame.time)
        thumbs.append(cv2.resize(luma, size, interpolation=cv2.INTER_AREA))
        if frame.index in chosen:
            kept.append(luma)
    stack = np.array(thumbs) if thumbs else np.zeros((0, size[1], size[0]), np.uint8)
    return FrameThumbnails(tuple(moments), stack, tuple(kept))


def align(
    copy: FootageReader, original: FootageReader, theirs: FrameThumbnails, shown: Span
) -> Aligned | None:
    """Align a stretch of the copy with the original, of which `theirs` are thumbnails; return None
    if they have no picture in common."""
    ours = read_thumbnails(copy, copy.spread(COPY_FRAMES, shown.start, shown.end), COPY_KEYS)
    if not ours.times or not theirs.times:
        return None
    sizes = [one.keys[0].shape[1::-1] for one in (theirs, ours)]
    # A moving camera shows one place at two times: the right homography fits all moments.
    tried = []
    for found in locate(ours, theirs):
        matrix = moved_to(found, (sizes[0], original.size), (sizes[1], copy.size))
        tried.append((*_match_times(copy, original, ours, theirs, matrix), matrix))
    if not tried:
        return None
    _, times, matrix = min(tried, key=lambda one: one[0])
    step = (original.media.duration or 0.0) / max(1, len(theirs.times))
    if step > FINE_STEP and len(theirs.times) >= ORIGINAL_FRAMES:
        low, high = min(times) - 2 * step, max(times) + 2 * step
        theirs = read_thumbnails(original, original.spread(ORIGINAL_FRAMES, low, high), 2)
        _, times = _match_times(copy, original, ours, theirs, matrix)
    return Aligned(ours.times, tuple(times), matrix)


def locate(ours: FrameThumbnails, theirs: FrameThumbnails) -> list[np.ndarray]:
    """Return the homographies that key frames agree on, the best first."""
    copies = ours.features

    @functools.cache
    def agreed(original: Features, copy: Features) -> Match | None:
        return estimate(*matched(original, copy))

    best: Match | None = None
    base = np.eye(3)
    originals: list[Features] = []
    for flip in (False, True):
        turned = mirrored(theirs.keys[0].shape[1]) if flip else np.eye(3)
        known = theirs.mirrored if flip else theirs.features
        found = _most_inliers([known[len(known) // 2], known[0], known[-1]], copies, agreed)
        if found is None or found[0] < ENOUGH_INLIERS:
            found = _most_inliers(known, copies, agreed) or found
        if found is not None and (best is None or found[0] > best[0]):
            best, base, originals = found, turned, known
        if best is not None and best[0] >= ENOUGH_INLIERS:
            break
    if best is None:
        return []
    each = (_most_inliers(originals, [copy], agreed) for copy in copies)
    ranked = sorted((m for m in each if m is not None), key=lambda m: -m[0])
    return [matrix @ base for _inliers, matrix in ranked[:CANDIDATES]]


def _most_inliers(
    originals: Sequence[Features],
    copies: Sequence[Features],
    agreed: Callable[[Features, Features], Match | None],
) -> Match | None:
    found = (agreed(original, copy) for original in originals for copy in copies)
    return max((m for m in found if m is not None), key=lambda m: m[0], default=None)


def _match_times(
    copy: FootageReader,
    original: FootageReader,
    ours: FrameThumbnails,
    theirs: FrameThumbnails,
    matrix: np.ndarray,
) -> tuple[float, list[float]]:
    """Return the mean squared difference of matched frames, and for each frame of the copy its
    time in the original, s."""
    size, from_size = (one.thumbs.shape[:0:-1] for one in (ours, theirs))
    small = moved_to(matrix, (original.size, from_size), (copy.size, size))
    filled = np.full(from_size[::-1], 255, np.uint8)
    valid = (cv2.warpPerspective(filled, small, size) > 250).ravel()
    if valid.sum() < 50:
        return np.inf, [theirs.times[0]] * len(ours.times)
    warped = np.stack([
        cv2.warpPerspective(thumb, small, size) for thumb in theirs.thumbs
    ]).reshape(len(theirs.times), -1).astype(np.float32)  # fmt: skip
    copies = ours.thumbs.reshape(len(ours.times), -1).astype(np.float32)
    a, b = warped[:, valid], copies[:, valid]
    gain = float(b.std() / max(a.std(), 1.0))
    graded = (warped - a.mean()) * gain + b.mean()
    # Weight regions that move in both: a still wall adds noise, and a caption misleads.
    moving = np.minimum(np.minimum(graded.std(0), copies.std(0)), 20.0)
    weights = valid * (0.05 + moving / 20.0)
    # Weighted mean squared differences of all pairs, float32 [N, M].
    root = np.sqrt(weights / max(float(weights.sum()), 1e-6)).astype(np.float32)
    a, b = copies * root, graded * root
    cost = np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * (a @ b.T), 0.0)
    indices = time_path(cost, ours.times, theirs.times)
    rows = np.arange(len(indices))
    return float(cost[rows, indices].mean()), [theirs.times[index] for index in indices]


def time_path(
    cost: np.ndarray, copy_times: Sequence[float], original_times: Sequence[float]
) -> np.ndarray:
    """Return the original's frame for each of the copy along the cheapest path, int [N]; `cost` is
    float [N, M]."""
    times, moments = np.asarray(original_times, float), np.asarray(copy_times, float)
    best = np.partition(cost, min(1, cost.shape[1] - 1), axis=1)[:, 0]
    unit = max(float(np.median(best)), 0.25)
    scaled = np.minimum((cost - best[:, None]) / unit, 4 * CUT_PRICE)
    gaps = times[:, None] - times
    total = scaled[0].astype(float)
    came = np.zeros(cost.shape, np.int32)
    for row in range(1, len(moments)):
        late = np.abs(gaps - (moments[row] - moments[row - 1]))
        reach = total + np.minimum(STEP_PRICE * late, CUT_PRICE)
        came[row] = reach.argmin(1)
        total = reach.min(1) + scaled[row]
    indices = np.empty(len(moments), int)
    indices[-1] = int(total.argmin())
    for row in range(len(moments) - 1, 0, -1):
        indices[row - 1] = came[row, indices[row]]
    return indices


def stretches(copy_times: Sequence[float], original_times: Sequence[float]) -> list[SharedStretch]:
    """Return matched times as stretches without a cut."""
    return [
        SharedStretch(
            copy_start=round(copy_times[first], 3),
            copy_end=round(copy_times[last - 1], 3),
            original_start=round(original_times[first], 3),
            original_end=round(original_times[last - 1], 3),
        )
        for first, last in ranges(copy_times, original_times)
    ]


def ranges(copy_times: Sequence[float], original_times: Sequence[float]) -> list[tuple[int, int]]:
    """Return begin and end of each stretch without a cut, as indices."""
    steps, original_steps = np.diff(copy_times), np.diff(original_times)
    cuts = np.abs(original_steps - steps) > CUT_SECONDS + 0.15 * steps
    return list(pairwise([0, *(np.flatnonzero(cuts) + 1).tolist(), len(copy_times)]))


def rate(copy_times: Sequence[float], original_times: Sequence[float]) -> float:
    """Return the playback rate, s of the original for one of the copy, by the median slope (Theil
    1950)."""
    a, b = np.asarray(copy_times, float), np.asarray(original_times, float)
    gaps = a[None] - a[:, None]
    far = gaps > 0.3 * (a[-1] - a[0]) if len(a) > 2 else np.zeros_like(gaps, bool)
    if not far.any() or a[-1] - a[0] < SHORTEST:
        return 1.0
    return round(float(np.median((b[None] - b[:, None])[far] / gaps[far])), 4)


def time_residuals(copy_times: Sequence[float], original_times: Sequence[float]) -> np.ndarray:
    """Return each moment's deviation from even playback, s."""
    played = rate(copy_times, original_times) * np.asarray(copy_times, float)
    late = np.asarray(original_times, float) - played
    return np.abs(late - np.median(late))
