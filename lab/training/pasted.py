"""Fakes that need no generator: a face of an original drawn at a smaller size and pasted back.

Nearly every swap and edit draws a face at a size of its own and lays it into the footage, so that
the face has lost detail which its surroundings still have. That alone is made here, of every
original of every source; who is shown, the camera and the light stay as they were. The original
beside it is encoded once more as its fake is, or the second encoding would tell them apart.
"""

import cv2
import numpy as np

from lab.training.augment import h264

QUALITY = (14, 24)  # CRF of an original and the fake that is made of it

SIZES = (0.35, 0.8)  # Of the face as it is: at which it is drawn
PART = 0.3
"""Share of the fakes of which only the lower face is pasted, and of those that are pasted as a
rectangle."""
FACE = (0.43, 0.72)
"""Width and height of what is pasted, in shares of the crop where it shows 1.5 of the face box: the
least and the most."""
SOFT = (2 / 256, 8 / 256)  # Of its edge: deviation in shares of the crop
LOWER = 40 / 256  # How much lower the lower face lies, in shares of the crop


def pasted(pictures: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return crops of one face, uint8 [T, S, S, 3], and the same with the face pasted back, both
    encoded alike."""
    side = pictures.shape[1]
    crf, share = int(rng.integers(*QUALITY)), rng.uniform(*SIZES)
    mask = _mask(side, rng)[None, ..., None]
    drawn = np.stack([_drawn(picture, share) for picture in pictures])
    fake = np.clip(pictures * (1 - mask) + drawn * mask + 0.5, 0, 255).astype(np.uint8)
    return h264(pictures, crf), h264(fake, crf)


def _drawn(picture: np.ndarray, share: float) -> np.ndarray:
    side = len(picture)
    small = max(8, round(side * share))
    less = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(less, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def _mask(side: int, rng: np.random.Generator) -> np.ndarray:
    """Return what is pasted, float32 [side, side] in 0..1."""
    x, y = side / 2 + rng.normal(0, 3 / 256 * side, 2)
    width, height = side * rng.uniform(*FACE, 2)
    if rng.random() < PART:
        y, width, height = y + LOWER * side, width * 0.8, height * 0.5
    mask = np.zeros((side, side), np.float32)
    if rng.random() < PART:
        corners = ((x - width / 2, y - height / 2), (x + width / 2, y + height / 2))
        (left, top), (right, bottom) = (tuple(int(v) for v in corner) for corner in corners)
        cv2.rectangle(mask, (left, top), (right, bottom), 1.0, -1)
    else:
        cv2.ellipse(mask, ((x, y), (width, height), 0.0), 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), side * rng.uniform(*SOFT)))
