"""Detection of a face that moves like a face of the other file, whatever the pictures show.

A face generated from driving footage shares its movement and none of its pictures. The
widest face is tracked, aligned and measured by optical flow (DIS, Kroeger et al., ECCV 2016); the
movements of both files are correlated at every offset. The significance of a correlation follows
from the autocorrelation of both series (Bartlett, J. R. Stat. Soc. 98, 1935), so that one slow nod
is not significant. docs/experiments.md has the pairs that the thresholds rest on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from detector.comparison.align import FootageReader
from detector.comparison.fingerprint import POINTS, face_detector
from detector.schema.comparison import Comparison, ComparisonFinding, MovementTrace, SharedMovement
from detector.vision import Detection, widest
from detector.vision.alignment import similarity

RATE = 25.0  # Hz, at which movements are compared
FEWEST = 18  # steps of 1 / `RATE` in which a face has to be seen
COPY_SECONDS, ORIGINAL_SECONDS = 12.0, 120.0  # analyzed, from the start
THRESHOLD = 9.0  # Score from which two faces share their movement
USUAL_OFFSETS, FOR_TENFOLD = 60, 0.7
"""Number of offsets of the threshold, and its rise for ten times as many."""
BEGINNING, TOGETHER = 0.06, 0.8
"""s within which both begin together, and the reduction of the threshold for this one offset"""
WHOLE = 7.5  # Threshold where both begin and end together
STEADY, HALVES = 2, 40
"""Steps by which the offsets of both halves may differ; fewest steps of which halves are taken."""
_MOST_RATE = 31.0
_SIDE, _CELLS = 160, 20
_LONG, _SMALLEST = 640, 20
_ABOUT = 0.5  # s about a frame whose faces give its alignment
_BURST = 3.0  # Most that a step may move, in multiples of the median, so that no cut dominates
_JUMP = 0.7  # Largest movement of a face between frames, in eye distances
_TESTED = 6  # offsets whose significance is computed
_OVERLAP = 0.6  # Least share of the shorter series that has to overlap
_y, _x = np.mgrid[:_CELLS, :_CELLS]
_FACE = ((_x - 9.5) / 6.5) ** 2 + ((_y - 10.5) / 8) ** 2 < 1


def _rigid_motions() -> np.ndarray:
    """Return the flow of cells for growth, roll, right and down of a head, [2 * cells, 4]."""
    y, x = np.nonzero(_FACE)
    across, along = (x - 9.5) / 8, (y - 10.5) / 8
    one, none = np.ones(len(x)), np.zeros(len(x))
    right = np.stack([across, -along, one, none], axis=1)
    down = np.stack([along, across, none, one], axis=1)
    return np.concatenate([right, down])


_RIGID = _rigid_motions()
_numbers = np.full((_CELLS, _CELLS), -1)
_numbers[_FACE] = np.arange(_FACE.sum())
_MIRRORED = _numbers[:, ::-1][_FACE]


@dataclass(frozen=True)
class Movement:
    """Movement of one face, in px a second of an aligned square of 160 px, at `RATE`."""

    start: float  # s of the first step
    head: np.ndarray  # float [N, 4]: growth, roll, right, down; NaN where no face is
    features: np.ndarray  # float [N, 2 * cells]: the remaining movement in it, right and then down

    def mirrored(self) -> Movement:
        """Return the movement of the mirrored picture."""
        right, down = np.split(self.features, 2, axis=1)
        return Movement(
            self.start,
            self.head * (1, -1, -1, 1),
            np.concatenate([-right[:, _MIRRORED], down[:, _MIRRORED]], axis=1),
        )


def read(reader: FootageReader, start: float, seconds: float) -> Movement | None:
    """Measure the movement of the widest face of a stretch; None if none is visible long enough."""
    end = min(reader.media.duration or 0.0, start + seconds)
    if (end - start) * RATE < FEWEST:
        return None
    times, pictures, faces = _track(reader, start, end)
    if len(times) < FEWEST:
        return None
    points = np.array([f.landmarks if f else np.full((5, 2), np.nan) for f in faces])
    about = max(1, round(_ABOUT / max(1e-3, float(np.median(np.diff(times))))))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    middles = (times[:-1] + times[1:]) / 2
    moved = np.array([
        _flow(flow, pictures, points, i, about) / (times[i + 1] - times[i])
        for i in range(len(times) - 1)
    ])  # fmt: skip
    return _resampled(middles, moved)


def _track(
    reader: FootageReader, start: float, end: float
) -> tuple[np.ndarray, list[np.ndarray], list[Detection | None]]:
    rate = min(reader.media.fps or RATE, _MOST_RATE)
    times: list[float] = []
    pictures: list[np.ndarray] = []
    faces: list[Detection | None] = []
    last: Detection | None = None
    wanted = reader.spread(max(1, round((end - start) * rate)), start, end)
    for frame in reader.frames(wanted, _LONG):
        refined = face_detector().refine(frame.rgb, [last]) if last is not None else []
        last = widest(refined) or widest(face_detector().detect(frame.rgb, _SMALLEST))
        if times and frame.time <= times[-1]:
            continue
        times.append(frame.time)
        pictures.append(cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY))
        faces.append(last)
    return np.array(times), pictures, faces


def _flow(
    flow: cv2.DISOpticalFlow, pictures: Sequence[np.ndarray], points: np.ndarray, i: int, about: int
) -> np.ndarray:
    """Return the flow of cells from picture `i` to the next, px [2 * cells]; NaN without a face."""
    near = points[max(0, i - about) : i + about + 1]
    seen = near[~np.isnan(near[:, 0, 0])]
    step = points[i + 1].mean(0) - points[i].mean(0)
    span = np.linalg.norm(points[i][1] - points[i][0])
    if np.isnan(step).any() or np.linalg.norm(step) > _JUMP * span:
        return np.full(2 * len(_MIRRORED), np.nan)
    onto = similarity(np.median(seen, axis=0), np.array(POINTS) * _SIDE)
    before, after = (
        cv2.warpAffine(
            pictures[k], onto, (_SIDE, _SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
        for k in (i, i + 1)
    )
    moved = flow.calc(before, after, np.zeros((_SIDE, _SIDE, 2), np.float32))
    cells = cv2.resize(moved, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    return np.concatenate([cells[_FACE][:, 0], cells[_FACE][:, 1]])


def _resampled(middles: np.ndarray, moved: np.ndarray) -> Movement | None:
    seen = ~np.isnan(moved[:, 0])
    if seen.sum() < FEWEST - 1:
        return None
    grid = np.arange(middles[0], middles[-1] + 1e-6, 1 / RATE)
    share = np.interp(grid, middles, seen.astype(float))
    even = np.stack(
        [np.interp(grid, middles[seen], moved[seen, k]) for k in range(moved.shape[1])], axis=1
    )
    even[share < 0.5] = np.nan
    head = even @ np.linalg.pinv(_RIGID).T
    return Movement(float(grid[0]), _limited(head), _limited(even - head @ _RIGID.T))


def _limited(moved: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(moved, axis=1)
    most = _BURST * np.nanmedian(size)
    limited: np.ndarray = moved * np.minimum(1, most / np.maximum(size, 1e-9))[:, None]
    return limited


@dataclass(frozen=True)
class Synchrony:
    """Similarity of two movements at the best offset."""

    score: float  # about 4.6 by chance
    threshold: float
    lag: int  # steps of the original minus steps of the copy
    head: float
    features: float  # correlations, -1..1
    mirrored: bool
    steady: bool  # Both halves have the same offset, if they are long enough

    @property
    def is_certain(self) -> bool:
        """Return True if the similarity is significant."""
        return self.steady and self.score >= self.threshold


def with_movement(result: Comparison, copy: FootageReader, original: FootageReader) -> Comparison:
    """Return the comparison with shared movement as its finding, if the pictures are not the same
    footage or not comparable, and a face moves alike in both."""
    anew = result.finding is ComparisonFinding.NOT_COMPARABLE
    if not anew and result.finding is not ComparisonFinding.NOT_SAME_FOOTAGE:
        return result
    ours = read(copy, 0.0, COPY_SECONDS)
    theirs = read(original, 0.0, ORIGINAL_SECONDS) if ours is not None else None
    if ours is None or theirs is None:
        return result
    found = synchrony(ours, theirs)
    if found is None or not found.is_certain:
        return result
    shared = _shared_movement(ours, theirs, found)
    update: dict[str, object] = {"finding": ComparisonFinding.SAME_MOVEMENT, "movement": shared}
    if not anew:
        time = result.time.model_copy(update={"offset": shared.offset})
        update |= {"reason": "", "time": time}
    return result.model_copy(update=update)


def synchrony(copy: Movement, original: Movement) -> Synchrony | None:
    """Compare movements at the best offset, mirrored or not; None if they are too short."""
    found = [
        alike
        for mirrored in (False, True)
        if (alike := _best(copy.mirrored() if mirrored else copy, original, mirrored)) is not None
    ]
    return max(found, key=lambda alike: alike.score - alike.threshold, default=None)


def _best(copy: Movement, original: Movement, mirrored: bool) -> Synchrony | None:
    shorter = min(len(copy.head), len(original.head))
    least = max(FEWEST, round(_OVERLAP * shorter))
    lags = np.arange(least - len(copy.head), len(original.head) - least + 1)
    pairs = [_correlations(copy, original, int(lag)) for lag in lags]
    plain = np.array([_fisher(*pair) for pair in pairs])
    if not len(plain) or np.isnan(plain).all():
        return None
    offsets = original.start - copy.start + lags / RATE
    more = FOR_TENFOLD * float(np.log10(max(1.0, len(lags) / USUAL_OFFSETS)))
    thresholds = np.where(np.abs(offsets) <= BEGINNING, THRESHOLD - TOGETHER, THRESHOLD + more)
    if abs(len(copy.head) - len(original.head)) <= 1:  # equally long
        thresholds[np.abs(offsets) <= 0.5 / RATE] = WHOLE
    known = np.nan_to_num(plain, nan=-np.inf)
    tested = {*np.argsort(known)[::-1][:_TESTED], *np.flatnonzero(np.abs(offsets) <= BEGINNING)}
    scores = {
        int(k): float(plain[k]) + _significance(copy, original, int(lags[k]))
        for k in tested
        if not np.isnan(plain[k])
    }
    best = max(scores, key=lambda k: scores[k] - thresholds[k])
    lag = int(lags[best])
    return Synchrony(
        score=scores[best],
        threshold=float(thresholds[best]),
        lag=lag,
        head=pairs[best][0],
        features=pairs[best][1],
        mirrored=mirrored,
        steady=_steady(copy, original, lag),
    )


def _overlap(copy: Movement, original: Movement, lag: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return heads and features of both, centered, with step k of the copy at step k + lag of the
    original; 0 where one shows no face, and nothing for too few steps."""
    first, second = max(0, -lag), max(0, lag)
    n = min(len(copy.head) - first, len(original.head) - second)
    pairs = [
        (a[first : first + n], b[second : second + n])
        for a, b in ((copy.head, original.head), (copy.features, original.features))
    ]
    seen = ~np.isnan(pairs[0][0][:, 0] + pairs[0][1][:, 0])
    if seen.sum() < FEWEST:
        return []
    centered = ([np.where(seen[:, None], x - x[seen].mean(0), 0.0) for x in pair] for pair in pairs)
    return [(a, b) for a, b in centered]


def _correlations(copy: Movement, original: Movement, lag: int) -> tuple[float, float]:
    found = [
        float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))
        for a, b in _overlap(copy, original, lag)
    ]
    return (found[0], found[1]) if found else (np.nan, np.nan)


def _fisher(head: float, features: float) -> float:
    return float(np.arctanh(min(head, 0.999)) + 2 * np.arctanh(min(features, 0.999)))


def _significance(copy: Movement, original: Movement, lag: int) -> float:
    """Return the correlations of heads plus features, in standard deviations by chance."""
    deviations = 0.0
    for a, b in _overlap(copy, original, lag):
        n, crossed = len(a), a @ b.T
        # The variance of the summed products of two independent stationary series.
        variance = 0.0
        for k in range(n):
            weight = (1 - 1.5 * k / n) * (n - k) / n**2 * (2 if k else 1)
            if weight <= 0:
                break
            variance += weight * float((crossed[: n - k, : n - k] * crossed[k:, k:]).sum())
        deviations += float((a * b).sum()) / float(np.sqrt(max(variance, 1e-12)))
    return deviations


def _steady(copy: Movement, original: Movement, lag: int) -> bool:
    """Return True if each half has the offset of the whole: a repeated sentence drifts."""
    steps = len(_overlap(copy, original, lag)[0][0])
    if steps < HALVES:
        return True
    first = max(0, -lag)
    middle = first + steps // 2
    for part in (slice(first, middle), slice(middle, first + steps)):
        half = Movement(0.0, copy.head[part], copy.features[part])
        scores = [
            (_fisher(*_correlations(half, original, lag + part.start + shift)), abs(shift))
            for shift in range(-4 * STEADY, 4 * STEADY + 1)
        ]
        scores = [(score, off) for score, off in scores if not np.isnan(score)]
        if scores and max(scores)[1] > STEADY:
            return False
    return True


def _shared_movement(copy: Movement, original: Movement, found: Synchrony) -> SharedMovement:
    copy = copy.mirrored() if found.mirrored else copy
    heads, features = _overlap(copy, original, found.lag)
    return SharedMovement(
        score=round(found.score, 2),
        needed=round(found.threshold, 2),
        seconds=round(len(heads[0]) / RATE, 2),
        start=round(copy.start + max(0, -found.lag) / RATE, 3),
        offset=round(original.start - copy.start + found.lag / RATE, 3),
        step=1 / RATE,
        mirrored=found.mirrored,
        traces=[_trace("head", found.head, *heads), _trace("features", found.features, *features)],
    )


def _trace(
    what: Literal["head", "features"], correlation: float, a: np.ndarray, b: np.ndarray
) -> MovementTrace:
    main = np.linalg.svd(np.concatenate([a, b]), full_matrices=False)[2][0]
    ours, theirs = ((x @ main) / max(1e-9, float((x @ main).std())) for x in (a, b))
    return MovementTrace(
        what=what,
        correlation=round(correlation, 3),
        of_copy=[round(float(x), 2) for x in ours],
        of_original=[round(float(x), 2) for x in theirs],
    )
