"""The map that all moments share: where the original's picture lies in the copy's.

Where something moves, a wrong map can be made up for by a wrong moment, and a wrong moment by a
wrong map. So maps are held against each other: the best is that under which the pictures differ
least, each at the best of the frames about it. What differs by far, as a caption does, pulls none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import cv2
import numpy as np

from detector.comparison import geometry, grading, timing
from detector.comparison.geometry import Described
from detector.comparison.moments import MomentPair, rest_mask, timed
from detector.comparison.reading import gray

POOLED = 6
"""moments whose features make the map that all share, and by which maps are held against each
other"""
STEADY, STILL, HELD = 0.9, 0.75, 2
"""What a moment's own map may leave of what differs under the shared one before it counts as moved,
also where that is edges to edges, and how many moments have to be for a camera held by hand."""
NEAR = 0.1
"""Share of the picture by which another map may move a corner and still be one of the same."""
SAMPLES = 3000
"""pixels of a moment that are looked at"""
MOST_OFF = 30.0
"""gray levels: what differs by more, differs by this"""
BETTER, FREER = 0.98, 0.93
"""What another map may leave of what differs, to be taken in place of the one before it; and one by
brightness in place of edges to edges, which a caption on a dark jacket bends."""


def refined(found: Sequence[MomentPair], described: Described | None = None) -> list[MomentPair]:
    """Return the moments with their maps made exact, one for all where it is steady, and with the
    frames of the original that fit best under them. `described` is asked for features of pictures
    and may know some."""
    if not found:
        return []
    step = max(1, len(found) // POOLED)
    some = slice(None, None, step)
    looks = [_Look.of(pair) for pair in found[some]]
    plain = _as_it_lies(found[0])
    base = _best(looks, [plain, found[0].matrix, _pooled(found[some], described or Described())])
    own = [_own(pair, base) for pair in found[some]]
    shared = _best(looks, [base, *own])
    if base is plain and _misfit(looks, shared) > FREER * _misfit(looks, plain):
        shared = plain
    left = [
        look.misfit(m) / max(look.misfit(shared), 1e-6) for look, m in zip(looks, own, strict=True)
    ]
    if sum(share < (STILL if shared is plain else STEADY) for share in left) < HELD:
        maps = [shared] * len(found)
    else:  # a camera held by hand before a screen
        seen = dict(zip(range(0, len(found), step), zip(looks, own, strict=True), strict=True))
        each = (
            seen.get(place) or (_Look.of(pair), _own(pair, base))
            for place, pair in enumerate(found)
        )
        maps = [_best([look], [base, matrix]) for look, matrix in each]
    placed = [replace(pair, matrix=m) for pair, m in zip(found, maps, strict=True)]
    return _timed(placed)


def _timed(placed: Sequence[MomentPair]) -> list[MomentPair]:
    """Return the moments as frames of the original or mixtures of two where these play on evenly,
    else as frames: of another take any moment can be mixed, and is as like as that makes it."""
    both = [timed(pair) for pair in placed]
    mixed = [mixture or one for one, mixture in both]
    times = [pair.time for pair in mixed], [pair.original_time for pair in mixed]
    gaps = [b.time - a.time for pair in placed for a, b in pairwise(pair.around)]
    if gaps and timing.steady(*times, float(np.median(gaps))):
        return mixed
    return [one for one, _ in both]


@dataclass(frozen=True)
class _Look:
    """Some pixels of a moment outside faces, and the frames in which they may be. None that the
    original lacks: the wall about a filmed screen."""

    points: np.ndarray
    """float [N, 2], px of the copy"""
    levels: np.ndarray
    """float [N], gray levels there"""
    frames: tuple[np.ndarray, ...]
    """float32 [H, W], gray levels, of the original"""
    known: dict[bytes, float] = field(default_factory=dict)
    """misfit by the map"""

    @classmethod
    def of(cls, pair: MomentPair) -> _Look:
        mask = rest_mask(pair)
        if mask.mean() < 0.1:
            mask[:] = True
        shown = mask & _shown(pair, pair.matrix)
        rows, columns = np.nonzero(shown if shown.any() else mask)
        kept = slice(None, None, max(1, len(rows) // SAMPLES))
        levels = grading.blurred(gray(pair.copy), 1.0)[rows[kept], columns[kept]]
        points = np.stack([columns[kept], rows[kept]], 1).astype(float)
        frames = tuple(grading.blurred(gray(frame.rgb), 1.0) for frame in pair.around)
        return cls(points, levels.astype(float), frames)

    def misfit(self, matrix: np.ndarray) -> float:
        """Return by how many gray levels the two differ under a map, at the best frame."""
        key = matrix.tobytes()
        if key not in self.known:
            at = geometry.moved_points(np.linalg.inv(matrix), self.points).astype(np.float32)
            self.known[key] = min(self._misfit(frame, at) for frame in self.frames)
        return self.known[key]

    def _misfit(self, frame: np.ndarray, at: np.ndarray) -> float:
        x, y = np.ascontiguousarray(at[:, :1]), np.ascontiguousarray(at[:, 1:])
        shown = cv2.remap(
            frame, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-1
        )[:, 0]
        seen = shown >= 0
        if seen.sum() < max(64, len(seen) / 2):
            return MOST_OFF
        gain, offset = grading.brightness(shown[seen], self.levels[seen])
        off = np.abs(shown * gain + offset - self.levels)
        return float(np.where(seen, np.minimum(off, MOST_OFF), MOST_OFF).mean())


def _best(looks: Sequence[_Look], maps: Sequence[np.ndarray]) -> np.ndarray:
    """Return the map under which least differs; of those that do nearly as well the first."""
    best, least = maps[0], np.inf
    for matrix in maps:
        misfit = _misfit(looks, matrix)
        if misfit < BETTER * least:
            best, least = matrix, misfit
    return best


def _misfit(looks: Sequence[_Look], matrix: np.ndarray) -> float:
    return float(np.mean([look.misfit(matrix) for look in looks]))


def _as_it_lies(pair: MomentPair) -> np.ndarray:
    """Return the map of one picture's edges to the other's, which most copies have, where that is
    near the one that was found; else that."""
    (height, width), (to_height, to_width) = (rgb.shape[:2] for rgb in (pair.original, pair.copy))
    turned = geometry.mirrored(width) if _flips(pair.matrix) else np.eye(3)
    scale = to_width / width, to_height / height
    matrix = geometry.rescaled(np.eye(3), (1.0, 1.0), scale) @ turned
    edge = geometry.corners(width, height)
    apart = geometry.moved_points(matrix, edge) - geometry.moved_points(pair.matrix, edge)
    return matrix if np.abs(apart).max() < NEAR * max(to_height, to_width) else pair.matrix


def _flips(matrix: np.ndarray) -> bool:
    return bool(np.linalg.det(matrix) < 0)


def _pooled(found: Sequence[MomentPair], described: Described) -> np.ndarray:
    """Return the map that features of several moments agree on, faces left out."""
    before = found[0].matrix
    originals, copies = [], []
    for pair in found:
        mask = rest_mask(pair)
        if mask.mean() < 0.1:
            mask[:] = True
        theirs = described(pair.original, _flips(before))
        matches = geometry.matched(theirs, geometry.within(described(pair.copy), mask))
        originals.append(matches[0])
        copies.append(matches[1])
    match = geometry.estimate(np.concatenate(originals), np.concatenate(copies))
    if match is None:
        return before
    width, height = found[0].original.shape[1::-1]
    matrix = match.matrix @ geometry.mirrored(width) if _flips(before) else match.matrix
    edge = geometry.corners(width, height)
    apart = np.abs(geometry.moved_points(matrix, edge) - geometry.moved_points(before, edge)).max()
    return matrix if apart < NEAR * max(found[0].copy.shape) else before


def _own(pair: MomentPair, matrix: np.ndarray) -> np.ndarray:
    """Return a map moved to where one moment's brightness agrees best, at its best frame."""
    pair, _ = timed(replace(pair, matrix=matrix), mixed=False)
    mask = rest_mask(pair)
    if mask.mean() < 0.1:
        mask[:] = True
    valid = _shown(pair, matrix).astype(np.uint8)
    both = (mask & cv2.erode(valid, np.ones((9, 9))).astype(bool)).astype(np.uint8)
    return geometry.refined(matrix, gray(pair.original), gray(pair.copy), both)


def _shown(pair: MomentPair, matrix: np.ndarray) -> np.ndarray:
    """Return where the copy shows the original's picture under a map, bool [H, W]."""
    filled = np.full(pair.original.shape[:2], 255, np.uint8)
    shown: np.ndarray = cv2.warpPerspective(filled, matrix, pair.copy.shape[1::-1]) > 250
    return shown
