"""When the copy shows what the original shows: a monotone path through all pairs of frames.

The path may step by any distance in the original, at a price that grows with how far the step is
from that of even play and has an upper end: so dropped and doubled frames, another frame rate and
drift cost little, and a cut costs the same wherever it leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detector.schema.comparison import SharedStretch

STEP_PRICE, CUT_PRICE = 2.0, 40.0
"""Of a second's deviation from even play, and the most that a step costs, in units of the noise."""
SHORTEST, FASTEST = 0.5, 2.5
"""s from which a rate can be told; how many times as fast or slow a copy may be played"""
MANY, ENOUGH, NEARLY_ALL = 12, 0.9, 0.9
"""Moments, s, and share of the moments, from which it is told how fast a copy is played."""
CUT_SECONDS = 0.35
"""A step that deviates by more is a cut."""
ROUNDED = 1e-3
"""s by which times of frames are off, as files state them"""
LONG = 6
"""moments between cuts, from which it can be told whether they play evenly"""


@dataclass(frozen=True)
class Path:
    """For each frame of the copy a frame of the original."""

    indices: np.ndarray
    """int [N]"""
    distances: np.ndarray
    """float [N]: mean squared difference of the two, gray levels²"""


def distances(copies: np.ndarray, originals: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return mean squared differences of all pairs, float32 [N, M], of the pictures [N, P] and
    [M, P] with a weight for each pixel [P]."""
    root = np.sqrt(weights / max(float(weights.sum()), 1e-6)).astype(np.float32)
    a, b = copies * root, originals * root
    pairs = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * (a @ b.T)
    return np.asarray(np.maximum(pairs, 0.0), np.float32)


def path(cost: np.ndarray, copy_times: Sequence[float], original_times: Sequence[float]) -> Path:
    """Return the cheapest path (Viterbi) through `distances`.

    Parameters
    ----------
    cost : float [N, M]
    copy_times, original_times : s, ascending
    """
    times, moments = np.asarray(original_times, float), np.asarray(copy_times, float)
    best = np.partition(cost, min(1, cost.shape[1] - 1), axis=1)[:, 0]
    unit = max(float(np.median(best)), 0.25)
    scaled = np.minimum((cost - best[:, None]) / unit, 4 * CUT_PRICE)
    total = scaled[0].astype(float)
    came = np.zeros(cost.shape, np.int32)
    columns = np.arange(len(times))
    for row in range(1, len(moments)):
        # Even play leads from j to the frame that is as much later as the copy is.
        step = moments[row] - moments[row - 1]
        at = times - step
        lowest = int(total.argmin())
        reach, source = _reached(total, times, at)
        cut = total[lowest] + CUT_PRICE
        stay = reach > cut
        came[row] = np.where(stay, lowest, source)
        total = np.where(stay, cut, reach) + scaled[row]
    indices = np.empty(len(moments), int)
    indices[-1] = int(total.argmin())
    for row in range(len(moments) - 1, 0, -1):
        indices[row - 1] = came[row, indices[row]]
    return Path(indices, cost[np.arange(len(moments)), columns[indices]])


def _reached(total: np.ndarray, times: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each place `at` (s, ascending) the cheapest way there, and from which frame: a
    distance transform with a linear price, in two sweeps."""
    price = STEP_PRICE / 0.1
    columns = np.arange(len(times))

    def sweep(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lowest = np.minimum.accumulate(values)
        fresh = np.concatenate([[True], values[1:] < lowest[:-1]])
        return lowest, np.maximum.accumulate(np.where(fresh, columns, 0))

    left, left_from = sweep(total - price * times)
    right, right_from = (x[::-1] for x in sweep((total + price * times)[::-1]))
    right_from = len(times) - 1 - right_from
    under = np.searchsorted(times, at + 1e-6, side="right") - 1
    over = under + 1
    below = np.where(under >= 0, left[np.maximum(under, 0)] + price * at, np.inf)
    last = len(times) - 1
    above = np.where(over <= last, right[np.minimum(over, last)] - price * at, np.inf)
    source = np.where(
        below <= above, left_from[np.maximum(under, 0)], right_from[np.minimum(over, last)]
    )
    return np.minimum(below, above), source


def stretches(copy_times: Sequence[float], original_times: Sequence[float]) -> list[SharedStretch]:
    """Return matched times as stretches without a cut."""
    return [
        SharedStretch(
            copy_start=round(copy_times[first], 3),
            copy_end=round(copy_times[last - 1], 3),
            original_start=round(original_times[first], 3),
            original_end=round(original_times[last - 1], 3),
        )
        for first, last in _ranges(copy_times, original_times)
    ]


def rate(copy_times: Sequence[float], original_times: Sequence[float]) -> float:
    """Return seconds of the original for one of the copy, by the median slope (Theil 1950)."""
    a, b = np.asarray(copy_times, float), np.asarray(original_times, float)
    gaps = a[None] - a[:, None]
    far = gaps > 0.3 * (a[-1] - a[0]) if len(a) > 2 else np.zeros_like(gaps, bool)
    if not far.any() or a[-1] - a[0] < SHORTEST:
        return 1.0
    return round(float(np.median((b[None] - b[:, None])[far] / gaps[far])), 4)


def steady(copy_times: Sequence[float], original_times: Sequence[float], within: float) -> bool:
    """Whether nearly all moments lie within so many seconds of one `rate`."""
    return bool((_off(copy_times, original_times) <= within + ROUNDED).mean() >= NEARLY_ALL)


def even(copy_times: Sequence[float], original_times: Sequence[float], within: float) -> bool:
    """Whether moments are `steady` over long enough to tell at which rate: forward or back, as fast
    as the original or not."""
    long = len(copy_times) >= MANY and copy_times[-1] - copy_times[0] >= ENOUGH
    return long and steady(copy_times, original_times, within)


def plays(copy_times: Sequence[float], original_times: Sequence[float]) -> bool:
    """Whether the original runs on as the copy does, at most `FASTEST` times as fast or slow: the
    pictures of another take are alike at moments that stand still or go back."""
    within = [
        rate(copy_times[first:last], original_times[first:last])
        for first, last in _ranges(copy_times, original_times)
        if copy_times[last - 1] - copy_times[first] >= SHORTEST
    ]
    whole = copy_times[-1] - copy_times[0]
    if whole < 2 * SHORTEST:
        return not within or 1 / FASTEST <= within[0] <= FASTEST
    running = sum(
        copy_times[last - 1] - copy_times[first]
        for first, last in _ranges(copy_times, original_times)
        if copy_times[last - 1] - copy_times[first] >= SHORTEST
    )
    # Of a montage of other moments, too, most is longer than that.
    if running < 0.5 * whole:
        return False
    return 1 / FASTEST <= float(np.median(within)) <= FASTEST


def unsteady(copy_times: Sequence[float], original_times: Sequence[float]) -> float:
    """Return by how much the matched times lie off even play, s, three quarters of them at most;
    from one stretch to the next play may begin anew."""
    off = [
        _off(copy_times[first:last], original_times[first:last])
        for first, last in _ranges(copy_times, original_times)
    ]
    return float(np.percentile(np.concatenate(off), 75))


def on_time(copy_times: Sequence[float], original_times: Sequence[float], within: float) -> float:
    """Return the share of the moments that lie within so many seconds of even play, in stretches
    that are long enough to tell."""
    exact = 0
    for first, last in _ranges(copy_times, original_times):
        if last - first >= LONG:
            off = _off(copy_times[first:last], original_times[first:last])
            exact += int((off <= within + ROUNDED).sum())
    return exact / len(copy_times)


def _off(copy_times: Sequence[float], original_times: Sequence[float]) -> np.ndarray:
    """Return by how much each moment of a stretch lies off even play, s."""
    played = rate(copy_times, original_times) * np.asarray(copy_times, float)
    late = np.asarray(original_times, float) - played
    return np.abs(late - np.median(late))


def _ranges(copy_times: Sequence[float], original_times: Sequence[float]) -> list[tuple[int, int]]:
    """Return begin and end of each stretch without a cut, as places in the lists."""
    found, begin = [], 0
    for index in range(1, len(copy_times) + 1):
        if index < len(copy_times):
            step = copy_times[index] - copy_times[index - 1]
            original_step = original_times[index] - original_times[index - 1]
            if abs(original_step - step) <= CUT_SECONDS + 0.15 * step:
                continue
        found.append((begin, index))
        begin = index
    return found
