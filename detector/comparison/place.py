"""Registration of the original to the copy: exact homography, best frame, colors and light.

In motion, a wrong homography can be compensated by a wrong moment, so candidates are compared under
the best of neighboring frames. Large differences, such as captions, are clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from detector.comparison.align import corners, mirrored, moved_points, moved_to, refined
from detector.isolation import Frame
from detector.schema.comparison import Grading
from detector.vision import Detection

POOLED = 6  # moments by which homographies are compared
STEADY, STILL, HANDHELD = 0.9, 0.75, 2
"""Share of the difference that a moment's own homography may leave before it counts as moved, also
against edge to edge; moments that have to be for a handheld camera."""
NEAR = 0.1  # Share of the picture by which the corners of another homography may differ
SAMPLES = 3000
MOST_OFF = 30.0  # gray levels at which differences are clipped
BETTER, MUCH_BETTER = 0.98, 0.93
"""Share of the difference that another homography may leave to be preferred; over edge to edge."""
FURTHER = 0.02
"""required gain in similarity for each frame of distance from the time path"""
COLOR_SAMPLES, LIGHT_SAMPLES, FEWEST_PIXELS = 20_000, 6_000, 300
KNOTS, BENT = np.arange(32, 255, 32), 10.0
"""gray levels of the knots of color curves, and their ridge penalty"""
GRADED, CLIPPED = 0.95, 20.0
"""Share of the error that colors may leave to be believed; gray levels at which it is clipped."""
ENCODERS, SOME = 7.0, 0.1
"""Gray levels by which encoders move colors on average; share of the picture they move by twice."""
BLURS = (0.0, 0.5, 0.8, 1.1, 1.5, 2.0, 2.7, 3.5)
"""px of the Gaussians that sharpness is matched with"""
FLAT, MOST_GAIN = 2.0, 4.0
"""Gray levels of deviation under which a picture is flat; largest change of contrast or light."""
LIT, LEAST_LIT = 0.6, 1.5
"""Share of the difference that light may leave, and by how many gray levels it has to be less."""


@dataclass(frozen=True)
class Colors:
    """A map of colors: sums of lines that bend at `KNOTS`, of all channels."""

    weights: np.ndarray  # float [4 + 3 * K, 3]: of `_color_terms` to R, G, B

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Return a picture with these colors, float32 [..., 3]."""
        terms = _color_terms(rgb.reshape(-1, 3).astype(np.float32))
        return np.asarray(terms @ self.weights, np.float32).reshape(rgb.shape)


def _color_terms(pixels: np.ndarray) -> np.ndarray:
    """Return channels, what each of them exceeds the knots by, and 1, [N, 4 + 3 * K]."""
    over = np.maximum(pixels[:, :, None] - KNOTS, 0).reshape(len(pixels), -1)
    return np.hstack([pixels, over, np.ones((len(pixels), 1))])


UNCHANGED = Colors(np.eye(4 + 3 * len(KNOTS), 3))


def fit_colors(originals: np.ndarray, copies: np.ndarray) -> Colors:
    """Fit the map from the original's pixels [N, 3] to the copy's, robust to outliers."""
    if len(originals) < 200:
        return UNCHANGED
    step = max(1, len(originals) // COLOR_SAMPLES)
    a, b = originals[::step].astype(float), copies[::step].astype(float)

    def error(colors: Colors) -> float:
        return float(np.minimum(np.abs(colors(a) - b), CLIPPED).mean())

    ridge = np.diag([*[3.0] * 3, *[BENT] * 3 * len(KNOTS), 0.03])
    fitted = Colors(_robust_fit(_color_terms(a), b, UNCHANGED.weights, ridge)[0])
    return fitted if error(fitted) < GRADED * error(UNCHANGED) else UNCHANGED


def _robust_fit(
    design: np.ndarray, wanted: np.ndarray, prior: np.ndarray, ridge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ridge regression [K, C] of [N, K] to [N, C] and what it leaves, float [N]; rows
    that it misses by far weigh less (iteratively reweighted least squares)."""
    weights = np.ones(len(design))
    for _ in range(8):
        weighted = design * weights[:, None]
        penalty = ridge * weights.sum()
        fitted = np.linalg.solve(
            weighted.T @ design + penalty, weighted.T @ wanted + penalty @ prior
        )
        off = np.abs(design @ fitted - wanted).max(1)
        scale = max(1.0, 1.5 * float(np.median(off)))
        weights = np.minimum(1.0, (scale / np.maximum(off, 1e-6)) ** 2)
    return fitted, off


def describe_colors(colors: Colors, originals: np.ndarray) -> Grading:
    """Return the gain and offset of each channel on pixels [N, 3] of the original."""
    pixels = originals[:: max(1, len(originals) // COLOR_SAMPLES)].astype(np.float32)
    if len(pixels) < 2:
        return Grading()
    lines = [
        np.polyfit(before, after, 1) if before.std() > 1 else (1.0, (after - before).mean())
        for before, after in zip(pixels.T, colors(pixels).T, strict=True)
    ]
    (r, g, b), (x, y, z) = np.round(np.array(lines, float).T, 3).tolist()
    return Grading(gain=(r, g, b), offset=(x, y, z))


Light = Callable[[np.ndarray], np.ndarray]
"""Puts a picture, [H, W] or [H, W, 3], in the light of one moment, as a vignette or a fade: a
smooth gain and an offset. Colors are one map for all moments."""


def fit_light(original: np.ndarray, copy: np.ndarray, mask: np.ndarray) -> Light | None:
    """Fit the light from the original's luma [H, W] to the copy's within a mask, robustly; None if
    it is the same."""
    if mask.sum() < FEWEST_PIXELS:
        return None
    rows, columns = (axis[:: max(1, int(mask.sum()) // LIGHT_SAMPLES)] for axis in np.nonzero(mask))
    a, b = (blurred(luma, 1.0)[rows, columns] for luma in (original, copy))
    before = float(np.minimum(np.abs(a - b), CLIPPED).mean())
    if before < LEAST_LIT:
        return None
    design = np.hstack([_terms(rows, columns, mask.shape) * a[:, None], np.ones((len(a), 1))])
    size = design.shape[1]
    fitted, off = _robust_fit(design, b[:, None], np.zeros((size, 1)), 1e-3 * np.eye(size))
    after = float(np.minimum(off, CLIPPED).mean())
    if after > LIT * before or before - after < LEAST_LIT:
        return None
    ys, xs = np.indices(mask.shape)
    gain = (_terms(ys.ravel(), xs.ravel(), mask.shape) @ fitted[:-1, 0]).reshape(mask.shape)
    gain = np.clip(gain, 1 / MOST_GAIN, MOST_GAIN).astype(np.float32)
    offset = np.float32(fitted[-1, 0])
    return lambda picture: picture * (gain if picture.ndim == 2 else gain[..., None]) + offset


def _terms(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the terms of a square polynomial, float [N, 6]."""
    y, x = rows / shape[0] * 2 - 1, columns / shape[1] * 2 - 1
    return np.stack([np.ones(len(x)), x, y, x * x, x * y, y * y], 1)


def brightness(levels: np.ndarray, to: np.ndarray) -> tuple[float, float]:
    """Return the gain and offset by which most gray levels [N] become others [N]."""
    step = max(1, len(levels) // SAMPLES)
    levels, to = levels[::step], to[::step]
    gain, offset = 1.0, float(np.median(to - levels))
    x, y = levels, to
    for _ in range(3):
        if x.std() < FLAT:
            break
        slope = float(np.mean((x - x.mean()) * y)) / float(x.var())
        gain = min(max(slope, 1 / MOST_GAIN), MOST_GAIN)
        offset = float(y.mean() - gain * x.mean())
        off = np.abs(gain * levels + offset - to)
        kept = off <= np.quantile(off, 0.8)
        x, y = levels[kept], to[kept]
    return gain, offset


def softer(original: np.ndarray, copy: np.ndarray, mask: np.ndarray) -> float:
    """Return the blur of the copy's luma [H, W] relative to the original within a mask, px of a
    Gaussian; negative if it is sharper."""
    if mask.sum() < 200:
        return 0.0
    off = {
        sign * sigma: float(np.abs(blurred(one, sigma) - other)[mask].mean())
        for sign, one, other in ((1, original, copy), (-1, copy, original))
        for sigma in BLURS
    }
    return min(off, key=lambda by: off[by])


def blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Return a picture softened by a Gaussian of so many px."""
    if sigma <= 0:
        return picture
    result: np.ndarray = cv2.GaussianBlur(picture, (0, 0), sigma)
    return result


def gray(rgb: np.ndarray) -> np.ndarray:
    """Return the luma of a picture, float32 [H, W] in 0..255."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.float32)


@dataclass(frozen=True)
class MomentPair:
    """One moment of both."""

    time: float  # s, of the copy
    copy: np.ndarray  # uint8 [H, W, 3]
    around: tuple[Frame, ...]  # frames of the original about the one that was matched in time
    chosen: int  # which of them is most alike
    matrix: np.ndarray  # float [3, 3]: px of `original` to px of `copy`
    faces: tuple[tuple[int, Detection], ...]  # Person's number and face, in px of `copy`

    @property
    def original(self) -> np.ndarray:
        """Return the original's picture, uint8 [h, w, 3]."""
        return self.around[self.chosen].rgb

    @property
    def original_time(self) -> float:
        """Return its time in the original, s."""
        return self.around[self.chosen].time

    @property
    def before(self) -> np.ndarray:
        """Return the original's frame before or after it, uint8 [h, w, 3]."""
        return self.around[self.chosen - 1 if self.chosen else min(1, len(self.around) - 1)].rgb

    def shown(self, matrix: np.ndarray) -> np.ndarray:
        """Return where the copy shows the original's picture under a homography, bool [H, W]."""
        filled = np.full(self.original.shape[:2], 255, np.uint8)
        return cv2.warpPerspective(filled, matrix, self.copy.shape[1::-1]) > 250

    def background(self) -> np.ndarray:
        """Return where no face is, bool [H, W] of the copy; everywhere if faces fill it."""
        mask = ~ellipses(self.copy.shape, (face for _, face in self.faces), 1.3)
        return mask if mask.mean() >= 0.1 else np.ones_like(mask)


def ellipses(shape: tuple[int, ...], faces: Iterable[Detection], reach: float) -> np.ndarray:
    """Return the ellipses of faces, `reach` times as large, bool [H, W]."""
    mask = np.zeros(shape[:2], np.uint8)
    for face in faces:
        x0, y0, x1, y1 = face.box
        center = (round((x0 + x1) / 2), round((y0 + y1) / 2))
        axes = (max(1, round((x1 - x0) / 2 * reach)), max(1, round((y1 - y0) / 2 * reach)))
        cv2.ellipse(mask, center, axes, 0, 0, 360, 1, -1)
    return mask.astype(bool)


def refine_moments(found: Sequence[MomentPair]) -> list[MomentPair]:
    """Return the moments with refined homographies, one for all where the camera is steady, and
    with the frames of the original that fit best under them."""
    if not found:
        return []
    step = max(1, len(found) // POOLED)
    some = found[::step]
    looks = [_Look.of(pair) for pair in some]
    plain = _edge_to_edge(found[0])
    base = _best(looks, [plain, found[0].matrix])
    own = [_own(pair, base) for pair in some]
    shared = _best(looks, [base, *own])
    if base is plain and _misfit(looks, shared) > MUCH_BETTER * _misfit(looks, plain):
        shared = plain
    left = [
        look.misfit(m) / max(look.misfit(shared), 1e-6) for look, m in zip(looks, own, strict=True)
    ]
    if sum(share < (STILL if shared is plain else STEADY) for share in left) < HANDHELD:
        maps = [shared] * len(found)
    else:
        maps = [_best([_Look.of(pair)], [base, _own(pair, base)]) for pair in found]
    return [best_frame(replace(p, matrix=m)) for p, m in zip(found, maps, strict=True)]


@dataclass(frozen=True)
class _Look:
    """Pixels of a moment outside faces, and the frames of the original that they may come from."""

    points: np.ndarray  # float [N, 2], px of the copy
    levels: np.ndarray  # float [N], gray levels there
    frames: tuple[np.ndarray, ...]  # float32 [H, W], gray levels, of the original
    known: dict[bytes, float] = field(default_factory=dict)

    @classmethod
    def of(cls, pair: MomentPair) -> _Look:
        mask = pair.background()
        shown = mask & pair.shown(pair.matrix)
        rows, columns = np.nonzero(shown if shown.any() else mask)
        kept = slice(None, None, max(1, len(rows) // SAMPLES))
        levels = blurred(gray(pair.copy), 1.0)[rows[kept], columns[kept]]
        points = np.stack([columns[kept], rows[kept]], 1).astype(float)
        frames = tuple(blurred(gray(frame.rgb), 1.0) for frame in pair.around)
        return cls(points, levels.astype(float), frames)

    def misfit(self, matrix: np.ndarray) -> float:
        """Return the difference under a homography at the best frame, gray levels."""
        key = matrix.tobytes()
        if key not in self.known:
            at = moved_points(np.linalg.inv(matrix), self.points).astype(np.float32)
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
        gain, offset = brightness(shown[seen], self.levels[seen])
        off = np.abs(shown * gain + offset - self.levels)
        return float(np.where(seen, np.minimum(off, MOST_OFF), MOST_OFF).mean())


def _misfit(looks: Sequence[_Look], matrix: np.ndarray) -> float:
    return float(np.mean([look.misfit(matrix) for look in looks]))


def _best(looks: Sequence[_Look], maps: Sequence[np.ndarray]) -> np.ndarray:
    best, least = maps[0], np.inf
    for matrix in maps:
        misfit = _misfit(looks, matrix)
        if misfit < BETTER * least:
            best, least = matrix, misfit
    return best


def _edge_to_edge(pair: MomentPair) -> np.ndarray:
    """Return the homography of whole pictures if it is near the estimated one, else that."""
    size = pair.original.shape[1::-1]
    turned = mirrored(size[0]) if np.linalg.det(pair.matrix) < 0 else np.eye(3)
    whole = moved_to(np.eye(3), (size, size), (size, pair.copy.shape[1::-1])) @ turned
    off = moved_points(whole, corners(*size)) - moved_points(pair.matrix, corners(*size))
    return whole if np.abs(off).max() < NEAR * max(pair.copy.shape) else pair.matrix


def _own(pair: MomentPair, matrix: np.ndarray) -> np.ndarray:
    """Return the homography refined by one moment's brightness, at its best frame."""
    pair = best_frame(replace(pair, matrix=matrix))
    valid = cv2.erode(pair.shown(matrix).astype(np.uint8), np.ones((9, 9))).astype(bool)
    both = (pair.background() & valid).astype(np.uint8)
    return refined(matrix, gray(pair.original), gray(pair.copy), both)


def best_frame(pair: MomentPair) -> MomentPair:
    """Return a moment with the frame of the original that is most alike where the frames about it
    differ."""
    copy = blurred(gray(pair.copy), 1.0)
    height, width = copy.shape
    warped = np.stack([
        cv2.warpPerspective(
            blurred(gray(f.rgb), 1.0), pair.matrix, (width, height), borderValue=-1
        )
        for f in pair.around
    ])  # fmt: skip
    valid = np.asarray((warped >= 0).all(0))
    if valid.sum() < 64:
        return pair
    gain, offset = brightness(warped[pair.chosen][valid], copy[valid])
    graded = warped * gain + offset
    if lit := fit_light(graded[pair.chosen], copy, valid):
        graded = np.stack([lit(picture) for picture in graded])
    weights = np.ptp(warped, axis=0) * valid
    misfits = [
        (weights * np.minimum(np.abs(picture - copy), 40)).sum()
        * (1 + FURTHER * abs(index - pair.chosen))
        for index, picture in enumerate(graded)
    ]
    return replace(pair, chosen=int(np.argmin(misfits)))
