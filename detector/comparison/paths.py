"""Does a face go where the original's face goes?

Who swaps a face, or moves its lips, leaves where it goes as it was. Another moment of the same take
shows the same person in the same place on a way of their own, also where nothing else moves.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from detector.comparison import geometry
from detector.comparison.measure import MeasuredMoment
from detector.comparison.moments import MIN_FACE, turned
from detector.vision import Detection, FaceDetector

LOOKED, FEWEST = 12, 6
"""moments that are looked at, and of which a way can be told"""
ABOUT = 1.0
"""widths of the face about it in which the original's is looked for"""
SMALLEST = 16.0
"""px between the eyes, of narrower faces the detector errs by as much as they move"""
STILL, ERRS = 0.055, 1.2
"""Of the distance between the eyes, and px: who moves less in both goes no way that can be told
from what the detector errs by."""


def likeness(
    moments: Sequence[MeasuredMoment], people: set[int], detector: FaceDetector
) -> float | None:
    """Return how alike the ways are that faces go in both, by eyes and nose: the correlation,
    -1..1, of the person (a number of `people`) of whom it is highest. None: nobody goes any way."""
    picked = sorted({round(i) for i in np.linspace(0, len(moments) - 1, LOOKED)})
    ways: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {person: [] for person in people}
    spans: list[float] = []
    for place in picked:
        pair = moments[place].pair
        for person, face in pair.faces:
            if person not in people:
                continue
            theirs = _of_original(moments[place], face, detector)
            if theirs is not None:
                ways[person].append((_center(face), _center(theirs)))
                spans.append(_span(face))
    told = [_alike(np.array(way), float(np.median(spans))) for way in ways.values() if way]
    return max((alike for alike in told if alike is not None), default=None)


def _of_original(
    moment: MeasuredMoment, face: Detection, detector: FaceDetector
) -> Detection | None:
    """Return the original's face nearest to one of the copy, where it lies in the copy."""
    pair = moment.pair
    x0, y0, x1, y1 = face.box
    reach = ABOUT * (x1 - x0)
    corner = np.array([max(0, int(x0 - reach)), max(0, int(y0 - reach))])
    size = int(x1 + reach) - corner[0], int(y1 + reach) - corner[1]
    moved = np.array([[1, 0, -corner[0]], [0, 1, -corner[1]], [0, 0, 1.0]])
    shown = cv2.warpPerspective(pair.original, moved @ pair.matrix, (int(size[0]), int(size[1])))
    height, width = pair.original.shape[:2]
    turns = geometry.quarter_turns(pair.matrix, width, height)
    upright = np.ascontiguousarray(np.rot90(shown, turns))
    found = [turned(f, turns, upright.shape) for f in detector.detect(upright, MIN_FACE)]
    whole = [
        Detection.of(
            np.array(f.box) + np.tile(corner, 2), np.array(f.landmarks) + corner, f.confidence
        )
        for f in found
    ]
    near = [f for f in whole if np.linalg.norm(_center(f) - _center(face)) < 1.5 * _span(face)]
    return min(near, key=lambda f: float(np.linalg.norm(_center(f) - _center(face))), default=None)


def _alike(way: np.ndarray, span: float) -> float | None:
    """Return the correlation of two ways [N, 2, 2]; None where too little moves to tell."""
    if len(way) < FEWEST or span < SMALLEST:
        return None
    ours, theirs = (way[:, k] - way[:, k].mean(0) for k in (0, 1))
    if max(np.sqrt((x**2).sum(1).mean()) for x in (ours, theirs)) < max(STILL * span, ERRS):
        return None
    both = float((ours * theirs).sum())
    return both / max(1e-6, float(np.sqrt((ours**2).sum() * (theirs**2).sum())))


def _center(face: Detection) -> np.ndarray:
    """Return the middle of eyes and nose, which no moved lips move."""
    middle: np.ndarray = np.array(face.landmarks)[:3].mean(0)
    return middle


def _span(face: Detection) -> float:
    return float(np.linalg.norm(np.subtract(face.landmarks[1], face.landmarks[0])))
