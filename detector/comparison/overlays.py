"""Bars, boxes and letters laid over the copy: captions, tickers, banners, watermarks.

They stand still in the copy while they show something else than the original. Found before anything
is measured, so that a caption over most of what is not face hides neither that the footage is the
same nor what else differs. What is small, or no box, is found later, by tiles (`decide.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import cv2
import numpy as np

from detector.comparison import grading
from detector.comparison.measure import RIM, Layers, luma

FEWEST = 3
"""moments: of fewer nothing is known to stand still"""
LEVELS, OVER_REST = 8.0, 4.0
"""Gray levels by which it differs, and multiples of the middle of the picture's."""
STANDS = 4.0
"""gray levels by which it changes from one moment to the next, at most"""
LASTS = 0.25
"""share of the moments"""
SMALLEST, LARGEST = 0.01, 0.34
"""Shares of the picture: of each, and of all together. More is another picture."""
FILLED = 0.8
"""of its box: what else is put in the place of something is seldom a box"""
ROW, HIGHEST = 0.35, 0.25
"""Of a bar from edge to edge: share of a row that differs (of the rest the original may be as dark
as the bar), and of the picture's height."""
ROW_STANDS = 0.9
"""share of a bar's middle row that stands still"""
OUTSIDE = 0.33
"""of it: what differs inside a face is no caption"""
UNLIKE = 0.7
"""Correlation with the original, its edges too, above which it shows the same in other colors."""
TEXTURED = 12.0
"""gray levels of deviation from which what is inside tells by itself"""
EDGE = 2
"""px about it that are left out too"""
NEAR = 3
"""px about all of it that are left out of heads: a twelfth of a face"""
ALWAYS, DRAWN, STREWN, MORE, BESIDE = 0.9, 14.0, 0.01, 3.0, 0.1
"""Of letters strewn over the picture: share of the moments in which they are there; gray levels by
which they differ at least; share of what is beside faces, how many times as much of faces they may
be, and how much of the picture has to be beside faces to tell."""
THICK, LETTERS = 11, 0.3
"""px, a third of a face, from which they would be areas, and how much of them may be"""
EDGED = 1.2
"""times as steep as the original has to be where they end: letters bring edges of their own"""


@dataclass(frozen=True)
class Overlay:
    """One bar or box."""

    mask: np.ndarray
    """bool [H, W], of the layers"""
    during: tuple[bool, ...]
    """at which moments it is there"""
    levels: float
    """by which it differs, gray levels"""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom, px of the layers."""
        rows, columns = np.nonzero(self.mask)
        return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def find(layers: Sequence[Layers], graded: Sequence[np.ndarray]) -> list[Overlay]:
    """Return what is laid over the copy; `graded` are the originals with the copy's colors."""
    if len(layers) < FEWEST:
        return []
    apart = [
        grading.blurred(np.abs(original - layer.copy).mean(2), 1.0)
        for original, layer in zip(graded, layers, strict=True)
    ]
    flags = np.array([
        (a > max(LEVELS, OVER_REST * float(np.median(a[layer.valid])))) & layer.valid & still
        if layer.valid.any() else np.zeros_like(layer.valid)
        for a, layer, still in zip(apart, layers, _still(layers), strict=True)
    ])  # fmt: skip
    lasting = flags.sum(0) >= max(FEWEST, LASTS * len(flags))
    still = np.mean(_still(layers), axis=0)
    faces = np.mean([layer.valid & ~layer.rest(1.0) for layer in layers], axis=0)
    shown = np.mean([layer.valid for layer in layers], axis=0) > 0.5
    places = _bars(lasting & shown, shown, still)
    places += _boxes(lasting & ~np.any([np.zeros_like(shown), *places], axis=0))
    found = []
    for place in places:
        flagged = place & lasting
        during = [bool(flag[flagged].mean() > 0.5) for flag in flags]
        moments = [k for k, there in enumerate(during) if there]
        wide = cv2.dilate(place.astype(np.uint8), np.ones((2 * EDGE + 1,) * 2, np.uint8)) > 0
        if (
            not moments
            or float((1 - faces)[flagged].mean()) < OUTSIDE
            or _alike(graded, layers, [wide & shown, place & shown], moments) > UNLIKE
        ):
            continue
        levels = float(np.mean([apart[k][flagged].mean() for k in moments]))
        found.append(Overlay(wide, tuple(during), levels))
    known = np.any([np.zeros_like(shown), *(overlay.mask for overlay in found)], axis=0)
    found += _watermark(graded, layers, known)
    covered = np.any([overlay.mask for overlay in found], axis=0).mean() if found else 0.0
    return found if covered <= LARGEST else []


def without(found: Sequence[Overlay], layer: Layers) -> Layers:
    """Return a moment without what is laid over it, and of a head without what is near that: where
    the hand that films a screen shakes, its edges do."""
    covered = np.any([overlay.mask for overlay in found], axis=0)
    near = cv2.dilate(covered.astype(np.uint8), np.ones((2 * NEAR + 1,) * 2, np.uint8)) > 0
    return replace(layer, valid=layer.valid & ~covered & (layer.rest(RIM) | ~near))


def _watermark(
    graded: Sequence[np.ndarray], layers: Sequence[Layers], known: np.ndarray
) -> list[Overlay]:
    """Return letters and signs that are strewn over the picture, solid or translucent, as one:
    places that are lighter (or darker) in all moments, beside faces as in them.
    What was put in a face's place lies in it alone, and goes with it."""
    apart = np.array([
        luma(grading.blurred(layer.copy - rgb, 0.5))
        for rgb, layer in zip(graded, layers, strict=True)
    ])  # fmt: skip
    valid = np.all([layer.valid for layer in layers], axis=0) & ~known
    beside = valid & np.all([layer.rest(RIM) for layer in layers], axis=0)
    faces = valid & ~beside
    if beside.mean() < BESIDE:
        return []
    middle, size = np.median(apart, axis=0), np.abs(apart)
    least = max(DRAWN, OVER_REST * float(np.median(size[:, valid])))
    found = []
    for sign in (1, -1):
        drawn = valid & ((sign * apart > least / 2).mean(0) >= ALWAYS) & (sign * middle > least)
        share = float(drawn[beside].mean())
        if share < STREWN or (faces.any() and float(drawn[faces].mean()) > MORE * share):
            continue
        if _thick(drawn) > LETTERS or _edged(drawn, graded, layers) < EDGED:
            continue  # a jacket in another color; fine lines that were smoothed away
        # In a head only what is as light or dark as what is beside it.
        usual = float(np.median(sign * middle[drawn & beside]))
        drawn &= beside | (np.abs(sign * middle - usual) < 0.7 * usual)
        wide = cv2.dilate(drawn.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        found.append(Overlay(wide, (True,) * len(layers), float(size[:, drawn].mean())))
    return found


def _thick(place: np.ndarray) -> float:
    """Return how much of a place is too thick for letters."""
    kernel = np.ones((THICK, THICK), np.uint8)
    opened = cv2.morphologyEx(place.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return float(opened.sum() / max(1, place.sum()))


def _edged(place: np.ndarray, graded: Sequence[np.ndarray], layers: Sequence[Layers]) -> float:
    """Return how many times as steep the copy is at the ends of a place as the original is."""
    ends = cv2.morphologyEx(place.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    theirs, ours = (
        np.hypot(*np.gradient(luma(np.mean(pictures, axis=0))))[ends].mean()
        for pictures in (graded, [layer.copy for layer in layers])
    )
    return float(ours / max(1.0, theirs))


def _still(layers: Sequence[Layers]) -> list[np.ndarray]:
    """Return where each moment of the copy is as the one before or after it, bool [H, W]."""
    same = [np.abs(b.copy - a.copy).mean(2) < STANDS for a, b in pairwise(layers)]
    return [a | b for a, b in zip([same[0], *same], [*same, same[-1]], strict=True)]


def _bars(lasting: np.ndarray, shown: np.ndarray, still: np.ndarray) -> list[np.ndarray]:
    """Return bars from edge to edge, bool [H, W] each."""
    height, width = shown.shape
    wide = shown.sum(1)
    share = np.where(wide > width / 3, lasting.sum(1) / np.maximum(wide, 1), 0.0)
    over = np.pad((share >= ROW).astype(np.uint8), 4)[
        :, None
    ]  # else edges of the picture close too
    rows = cv2.morphologyEx(over, cv2.MORPH_CLOSE, np.ones((5, 1), np.uint8))[4:-4, 0]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rows, [0]])))
    found = []
    for first, last in edges.reshape(-1, 2):
        place = np.zeros_like(shown)
        place[first:last] = shown[first:last]
        if SMALLEST * height < last - first <= HIGHEST * height and (
            float(np.median([still[row][shown[row]].mean() for row in range(first, last)]))
            >= ROW_STANDS
        ):
            found.append(place)
    return found


def _boxes(lasting: np.ndarray) -> list[np.ndarray]:
    """Return what fills a box that may be turned, bool [H, W] each."""
    mask = cv2.morphologyEx(lasting.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(mask, connectivity=4)
    return [place for label in range(1, count) if _is_box(place := labels == label)]


def _is_box(place: np.ndarray) -> bool:
    """Whether it is large enough, and fills its box."""
    area = int(place.sum())
    if area < SMALLEST * place.size:
        return False
    contours, _ = cv2.findContours(place.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    width, height = cv2.minAreaRect(np.concatenate(contours))[1]
    return bool(area >= FILLED * (width + 1) * (height + 1))


def _alike(
    graded: Sequence[np.ndarray],
    layers: Sequence[Layers],
    places: Sequence[np.ndarray],
    shown: Sequence[int],
) -> float:
    """Return the median correlation of both there, its edges too; without them (the second place)
    where the original has something to tell there and it is less: a bar over the foot of a picture
    is as dark as what was there, and what is about it is the same."""
    values = []
    for k in shown:
        pictures = [(luma(graded[k])[p], luma(layers[k].copy)[p]) for p in places]
        told = [pair for pair in pictures if pair is pictures[0] or pair[0].std() > TEXTURED]
        values.append(min(_correlation(*pair) for pair in told))
    return float(np.median(values))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(1e-6, np.sqrt((a * a).sum() * (b * b).sum())))
