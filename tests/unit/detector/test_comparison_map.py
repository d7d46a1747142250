"""The map of all moments is that under which least differs, whatever moves and covers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from detector.comparison import align, geometry, mapping
from detector.comparison.decide import Part, _part, _slightly
from detector.comparison.measure import FaceMeasure, MeasuredMoment, Region
from detector.comparison.moments import MomentPair
from detector.isolation import Frame

SIZE = 320, 240


def film(frames: int = 12) -> list[np.ndarray]:
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


def moments(start: np.ndarray, late: int, caption: bool = False) -> list[MomentPair]:
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


def corner_error(found: list[MomentPair]) -> float:
    edge = geometry.corners(*SIZE)
    return max(float(np.abs(geometry.moved_points(p.matrix, edge) - edge).max()) for p in found)


@pytest.mark.parametrize("caption", [False, True])
def test_a_wrong_map_that_a_wrong_moment_makes_up_for_is_given_up(caption: bool) -> None:
    sunk = np.array([[1.0, 0, 0], [0, 1.0, -3.0], [0, 0, 1.0]])
    found = mapping.refined(moments(sunk, 1, caption))
    assert corner_error(found) < 1.0
    assert [pair.original_time for pair in found] == [pair.time for pair in found]


def test_a_part_of_the_picture_is_not_taken_for_the_whole() -> None:
    frames = film()
    crop = np.array([[1.0, 0, -60.0], [0, 1.0, -40.0], [0, 0, 1.0]])
    near = crop + np.array([[0, 0, 1.0], [0, 0, -1.0], [0, 0, 0]])
    pairs = [
        MomentPair(n / 25, frames[n][40:, 60:], (Frame(n, n / 25, frames[n]),), 0, near, ())
        for n in range(8)
    ]
    for pair in mapping.refined(pairs):
        moved = geometry.moved_points(pair.matrix, np.array([[120.0, 60.0], [210.0, 170.0]]))
        assert moved == pytest.approx(np.array([[60.0, 20.0], [150.0, 130.0]]), abs=1.0)


def test_a_map_under_which_nothing_is_seen_ends_nothing() -> None:
    away = np.array([[1.0, 0, 5000.0], [0, 1.0, 0], [0, 0, 1.0]])
    assert len(mapping.refined(moments(away, 0))) == 8
    assert mapping.refined([]) == []


def soft_film() -> list[np.ndarray]:
    """The same without sharp edges, before a corner of a room."""
    frames = film()
    for frame in frames:
        frame[:, :80] //= 2
        frame[:50, 80:] //= 4
    return [cv2.GaussianBlur(frame, (0, 0), 9.0) for frame in frames]


def small(frames: list[np.ndarray]) -> align.Small:
    """Frames as they are matched, all of them with their features."""
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    height, width = gray[0].shape
    size = (
        (128, round(128 * height / width)) if width > height else (round(128 * width / height), 128)
    )
    thumbs = np.array([cv2.resize(g, size, interpolation=cv2.INTER_AREA) for g in gray])
    return align.Small(tuple(n / 25 for n in range(len(gray))), thumbs, tuple(gray))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("part", ["whole", "crop"])
def test_a_picture_without_features_is_found_by_its_brightness(part: str, flip: bool) -> None:
    soft = soft_film()
    left, top, right, bottom = (0, 0, 320, 240) if part == "whole" else (70, 35, 290, 200)
    copies = []
    for frame in soft:
        shown = frame[top:bottom, left:right].copy()
        shown[115 - top : 140 - top, 140 - left : 180 - left] = 90  # another face
        copies.append(np.ascontiguousarray(shown[:, ::-1]) if flip else shown)
    found = align._located(small(copies), small(soft))
    edge = geometry.corners(right - left, bottom - top)
    shown = edge + np.array([left, top])
    if flip:
        edge = np.array([right - left - 1, 0]) + edge * [-1, 1]
    moved = [np.abs(geometry.moved_points(m.matrix, shown) - edge).max() for m in found]
    assert all(match.inliers == 0 for match in found)
    assert min(moved) < 0.02 * 320


def test_other_pictures_without_features_are_not_found() -> None:
    soft = soft_film()
    stripes = np.full((240, 320, 3), 200, np.uint8)
    stripes[:, 40:100] = stripes[:, 200:230] = 60
    other = [cv2.GaussianBlur(np.roll(stripes, 4 * n, 1), (0, 0), 9.0) for n in range(12)]
    assert align._located(small(other), small(soft)) == []


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 8, 90, 180, 270, 262])
def test_quarter_turns_are_told_from_slanted_pictures(degrees: int, mirrored: bool) -> None:
    angle = np.radians(degrees)
    turn = np.array([
        [np.cos(angle), -np.sin(angle), 40], [np.sin(angle), np.cos(angle), 9], [0, 0, 1]
    ])  # fmt: skip
    matrix = turn @ geometry.mirrored(320) if mirrored else turn
    assert geometry.quarter_turns(matrix, 320, 240) == round(degrees / 90) % 4


def part(inside: float, rim: float, expected: float = 1.0) -> Part:
    """What is said of a face that differs so, at a limit of twice what is expected."""
    regions = [Region(level, expected) for level in (inside, inside, inside, rim, rim)]
    face = FaceMeasure(0, *regions)
    nothing = np.full((1, 1), np.nan)
    moment = MeasuredMoment(
        None, None, nothing, nothing, (face,), Region(1.0, 1.0), nothing, nothing, nothing  # type: ignore[arg-type]
    )  # fmt: skip
    return _part(face, moment, 2.0)


def test_near_the_limit_a_face_has_to_differ_by_more_than_its_rim() -> None:
    assert part(2.5, rim=2.4) == "none"
    assert part(2.5, rim=1.2) == "face"
    assert part(2.9, rim=1.9) == "none", "an encoder of few bits errs so"
    assert part(3.5, rim=3.4) == "face", "far over it nothing about it counts"
    assert part(1.9, rim=0.5) == "none"


def faces(inside: float, lower: float, rim: float, expected: float = 3.0) -> list[FaceMeasure]:
    """A face that differs so at each of eight moments, in multiples of what is expected."""

    def region(ratio: float) -> Region:
        return Region(ratio * expected, expected)

    face = FaceMeasure(0, region(inside), region(inside), region(lower), region(rim), region(rim))
    return [face] * 8


def test_what_differs_little_but_all_along_is_told_by_the_rim() -> None:
    assert _slightly(faces(1.8, 1.8, rim=1.0)) == ("face", pytest.approx(1.6))
    assert _slightly(faces(1.8, 1.8, rim=1.3)) is None, "the rim differs as much"
    assert _slightly(faces(0.9, 1.9, rim=1.0)) == ("mouth", pytest.approx(1.53))
    assert _slightly(faces(1.3, 1.9, rim=1.0)) is None, "the upper face does, too"
    assert _slightly(faces(1.8, 1.8, rim=1.0)[:3]) is None
    assert _slightly(faces(1.8, 1.8, rim=1.0, expected=1.0)) is None, "nobody sees that"
    some = faces(1.8, 1.8, rim=1.0)[:4] + faces(1.0, 1.0, rim=1.0)[:4]
    assert _slightly(some) is None, "at half of the moments only"
