"""Faces between two searches: where known boxes have gone, by the flow of points in them.

Pyramidal Lucas-Kanade flow (Bouguet 2000), forward and back, and the median of what the points say
(Kalal et al., Forward-Backward Error, ICPR 2010): a third of a millisecond a frame, where a search
takes ten. It says when it has lost a face rather than guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detector.vision import Detection

SIDE = 320
"""px. The longer side of the picture that flow is measured in."""
POINTS = 7
"""Each way in a face's box: 49 points."""
INSET = 0.15
"""Share of the box at each edge without points: background shows there."""
BACK = 1.0
"""px of the small picture. A point that does not come back to where it began is dropped."""
LEAST = 0.4
"""Share of the points that must come back, or the face is lost."""
GROWTH = 1.25
"""A box that changes by more in one step is a mistake."""


@dataclass(frozen=True)
class FlowFrame:
    """A frame as flow sees it: gray, and how many of its px are one of the frame's."""

    gray: np.ndarray
    scale: float

    @classmethod
    def of(cls, rgb: np.ndarray) -> FlowFrame:
        """Shrink a frame, uint8 [H, W, 3]."""
        height, width = rgb.shape[:2]
        scale = min(1.0, SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
        return cls(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), scale)


def track_faces(
    before: FlowFrame, now: FlowFrame, faces: list[Detection]
) -> list[Detection | None]:
    """Return each face moved and scaled into the next frame; None for a lost one."""
    if not faces or before.gray.shape != now.gray.shape:
        return [None] * len(faces)
    start = np.concatenate([_grid(face, before.scale) for face in faces])
    there, status = _flow(before.gray, now.gray, start)
    back, again = _flow(now.gray, before.gray, there)
    good = (status.ravel() == 1) & (again.ravel() == 1)
    good &= np.linalg.norm(back - start, axis=1) <= BACK
    moved = []
    for i, face in enumerate(faces):
        part = slice(i * POINTS**2, (i + 1) * POINTS**2)
        moved.append(_moved(face, start[part], there[part], good[part], before.scale))
    return moved


def _flow(one: np.ndarray, other: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where points [N, 2] of one picture are in the other, and whether they were found."""
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
    there, status, _ = cv2.calcOpticalFlowPyrLK(
        one, other, points, np.empty_like(points), winSize=(13, 13), maxLevel=3, criteria=until
    )
    return there, status


def _grid(face: Detection, scale: float) -> np.ndarray:
    x0, y0, x1, y1 = (edge * scale for edge in face.box)
    dx, dy = (x1 - x0) * INSET, (y1 - y0) * INSET
    x, y = np.meshgrid(np.linspace(x0 + dx, x1 - dx, POINTS), np.linspace(y0 + dy, y1 - dy, POINTS))
    return np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)


def _moved(
    face: Detection, start: np.ndarray, there: np.ndarray, good: np.ndarray, scale: float
) -> Detection | None:
    if good.mean() < LEAST:
        return None
    start, there = start[good], there[good]
    middle = np.median(start, axis=0)
    shift = np.median(there - start, axis=0)
    # Distances between the k-th and a far point, before and after, give the growth.
    half = len(start) // 2
    apart = np.linalg.norm(start[half:] - start[: len(start) - half], axis=1)
    apart_now = np.linalg.norm(there[half:] - there[: len(there) - half], axis=1)
    growth = float(np.median(apart_now / np.maximum(apart, 1e-3)))
    if not 1 / GROWTH < growth < GROWTH:
        return None
    points = np.array([face.box[:2], face.box[2:], *face.landmarks])
    points = (points - middle / scale) * growth + (middle + shift) / scale
    return Detection.of(points[:2].ravel(), points[2:], face.confidence)
