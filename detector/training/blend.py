"""Self-blended images (Shiohara & Yamasaki, CVPR 2022): fakes made of one untouched picture.

A face is blended with a slightly changed copy of itself under a soft mask. What is left to see is
what swaps have in common whatever made them: a border within the face, and two regions that differ
in color, sharpness, grain or place. Written from the paper, with masks drawn from five landmarks
in place of a dense set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detector.vision.alignment import similarity

Points = Sequence[tuple[float, float]]

# Outlines in the face's own frame: the origin between the eyes, x along the eyes (1 = their
# distance), y towards the mouth (1 = eyes to mouth).
_JAW = ((0.86, -0.1), (0.88, 0.35), (0.8, 0.85), (0.58, 1.3), (0.27, 1.58), (0.0, 1.64))
_BROW = ((0.0, -0.55), (0.4, -0.55), (0.75, -0.42))
_FOREHEAD = ((0.0, -1.1), (0.45, -1.0), (0.78, -0.6))


def _mirrored(right: Sequence[tuple[float, float]]) -> np.ndarray:
    left = [(-x, y) for x, y in reversed(right) if x > 0]
    return np.array([*right, *left], np.float32)


_OUTLINES = {
    "face": _mirrored((*_BROW, *_JAW)),
    "head": _mirrored((*_FOREHEAD, *_JAW)),
    "inner": _mirrored(
        ((0.0, -0.4), (0.7, -0.35), (0.72, 0.2), (0.5, 0.9), (0.35, 1.25), (0.0, 1.32))
    ),
    "lower": _mirrored(
        ((0.0, 0.35), (0.45, 0.5), (0.7, 0.6), (0.75, 0.9), (0.56, 1.3), (0.27, 1.56), (0.0, 1.62))
    ),
    "mouth": _mirrored(
        ((0.0, 0.68), (0.3, 0.72), (0.5, 0.95), (0.42, 1.2), (0.2, 1.36), (0.0, 1.4))
    ),
}
_SHARES = {"face": 0.45, "head": 0.15, "inner": 0.2, "lower": 0.12, "mouth": 0.08}

# Where landmarks lie in DFDC's tight crops, as shares of the side (median of 4,943, made even on
# both sides): for pictures whose landmarks were not found, one in a hundred. The bundled Blend was
# trained with the eyes taken to be 0.09 higher.
AVERAGE = ((0.293, 0.287), (0.707, 0.287), (0.5, 0.493), (0.331, 0.738), (0.669, 0.738))


@dataclass(frozen=True)
class BlendParams:
    """What one blending does; drawn once, so that the frames of a clip can share it.

    Attributes
    ----------
    outline : float32 array [K, 2]
        Region in the face's frame.
    strength : float
        0..1, of the changed copy within the region.
    feather : float
        Softness of the border, in shares of the eyes' distance.
    wave_seed : int
        Of the uneven border.
    matrix : float array [2, 3]
        Small move of the copy, in shares of the picture's side.
    color : float array [3, 2]
        Gain and shift a channel.
    soft, sharp, shrink : float
        Blur (px), sharpening and size loss of the copy.
    outside : bool
        The surroundings are changed instead of the face.
    """

    outline: np.ndarray
    strength: float
    feather: float
    wave_seed: int
    matrix: np.ndarray
    color: np.ndarray
    soft: float
    sharp: float
    shrink: float
    outside: bool


def draw(rng: np.random.Generator) -> BlendParams:
    """Draw a blending."""
    names = list(_SHARES)
    outline = _OUTLINES[names[rng.choice(len(names), p=list(_SHARES.values()))]]
    outline = outline * rng.uniform(0.88, 1.08, (1, 2)) + rng.normal(0, 0.04, outline.shape)
    grow = 1 + rng.uniform(-0.035, 0.035)
    turn = np.deg2rad(rng.normal(0, 1.2))
    move = rng.uniform(-0.025, 0.025, 2)
    cos, sin = grow * np.cos(turn), grow * np.sin(turn)
    # About the middle of the picture.
    matrix = np.array(
        [[cos, -sin, 0.5 - 0.5 * cos + 0.5 * sin], [sin, cos, 0.5 - 0.5 * sin - 0.5 * cos]]
    )
    matrix[:, 2] += move
    gain = rng.uniform(0.88, 1.12) * rng.uniform(0.95, 1.05, 3)
    shift = rng.uniform(-12, 12) + rng.uniform(-8, 8, 3)
    if rng.random() < 0.25:
        gain, shift = np.ones(3), np.zeros(3)
    how = rng.random()
    return BlendParams(
        outline=outline.astype(np.float32),
        strength=float(rng.choice([0.5, 0.75, 1.0, 1.0, 1.0])),
        feather=float(rng.uniform(0.03, 0.3)),
        wave_seed=int(rng.integers(2**31)),
        matrix=matrix,
        color=np.stack([gain, shift], 1),
        soft=float(rng.uniform(0.4, 1.6)) if how < 0.35 else 0.0,
        sharp=float(rng.uniform(0.3, 1.0)) if 0.35 <= how < 0.5 else 0.0,
        shrink=float(rng.uniform(0.35, 0.85)) if 0.5 <= how < 0.85 else 1.0,
        outside=bool(rng.random() < 0.25),
    )


def mask(shape: tuple[int, int], points: Points, blend: BlendParams) -> np.ndarray:
    """Return the soft region of a blending: float32 [H, W] in 0..strength, exactly 0 away from it.

    Parameters
    ----------
    shape : (H, W)
    points : five landmarks in px (left eye, right eye, nose, mouth corners)
    """
    height, width = shape
    five = np.asarray(points, np.float32)
    middle = (five[0] + five[1]) / 2
    along = five[1] - five[0]
    down = (five[3] + five[4]) / 2 - middle
    outline = middle + blend.outline[:, :1] * along + blend.outline[:, 1:] * down
    # A rough small map, enlarged, gives the border its waves.
    rough = np.random.default_rng(blend.wave_seed).normal(0, 1, (2, 8, 8)).astype(np.float32)
    reach = 0.05 * float(np.hypot(*along))
    waves = [cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in rough]
    filled: np.ndarray = np.zeros((height, width), np.uint8)
    cv2.fillPoly(filled, [np.round(outline).astype(np.int32)], 255)
    grid_y, grid_x = np.mgrid[:height, :width].astype(np.float32)
    map_x, map_y = grid_x + waves[0] * reach, grid_y + waves[1] * reach
    filled = cv2.remap(filled, map_x, map_y, cv2.INTER_LINEAR)
    size = max(1, round(blend.feather * float(np.hypot(*along)) / 2)) * 2 + 1
    # Blur inwards: cut what lies outside the region, so that nothing changes beyond it.
    soft = cv2.blur(cv2.blur(filled, (size, size)), (size, size)).astype(np.float32) / 255
    soft = np.clip(soft * 2 - 1, 0, 1) if size > 3 else soft
    return soft * blend.strength


def known(points: Points, shape: tuple[int, ...]) -> Points:
    """Return landmarks in px, or the average place in a tight crop of this height and width."""
    if len(points) == 5:
        return points
    return [(x * shape[1], y * shape[0]) for x, y in AVERAGE]


def apply(picture: np.ndarray, points: Points, blend: BlendParams) -> np.ndarray:
    """Blend a picture with its changed copy.

    Parameters
    ----------
    picture : uint8 array [H, W, 3]
    points : five landmarks in px; empty: the average place in a tight crop

    Returns
    -------
    uint8 array [H, W, 3]
    """
    height, width = picture.shape[:2]
    copy = _changed(picture, blend)
    weight = mask((height, width), known(points, (height, width)), blend)[..., None]
    if blend.outside:
        # The face stays and what is around it is the copy: the same border, seen from outside.
        # Black that `cut` put beyond the picture's edge stays black, or its color would tell.
        copy = np.where(picture.any(axis=2, keepdims=True), copy, picture)
        return mixed(copy, picture, weight)
    return mixed(picture, copy, weight)


def mixed(under: np.ndarray, over: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return one picture, or clip, with a share of another laid over it: uint8."""
    out: np.ndarray = np.round(under * (1 - weight) + over * weight).clip(0, 255).astype(np.uint8)
    return out


def nearest(points: Points, others: Sequence[Points], *, tight: bool = False) -> int | None:
    """Return which of the others has landmarks most alike, without scale, turn and place.

    Where none has landmarks, or these are not known: in tight crops the first, since the average
    place serves there; else None.
    """
    unknown = 0 if tight and others else None
    if len(points) != 5:
        return unknown
    own = np.asarray(points, float)
    far = [_misfit(np.asarray(p, float), own) if len(p) == 5 else np.inf for p in others]
    return int(np.argmin(far)) if far and np.isfinite(min(far)) else unknown


def of_two(
    picture: np.ndarray, points: Points, donor: np.ndarray, donor_points: Points, blend: BlendParams
) -> np.ndarray:
    """Blend somebody else's face into a picture (Face X-ray: Li et al., CVPR 2020).

    The donor's face is laid over by its landmarks, its color brought to that of the face it covers,
    then it is changed and blended as in `apply`.

    Parameters
    ----------
    picture, donor : uint8 arrays [H, W, 3]
    points, donor_points : five landmarks in px; empty: the average place in a tight crop

    Returns
    -------
    uint8 array [H, W, 3]
    """
    height, width = picture.shape[:2]
    points = known(points, (height, width))
    donor_points = known(donor_points, donor.shape[:2])
    matrix = similarity(np.asarray(donor_points, float), np.asarray(points, float))
    laid = cv2.warpAffine(donor, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    weight = mask((height, width), points, blend)[..., None]
    inside = weight[..., 0] > 0.1
    if inside.any():
        own, new = picture[inside].astype(np.float32), laid[inside].astype(np.float32)
        gain = own.std(0) / (new.std(0) + 1e-3)
        levels = (laid.astype(np.float32) - new.mean(0)) * gain + own.mean(0)
        laid = np.clip(levels, 0, 255).astype(np.uint8)
    return mixed(picture, _changed(laid, blend), weight)


def _misfit(source: np.ndarray, target: np.ndarray) -> float:
    matrix = similarity(source, target)
    moved = source @ matrix[:, :2].T + matrix[:, 2]
    size = float(np.hypot(*(target[1] - target[0]))) + 1e-6
    return float(np.abs(moved - target).mean()) / size


def _changed(picture: np.ndarray, blend: BlendParams) -> np.ndarray:
    height, width = picture.shape[:2]
    copy = picture
    if blend.shrink < 1:
        small = (max(8, round(width * blend.shrink)), max(8, round(height * blend.shrink)))
        copy = cv2.resize(copy, small, interpolation=cv2.INTER_AREA)
        copy = cv2.resize(copy, (width, height), interpolation=cv2.INTER_CUBIC)
    if blend.soft:
        copy = cv2.GaussianBlur(copy, (0, 0), blend.soft)
    if blend.sharp:
        blurred = cv2.GaussianBlur(copy, (0, 0), 1.5)
        copy = cv2.addWeighted(copy, 1 + blend.sharp, blurred, -blend.sharp, 0)
    levels = np.arange(256, dtype=np.float32)
    tables = [(levels * g + s).clip(0, 255).astype(np.uint8) for g, s in blend.color]
    copy = cv2.merge([cv2.LUT(copy[..., c], tables[c]) for c in range(3)])
    if not blend.outside:
        matrix = blend.matrix.copy()
        matrix[:, 2] *= (width, height)
        matrix[0, 1] *= width / height
        matrix[1, 0] *= height / width
        copy = cv2.warpAffine(copy, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return copy
