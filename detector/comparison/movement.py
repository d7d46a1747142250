"""How a face moves, whatever it looks like.

The face is followed through a stretch of a file, turned upright and brought to one size; optical
flow from frame to frame (DIS, Kroeger et al., ECCV 2016; OpenCV, Apache-2.0) says how the head
moves, as one, and how the features do in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detector.comparison.face_hashes import POINTS, detector
from detector.comparison.reading import FootageReader
from detector.vision import Detection, widest
from detector.vision.alignment import similarity

RATE = 25.0
"""Hz, at which movement is held against movement"""
FEWEST = 18
"""steps of 1 / `RATE` in which a face has to be seen"""
_MOST_RATE = 31.0
"""frames a second that are looked at"""
_SIDE, _CELLS = 160, 20
"""px of the square a face is brought to, and cells along it whose movement is averaged"""
_LONG = 640
"""px of the longer side of the pictures in which faces are looked for"""
_SMALLEST = 20
"""px"""
_ABOUT = 0.5
"""s about a frame, whose faces say how the frame is turned"""
_BURST = 3.0
"""How many times its median a step's movement may be. Without a limit three of 9,900 unrelated
pairs were told, by single steps."""
_JUMP = 0.7
"""Of the distance between the eyes: a face that goes further from frame to frame is another one."""


@dataclass(frozen=True)
class Movement:
    """How one face moves, in px a second of a square of 160 px about it, at `RATE`."""

    start: float
    """s of the first step"""
    head: np.ndarray
    """float [N, 4]: growth, turn, right, down; NaN where no face is"""
    features: np.ndarray
    """float [N, 2 * cells]: what moves in it beyond that, right and then down"""

    def mirrored(self) -> Movement:
        """Return the movement that a mirror shows."""
        right, down = np.split(self.features, 2, axis=1)
        return Movement(
            self.start,
            self.head * (1, -1, -1, 1),
            np.concatenate([-right[:, _TURNED], down[:, _TURNED]], axis=1),
        )


def read(reader: FootageReader, start: float, seconds: float) -> Movement | None:
    """Return how the widest face of a stretch moves; None where there is none long enough.

    Raises
    ------
    MediaError, Canceled
    """
    end = min(reader.media.duration or 0.0, start + seconds)
    if (end - start) * RATE < FEWEST:  # a still picture among them, which is not even opened
        return None
    times, pictures, faces = _faces(reader, start, end)
    if len(times) < FEWEST:
        return None
    points = np.array([f.landmarks if f else np.full((5, 2), np.nan) for f in faces])
    about = max(1, round(_ABOUT / max(1e-3, float(np.median(np.diff(times))))))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    middles, moved = [], []
    for i in range(len(times) - 1):
        middles.append((times[i] + times[i + 1]) / 2)
        moved.append(_moved(flow, pictures, points, i, about) / (times[i + 1] - times[i]))
    return _movement(np.array(middles), np.array(moved))


def _faces(
    reader: FootageReader, start: float, end: float
) -> tuple[np.ndarray, list[np.ndarray], list[Detection | None]]:
    """Return times, gray pictures and the face that is followed through them."""
    rate = min(reader.media.fps or RATE, _MOST_RATE)
    asked = reader.spread(max(1, round((end - start) * rate)), start, end)
    times: list[float] = []
    pictures: list[np.ndarray] = []
    faces: list[Detection | None] = []
    last: Detection | None = None
    for frame in reader.frames(asked, _LONG):
        refined = detector().refine(frame.rgb, [last]) if last is not None else []
        last = widest(refined) or widest(detector().detect(frame.rgb, _SMALLEST))
        if times and frame.time <= times[-1]:
            continue
        times.append(frame.time)
        pictures.append(cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY))
        faces.append(last)
    return np.array(times), pictures, faces


def _moved(
    flow: cv2.DISOpticalFlow,
    pictures: Sequence[np.ndarray],
    points: np.ndarray,
    i: int,
    about: int,
) -> np.ndarray:
    """Return how cells move from picture `i` to the next, px [2 * cells]; NaN where no face is."""
    near = points[max(0, i - about) : i + about + 1]
    seen = near[~np.isnan(near[:, 0, 0])]
    step = points[i + 1].mean(0) - points[i].mean(0)
    span = np.linalg.norm(points[i][1] - points[i][0])
    if np.isnan(step).any() or np.linalg.norm(step) > _JUMP * span:
        return np.full(2 * len(_TURNED), np.nan)
    onto = similarity(np.median(seen, axis=0), np.array(POINTS) * _SIDE)
    before, after = (
        cv2.warpAffine(
            pictures[k], onto, (_SIDE, _SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
        for k in (i, i + 1)
    )
    moved = flow.calc(before, after, np.zeros((_SIDE, _SIDE, 2), np.float32))
    cells = cv2.resize(moved, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    right, down = cells[_FACE][:, 0], cells[_FACE][:, 1]
    return np.concatenate([right, down])


def _movement(middles: np.ndarray, moved: np.ndarray) -> Movement | None:
    seen = ~np.isnan(moved[:, 0])
    if seen.sum() < FEWEST - 1:
        return None
    grid = np.arange(middles[0], middles[-1] + 1e-6, 1 / RATE)
    # A step of the grid is as seen as the frames about it.
    share = np.interp(grid, middles, seen.astype(float))
    even = np.stack(
        [np.interp(grid, middles[seen], moved[seen, k]) for k in range(moved.shape[1])], axis=1
    )
    even[share < 0.5] = np.nan
    head = even @ np.linalg.pinv(_AS_ONE).T
    return Movement(float(grid[0]), _limited(head), _limited(even - head @ _AS_ONE.T))


def _limited(moved: np.ndarray) -> np.ndarray:
    """Return movement in which no step outweighs the others, as the one at a cut would."""
    size = np.linalg.norm(moved, axis=1)
    most = _BURST * np.nanmedian(size)
    limited: np.ndarray = moved * np.minimum(1, most / np.maximum(size, 1e-9))[:, None]
    return limited


def _face_cells() -> np.ndarray:
    """Return which cells of the square are face, bool [20, 20]."""
    y, x = np.mgrid[:_CELLS, :_CELLS]
    inside: np.ndarray = ((x - 9.5) / 6.5) ** 2 + ((y - 10.5) / 8) ** 2 < 1
    return inside


def _as_one() -> np.ndarray:
    """Return how cells move where the head grows, turns, goes right and down, [2 * cells, 4]."""
    y, x = np.nonzero(_FACE)
    across, along = (x - 9.5) / 8, (y - 10.5) / 8
    one, none = np.ones(len(x)), np.zeros(len(x))
    right = np.stack([across, -along, one, none], axis=1)
    down = np.stack([along, across, none, one], axis=1)
    return np.concatenate([right, down])


def _turned() -> np.ndarray:
    """Return for each cell of the face the one on the other side."""
    number = np.full((_CELLS, _CELLS), -1)
    number[_FACE] = np.arange(_FACE.sum())
    other: np.ndarray = number[:, ::-1][_FACE]
    return other


_FACE = _face_cells()
_AS_ONE = _as_one()
_TURNED = _turned()
