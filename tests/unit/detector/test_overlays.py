"""What is laid over a copy is a bar or a box that stands still, and nothing else is one."""

import cv2
import numpy as np
import pytest

from detector.comparison.decide import find_overlays
from detector.comparison.measure import Layers
from detector.vision import Detection

SHAPE = 90, 120
BAR = slice(74, 88)
FACE = Detection.of(
    np.array([45.0, 20.0, 75.0, 60.0]),
    np.array([[53.0, 35], [67, 35], [60, 43], [54, 51], [66, 51]]),
    0.99,
)


def scene(moments=8):
    """Soft shapes that drift: float32 [H, W, 3] each."""
    rng = np.random.default_rng(3)
    wide = cv2.GaussianBlur(rng.uniform(0, 255, (90, 200, 3)).astype(np.float32), (0, 0), 5)
    wide = (wide - wide.mean()) * 4 + 120
    return [wide[:, 4 * n : 4 * n + 120].clip(0, 255) for n in range(moments)]


def layers(copies, originals):
    return [
        Layers(copy, original, np.zeros(SHAPE, np.float32), np.ones(SHAPE, bool), ((0, FACE),))
        for copy, original in zip(copies, originals, strict=True)
    ]


def found(copies, originals):
    noise = np.random.default_rng(1)
    noisy = [(c + noise.normal(0, 1, c.shape)).astype(np.float32) for c in copies]
    return find_overlays(layers(noisy, originals), originals)


def captioned(frames, when):
    out = [frame.copy() for frame in frames]
    for n in when:
        shown = out[n].astype(np.uint8)
        shown[BAR] = (20, 20, 60)
        cv2.putText(shown, "BREAKING", (4, 85), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255,) * 3, 1)
        out[n] = shown.astype(np.float32)
    return out


def test_a_bar_is_found_where_and_when_it_is_shown():
    frames = scene()
    (bar,) = found(captioned(frames, range(8)), frames)
    x0, y0, x1, y1 = bar.box
    assert (x0, x1) == (0, 120)
    assert y0 == pytest.approx(BAR.start, abs=4)
    assert y1 == pytest.approx(BAR.stop, abs=4)
    assert bar.levels > 30
    assert bar.during == (True,) * 8
    (late,) = found(captioned(frames, range(4, 8)), frames)
    assert late.during == (False,) * 4 + (True,) * 4


def test_a_box_is_found_that_ends_within_the_picture():
    frames = scene()
    copies = [frame.copy() for frame in frames]
    for copy in copies:
        copy[4:16, 84:114] = (240, 240, 230)
    (box,) = found(copies, frames)
    assert box.box == pytest.approx((84, 4, 114, 16), abs=3)


@pytest.mark.parametrize("what", ["nothing", "face", "brighter", "moves", "round", "another"])
def test_what_is_none(what):
    frames = scene()
    copies = [frame.copy() for frame in frames]
    if what == "face":  # it stands still and differs, as a still head that was swapped
        for copy in copies:
            copy[20:60, 45:75] = (200, 150, 130)
    if what == "brighter":  # the same in other colors
        for copy in copies:
            copy[BAR] = copy[BAR] * 0.7 + 60
    if what == "moves":  # it changes as the original does, so that it is no caption
        for n, copy in enumerate(copies):
            copy[BAR] = np.roll(frames[n][BAR], 40 + 9 * n, axis=1)[::-1]
    if what == "round":
        for copy in copies:
            cv2.circle(copy, (100, 70), 14, (10, 10, 10), -1)
    if what == "another":  # half of the picture is another one
        for copy in copies:
            copy[45:] = (90, 60, 30)
    assert found(copies, frames) == []


def test_of_two_moments_nothing_is_said():
    frames = scene(2)
    assert found(captioned(frames, range(2)), frames) == []
