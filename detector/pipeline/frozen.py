"""Detection of a video that shows one still picture, as one that only accompanies a sound."""

from collections.abc import Sequence

import cv2
import numpy as np

from detector.large_frames import halved

SIDE = 64  # px that frames are averaged to
SPAN = 0.5  # s between the first and the last frame, at least
ALIKE = 6.0
"""gray levels at any of these px: a still picture at CRF 20 reaches 2, at CRF 35 4 to 12"""
COARSE, COARSE_MEAN = 16.0, 0.3
"""gray levels at any of these px and on average that a still picture reaches at CRF 51 (14.5 and
0.09); of 337 clips those that move the least reach 11.6 with 0.90, and 50 with 0.15"""

# Re-encoded at each of many key frames, a still picture reaches 61 levels at CRF 46, by noise all
# over the picture that is not motion. Of 895 such clips of seven codecs at CRF 18 to 46, 891 are
# within these bounds or those above; of 1,829 that move and 247 quiet ones encoded badly, none.
NOISE_SPAN = 2.0  # s between the first and the last frame, at least: less has few key frames
NOISE = 64.0  # gray levels
EXPLAINED = 0.12
"""share of the differences' energy that motion explains: 0.02 to 0.12 of noise, more of clips"""
PEAK = 12.0
"""largest deviation over time as a multiple of the mean: 16 where little moves"""
WINDOW = 9  # px, in which motion is one displacement


def averaged(rgb: np.ndarray) -> np.ndarray:
    """Return the gray levels of a frame, uint8 [H, W, 3], averaged to uint8 [SIDE, SIDE]."""
    gray = cv2.cvtColor(halved(rgb), cv2.COLOR_RGB2GRAY)
    return cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


class FrozenCheck:
    """Compares the sampled frames of a video with each other."""

    def __init__(self) -> None:
        self._pictures: list[np.ndarray] = []
        self._moves = False

    def add(self, small: np.ndarray) -> None:
        """Add a sampled frame, as `averaged` returns it."""
        if self._moves:
            return
        self._pictures.append(small)
        self._moves = float(cv2.absdiff(small, self._pictures[0]).max()) > NOISE

    def holds(self, planned: Sequence[float]) -> bool:
        """Return True if all frames planned at these times, s, show one picture."""
        span = planned[-1] - planned[0] if planned else 0.0
        if self._moves or span < SPAN or not self._pictures:
            return False
        pictures = np.stack(self._pictures).astype(np.float32)
        differences = np.abs(pictures - pictures[0])
        most = np.where(differences.mean(axis=(1, 2)) > COARSE_MEAN, ALIKE, COARSE)
        alike = bool((differences.max(axis=(1, 2)) <= most).all())
        return alike or (span >= NOISE_SPAN and _is_noise(pictures))


def _is_noise(pictures: np.ndarray) -> bool:
    """Return True if pictures, float32 [n, H, W], differ by noise everywhere and not by motion
    (Lucas and Kanade 1981)."""
    deviation = pictures.std(axis=0)
    if deviation.max() > PEAK * deviation.mean():
        return False
    usual = pictures.mean(axis=0)
    dy, dx = np.gradient(cv2.GaussianBlur(usual, (0, 0), 0.8))
    xx, xy, yy = _summed(dx * dx), _summed(dx * dy), _summed(dy * dy)
    determinant = xx * yy - xy * xy + 1e-3 * (xx + yy) ** 2 + 1e-2
    energy = explained = 0.0
    for difference in pictures - usual:
        x, y = _summed(dx * difference), _summed(dy * difference)
        right, down = (yy * x - xy * y) / determinant, (xx * y - xy * x) / determinant
        gain = 2 * (right * x + down * y) - xx * right**2 - 2 * xy * right * down - yy * down**2
        explained += float(np.maximum(gain, 0.0).sum())
        energy += float(_summed(difference * difference).sum())
    return explained <= EXPLAINED * energy


def _summed(values: np.ndarray) -> np.ndarray:
    return cv2.boxFilter(values.astype(np.float32), -1, (WINDOW, WINDOW))
