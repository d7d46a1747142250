"""Which moment and which place of the original each moment of the copy shows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from detector.comparison import geometry, timing
from detector.comparison.geometry import Features, Match
from detector.comparison.reading import FootageReader

COPY_FRAMES, ORIGINAL_FRAMES = 160, 900
"""that are matched in time; a longer file is looked at in larger steps"""
FEATURE_SIDE, THUMB_SIDE = 480, 128
"""px of the longer side: of pictures whose features are matched, of those matched in time"""
COPY_LOOKS, ORIGINAL_LOOKS, MOST_LOOKS = 6, 14, 48
"""frames whose features are matched; of a long original more, one in five seconds"""
CANDIDATES, APART = 4, 0.008
"""maps that are tried in time, and how far two lie apart at a corner, as a share of the picture"""
NEARLY = 0.03
"""Share of the picture by which a map of features may move a corner of a picture that lies as the
original does."""
ENOUGH = 150
"""Inliers from which no better pair is looked for."""
FINE = 0.12
"""s between frames of the original from which the stretch that was found is read again."""
ALIKE, PART_PRICE = 0.9, 1.3
"""Correlation from which pictures without features are tried as they lie; how many times a part
of one counts what it lacks, since there are many parts."""
NOWHERE = np.zeros((0, 2), np.float32)
PART_WIDTHS = tuple(np.arange(1.0, 0.44, -0.05))
"""of a copy's picture in the original's, that are tried"""


@dataclass(frozen=True)
class Small:
    """A file's frames for matching in time, and some for matching in place."""

    times: tuple[float, ...]
    thumbs: np.ndarray
    """uint8 [N, h, w], luma"""
    looks: tuple[np.ndarray, ...]
    """uint8 [H, W], luma, at even distances"""

    @functools.cached_property
    def features(self) -> list[Features]:
        """Those of each look."""
        return [geometry.features(look) for look in self.looks]

    @functools.cached_property
    def mirrored(self) -> list[Features]:
        """Those of each look's mirror image."""
        return [geometry.features(np.ascontiguousarray(look[:, ::-1])) for look in self.looks]


@dataclass(frozen=True)
class Aligned:
    """Pairs of moments, and where the original's picture lies in the copy's."""

    copy_times: tuple[float, ...]
    original_times: tuple[float, ...]
    matrix: np.ndarray
    """float [3, 3]: px of the original to px of the copy, at full size"""
    inliers: int


def read(source: FootageReader, times: Sequence[float], looks: int) -> Small:
    """Return a file's small frames at `times`, s."""
    chosen = {round(i) for i in np.linspace(0, len(times) - 1, min(looks, len(times)))}
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
    return Small(tuple(moments), stack, tuple(kept))


def known(original: FootageReader) -> Small:
    """Return the small frames of an original.

    Raises
    ------
    MediaError, Canceled
    """
    looks = int(np.clip((original.media.duration or 0.0) / 5.0, ORIGINAL_LOOKS, MOST_LOOKS))
    return read(original, original.spread(ORIGINAL_FRAMES), looks)


def align(
    copy: FootageReader,
    original: FootageReader,
    theirs: Small,
    start: float = 0.0,
    end: float | None = None,
) -> Aligned | None:
    """Return how a stretch of the copy (s; default: all of it) lies in the original, of which
    `theirs` are the small frames, or None where no picture of one is seen in the other.

    Raises
    ------
    MediaError, Canceled
    """
    ours = read(copy, copy.spread(COPY_FRAMES, start, end), COPY_LOOKS)
    if not ours.times or not theirs.times:
        return None
    found = _located(ours, theirs)
    if not found:
        return None
    # A camera that moves shows one place at two times: the right map is that under which all
    # moments fit.
    tried = []
    for match in found:
        matrix = _full(match.matrix, copy, original, ours, theirs)
        tried.append((*matched_times(copy, original, ours, theirs, matrix), matrix, match.inliers))
    _, times, matrix, inliers = min(tried, key=lambda one: one[0])
    step = (original.media.duration or 0.0) / max(1, len(theirs.times))
    if step > FINE and len(theirs.times) >= ORIGINAL_FRAMES:
        low, high = min(times) - 2 * step, max(times) + 2 * step
        theirs = read(original, original.spread(ORIGINAL_FRAMES, low, high), 2)
        _, times = matched_times(copy, original, ours, theirs, matrix)
    return Aligned(ours.times, tuple(times), matrix, inliers)


def _scale(source: FootageReader, shape: Sequence[int]) -> tuple[float, float]:
    return shape[1] / source.media.width, shape[0] / source.media.height


def _full(
    matrix: np.ndarray, copy: FootageReader, original: FootageReader, ours: Small, theirs: Small
) -> np.ndarray:
    """Return a homography of the looks as one of full pictures."""
    from_x, from_y = _scale(original, theirs.looks[0].shape)
    to_x, to_y = _scale(copy, ours.looks[0].shape)
    return geometry.rescaled(matrix, (1 / from_x, 1 / from_y), (1 / to_x, 1 / to_y))


def _located(ours: Small, theirs: Small) -> list[Match]:
    """Return the homographies that looks agree on, the best first; several where they differ."""
    copies = ours.features

    @functools.cache
    def agreed(original: Features, copy: Features) -> Match | None:
        return geometry.estimate(*geometry.matched(original, copy))

    best: Match | None = None
    base = np.eye(3)
    originals: list[Features] = []
    for flip in (False, True):
        turned = geometry.mirrored(theirs.looks[0].shape[1]) if flip else np.eye(3)
        described = theirs.mirrored if flip else theirs.features
        some = [described[len(described) // 2], described[0], described[-1]]
        found = _best(some, copies, agreed)
        if found is None or found.inliers < ENOUGH:
            found = _best(described, copies, agreed) or found
        if found is not None and (best is None or found.inliers > best.inliers):
            best, base, originals = found, turned, described
        if best is not None and best.inliers >= ENOUGH:
            break
    if best is None:
        return _apart(_by_brightness(ours, theirs), ours, theirs)
    each = [_best(originals, [copy], agreed) for copy in copies]
    ranked = sorted((m for m in (best, *each) if m is not None), key=lambda m: -m.inliers)
    edge = geometry.corners(*theirs.looks[0].shape[1::-1])
    # Most copies show the whole picture: that map is exact where the best one is near it.
    lying = replace(best, matrix=_stretch(ours, theirs))
    moved = geometry.moved_points(best.matrix, edge) - geometry.moved_points(lying.matrix, edge)
    if np.abs(moved).max() < NEARLY * max(ours.looks[0].shape):
        ranked.insert(0, lying)
    return [replace(match, matrix=match.matrix @ base) for match in _apart(ranked, ours, theirs)]


def _apart(ranked: Sequence[Match], ours: Small, theirs: Small) -> list[Match]:
    """Return the first of the maps that differ from each other."""
    edge = geometry.corners(*theirs.looks[0].shape[1::-1])
    apart = APART * max(ours.looks[0].shape)
    kept: list[Match] = []
    for match in ranked:
        moved = geometry.moved_points(match.matrix, edge)
        others = (geometry.moved_points(other.matrix, edge) for other in kept)
        if all(np.abs(moved - other).max() > apart for other in others):
            kept.append(match)
    return kept[:CANDIDATES]


def _best(
    originals: Sequence[Features],
    copies: Sequence[Features],
    agreed: Callable[[Features, Features], Match | None],
) -> Match | None:
    found = (agreed(original, copy) for original in originals for copy in copies)
    return max((m for m in found if m is not None), key=lambda m: m.inliers, default=None)


def _by_brightness(ours: Small, theirs: Small) -> list[Match]:
    """Return maps under which small pictures are most alike, as wholes or the copy's as a part of
    the original's, one for each of some moments: soft pictures have no features."""
    found: list[tuple[float, Match]] = []
    for copy in _some(ours.thumbs, 4):
        best, placed = ALIKE, None
        for flip in (False, True):
            for thumb in _some(theirs.thumbs, 12):
                shown = np.ascontiguousarray(thumb[:, ::-1]) if flip else thumb
                alike, matrix = _placed(shown, copy)
                if alike > best:
                    best, placed = alike, (shown, flip, matrix)
        if placed is not None:
            shown, flip, matrix = placed
            everywhere = np.ones(copy.shape, np.uint8)
            pictures = shown.astype(np.float32), copy.astype(np.float32)
            exact = geometry.refined(matrix, *pictures, everywhere)
            look, base = ours.looks[0].shape, theirs.looks[0].shape
            whole = geometry.rescaled(exact, _over(base, shown.shape), _over(look, copy.shape))
            turned = geometry.mirrored(base[1]) if flip else np.eye(3)
            found.append((best, Match(whole @ turned, 0, 0.0, (NOWHERE, NOWHERE))))
    return [match for _, match in sorted(found, key=lambda one: -one[0])]


def _placed(original: np.ndarray, copy: np.ndarray) -> tuple[float, np.ndarray]:
    """Return how alike the copy's picture is to the original's or the part of it where it is most
    alike, -1..1, and the map of that place."""
    best, matrix = -1.0, np.eye(3)
    for size in _sizes(original.shape, copy.shape):
        sized = cv2.resize(copy, size, interpolation=cv2.INTER_AREA)
        _, alike, _, (x, y) = cv2.minMaxLoc(
            cv2.matchTemplate(original, sized, cv2.TM_CCOEFF_NORMED)
        )
        if size != original.shape[::-1]:
            alike = 1 - (1 - alike) * PART_PRICE
        if alike > best:
            shifted = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y], [0.0, 0.0, 1.0]])
            scale = _over(copy.shape, sized.shape)
            best, matrix = alike, geometry.rescaled(np.eye(3), (1.0, 1.0), scale) @ shifted
    return best, matrix


def _some(thumbs: np.ndarray, count: int) -> np.ndarray:
    """Return up to so many pictures at even distances, or a few more."""
    return thumbs[:: max(1, len(thumbs) // count)]


def _sizes(original: tuple[int, ...], copy: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return which (width, height) a copy may have in the original's picture: all of it, or a part
    with its proportions."""
    height, width = original
    parts = [
        (round(width * share), round(width * share * copy[0] / copy[1])) for share in PART_WIDTHS
    ]
    return [(width, height), *(size for size in parts if size[1] <= height)]


def _stretch(ours: Small, theirs: Small) -> np.ndarray:
    """Return the map of one look's edges to the other's."""
    scale = _over(ours.looks[0].shape, theirs.looks[0].shape)
    return geometry.rescaled(np.eye(3), (1.0, 1.0), scale)


def _over(shape: Sequence[int], other: Sequence[int]) -> tuple[float, float]:
    """Return how many times as wide and high a picture is as another."""
    return shape[1] / other[1], shape[0] / other[0]


def matched_times(
    copy: FootageReader, original: FootageReader, ours: Small, theirs: Small, matrix: np.ndarray
) -> tuple[float, list[float]]:
    """Return how far the frames differ from those matched to them (mean squared gray levels), and
    the time in the original of each frame of the copy, s."""
    height, width = ours.thumbs.shape[1:]
    from_scale = _scale(original, theirs.thumbs.shape[1:])
    to_scale = width / copy.media.width, height / copy.media.height
    small = geometry.rescaled(matrix, from_scale, to_scale)
    seen = cv2.warpPerspective(
        np.full(theirs.thumbs.shape[1:], 255, np.uint8), small, (width, height)
    )
    valid = (seen > 250).ravel()
    if valid.sum() < 50:
        return np.inf, [theirs.times[0]] * len(ours.times)
    warped = np.stack([
        cv2.warpPerspective(thumb, small, (width, height), flags=cv2.INTER_LINEAR)
        for thumb in theirs.thumbs
    ]).reshape(len(theirs.times), -1).astype(np.float32)  # fmt: skip
    copies = ours.thumbs.reshape(len(ours.times), -1).astype(np.float32)
    # Brightness over all frames is made the same: what is left differs by moment.
    a, b = warped[:, valid], copies[:, valid]
    gain = float(b.std() / max(a.std(), 1.0))
    graded = (warped - a.mean()) * gain + b.mean()
    # What moves in both tells moments apart; a still wall only adds noise, and what a caption lies
    # over leads astray.
    moving = np.minimum(np.minimum(graded.std(0), copies.std(0)), 20.0)
    weights = valid * (0.05 + moving / 20.0)
    cost = timing.distances(copies, graded, weights.astype(np.float32))
    path = timing.path(cost, ours.times, theirs.times)
    times = [theirs.times[index] for index in path.indices]
    return float(np.mean(path.distances)), times
