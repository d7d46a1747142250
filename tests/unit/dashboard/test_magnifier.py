"""The magnifier shows pixels as they are."""

import numpy as np
import pytest

from dashboard.result.magnifier import magnified


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_what_is_magnified_are_the_pixels_around_a_place(x, y):
    rgb = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
    part = magnified(rgb, 4, x, y)
    scale = part.shape[1] // 80
    assert part.shape == (45 * scale, 80 * scale, 3) and scale > 1
    left, top = round(x * 320 - 40), round(y * 180 - 22.5)
    left, top = min(max(0, left), 240), min(max(0, top), 135)
    assert (part[::scale, ::scale] == rgb[top : top + 45, left : left + 80]).all()
