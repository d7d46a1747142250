"""Two moments of one take are told from one recording, and a changed face from an encoder."""

from types import SimpleNamespace

import numpy as np
import pytest

from detector.comparison import align
from detector.comparison.decide import Sameness, decide
from detector.comparison.engine import missed_faces
from detector.comparison.measure import FaceMeasure, Region
from detector.vision import Detection

SPAN = 20.0
"""px between the eyes"""
PLACE = (1.0,) * 8


def face(center):
    points = center + SPAN * np.array([[-0.5, 0], [0.5, 0], [0, 0.6], [-0.4, 1.1], [0.4, 1.1]])
    return Detection.of(np.concatenate([center - 25, center + 25]), points, 0.99)


def test_what_moves_alike_and_on_time_is_one_recording():
    assert Sameness(PLACE, 0.97, strong=0.95).supports_manipulation
    assert Sameness(PLACE, 0.9, strong=0.85, on_time=0.9, jitter=0.1).supports_manipulation


def test_what_moves_otherwise_is_another_moment_of_the_take():
    apart = Sameness(PLACE, 0.3, strong=0.1, on_time=0.2, jitter=1.5)
    assert not apart.is_likely and not apart.supports_manipulation
    loose = Sameness(PLACE, 0.9, strong=0.8, on_time=0.2, jitter=2.0)
    assert not loose.supports_manipulation, "matched too loosely to accuse"
    elsewhere = Sameness((0.1,) * 8, 0.2, strong=0.1)
    assert not elsewhere.is_likely


def test_moments_that_are_matched_loosely_lie_off_even_play():
    times = list(np.arange(24) / 8)

    def off(original):
        parts = [
            align.time_residuals(times[i:j], original[i:j])
            for i, j in align.ranges(times, original)
        ]
        return float(np.percentile(np.concatenate(parts), 75))

    assert off([3 + 0.8 * t for t in times]) == pytest.approx(0, abs=1e-3)
    assert off([t + 0.2 * (number == 7) for number, t in enumerate(times)]) < 1e-3
    assert off([t + 5 * (t > 1.4) for t in times]) == pytest.approx(0, abs=1e-3), "a cut"
    assert off([t + 0.3 * np.sin(2 * t) for t in times]) > 0.1


def decided(inside, lower, rim, count=8, of=8):
    """What is decided of a face that differs so at `count` of its moments, in multiples of what is
    expected, and as the rest at the others."""

    def moment(number):
        scale = (inside, lower, rim) if number < count else (1.0, 1.0, 1.0)
        upper, below, around = (Region(ratio * 3.0, 3.0) for ratio in scale)
        tiles = np.full((4, 4), 1.2)
        nothing = np.full((4, 4), np.nan)
        faces = (FaceMeasure(0, upper, upper, below, around),)
        layers = SimpleNamespace(valid=np.ones((32, 32), bool), faces=((0, face(np.zeros(2))),))
        return SimpleNamespace(
            pair=SimpleNamespace(time=number / 4), faces=faces, tiles=tiles, levels=nothing,
            alike=nothing, layers=layers, rest=Region(3.0, 3.0),
        )  # fmt: skip

    return decide([moment(number) for number in range(of)], of / 4, (1.0, 1.0))


def test_a_face_differs_by_more_than_an_encoder_leaves():
    assert decided(1.1, 1.1, 1.0).people[0].changed_region == "none"
    assert decided(5.0, 5.0, 1.2).people[0].changed_region == "face"
    assert decided(1.2, 5.0, 1.0).people[0].changed_region == "mouth"


def test_near_the_limit_the_rim_counts():
    near = next(r for r in np.arange(1.2, 4, 0.1) if decided(r, r, 1.0).accuses)
    assert not decided(near, near, 2.0).accuses, "the rim differs as much: an encoder of few bits"


def test_a_face_that_differs_at_some_moments_has_its_time():
    result = decided(6.0, 6.0, 1.2, count=4)
    (span,) = result.people[0].spans
    assert (span.start, span.end) == (0.0, 0.875)
    assert [parts[0] for parts in result.parts] == ["face"] * 4 + ["none"] * 4
    assert not decided(6.0, 6.0, 1.2, count=1, of=24).accuses, "a single moment"
    for moments, limit in zip(result.parts, result.limits, strict=True):
        assert (limit[0] < 18.0) or moments[0] == "none"


def test_a_face_that_is_none_any_more_is_looked_for_where_the_originals_is():
    matrix = np.array([[0.5, 0, 10], [0, 0.5, 0], [0, 0, 1]])
    there, elsewhere = face(np.array([100.0, 100.0])), face(np.array([300.0, 60.0]))
    known = [face(np.array([62.0, 52.0]))]  # of the first, where it lies in the copy
    (missed,) = missed_faces(known, [there, elsewhere], matrix)
    assert missed.box == pytest.approx((147.5, 17.5, 172.5, 42.5))
    assert missed.landmarks[0] == pytest.approx((155.0, 30.0))
    assert missed_faces([], [], matrix) == []
