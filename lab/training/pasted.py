"""Synthesize fakes without a generator: resample the face of an original and paste it back.

Nearly every swap and edit renders a face at its own resolution and blends it into the footage, so
that the face lacks detail that its surroundings have. These fakes reproduce that alone, for every
original of every source; person, camera and light are unchanged. The original is re-encoded like
its fake, since double compression would separate them.
"""

import cv2
import numpy as np

from lab.training.augment import h264

QUALITY = (14, 24)  # CRF of an original and the fake that is made of it

SIZES = (0.35, 0.8)  # Of the face as it is: at which it is drawn
PART = 0.3
"""Share of the fakes with the lower face alone, and of those with a rectangle."""
FACE = (0.43, 0.72)
"""Range of the width and height of the pasted region, in shares of the crop, which shows 1.5 of the
face box."""
SOFT = (2 / 256, 8 / 256)  # Of its edge: deviation in shares of the crop
LOWER = 40 / 256  # How much lower the lower face lies, in shares of the crop


def pasted(pictures: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return crops of one face, uint8 [T, S, S, 3], and the same with the face pasted back, both
    with the same compression."""
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
    """Return the mask of the pasted region, float32 [side, side] in 0..1."""
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
