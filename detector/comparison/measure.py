"""Measurement of the difference of two aligned moments: inside each face, on its rim, elsewhere.

Encoders err more at edges and in motion. The difference that re-encoding leaves at a pixel is
predicted from its activity (gradient, change in time) by a curve fitted to the background of the
two files; differences are measured in multiples of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

from detector.comparison import place
from detector.comparison.align import moved_face
from detector.comparison.place import CLIPPED, Colors, MomentPair, ellipses, gray
from detector.schema.comparison import Grading
from detector.vision import Detection

FACE_WIDTH, SHAPES_FACE_WIDTH = 36, 72
"""px to which faces are scaled for gray levels, so that encoder errors average out, and for shapes,
so that lids and lips are visible"""
SMALLEST, LARGEST = 128, 480  # px of the longer side of measured pictures
TILE = 8  # px: about a fifth of a face
INSIDE, HEAD, RIM = 0.95, 2.0, 1.4
"""Factors on a face's ellipse: the measured part, the reach of a swap, and the rim."""
NOSE = 0.13
"""Distance from the tip of the nose, as a share of that of eyes and mouth, that belongs to neither
half."""
ENOUGH = 0.1  # Share of the picture outside rims that suffices to fit the noise floor
TEXTURE = 4.0  # gray levels of deviation within a tile from which its correlation counts
SOFTENED = 0.7  # px of the Gaussian over both before subtraction
LEAST_NOISE = 0.6  # gray levels of rounding that are always expected
BINS, FEWEST_PIXELS = 10, 60  # of the noise curve, and pixels of one bin


@dataclass(frozen=True)
class Layers:
    """One moment at the measured size."""

    copy: np.ndarray  # float32 [H, W, 3]
    original: np.ndarray
    """float32 [H, W, 3], warped to the copy; after `graded` in its colors and light"""
    change: np.ndarray  # float32 [H, W]: from a frame of the original to the next, gray levels
    valid: np.ndarray  # bool [H, W]: where the original has a picture
    faces: tuple[tuple[int, Detection], ...]

    def region(self, face: Detection, reach: float) -> np.ndarray:
        """Return a face's ellipse, `reach` times as large, bool [H, W]."""
        return np.asarray(self.valid & ellipses(self.valid.shape, [face], reach))

    def rest(self, reach: float = HEAD) -> np.ndarray:
        """Return the region outside heads, bool [H, W]."""
        heads = ellipses(self.valid.shape, (face for _, face in self.faces), reach)
        return np.asarray(self.valid & ~heads)

    def lit(self, colors: Colors = place.UNCHANGED) -> "Layers":
        """Apply these colors and the copy's light to the original."""
        original = colors(self.original)
        light = place.fit_light(gray(original), gray(self.copy), self.rest(RIM))
        return replace(self, original=original if light is None else light(original))

    def equally_soft(self, softer: float) -> tuple[np.ndarray, np.ndarray]:
        """Return original and copy at one sharpness; `softer` as of `_softer`."""
        both = (self.original, max(0.0, softer)), (self.copy, max(0.0, -softer))
        a, b = (place.blurred(place.blurred(rgb, by), SOFTENED) for rgb, by in both)
        return a, b


def layers_of(pairs: Sequence[MomentPair], face_width: int = FACE_WIDTH) -> list[Layers]:
    """Return moments at the scale at which their faces are `face_width` px wide."""
    widths = [face.box[2] - face.box[0] for pair in pairs for _, face in pair.faces]
    side = max(pairs[0].copy.shape[:2])
    wish = face_width / float(np.median(widths)) if widths else LARGEST / side
    scale = float(min(1.0, max(SMALLEST / side, min(LARGEST / side, wish))))
    return [layers_at(pair, scale) for pair in pairs]


def layers_at(pair: MomentPair, scale: float) -> Layers:
    """Return a moment at `scale` times its size."""
    height, width = pair.copy.shape[:2]
    size = max(16, round(width * scale)), max(16, round(height * scale))
    scale = size[0] / width

    def warped(rgb: np.ndarray) -> np.ndarray:
        # Low-pass before a reduction, against aliasing.
        shrink = 1.0 / max(1e-6, np.sqrt(abs(np.linalg.det(pair.matrix[:2, :2]))))
        soft = place.blurred(rgb, 0.45 * np.sqrt(max(0.0, shrink**2 - 1)))
        there = cv2.warpPerspective(soft, pair.matrix, (width, height), flags=cv2.INTER_CUBIC)
        sized: np.ndarray = cv2.resize(there, size, interpolation=cv2.INTER_AREA)
        return sized

    shown = pair.shown(pair.matrix).astype(np.float32)
    seen = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)
    valid = cv2.erode((seen > 0.99).astype(np.uint8), np.ones((3, 3)), borderValue=0) > 0
    original = warped(pair.original)
    faces = [(n, moved_face(f, np.diag([scale, scale, 1.0]))) for n, f in pair.faces]
    return Layers(
        copy=cv2.resize(pair.copy, size, interpolation=cv2.INTER_AREA).astype(np.float32),
        original=original.astype(np.float32),
        change=np.abs(gray(original) - gray(warped(pair.before))),
        valid=valid,
        faces=tuple(faces),
    )


@dataclass(frozen=True)
class Graded:
    """Moments with originals in the copy's colors and light."""

    layers: list[Layers]
    colors: Colors
    grading: Grading


def graded(layers: Sequence[Layers]) -> Graded:
    """Apply the copy's colors and light to the originals."""
    tried = []
    # Light bends color curves: also fit them to originals in the copy's light.
    for some in (layers, [layer.lit() for layer in layers]):
        colors, pixels = fit_colors(some)
        lit = [layer.lit(colors) for layer in some]
        tried.append((_difference(lit), colors, pixels, lit))
    _least, colors, pixels, lit = min(tried, key=lambda one: one[0])
    moved = np.concatenate([
        np.abs(after.original - before.original).mean(2)[before.valid]
        for before, after in zip(layers, lit, strict=True)
    ])  # fmt: skip
    changed = moved.size > 0 and (
        moved.mean() > place.ENCODERS or np.quantile(moved, 1 - place.SOME) > 2 * place.ENCODERS
    )
    grading = place.describe_colors(colors, pixels).model_copy(update={"graded": bool(changed)})
    return Graded(lit, colors, grading)


def _difference(layers: Sequence[Layers]) -> float:
    left = [
        np.minimum(np.abs(layer.original - layer.copy), CLIPPED)[layer.rest(RIM)].mean()
        for layer in layers
        if layer.rest(RIM).any()
    ]
    return float(np.mean(left or [0.0]))


def fit_colors(layers: Sequence[Layers]) -> tuple[Colors, np.ndarray]:
    """Fit the colors of the copies to the originals; return the originals' pixels [N, 3] too."""
    a, b = [], []
    for layer in layers[:: max(1, len(layers) // 8)]:
        rest = layer.rest(RIM)
        # Some pixels of faces too: their colors may occur nowhere else.
        faces = layer.valid & ~rest
        faces[1::2] = faces[:, 1::2] = False
        mask = rest | faces if rest.sum() > 300 else layer.valid
        a.append(cv2.blur(layer.original, (3, 3))[mask])
        b.append(cv2.blur(layer.copy, (3, 3))[mask])
    pixels = np.concatenate(a)
    return place.fit_colors(pixels, np.concatenate(b)), pixels


@dataclass(frozen=True)
class Region:
    """Difference in one region of a moment."""

    difference: float  # mean gray levels
    expected: float  # mean gray levels expected of re-encoding

    @property
    def ratio(self) -> float:
        """Return the multiple of the expected difference."""
        return self.difference / max(self.expected, 1e-6)


@dataclass(frozen=True)
class FaceMeasure:
    """Differences in one face at one moment."""

    person: int
    inside: Region
    upper: Region  # above the tip of the nose
    lower: Region  # below it
    rim: Region


@dataclass(frozen=True)
class MeasuredMoment:
    """Differences of one moment."""

    pair: MomentPair
    layers: Layers
    difference: np.ndarray  # float32 [H, W], gray levels
    faces: tuple[FaceMeasure, ...]
    rest: Region
    tiles: np.ndarray  # float [h, w]: ratio of each tile outside heads; NaN where there is none
    levels: np.ndarray  # float [h, w]: gray levels of each tile; NaN where there is none
    alike: np.ndarray  # float [h, w]: correlation of each tile outside faces; NaN where it is flat


def _softer(layers: Sequence[Layers]) -> float:
    """Return the blur of the copy relative to the original, px of a Gaussian; may be negative."""
    return float(np.median([
        place.softer(gray(layer.original), gray(layer.copy), layer.rest(RIM))
        for layer in layers[:: max(1, len(layers) // 5)]
    ]))  # fmt: skip


def measure(pairs: Sequence[MomentPair], layers: Sequence[Layers]) -> list[MeasuredMoment]:
    """Measure the differences of graded moments, with those expected of re-encoding."""
    softer = _softer(layers)
    differences = [np.abs(np.subtract(*layer.equally_soft(softer))).mean(2) for layer in layers]
    activities = [
        _activity(gray(place.blurred(layer.original, max(0.0, softer))), layer.change)
        for layer in layers
    ]
    for reach in (RIM, 1.0):  # without rims, which a paste may exceed, if enough is left
        masks = [layer.rest(reach) for layer in layers]
        shown = sum(int(layer.valid.sum()) for layer in layers)
        if sum(int(m.sum()) for m in masks) > ENOUGH * shown:
            break
    floor = _noise_floor(
        np.concatenate([a[mask] for a, mask in zip(activities, masks, strict=True)]),
        np.concatenate([d[mask] for d, mask in zip(differences, masks, strict=True)]),
    )
    return [
        _measured(pair, layer, difference, _expected(floor, activity))
        for pair, layer, difference, activity in zip(
            pairs, layers, differences, activities, strict=True
        )
    ]


def _activity(luma: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return the activity of each pixel, from gradients and changes in time, gray levels."""
    soft = cv2.GaussianBlur(luma, (0, 0), 0.8)
    dx, dy = cv2.Sobel(soft, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(soft, cv2.CV_32F, 0, 1) / 8
    edges = cv2.GaussianBlur(np.hypot(dx, dy), (0, 0), 1.5)
    moving: np.ndarray = edges + 0.5 * cv2.GaussianBlur(change, (0, 0), 1.5)
    return moving


_Curve = tuple[np.ndarray, np.ndarray]
"""Activities, ascending, and the differences expected at them."""


def _noise_floor(a: np.ndarray, d: np.ndarray) -> _Curve:
    """Fit differences [N] by activity [N], robust to outliers in up to half of the pixels."""
    if len(a) < 2 * FEWEST_PIXELS:
        return np.array([0.0, 10.0]), np.array([2.0, 6.0])
    knots, values = [], []
    for first, last in pairwise(np.quantile(a, np.linspace(0, 1, BINS + 1))):
        inside = (a >= first) & (a <= last)
        if inside.sum() >= FEWEST_PIXELS:
            knots.append(float(np.median(a[inside])))
            # The mean of a half-normal distribution from its median, which is robust.
            values.append(1.18 * float(np.median(d[inside])))
    return np.array(knots) + np.arange(len(knots)) * 1e-6, np.maximum.accumulate(values)


def _expected(floor: _Curve, activity: np.ndarray) -> np.ndarray:
    """Return the expected difference, extrapolated in proportion to activity."""
    over = np.maximum(activity / max(float(floor[0][-1]), 1e-6), 1.0)
    grown: np.ndarray = np.maximum(np.interp(activity, *floor) * over, LEAST_NOISE)
    return grown


def _measured(
    pair: MomentPair, layer: Layers, difference: np.ndarray, expected: np.ndarray
) -> MeasuredMoment:
    def region(mask: np.ndarray) -> Region:
        if mask.sum() < 6:
            return Region(0.0, LEAST_NOISE)
        return Region(float(difference[mask].mean()), float(expected[mask].mean()))

    faces = []
    for person, face in layer.faces:
        inside = layer.region(face, INSIDE)
        if inside.sum() < 20:
            continue
        # Signed distance from the tip of the nose towards the mouth, as a share of the distance of
        # eyes and mouth.
        points = np.array(face.landmarks)
        across, down = points[3:].mean(0) - points[:2].mean(0)
        rows, columns = np.indices(inside.shape) - points[2][::-1].reshape(2, 1, 1)
        below = (columns * across + rows * down) / max(1e-6, across**2 + down**2)
        rim = layer.region(face, RIM) & ~layer.region(face, 1.0)
        masks = inside, inside & (below < -NOSE), inside & (below > NOSE), rim
        faces.append(FaceMeasure(person, *(region(mask) for mask in masks)))
    rest = layer.rest()
    # Of tiles of which at least half is outside heads.
    count = tile_sums(rest.astype(np.float32))
    counted = np.where(count >= TILE * TILE / 2, 1.0, np.nan)
    apart, wanted = tile_sums(difference * rest), tile_sums(expected * rest)
    return MeasuredMoment(
        pair,
        layer,
        difference,
        tuple(faces),
        region(rest if rest.sum() > 50 else layer.rest(RIM)),
        tiles=apart / np.maximum(wanted, 1e-6) * counted,
        levels=apart / np.maximum(count, 1) * counted,
        alike=tile_correlation(gray(layer.original), gray(layer.copy), layer.rest(RIM)),
    )


def tile_sums(values: np.ndarray) -> np.ndarray:
    """Return the sum over each tile, float [h, w]."""
    rows, columns = (max(1, length // TILE) for length in values.shape)
    cut = values[: rows * TILE, : columns * TILE].astype(float)
    tall, wide = cut.shape[0] // rows, cut.shape[1] // columns
    summed: np.ndarray = cut.reshape(rows, tall, columns, wide).sum((1, 3))
    return summed


def tile_correlation(original: np.ndarray, copy: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the correlation of two pictures in each tile, float [h, w] in -1..1; NaN where both
    are flat or less than half of the tile is in the mask."""
    weight = mask.astype(np.float32)
    count = np.maximum(tile_sums(weight), 1e-6)

    def moments(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = tile_sums(picture * weight) / count
        return mean, tile_sums(picture * picture * weight) / count - mean**2

    mean_a, var_a = moments(original)
    mean_b, var_b = moments(copy)
    both = tile_sums(original * copy * weight) / count - mean_a * mean_b
    alike = both / np.sqrt(np.maximum(var_a, TEXTURE**2 / 4) * np.maximum(var_b, TEXTURE**2 / 4))
    textured = (np.maximum(var_a, var_b) > TEXTURE**2) & (count >= TILE * TILE / 2)
    return np.where(textured, alike, np.nan)


def shape_likeness(pairs: Sequence[MomentPair], colors: Colors) -> float | None:
    """Return the similarity of shapes, -1..1: that of the face or of the rest, the lower one; None
    without a face. Gray levels can't distinguish a generated picture from a strongly compressed
    one."""
    if not any(pair.faces for pair in pairs):
        return None
    layers = [layer.lit(colors) for layer in layers_of(pairs, SHAPES_FACE_WIDTH)]
    softer = _softer(layers)
    alike: dict[int | None, list[float]] = {}
    for layer in layers:
        a, b = (gray(rgb) for rgb in layer.equally_soft(softer))
        masks = [(number, layer.region(face, INSIDE)) for number, face in layer.faces]
        for part, mask in [*masks, (None, layer.rest(RIM))]:
            tiles = tile_correlation(a, b, mask)
            if np.isfinite(tiles).any():
                alike.setdefault(part, []).append(float(np.nanmean(tiles)))
    # A face that was detected once may be false.
    medians = [np.median(v) for v in alike.values() if len(v) >= min(2, len(layers))]
    return float(min(medians)) if medians else None
