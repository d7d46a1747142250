"""Overlay of boxes, labels and percents drawn into a frame by OpenCV, in under a millisecond.

A label is shown by dash and icon as well as by color: solid with a triangle (likely manipulated),
dotted with a question mark in a circle (inconclusive), long dashes with a check (no sign), thin and
grey with a bar (no reading).
"""

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np

from detector.presentation.live import of_face, share
from detector.schema.analysis import Label, Side
from detector.schema.live import LiveFace, LiveState
from detector.vision.boxes import STROKES, Color, outline

NARROW = 480  # px; on a narrower frame a label is the letter and the percent alone
LABEL, SMALL_LABEL = 1 / 27, 1 / 40
"""Height of a label, and of the label of a narrow face, as shares of the picture's width"""
NARROW_FACE = 0.1
"""share of the picture's width; in a meeting a wider label covers its neighbors"""
FURTHEST = 0.25  # s that a box is extrapolated by its velocity, at most
STALE = 1.0  # s from the last detection until a box is no longer drawn
TEXT, PLATE = (255, 255, 255), (15, 18, 21)  # of a label
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def as_shown(now: LiveState, shown: LiveState) -> LiveState:
    """Return a state whose faces have the readings of the state that the page shows, so that
    picture and page never differ. New faces have no reading yet."""
    readings = {face.id: face for face in shown.faces}

    def face(new: LiveFace) -> LiveFace:
        old = readings.get(new.id)
        if old is None:
            label = Label.NOT_APPLICABLE if new.problem else Label.INCONCLUSIVE
            return replace(new, probability=None, label=label, question=None)
        return replace(
            new,
            probability=old.probability,
            label=old.label,
            problem=old.problem,
            question=old.question,
        )

    return replace(now, faces=tuple(face(new) for new in now.faces))


def draw(
    frame: np.ndarray, state: LiveState, *, time: float | None = None, mirror: bool = False
) -> np.ndarray:
    """Return a copy of a frame with a box and a label per face.

    Parameters
    ----------
    frame : uint8 array [H, W, 3], RGB
        Of the session's proportions; boxes are scaled to its size.
    state : LiveState
    time : float, optional
        Of this frame: boxes are moved to where the faces are by then.
    mirror : bool
        Flip the picture left to right first; the text stays readable.

    Returns
    -------
    uint8 array [H, W, 3]
    """
    out = np.ascontiguousarray(frame[:, ::-1]) if mirror else frame.copy()
    width = out.shape[1]
    scale = width / state.size[0] if state.size[0] else 1.0
    for face in reversed(state.faces):  # the most suspicious one on top
        if time is not None and time - face.time > STALE:
            continue
        ahead = 0.0 if time is None else min(max(time - face.time, 0.0), FURTHEST)
        x, y = face.velocity[0] * ahead, face.velocity[1] * ahead
        moved = np.add(face.box, (x, y, x, y)) * scale
        box = tuple(round(edge) for edge in moved.tolist())
        if mirror:
            box = (width - box[2], box[1], width - box[0], box[3])
        _draw_face(out, face, box)
    return out


def _draw_face(out: np.ndarray, face: LiveFace, box: tuple[int, ...]) -> None:
    """Draw the box, and its label on a plate above it, or inside where there is no room above."""
    color = STROKES[face.label]
    line = max(2, out.shape[1] // 320)
    thin = line if face.label is not Label.NOT_APPLICABLE else max(1, line // 2)
    outline(out, box, face.label, color, thin)
    word, percent = of_face(face), share(face.probability)
    if face.probability is not None:
        word = f"{word} - {percent}"
    height, width = out.shape[:2]
    if width < NARROW:
        word = f"{face.id} {percent}"
    high = SMALL_LABEL if box[2] - box[0] < NARROW_FACE * width else LABEL
    plate = _label(word, face.label, max(18, round(width * high)))
    rows, columns = plate.shape[:2]
    top = box[1] - rows - 2
    if top < 0:
        top = max(0, min(box[1] + 2, height - rows))
    left = max(0, min(box[0], width - columns))
    rows, columns = min(rows, height - top), min(columns, width - left)
    if rows > 0 and columns > 0:
        out[top : top + rows, left : left + columns] = plate[:rows, :columns]


@lru_cache(maxsize=256)
def _label(word: str, label: Label, height: int) -> np.ndarray:
    size = height / 40
    thickness = max(1, round(height / 20))
    text = word.replace("–", "-").replace("’", "'")  # OpenCV's letters are ASCII
    (wide, tall), _ = cv2.getTextSize(text, _FONT, size, thickness)
    out = np.empty((height, wide + height + height // 2, 3), np.uint8)
    out[:] = PLATE
    _icon(out, label, STROKES[label], height)
    origin = (height + height // 8, (height + tall) // 2)
    cv2.putText(out, text, origin, _FONT, size, TEXT, thickness, cv2.LINE_AA)
    out.flags.writeable = False  # cached
    return out


def _icon(out: np.ndarray, label: Label, color: Color, height: int) -> None:
    middle, r = height // 2, max(4, round(height * 0.3))
    thick = max(1, height // 14)
    if label.side is Side.FAKE:
        corners = [(middle, middle - r), (middle - r, middle + r), (middle + r, middle + r)]
        cv2.polylines(out, [np.array(corners)], True, color, thick, cv2.LINE_AA)
        cv2.line(out, (middle, middle - r // 3), (middle, middle + r // 3), color, thick)
        cv2.circle(out, (middle, middle + round(r * 0.7)), thick // 2, color, -1)
        return
    if label.side is Side.REAL:
        check = [(middle - r, middle), (middle - r // 4, middle + r * 3 // 4)]
        check.append((middle + r, middle - r * 3 // 4))
        cv2.polylines(out, [np.array(check)], False, color, thick + 1, cv2.LINE_AA)
        return
    cv2.circle(out, (middle, middle), r, color, thick, cv2.LINE_AA)
    if label is Label.INCONCLUSIVE:
        size = r / 18
        (wide, tall), _ = cv2.getTextSize("?", _FONT, size, thick)
        origin = (middle - wide // 2, middle + tall // 2)
        cv2.putText(out, "?", origin, _FONT, size, color, thick, cv2.LINE_AA)
    else:
        cv2.line(out, (middle - r // 2, middle), (middle + r // 2, middle), color, thick)
