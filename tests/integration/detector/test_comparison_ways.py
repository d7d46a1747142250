"""Copies as broadcasters, agencies and editors hand them on: in another light, fading, under a
watermark, in fields, mixed from frame to frame, as a part of a report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.made_copies import LATER, Way, written
from detector import vision
from detector.messages import comparison as words
from detector.schema.comparison import Comparison
from tests.integration.detector.test_comparison import detector, original, said
from tests.support.portrait import FPS, FRAMES, HALF, altered, footage

__all__ = ["detector", "original"]  # fixtures

SAME = {"watermark": {"other_edits"}, "fields": {"nothing_differs"}, "mixed": {"nothing_differs"}}
"""What is said of footage in which no face was changed."""
WAYS = [way for way in LATER if way != "report"]


def handed_on(path: Path, frames: list, way: str) -> Path:  # type: ignore[type-arg]
    return written(path / f"{way}.mp4", frames, FPS, Way(crf=22, also=way, seed=3))


@pytest.mark.parametrize("way", WAYS)
def test_what_was_done_to_all_of_it_accuses_no_face(
    way: str, original: Path, tmp_path: Path, detector: vision.FaceDetector
) -> None:
    frames = footage()[: FRAMES if way == "fade" else HALF]
    result = said(handed_on(tmp_path, frames, way), original, detector)
    assert result.finding in SAME.get(way, {"transformed"})
    assert [person.part for person in result.people] == ["none"]


@pytest.mark.parametrize("way", ["vignette", "fade", "watermark", "fields", "curve"])
def test_a_face_is_found_under_it(
    way: str, original: Path, tmp_path: Path, detector: vision.FaceDetector
) -> None:
    frames = altered(footage()[: FRAMES if way == "fade" else HALF], detector, "face")
    result = said(handed_on(tmp_path, frames, way), original, detector)
    assert result.finding == "face_differs"


def part_of_a_report(
    folder: Path, original: Path, detector: vision.FaceDetector, part: str
) -> Comparison:
    frames = footage()[:HALF]
    frames = altered(frames, detector, part) if part else frames
    result = said(handed_on(folder, frames, "report"), original, detector)
    assert result.excerpt is not None
    assert result.excerpt.start == pytest.approx(0.5, abs=0.1)
    assert result.excerpt.end == pytest.approx(1.5, abs=0.1)
    assert result.time.matched < 0.6 * result.time.compared
    return result


def test_in_a_report_the_part_that_shows_it_is_compared_and_said(
    original: Path, tmp_path: Path, detector: vision.FaceDetector
) -> None:
    result = part_of_a_report(tmp_path, original, detector, "")
    assert result.finding == "nothing_differs"
    assert result.sentence == "Part of it is the same footage, and nothing differs there"
    assert words.lead(result).startswith("The copy shows this original from 00:0")
    assert "Of what else it shows this says nothing." in words.lead(result)


def test_a_face_that_was_changed_in_a_report_has_its_time_in_it(
    original: Path, tmp_path: Path, detector: vision.FaceDetector
) -> None:
    result = part_of_a_report(tmp_path, original, detector, "face")
    assert result.finding == "face_differs"
    assert "; it shows other footage, too" in result.sentence
    (span,) = result.people[0].spans
    assert result.excerpt is not None
    assert result.excerpt.start <= span.start < span.end <= result.excerpt.end


@pytest.mark.parametrize(
    ("shown", "words_for_it"),
    [([n * 3 // 4 for n in range(32)], "slowed to 75 %"), (range(23, -1, -1), "played backwards")],
)
def test_a_copy_that_is_played_otherwise_is_not_the_same(
    shown: Iterable[int], words_for_it: str,
    original: Path, tmp_path: Path, detector: vision.FaceDetector,
) -> None:  # fmt: skip
    frames = footage()
    copy = written(tmp_path / "copy.mp4", [frames[n] for n in shown], FPS, Way(crf=22))
    result = said(copy, original, detector)
    assert result.finding == "transformed"
    assert result.sentence == f"Same footage, {words_for_it}"
