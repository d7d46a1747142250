"""The map of all moments is that under which least differs, whatever moves and covers."""

import cv2
import numpy as np
import pytest

from detector.comparison import align
from detector.comparison.align import FeatureCache
from detector.comparison.place import MomentPair, refine_moments
from detector.isolation import Frame

SIZE = 320, 240


def film(frames=12):
    """A textured head that sinks before a plain wall."""
    rng = np.random.default_rng(5)
    head = cv2.GaussianBlur(rng.uniform(0, 255, (110, 90, 3)).astype(np.float32), (0, 0), 3)
    head = ((head - head.mean()) * 5 + 130).clip(0, 255)
    out = []
    for n in range(frames):
        picture = np.full((240, 320, 3), (205, 198, 190), np.float32)
        picture[60 + 3 * n : 170 + 3 * n, 120:210] = head
        out.append(cv2.GaussianBlur(picture, (0, 0), 1.0).astype(np.uint8))
    return out


def moments(start, late, caption=False):
    """Moments that were matched to frames that are `late` by so many, under a map that makes up for
    it."""
    frames = film()
    pairs = []
    for n in range(2, 10):
        copy = frames[n].copy()
        if caption:
            copy[205:] = (20, 20, 60)
            cv2.putText(copy, "LIVE", (10, 232), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255,) * 3, 2)
        around = tuple(Frame(k, k / 25, frames[k]) for k in range(max(0, n - 2), min(12, n + 3)))
        place = [frame.index for frame in around].index(min(n + late, around[-1].index))
        pairs.append(MomentPair(n / 25, copy, around, place, start, ()))
    return pairs


def corner_error(found):
    edge = align.corners(*SIZE)
    return max(float(np.abs(align.moved_points(p.matrix, edge) - edge).max()) for p in found)


@pytest.mark.parametrize("caption", [False, True])
def test_a_wrong_map_that_a_wrong_moment_makes_up_for_is_given_up(caption):
    sunk = np.array([[1.0, 0, 0], [0, 1.0, -3.0], [0, 0, 1.0]])
    found = refine_moments(moments(sunk, 1, caption), FeatureCache())
    assert corner_error(found) < 1.0
    assert [pair.original_time for pair in found] == [pair.time for pair in found]


def test_a_part_of_the_picture_is_not_taken_for_the_whole():
    frames = film()
    crop = np.array([[1.0, 0, -60.0], [0, 1.0, -40.0], [0, 0, 1.0]])
    near = crop + np.array([[0, 0, 1.0], [0, 0, -1.0], [0, 0, 0]])
    pairs = [
        MomentPair(n / 25, frames[n][40:, 60:], (Frame(n, n / 25, frames[n]),), 0, near, ())
        for n in range(8)
    ]
    for pair in refine_moments(pairs, FeatureCache()):
        moved = align.moved_points(pair.matrix, np.array([[120.0, 60.0], [210.0, 170.0]]))
        assert moved == pytest.approx(np.array([[60.0, 20.0], [150.0, 130.0]]), abs=1.0)


def test_a_map_under_which_nothing_is_seen_ends_nothing():
    away = np.array([[1.0, 0, 5000.0], [0, 1.0, 0], [0, 0, 1.0]])
    assert len(refine_moments(moments(away, 0), FeatureCache())) == 8
    assert refine_moments([], FeatureCache()) == []


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 8, 90, 180, 270, 262])
def test_quarter_turns_are_told_from_slanted_pictures(degrees, mirrored):
    angle = np.radians(degrees)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 40], [np.sin(angle), np.cos(angle), 9], [0, 0, 1]]
    )
    matrix = turn @ align.mirrored(320) if mirrored else turn
    assert align.quarter_turns(matrix, 320, 240) == round(degrees / 90) % 4
