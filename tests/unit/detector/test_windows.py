"""Runs of frames for clip models: what is held, where faces are searched, what is handed on."""

from __future__ import annotations

import numpy as np
import pytest

from detector.live.clip_windows import ClipCollector
from detector.live.face_tracker import TrackedFace
from detector.media import Frame
from detector.models.base import CropRecipe
from detector.pipeline.windows import ClipShape, FrameWindow
from detector.vision import Detection

RECIPE = CropRecipe(scale=1.0, size=32)
STEP = 0.08


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (120, 160, 3), np.uint8) for _ in range(count)]


def face(left: float) -> Detection:
    points = tuple(
        (left + x, 40.0 + y) for x, y in ((10, 12), (22, 12), (16, 18), (11, 24), (21, 24))
    )
    return Detection((left, 40.0, left + 32, 72.0), points, 1.0)


def test_faces_are_searched_every_few_frames_or_only_where_a_still_window_begins() -> None:
    times = tuple(STEP * n for n in range(12))
    assert FrameWindow(("m",), RECIPE, times).anchors == (times[0], times[5], times[10], times[11])
    assert FrameWindow(("m",), RECIPE, times[:3], still=True).anchors == times[:1]
    whole = RECIPE.model_copy(update={"kind": "whole"})
    assert FrameWindow(("m",), whole, times, still=True).anchors == ()


def test_a_still_window_knows_when_its_first_frame_was() -> None:
    window = FrameWindow(("m",), RECIPE, (1.0, 1.08, 1.16), still=True)
    for time, asked in ((0.96, (1.0,)), (1.08, (1.08,)), (1.16, (1.16,))):
        window.add(Frame(0, time, pictures(1)[0]), asked)
    assert window.begins == 0.96
    assert [position for position, _ in window.take()] == [0, 1, 2]


@pytest.mark.parametrize(("moving", "runs"), [(True, 1), (False, 0)])
def test_one_picture_all_along_is_no_run(moving: bool, runs: int) -> None:
    window = FrameWindow(("m",), RECIPE, (0.0, STEP, 2 * STEP))
    shown = [p[:32, :32] for p in pictures(3)] if moving else [pictures(1)[0][:32, :32]] * 3
    window.crops = {(7, position): crop for position, crop in enumerate(shown)}
    found = list(window.runs())
    assert len(found) == runs and not window.crops
    assert all(number == 7 and run.shape == (3, 32, 32, 3) for number, run in found)


@pytest.mark.parametrize("still", [True, False])
def test_live_windows_are_cut_where_the_face_is_in_the_first_or_in_each_frame(still: bool) -> None:
    shape = ClipShape(3, STEP, RECIPE, still)
    collector = ClipCollector([shape], "mtcnn")
    shown, found = pictures(11), []
    for number, rgb in enumerate(shown):
        person = TrackedFace(1, face(10.0 + 2 * number), number * STEP, searched=number % 5 == 0)
        found += collector.add(rgb, number * STEP, [person])
    assert [round(window.end / STEP) for window in found] == [5, 10]
    last = found[-1]
    places = [26, 26, 26] if still else [26, 28, 30]
    expected = [shown[8 + k][40:72, left : left + 32] for k, left in enumerate(places)]
    np.testing.assert_array_equal(last.crops, np.stack(expected))


def test_a_live_picture_that_stands_still_is_no_window() -> None:
    collector = ClipCollector([ClipShape(3, STEP, RECIPE, True)], "mtcnn")
    rgb = pictures(1)[0]
    for number in range(11):
        person = TrackedFace(1, face(10.0), number * STEP, searched=number % 5 == 0)
        assert not collector.add(rgb, number * STEP, [person])
