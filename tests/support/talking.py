"""Somebody who talks: a portrait whose mouth is opened as wide as it is told, frame by frame.

The lower lip and chin are moved down and the mouth's inside is dark, as in a real one; lips, teeth
and cheeks move in no way of their own. What comes of it has a known answer and is no real person's
speech.
"""

from collections.abc import Sequence

import cv2
import numpy as np

Points = Sequence[tuple[float, float]]
ASTRONAUT: Points = ((204.9, 102.3), (247.8, 104.5), (225.9, 130.1), (203.0, 141.0), (245.6, 142.8))
"""Eyes, nose, corners of the mouth in scikit-image's portrait."""


def opening(speech, frames, rate=25.0, late=0.0):
    """How far a mouth opens with a sound of 16 kHz: float [frames], 0..1."""
    hop = 16_000 / rate
    starts = ((np.arange(frames) - 0.5 + late * rate) * hop).astype(int)
    level = np.array(
        [np.sqrt(np.mean(speech[max(0, s) : max(0, s) + int(hop)] ** 2 + 1e-12)) for s in starts]
    )
    level = np.convolve(level, (0.25, 0.5, 0.25), "same")
    return np.asarray(np.clip(level / max(float(np.percentile(level, 95)), 1e-6), 0, 1))


def opened(face, points, wide):
    """A face, uint8 [H, W, 3], with its mouth opened by a share of its width, 0..0.5."""
    left, right = np.array(points[3]), np.array(points[4])
    middle, width = (left + right) / 2, float(np.linalg.norm(right - left))
    x0, y0 = (max(0, int(value - 1.1 * width)) for value in middle)
    x1, y1 = (int(value + 2 * width) for value in middle)
    region = face[y0:y1, x0:x1]
    rows, columns = np.mgrid[: region.shape[0], : region.shape[1]].astype(np.float32)
    across = (columns + x0 - middle[0]) / (0.75 * width)
    below = rows + y0 - middle[1]
    # The lower lip goes down by `wide`, less so towards the corners and the chin's end.
    pulled = wide * width * np.clip(1 - across**2, 0, 1)
    pulled *= np.where(below >= 0, np.clip(1 - below / (1.6 * width), 0, 1), 0)
    above = (rows - pulled).astype(np.float32)
    moved = cv2.remap(region, columns, above, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    half = wide * width * np.clip(1 - (across / 0.8) ** 2, 0, 1) / 2
    inside = np.clip((half - np.abs(below - half)) / 1.5 + 0.5, 0, 1) * (half > 0.5)
    dark = np.array([60, 25, 25], np.float32)
    out = face.copy()
    out[y0:y1, x0:x1] = moved * (1 - inside[..., None]) + dark * inside[..., None]
    return out


def talking(face, points, open_, size):
    """Frames of a face that talks in front of a hand-held camera, cut to `size` around it."""
    eyes = float(np.linalg.norm(np.subtract(points[0], points[1])))
    shrink = min(1.0, size[1] / (7.0 * eyes))  # once: pixels that are left out would shimmer
    shrunk = np.multiply(points, shrink)
    face = cv2.resize(face, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    points, eyes, middle = shrunk.tolist(), eyes * shrink, shrunk.mean(0)
    tall = 7.0 * eyes
    wide = tall * size[0] / size[1]

    def picture(number):
        said = opened(face, points, 0.45 * float(open_[min(number, len(open_) - 1)]))
        x = middle[0] + 0.4 * eyes * np.sin(number / 9) - wide / 2
        y = middle[1] + 0.25 * eyes * np.cos(number / 7) - tall / 2
        scale = size[1] / tall
        matrix = np.array([[scale, 0, -x * scale], [0, scale, -y * scale]], np.float32)
        return cv2.warpAffine(
            said, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )

    return picture
