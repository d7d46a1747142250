"""Two moments of one take, told apart by where faces go and by what else moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detector.comparison import paths, timing
from detector.comparison.engine import _in_its_head, _loosely_timed, _to_the_frame
from detector.comparison.moments import _unseen
from detector.comparison.sameness import Sameness
from detector.schema.analysis import Media
from detector.schema.comparison import Comparison, ComparisonFinding, TimeAlignment
from detector.vision import Detection

SPAN = 20.0
"""px between the eyes"""
SIDE = 200
MEDIA = Media(
    name="a.mp4", sha256="0" * 64, kind="video", size=1, width=320, height=240, fps=50.0,
    container="mp4", codec="h264",
)  # fmt: skip


def face(center: np.ndarray) -> Detection:
    points = center + SPAN * np.array([[-0.5, 0], [0.5, 0], [0, 0.6], [-0.4, 1.1], [0.4, 1.1]])
    return Detection.of(np.concatenate([center - 25, center + 25]), points, 0.99)


class Spots:
    """Finds a face about the brightest spot."""

    def detect(self, rgb: np.ndarray, min_size: int) -> list[Detection]:
        gray = rgb.max(2)
        if gray.max() < 100:
            return []
        rows, columns = np.nonzero(gray == gray.max())
        return [face(np.array([columns.mean(), rows.mean()]))]


def moments(ours: np.ndarray, theirs: np.ndarray) -> list[Any]:
    """Moments in which a face is at `ours` in the copy and at `theirs` in the original."""
    found = []
    for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        original: np.ndarray = np.zeros((SIDE, SIDE, 3), np.uint8)
        x, y = np.round(b).astype(int)
        original[y - 1 : y + 2, x - 1 : x + 2] = 255
        pair = SimpleNamespace(
            time=number / 10, original=original, matrix=np.eye(3), faces=((0, face(a)),)
        )
        found.append(SimpleNamespace(pair=pair))
    return found


def way(phase: float, reach: float = 4.0) -> np.ndarray:
    turns = np.linspace(0, 2 * np.pi, 24)[:, None]
    return 100 + reach * np.sin(turns * [1.0, 1.7] + phase)


@pytest.mark.parametrize(
    ("ours", "theirs", "low", "high"),
    [
        (way(0), way(0), 0.98, 1.0),  # whole pixels at most apart
        (way(0) + 3, way(0), 0.98, 1.0),  # the new face is a little lower
        (way(0), way(2.5), -1.0, 0.5),
        (way(0), way(0, 0.0), -0.3, 0.3),  # who sat still is said to have moved
    ],
)
def test_a_face_goes_its_own_way(
    ours: np.ndarray, theirs: np.ndarray, low: float, high: float
) -> None:
    alike = paths.likeness(moments(ours, theirs), {0}, Spots())  # type: ignore[arg-type]
    assert alike is not None and low <= alike <= high


def test_who_stands_still_or_is_hardly_seen_tells_nothing() -> None:
    assert paths.likeness(moments(way(0, 0.3), way(0, 0.3)), {0}, Spots()) is None  # type: ignore[arg-type]
    few = moments(way(0)[:4], way(0)[:4])
    assert paths.likeness(few, {0}, Spots()) is None  # type: ignore[arg-type]
    assert paths.likeness(moments(way(0), way(0)), {1}, Spots()) is None  # type: ignore[arg-type]


PLACE = (1.0,) * 8


def test_one_recording_is_sure_where_nearly_all_that_moves_moves_alike() -> None:
    assert Sameness(PLACE, 0.97, steady=0.95, strong=0.98).surely
    assert not Sameness(PLACE, 0.97, steady=0.9, strong=0.98).surely
    assert not Sameness(PLACE, 0.99).surely, "of few tiles nothing is sure"


def test_what_moves_most_has_to_move_alike() -> None:
    apart = Sameness(PLACE, 0.8, steady=0.2, strong=0.3)
    assert not apart.same and not apart.still and not apart.may_accuse
    doubtful = Sameness(PLACE, 0.9, steady=0.6, strong=0.65)
    assert doubtful.same and not doubtful.may_accuse
    assert not Sameness(PLACE, 0.9, steady=0.7, strong=0.75).clearly
    assert Sameness(PLACE, 0.9, steady=0.8, strong=0.9).may_accuse
    covered = Sameness(PLACE, 0.95, steady=0.94, strong=0.65)
    assert covered.may_accuse, "a caption lies over some of what moves most"
    assert Sameness(PLACE, None).may_accuse, "of a still scene the way of the face tells"


def test_moments_that_are_matched_loosely_lie_off_even_play() -> None:
    times = list(np.arange(24) / 8)
    assert timing.unsteady(times, [3 + 0.8 * t for t in times]) == pytest.approx(0, abs=1e-3)
    one_late = [t + 0.2 * (number == 7) for number, t in enumerate(times)]
    assert timing.unsteady(times, one_late) == pytest.approx(0, abs=1e-3)
    cut = [t + 5 * (t > 1.4) for t in times]
    assert timing.unsteady(times, cut) == pytest.approx(0, abs=1e-3)
    there_and_back = [t + 0.3 * np.sin(2 * t) for t in times]
    assert timing.unsteady(times, there_and_back) > 0.1


def test_one_recording_is_on_time_to_the_frame() -> None:
    times, half = list(np.arange(24) / 8), 0.02
    other_rate = [round((3 + t) * 24) / 24 for t in times]
    assert timing.on_time(times, other_rate, half + 1e-3) == 1, "frames of 24 a second"
    assert timing.on_time(times, [t + 5 * (t > 1.4) for t in times], half) == 1, "a cut"
    scattered = [t + 0.04 * (number % 3 == 0) for number, t in enumerate(times)]
    assert timing.on_time(times, scattered, half) < 0.7
    montage = [t + 5 * (number // 4) for number, t in enumerate(times)]
    assert timing.on_time(times, montage, half) == 0, "stretches too short to tell"


def test_what_is_on_time_may_accuse_only_where_enough_moves() -> None:
    time = TimeAlignment(compared=24, matched=24)
    finding = ComparisonFinding.NOTHING_DIFFERS
    result = Comparison(copy_media=MEDIA, original_media=MEDIA, finding=finding, time=time)
    times = list(np.arange(24) / 8)
    moving = Sameness(PLACE, 0.8, steady=0.6, strong=0.65)
    assert _to_the_frame(result, (times, times), moving)
    assert not _to_the_frame(result, (times, times), Sameness(PLACE, 0.99)), "nobody sees when"
    late = [t + 0.04 * (number % 4 == 0) for number, t in enumerate(times)]
    assert not _to_the_frame(result, (times, late), moving)


@pytest.mark.parametrize(
    ("part", "difference", "limit", "loose"),
    [
        ("none", 4.0, 12.0, False),  # an encoder leaves as much, whatever the moment
        ("none", 6.5, 12.0, True),
        ("face", 7.0, 5.5, True),
        ("face", 12.0, 5.5, False),  # as much as another face differs by
    ],
)
def test_a_face_that_differs_has_to_be_seen_at_its_own_moments(
    part: str, difference: float, limit: float, loose: bool
) -> None:
    result: Any = SimpleNamespace(copy_media=MEDIA, original_media=MEDIA)
    seen = SimpleNamespace(part=part, difference=difference, limit=limit)
    decided: Any = SimpleNamespace(people=[seen])
    times = list(np.arange(24) / 8)
    there_and_back = [t + 0.3 * np.sin(2 * t) for t in times]
    assert _loosely_timed(result, (times, there_and_back), decided) is loose
    assert not _loosely_timed(result, (times, times), decided)


def test_a_head_that_goes_along_keeps_its_rim() -> None:
    def seen(inside: float, rim: float) -> list[Any]:
        ratios = {"inside": SimpleNamespace(ratio=inside), "rim": SimpleNamespace(ratio=rim)}
        return [SimpleNamespace(faces=[SimpleNamespace(person=0, **ratios)])] * 3

    assert _in_its_head(seen(6.0, 1.2), 0)
    assert not _in_its_head(seen(6.0, 3.0), 0), "another moment of the same head"
    assert not _in_its_head(seen(2.5, 0.4), 0), "a still wall says little of a face"


def test_a_face_that_is_none_any_more_is_looked_for_where_the_originals_is() -> None:
    matrix = np.array([[0.5, 0, 10], [0, 0.5, 0], [0, 0, 1]])
    there, elsewhere = face(np.array([100.0, 100.0])), face(np.array([300.0, 60.0]))
    known = [face(np.array([62.0, 52.0]))]  # of the first, where it lies in the copy
    (missed,) = _unseen(known, [there, elsewhere], matrix)
    assert missed.box == pytest.approx((147.5, 17.5, 172.5, 42.5))
    assert missed.landmarks[0] == pytest.approx((155.0, 30.0))
    assert _unseen([], [], matrix) == []
