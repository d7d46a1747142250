"""How far two aligned moments differ inside each face, on its rim, and everywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detector.comparison import grading, noise
from detector.comparison.moments import MomentPair, draw
from detector.comparison.reading import gray
from detector.vision import Detection

FACE_WIDTH = 36
"""px to which faces are brought before they are measured: what encoders err by averages out, what
was put in its place does not"""
SMALLEST, LARGEST = 128, 480
"""px of the longer side at which pictures are measured"""
TILE = 8
"""px: about a fifth of a face"""
HEAD, RIM = 2.0, 1.4
"""Of a face's ellipse: what a swapped head may change, and the rim of the face."""
ENOUGH = 0.1
"""Share of the picture that has to lie beyond the rims of faces to say what is expected; else the
rims say so too, though what was put in a face's place may reach over them."""
TEXTURE = 4.0
"""gray levels of deviation within a tile from which it has something to tell"""
SOFTENED = 0.7
"""px of the Gaussian over both before they are subtracted"""


@dataclass(frozen=True)
class Layers:
    """One moment at the size at which it is measured."""

    scale: float
    """px here for a px of `MomentPair.copy`"""
    copy: np.ndarray
    """float32 [H, W, 3]"""
    original: np.ndarray
    """float32 [H, W, 3], where it lies in the copy"""
    change: np.ndarray
    """float32 [H, W]: from a frame of the original to the next, gray levels"""
    valid: np.ndarray
    """bool [H, W]: where the original has a picture"""
    faces: tuple[tuple[int, Detection], ...]

    def region(self, face: Detection, reach: float) -> np.ndarray:
        """Return a face's ellipse, `reach` times as large, bool [H, W]."""
        mask = np.zeros(self.valid.shape, np.uint8)
        draw(mask, face, reach, 1)
        inside: np.ndarray = mask.astype(bool) & self.valid
        return inside

    def rest(self, reach: float = HEAD) -> np.ndarray:
        """Return where no head is, bool [H, W]."""
        mask = self.valid.astype(np.uint8)
        for _, face in self.faces:
            draw(mask, face, reach, 0)
        return mask.astype(bool)


def scale_of(pairs: Sequence[MomentPair], wanted: float = FACE_WIDTH) -> float:
    """Return the scale at which a clip's moments are measured: faces are `wanted` px wide."""
    widths = [face.box[2] - face.box[0] for pair in pairs for _, face in pair.faces]
    side = max(pairs[0].copy.shape[:2])
    wish = wanted / float(np.median(widths)) if widths else LARGEST / side
    return float(min(1.0, max(SMALLEST / side, min(LARGEST / side, wish))))


def layers(pair: MomentPair, scale: float) -> Layers:
    """Return a moment at the size at which it is measured."""
    height, width = pair.copy.shape[:2]
    size = max(16, round(width * scale)), max(16, round(height * scale))

    def warped(rgb: np.ndarray) -> np.ndarray:
        # A picture that is made much smaller is softened first: pixels in between count too.
        shrink = 1.0 / max(1e-6, np.sqrt(abs(np.linalg.det(pair.matrix[:2, :2]))))
        soft = grading.blurred(rgb, 0.45 * np.sqrt(max(0.0, shrink**2 - 1)))
        there = cv2.warpPerspective(soft, pair.matrix, (width, height), flags=cv2.INTER_CUBIC)
        sized: np.ndarray = cv2.resize(there, size, interpolation=cv2.INTER_AREA)
        return sized

    filled = np.full(pair.original.shape[:2], 255, np.uint8)
    seen = cv2.warpPerspective(filled, pair.matrix, (width, height))
    seen = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
    valid = cv2.erode((seen > 254).astype(np.uint8), np.ones((3, 3)), borderValue=0) > 0
    original = warped(pair.original)
    change = np.abs(gray(original) - gray(warped(pair.before)))
    return Layers(
        scale=size[0] / width,
        copy=cv2.resize(pair.copy, size, interpolation=cv2.INTER_AREA).astype(np.float32),
        original=original.astype(np.float32),
        change=change,
        valid=valid,
        faces=tuple((n, _scaled(face, size[0] / width)) for n, face in pair.faces),
    )


def _scaled(face: Detection, scale: float) -> Detection:
    box = np.array(face.box) * scale
    return Detection.of(box, np.array(face.landmarks) * scale, face.confidence)


@dataclass(frozen=True)
class Region:
    """A part of one moment."""

    difference: float
    """mean gray levels"""
    expected: float
    """mean gray levels that re-encoding is expected to leave"""

    @property
    def ratio(self) -> float:
        """How many times as large as expected."""
        return self.difference / max(self.expected, 1e-6)


NOTHING = Region(0.0, noise.LEAST)


@dataclass(frozen=True)
class FaceMeasure:
    """One face at one moment."""

    person: int
    inside: Region
    upper: Region
    """above the tip of the nose"""
    lower: Region
    """below it"""
    rim: Region
    head: Region
    """between its rim and where heads end"""


@dataclass(frozen=True)
class MeasuredMoment:
    """One moment."""

    pair: MomentPair
    layers: Layers
    difference: np.ndarray
    """float32 [H, W], gray levels"""
    expected: np.ndarray
    """float32 [H, W], gray levels"""
    faces: tuple[FaceMeasure, ...]
    rest: Region
    tiles: np.ndarray
    """float [h, w]: ratio of each tile outside heads; NaN where there is none"""
    levels: np.ndarray
    """float [h, w]: gray levels of each tile; NaN where there is none"""
    alike: np.ndarray
    """float [h, w]: correlation of each tile outside faces; NaN where there is nothing to tell"""


def softer_of(all_layers: Sequence[Layers], graded: Sequence[np.ndarray]) -> float:
    """Return by how much the copy is softer, px of a Gaussian; below 0: the original is."""
    step = max(1, len(graded) // 5)
    return float(np.median([
        grading.softer(luma(original), luma(layer.copy), layer.rest(RIM))
        for original, layer in list(zip(graded, all_layers, strict=True))[::step]
    ]))  # fmt: skip


def measured(
    pairs: Sequence[MomentPair],
    all_layers: Sequence[Layers],
    graded: Sequence[np.ndarray],
    softer: float,
) -> list[MeasuredMoment]:
    """Return what differs at each moment, beside what is expected to; `graded` are the originals
    with the copy's colors, `softer` as of `softer_of`."""
    differences, activities = [], []
    for layer, original in zip(all_layers, graded, strict=True):
        differences.append(np.abs(np.subtract(*softened(layer, original, softer))).mean(2))
        matched = grading.blurred(original, max(0.0, softer))
        activities.append(noise.activity(luma(matched), layer.change))
    expected = _expected(all_layers, differences, activities)
    return [
        _measured(pair, layer, luma(original), difference, expected(activity))
        for pair, layer, original, difference, activity in zip(
            pairs, all_layers, graded, differences, activities, strict=True
        )
    ]


def softened(layer: Layers, original: np.ndarray, softer: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the original (with the copy's colors) and the copy, one as sharp as the other."""
    both = (original, max(0.0, softer)), (layer.copy, max(0.0, -softer))
    a, b = (grading.blurred(grading.blurred(rgb, by), SOFTENED) for rgb, by in both)
    return a, b


def luma(rgb: np.ndarray) -> np.ndarray:
    """Return the luma of a picture [H, W, 3], float32 [H, W]."""
    weighted: np.ndarray = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    return weighted


def _expected(
    all_layers: Sequence[Layers],
    differences: Sequence[np.ndarray],
    activities: Sequence[np.ndarray],
) -> noise.NoiseFloor:
    """Return the curve of the rest, hair and neck too; of rims as well where that is little."""
    for reach in (RIM, 1.0):
        masks = [layer.rest(reach) for layer in all_layers]
        shown = sum(int(layer.valid.sum()) for layer in all_layers)
        if sum(int(m.sum()) for m in masks) > ENOUGH * shown:
            break
    a = [activity[mask] for activity, mask in zip(activities, masks, strict=True)]
    d = [difference[mask] for difference, mask in zip(differences, masks, strict=True)]
    return noise.fit(a, d)


def _measured(
    pair: MomentPair,
    layer: Layers,
    original: np.ndarray,
    difference: np.ndarray,
    expected: np.ndarray,
) -> MeasuredMoment:
    def region(mask: np.ndarray) -> Region:
        if mask.sum() < 6:
            return NOTHING
        return Region(float(difference[mask].mean()), float(expected[mask].mean()))

    faces = []
    for person, face in layer.faces:
        inside = layer.region(face, 0.95)
        if inside.sum() < 20:
            continue
        below = _below_nose(face, inside.shape)
        rim = layer.region(face, RIM)
        faces.append(
            FaceMeasure(
                person,
                region(inside),
                region(inside & (below < -0.05)),
                region(inside & (below > 0.05)),
                region(rim & ~layer.region(face, 1.0)),
                region(layer.region(face, HEAD) & ~rim),
            )
        )
    rest = layer.rest()
    tiles, levels = _tiles(difference, expected, rest)
    everywhere = rest if rest.sum() > 50 else layer.rest(RIM)
    alike = correlation(original, luma(layer.copy), layer.rest(RIM))
    return MeasuredMoment(
        pair, layer, difference, expected, tuple(faces), region(everywhere), tiles, levels, alike
    )


def _below_nose(face: Detection, shape: tuple[int, ...]) -> np.ndarray:
    """Return how far each pixel lies below the tip of the nose, float [H, W], as a share of the
    face's height; the face may lie on its side."""
    points = np.array(face.landmarks)
    across, down = points[3:].mean(0) - points[:2].mean(0)
    rows, columns = np.indices(shape)
    x0, y0, x1, y1 = face.box
    below: np.ndarray
    if abs(down) >= abs(across):
        below = np.sign(down) * (rows - points[2][1]) / max(1e-6, y1 - y0)
    else:
        below = np.sign(across) * (columns - points[2][0]) / max(1e-6, x1 - x0)
    return below


def _tiles(
    difference: np.ndarray, expected: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return each tile's ratio and gray levels, float [h, w]; NaN where less than half is in the
    mask."""
    count = tile_sums(mask.astype(np.float32))
    inside = np.where(count >= TILE * TILE / 2, 1.0, np.nan)
    apart, wanted = tile_sums(difference * mask), tile_sums(expected * mask)
    return apart / np.maximum(wanted, 1e-6) * inside, apart / np.maximum(count, 1) * inside


def tile_sums(values: np.ndarray) -> np.ndarray:
    """Return the sum over each tile, float [h, w]."""
    rows, columns = (max(1, length // TILE) for length in values.shape)
    cut = values[: rows * TILE, : columns * TILE].astype(float)
    tall, wide = cut.shape[0] // rows, cut.shape[1] // columns
    summed: np.ndarray = cut.reshape(rows, tall, columns, wide).sum((1, 3))
    return summed


def correlation(original: np.ndarray, copy: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the correlation of two pictures in each tile, float [h, w] in -1..1; NaN where both
    are flat or less than half is in the mask."""
    weight = mask.astype(np.float32)
    count = np.maximum(tile_sums(weight), 1e-6)

    def centered(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = tile_sums(picture * weight) / count
        return mean, tile_sums(picture * picture * weight) / count - mean**2

    mean_a, var_a = centered(original)
    mean_b, var_b = centered(copy)
    both = tile_sums(original * copy * weight) / count - mean_a * mean_b
    alike = both / np.sqrt(np.maximum(var_a, TEXTURE**2 / 4) * np.maximum(var_b, TEXTURE**2 / 4))
    told = (np.maximum(var_a, var_b) > TEXTURE**2) & (count >= TILE * TILE / 2)
    return np.where(told, alike, np.nan)
