"""Where the pixels of one picture are in the other: local features, and a robust homography.

Features are SIFT (Lowe 2004) as RootSIFT (Arandjelović and Zisserman 2012), matched both ways;
the homography is MAGSAC++ (Barath et al. 2020). A mirrored original is tried beside the original.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detector.schema.comparison import SpaceAlignment

FEATURES = 700
RATIO = 0.85
"""Of the distances to the best and to the second best match, above which a match is no match."""
REPROJECTION = 2.5
"""px of the working size"""
FEWEST_INLIERS = 12
"""Matches under one homography from which two pictures may show the same place: eight points by
chance are the most seen between 2,000 pairs of unrelated frames."""
FREER = 0.05
"""Share of what still differs that a homography has to take away over an affine map."""
EDGE = 0.02
"""Share of the picture that may be missing through rounding alone."""


@dataclass(frozen=True, eq=False)
class Features:
    """Local features of one picture; each is itself alone, so that it can be looked up."""

    points: np.ndarray
    """float32 [N, 2], px"""
    descriptors: np.ndarray
    """float32 [N, 128], of unit length"""


@dataclass(frozen=True)
class Match:
    """A homography and what it rests on."""

    matrix: np.ndarray
    """float64 [3, 3], px of the original (not mirrored) to px of the copy"""
    inliers: int
    share: float
    """of the matches, 0..1"""
    pairs: tuple[np.ndarray, np.ndarray]
    """Points that agree, of the original and of the copy: float32 [N, 2]."""


def features(luma: np.ndarray) -> Features:
    """Return the local features of a picture, uint8 [H, W]."""
    sift = cv2.SIFT.create(nfeatures=FEATURES, contrastThreshold=0.015, edgeThreshold=15)
    points, descriptors = sift.detectAndCompute(luma, None)
    if descriptors is None or not len(points):
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    rooted = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-6))
    places = np.array([point.pt for point in points], np.float32)
    return Features(places, rooted.astype(np.float32))


class Described:
    """The features of pictures, found once for each."""

    def __init__(self) -> None:
        # With the picture, which keeps its number from being another's.
        self._known: dict[tuple[int, bool], tuple[np.ndarray, Features]] = {}

    def __call__(self, rgb: np.ndarray, flip: bool = False) -> Features:
        """Return the features of a picture, uint8 [H, W, 3], or of its mirror image."""
        key = id(rgb), flip
        if key not in self._known:
            shown = np.ascontiguousarray(rgb[:, ::-1]) if flip else rgb
            self._known[key] = rgb, features(cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY))
        return self._known[key][1]


def within(found: Features, mask: np.ndarray) -> Features:
    """Return those of a picture's features where `mask`, bool [H, W], is."""
    height, width = mask.shape
    columns, rows = (found.points + 0.5).astype(int).T
    kept = mask[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return Features(found.points[kept], found.descriptors[kept])


def mirrored(width: int) -> np.ndarray:
    """Return the homography that mirrors a picture of that width."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def matched(original: Features, copy: Features) -> tuple[np.ndarray, np.ndarray]:
    """Return points of both that are each other's best match, float32 [N, 2] each."""
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
    if count < FEWEST_INLIERS or not plausible(matrix, from_points[kept]):
        return None
    pairs = from_points[kept], to_points[kept]
    return Match(simplest(matrix, *pairs), count, count / len(kept), pairs)


def simplest(matrix: np.ndarray, originals: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Return a turn, scale and shift, or an affine map, where it does as well as the homography: a
    freer one bends where there are no points."""
    error = _error(matrix, originals, copies)
    for fit in (cv2.estimateAffinePartial2D, cv2.estimateAffine2D):
        found, _ = fit(originals, copies, method=cv2.RANSAC, ransacReprojThreshold=REPROJECTION)
        if found is not None:
            simpler = np.vstack([found, [0.0, 0.0, 1.0]])
            if _error(simpler, originals, copies) < 1.1 * error + 0.03:
                return simpler
    return matrix


def _error(matrix: np.ndarray, originals: np.ndarray, copies: np.ndarray) -> float:
    moved = moved_points(matrix, originals)
    return float(np.median(np.linalg.norm(moved - copies, axis=1)))


def moved_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return points [N, 2] under a homography."""
    homogeneous = np.hstack([points, np.ones((len(points), 1))]) @ matrix.T
    moved: np.ndarray = homogeneous[:, :2] / homogeneous[:, 2:]
    return moved


def plausible(matrix: np.ndarray, points: np.ndarray) -> bool:
    """Whether a homography is one of a picture shown again: no flip, no fold, no extreme scale."""
    center = points.mean(0)
    around = center + np.array([[0, 0], [1, 0], [0, 1]], float) * max(points.std(), 8.0)
    moved = moved_points(matrix, around)
    a, b = (moved[1:] - moved[0]) / max(points.std(), 8.0)
    area = a[0] * b[1] - a[1] * b[0]
    spread = np.linalg.norm(points.std(0))
    sides = sorted((float(np.linalg.norm(a)), float(np.linalg.norm(b))))
    stretch = sides[1] / max(1e-6, sides[0])
    return bool(0.03 < area < 30.0 and stretch < 2.0 and spread > 12.0)


def quarter_turns(matrix: np.ndarray, width: float, height: float) -> int:
    """Return by how many quarter turns, clockwise, a homography turns a picture of that size (or
    its mirror image): 0 to 3."""
    edge = corners(width, height)
    moved = moved_points(matrix, edge)
    if cv2.contourArea(moved.astype(np.float32), oriented=True) < 0:
        moved = moved[[1, 0, 3, 2]]  # a mirrored picture's upper edge runs the other way
    right = (moved[1] - moved[0]) + (moved[2] - moved[3])
    return int(np.round(np.degrees(np.arctan2(right[1], right[0])) / 90)) % 4


def corners(width: float, height: float) -> np.ndarray:
    """Return the corners of a picture, clockwise from the upper left, float [4, 2]."""
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], float)


def rescaled(
    matrix: np.ndarray, from_scale: tuple[float, float], to_scale: tuple[float, float]
) -> np.ndarray:
    """Return a homography for pictures resized by `from_scale` and `to_scale`, (x, y) each: pixel
    centers lie at halves."""

    def resize(x: float, y: float) -> np.ndarray:
        return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1.0]])

    scaled = resize(*to_scale) @ matrix @ np.linalg.inv(resize(*from_scale))
    unit: np.ndarray = scaled / scaled[2, 2]
    return unit


def refined(
    matrix: np.ndarray, original: np.ndarray, copy: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Return a homography moved to where brightness agrees best (ECC, Evangelidis and Psarakis
    2008); as it was where that leads nowhere.

    Parameters
    ----------
    matrix : px of the original to px of the copy
    original, copy : float32 [H, W]
    mask : uint8 [H, W]
        Of the copy: where they are to agree.
    """
    height, width = copy.shape
    warped = cv2.warpPerspective(original, matrix, (width, height), flags=cv2.INTER_LINEAR)
    end = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
    best, found = _likeness(warped, copy, mask), matrix
    edge = corners(original.shape[1], original.shape[0])
    # Of the warped original onto the copy: close to unity.
    for kind, start, gain in (
        (cv2.MOTION_AFFINE, np.eye(2, 3, dtype=np.float32), 0.0),
        (cv2.MOTION_HOMOGRAPHY, np.eye(3, dtype=np.float32), FREER),
    ):
        try:
            _, step = cv2.findTransformECC(copy, warped, start, kind, end, mask, 5)
        except cv2.error:
            continue
        whole = np.vstack([step, [0, 0, 1]]) if len(step) == 2 else step
        moved = np.linalg.inv(whole.astype(float)) @ matrix
        furthest = np.abs(moved_points(moved, edge) - moved_points(matrix, edge)).max()
        if furthest > 0.06 * max(width, height):
            continue
        again = cv2.warpPerspective(original, moved, (width, height), flags=cv2.INTER_LINEAR)
        likeness = _likeness(again, copy, mask)
        if 1 - likeness < (1 - best) * (1 - gain):
            best, found = likeness, moved
    return found


def _likeness(one: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    kept = mask > 0
    if kept.sum() < 64:
        return -1.0
    a, b = one[kept] - one[kept].mean(), other[kept] - other[kept].mean()
    return float((a * b).sum() / max(1e-6, np.sqrt((a * a).sum() * (b * b).sum())))


def described(
    matrix: np.ndarray, original: tuple[int, int], copy: tuple[int, int]
) -> SpaceAlignment:
    """Return in words' terms what a homography does to a picture.

    Parameters
    ----------
    matrix : px of the original to px of the copy
    original, copy : (width, height)
    """
    edge = corners(*original)
    moved = moved_points(matrix, edge).astype(np.float32)
    area = abs(cv2.contourArea(moved))
    overlap, _ = cv2.intersectConvexConvex(moved, corners(*copy).astype(np.float32))
    kept = min(1.0, overlap / area) if area > 0 else 0.0
    flipped = cv2.contourArea(moved, oriented=True) < 0
    base = mirrored(original[0]) if flipped else np.eye(3)
    upright = matrix @ base
    to = moved_points(upright, edge)
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
        frame=box if covered < 1 - 2 * EDGE else None,
        perspective=round(float(np.abs(bent).max() / copy[0]), 4),
    )
