"""A made world for the live engine: a face is a patch, its tint what models say of it."""

import cv2
import numpy as np

from detector import vision
from detector.models import registry
from detector.models.base import Model

SIDE = 160
"""px. A made face's box."""
BASE, TINT = 9, 4
"""Levels of red over blue: little enough of a change to be the same person's colors."""


def texture():
    """A patch with corners for flow to hold on to."""
    noise = np.random.default_rng(0).integers(60, 180, (28, 28), np.uint8)
    patch = cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.repeat(patch[..., None], 3, 2).astype(np.int16)


TEXTURE = texture()


def picture(*people, size=(640, 480)):
    """A grey frame with faces: (left, top, how suspicious, -1 to 1) each."""
    rgb = np.full((size[1], size[0], 3), 90, np.uint8)
    for left, top, suspicion in people:
        tint = round(TINT * suspicion)
        patch = TEXTURE + np.array([BASE + tint, 0, -BASE - tint], np.int16)
        rgb[top : top + SIDE, left : left + SIDE] = patch.clip(0, 255)
        rgb[top : top + 4, left : left + 4] = (255, 0, 255)  # where the made detector looks
    return rgb


class MadeDetector:
    """Finds the magenta corners of `picture`."""

    name = "mtcnn"

    def __init__(self):
        self.looks = 0

    def detect(self, rgb, min_face):
        self.looks += 1
        marked = (rgb[..., 0] == 255) & (rgb[..., 1] == 0) & (rgb[..., 2] == 255)
        corners = np.argwhere(marked & ~np.roll(marked, 1, 0) & ~np.roll(marked, 1, 1))
        return [self._face(float(x), float(y)) for y, x in corners if min_face <= SIDE]

    def follow(self, rgb, min_face, faces):
        return self.detect(rgb, min_face)

    def _face(self, x, y):
        points = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
        landmarks = tuple((x + SIDE * u, y + SIDE * v) for u, v in points)
        return vision.Detection((x, y, x + SIDE, y + SIDE), landmarks, 1.0)


class MadeModel(Model):
    """Gives the calibrated logit that the tint says, whatever the model's calibration."""

    def __init__(self, spec, work=lambda: None):
        super().__init__(spec)
        self._work = work

    def preprocess(self, picture):
        raise NotImplementedError

    def forward(self, batch):
        raise NotImplementedError

    def log_odds_of(self, wanted):
        return wanted

    def score(self, batch):
        self._work()
        # The middle alone: a crop may be wider than the patch.
        rows, columns = (slice(side * 2 // 5, side * 3 // 5) for side in batch.shape[-3:-1])
        mean = batch[..., rows, columns, :].reshape(len(batch), -1, 3).mean(1)
        wanted = self.log_odds_of(((mean[:, 0] - mean[:, 2]) / 2 - BASE) / TINT * 4.0)
        calibration = self.spec.calibration
        return ((wanted - calibration.offset) / calibration.scale).astype(np.float32)


def made(work=lambda: None):
    """A loader of made models."""
    return lambda id: MadeModel(registry.get_spec(id), work)


REAL, FAKE = picture((240, 160, -1.0)), picture((240, 160, 1.0))
