"""Certainty of visible marks: distinguish a generator's mark from an object that looks like it.

A mark is drawn over a picture in translucent white. A button, a pin or a lamp hides its background,
moves with it, or is at a position that no tool uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

WHITE = 255.0
TINT = 0.25  # by which the opacities of the channels may differ, after strong compression
RIVAL = 0.65  # maximum residual of a mark, relative to that of the best simple shape
CHANGE, SPREAD = 2.5, 0.05
"""gray levels by which the background must change to show that a mark is static, and the maximum
change of its opacity meanwhile"""
GIVE = 2  # px by which a part of a drawing may be shifted
NEAR = 0.35  # width of the surrounding ring, as a fraction of the mark's height


Parts = list[tuple[int, np.ndarray]]
"""Parts of a drawing, 0 to 255, each with its offset from the left, px"""


class Layout(NamedTuple):
    """A tool's own layout of its mark, measured on its pictures; limits are inclusive."""

    heights: tuple[float, float]  # as shares of the picture's shorter side
    side: tuple[float, float]  # distance from the side edge, in heights of the mark
    end: tuple[float, float]  # from the upper or lower edge
    even: float = 10.0  # heights, at most, by which the two distances differ
    opacity: tuple[float, float] = (0.25, 1.1)
    gain: float = 0.74
    large: float = 12.0  # minimum px in the file for a certain mark in static footage


@dataclass(frozen=True)
class MarkEvidence:
    """Measurements of a mark; lengths are fractions of the picture's shorter side."""

    pixels: float  # its height in the file's own pixels
    height: float
    right: float  # distance from the nearer side edge, in heights
    below: float  # from the nearer of top and bottom
    opacity: float
    tint: float  # how much the channels' opacities differ, which white makes equal
    gain: float  # share of the difference from the surroundings that the mark explains
    rival: float  # that the best simple shape of its size explains
    change: float  # gray levels by which the picture behind it changes, standard deviation
    spread: float  # by which its opacity changes meanwhile, standard deviation


NOTHING = MarkEvidence(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0)


def is_certain(evidence: MarkEvidence, layout: Layout | None) -> bool:
    """Return True if a mark is certain: never without the known layout of its tool."""
    if layout is None:
        return False
    fits = (
        evidence.gain >= layout.gain
        and 1 - evidence.gain <= RIVAL * (1 - evidence.rival)
        and evidence.tint <= TINT
        and _within(evidence.opacity, layout.opacity)
    )
    placed = (
        _within(evidence.height, layout.heights)
        and _within(evidence.right, layout.side)
        and _within(evidence.below, layout.end)
        and abs(evidence.right - evidence.below) <= layout.even
    )
    stands = evidence.change >= CHANGE and evidence.spread <= SPREAD
    return fits and placed and (stands or evidence.pixels >= layout.large)


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]


def measure(
    frames: Sequence[np.ndarray], drawings: Sequence[Parts], at: tuple[int, int], scale: float
) -> MarkEvidence:
    """Measure a mark in frames (RGB, uint8) near `at`, the upper left corner, with the drawing that
    explains most; `scale` is the number of the file's pixels in one of the template's."""
    pictures = np.stack(frames).astype(np.float32)
    gray = pictures.mean(axis=(0, -1))
    covers = [_aligned(gray, drawing, at) for drawing in drawings]
    return max(
        (_measured(pictures, cover, scale) for cover in covers), key=lambda found: found.gain
    )


def _aligned(gray: np.ndarray, drawing: Parts, at: tuple[int, int]) -> np.ndarray:
    """Return the coverage of each pixel, 0 to 1, with each part at its best position."""
    covered = np.zeros_like(gray)
    for x, part in drawing:
        high, wide = part.shape
        left, top = max(0, at[0] + x - GIVE), max(0, at[1] - GIVE)
        window = gray[top : at[1] + high + GIVE, left : at[0] + x + wide + GIVE]
        if window.shape[0] < high or window.shape[1] < wide:
            continue
        alike = cv2.matchTemplate(window, part, cv2.TM_CCOEFF_NORMED)
        _, _, _, (dx, dy) = cv2.minMaxLoc(np.nan_to_num(alike))
        place = covered[top + dy : top + dy + high, left + dx : left + dx + wide]
        np.maximum(place, part / WHITE, out=place)
    return covered


def _measured(pictures: np.ndarray, covered: np.ndarray, scale: float) -> MarkEvidence:
    height, width = covered.shape
    rows, columns = np.nonzero(covered > 0.25)
    if not len(rows) or covered.max() <= 0.5:
        return NOTHING
    y, x, below, right = int(rows.min()), int(columns.min()), rows.max() + 1, columns.max() + 1
    high, wide = int(below) - y, int(right) - x
    ring = max(3, round(NEAR * high))
    window = np.s_[max(0, y - ring) : y + high + ring, max(0, x - ring) : x + wide + ring]
    seen, mark = pictures[:, *window], covered[window]
    behind = _behind(seen, mark)
    each = [_opacity(one, back, mark) for one, back in zip(seen, behind, strict=True)]
    mean, back = seen.mean(axis=0), behind.mean(axis=0)
    channels = [_opacity(mean[..., [c]], back[..., [c]], mark) for c in range(3)]
    rivals = []
    for shape in _rivals(high, wide):
        whole = np.zeros_like(covered)
        whole[y : y + high, x : x + wide] = shape
        rivals.append(_gain(mean, _behind(mean[None], whole[window])[0], whole[window]))
    return MarkEvidence(
        pixels=high * scale,
        height=high / min(height, width),
        right=min(x, width - x - wide) / high,
        below=min(y, height - y - high) / high,
        opacity=_opacity(mean, back, mark),
        tint=max(channels) - min(channels),
        gain=_gain(mean, back, mark),
        rival=max(rivals),
        change=float(behind[:, mark > 0.5].mean(axis=-1).std(axis=0).mean()),
        spread=float(np.std(each)),
    )


def _behind(seen: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Inpaint frames [n, h, w, 3] under the mark from its surroundings."""
    free = (cv2.dilate(covered, np.ones((3, 3), np.uint8)) < 0.05).astype(np.float32)
    blur = max(1.5, min(covered.shape) / 8)
    weight = cv2.GaussianBlur(free, (0, 0), blur) + 1e-6
    filled = [
        cv2.GaussianBlur(one * free[..., None], (0, 0), blur) / weight[..., None] for one in seen
    ]
    return np.where(free[..., None] > 0, seen, np.stack(filled))


def _opacity(seen: np.ndarray, behind: np.ndarray, covered: np.ndarray) -> float:
    """Return the least-squares opacity of white."""
    over = covered[..., None] * (WHITE - behind)
    return float(((seen - behind) * over).sum() / ((over**2).sum() + 1e-6))


def _gain(seen: np.ndarray, behind: np.ndarray, covered: np.ndarray) -> float:
    """Return the fraction of the squared difference explained by white of one opacity."""
    difference = seen - behind
    over = covered[..., None] * (WHITE - behind) * _opacity(seen, behind, covered)
    return float(1 - ((difference - over) ** 2).sum() / ((difference**2).sum() + 1e-6))


def _rivals(high: int, wide: int) -> list[np.ndarray]:
    y, x = np.abs(np.linspace(-1, 1, high))[:, None], np.abs(np.linspace(-1, 1, wide))[None]
    shapes = []
    for share in (0.5, 0.7, 0.85, 1.0):
        distances = np.hypot(x, y), x + y, np.maximum(x, y) + 0 * x
        shapes += [np.clip((share - d) * high / 2 + 0.5, 0, 1) for d in distances]
    return [shape.astype(np.float32) for shape in shapes]
