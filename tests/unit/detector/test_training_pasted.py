"""Fakes that need no generator."""

import cv2
import numpy as np
import skimage.data

from detector.training.pasted import pasted

SIDE = 128


def rough(pictures, part):
    left = [np.abs(cv2.Laplacian(picture, cv2.CV_32F)).mean(2)[part].mean() for picture in pictures]
    return float(np.mean(left))


def test_the_face_loses_detail_and_its_surroundings_keep_theirs():
    face = cv2.resize(skimage.data.astronaut()[20:240, 120:340], (SIDE, SIDE))
    grain = np.random.default_rng(0).normal(0, 6, (4, SIDE, SIDE, 3))
    clip = np.clip(face + grain, 0, 255).astype(np.uint8)
    middle = np.zeros((SIDE, SIDE), bool)
    middle[70:84, 54:74] = True  # in the lower face, too
    rim = np.ones((SIDE, SIDE), bool)
    rim[6:-6, 6:-6] = False
    for seed in range(8):
        pair = pasted(clip, np.random.default_rng(seed))
        assert pair.original.shape == pair.fake.shape == clip.shape
        assert rough(pair.fake, middle) < 0.8 * rough(pair.original, middle)
        assert abs(rough(pair.fake, rim) / rough(pair.original, rim) - 1) < 0.1
        assert np.abs(pair.fake.astype(int) - pair.original).mean() < 8  # the same face


def test_the_same_draw_gives_the_same_fake():
    clip = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    first, again, other = (pasted(clip, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.fake, again.fake)
    assert (first.fake != other.fake).any()
