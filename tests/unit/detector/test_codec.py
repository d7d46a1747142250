"""H.264 in memory."""

import cv2
import numpy as np
import pytest
import skimage.data

from detector.training.codec import h264


def moving(side, frames=12):
    face = cv2.resize(skimage.data.astronaut()[40:220, 140:320], (side, side))
    return np.stack([np.roll(face, 2 * t, 1) for t in range(frames)])


@pytest.mark.parametrize("side", [96, 97])
def test_frames_keep_their_order_and_shape(side):
    clip = moving(side)
    out = h264(clip, 23)
    assert out.shape == clip.shape and out.dtype == np.uint8
    off = np.abs(out[:, None].astype(int) - clip[None]).mean((2, 3, 4))
    assert off.argmin(1).tolist() == list(range(len(clip)))
    assert h264(clip[:1], 23).shape == clip[:1].shape


def test_a_higher_factor_loses_more():
    clip = moving(96)
    lost = [np.abs(h264(clip, crf).astype(int) - clip).mean() for crf in (18, 28, 40)]
    assert lost[0] < lost[1] < lost[2] < 20


def test_the_same_clip_gives_the_same_bytes():
    clip = moving(160, 16)
    first = h264(clip, 30)
    assert all(np.array_equal(first, h264(clip.copy(), 30)) for _ in range(8))
