"""Copies as broadcasters, agencies and editors hand them on: in another light, fading, under a
watermark, in fields, mixed from frame to frame, as a part of a report."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage import data

from bench.copies import CopyOptions, write_copy
from detector.messages import comparison as words
from tests.integration.detector.test_comparison import said
from tests.support.portrait import FPS, FRAMES, HALF, altered, footage

SAME = {"watermark": {"other_edits"}, "fields": {"nothing_differs"}, "mixed": {"nothing_differs"}}
"""What is said of footage in which no face was changed."""
WAYS = ("vignette", "fade", "watermark", "fields", "mixed", "curve", "hue")
"""`fields` are two frames line by line, `mixed` has a mixture between any two frames."""


def handed_on(path, frames, way):
    fps = 2 * FPS if way == "mixed" else FPS
    changed = [recolored(frame, way) for frame in edited(frames, way)]
    return write_copy(path / f"{way}.mp4", changed, fps, CopyOptions(crf=22))


def edited(frames, way):
    if way == "fade":  # from black and to it
        slow, last = 0.3 * len(frames), len(frames) - 1
        shares = [min(1.0, i / slow, (last - i) / slow) for i in range(len(frames))]
        return [(f * share).astype(np.uint8) for f, share in zip(frames, shares, strict=True)]
    if way == "fields":
        lines = [frame.copy() for frame in frames]
        for lower, later in pairwise(lines):
            lower[1::2] = later[1::2]
        return lines
    if way == "mixed":
        both = [cv2.addWeighted(a, 0.5, b, 0.5, 0.0) for a, b in pairwise(frames)]
        return [frame for pair in zip(frames[:-1], both, strict=True) for frame in pair]
    if way == "report":  # other footage before and after
        height, width = frames[0].shape[:2]
        picture = cv2.resize(data.coffee(), (width * 3 // 2, height * 3 // 2))
        count = len(frames) // 2
        shifts = [int(width / 2 * i / (count - 1)) for i in range(count)]
        about = [np.ascontiguousarray(picture[:height, x : x + width]) for x in shifts]
        return [*about, *frames, *about[::-1]]
    return frames


def recolored(rgb, way):
    rng = np.random.default_rng(3)
    height, width = rgb.shape[:2]
    if way == "vignette":
        rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        dark = 1 - rng.uniform(0.2, 0.4) * (rows**2 + columns**2)
        return np.asarray(rgb * dark[..., None], np.uint8)
    if way == "watermark":
        mark = np.zeros_like(rgb)
        text = str(rng.choice(["AGENCY AGENCY AGENCY", "sample - sample - sample"]))
        for row in range(height // 8, height, height // 4):
            cv2.putText(mark, text, (5, row), cv2.FONT_HERSHEY_SIMPLEX, width / 500, (255,) * 3, 2)
        return np.clip(rgb + rng.uniform(0.15, 0.4) * mark, 0, 255).astype(np.uint8)
    if way == "curve":
        steep = rng.uniform(28, 45)
        table = 255 / (1 + np.exp((rng.uniform(110, 145) - np.arange(256)) / steep))
        return table.astype(np.uint8)[rgb]
    if way == "hue":
        turned = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
        turned[..., 0] = (turned[..., 0].astype(int) + int(rng.integers(10, 35))) % 180
        return cv2.cvtColor(turned, cv2.COLOR_HSV2RGB)
    return rgb


@pytest.mark.parametrize("way", WAYS)
def test_what_was_done_to_all_of_it_accuses_no_face(way, original, tmp_path, mtcnn):
    frames = footage()[: FRAMES if way in ("fade", "fields") else HALF]
    result = said(handed_on(tmp_path, frames, way), original, mtcnn)
    assert result.finding in SAME.get(way, {"transformed"})
    assert [person.changed_region for person in result.people] == ["none"]


@pytest.mark.parametrize("way", ["vignette", "fade", "watermark", "fields", "curve"])
def test_a_face_is_found_under_it(way, original, tmp_path, mtcnn):
    frames = altered(footage()[: FRAMES if way == "fade" else HALF], mtcnn, "face")
    assert said(handed_on(tmp_path, frames, way), original, mtcnn).finding == "face_differs"


def part_of_a_report(folder, original, mtcnn, part):
    frames = footage()[:HALF]
    frames = altered(frames, mtcnn, part) if part else frames
    result = said(handed_on(folder, frames, "report"), original, mtcnn)
    assert result.excerpt.start == pytest.approx(0.5, abs=0.1)
    assert result.excerpt.end == pytest.approx(1.5, abs=0.1)
    assert result.time.matched < 0.6 * result.time.compared
    return result


def test_in_a_report_the_part_that_shows_it_is_compared_and_said(original, tmp_path, mtcnn):
    result = part_of_a_report(tmp_path, original, mtcnn, "")
    assert result.finding == "nothing_differs"
    assert result.sentence == "Part of it is the same footage, and nothing differs there"
    assert words.lead(result).startswith("The copy shows this original from 00:0")
    assert "Of what else it shows this says nothing." in words.lead(result)


def test_a_face_that_was_changed_in_a_report_has_its_time_in_it(original, tmp_path, mtcnn):
    result = part_of_a_report(tmp_path, original, mtcnn, "face")
    assert result.finding == "face_differs"
    assert "; it shows other footage, too" in result.sentence
    (span,) = result.people[0].spans
    assert result.excerpt.start <= span.start < span.end <= result.excerpt.end


@pytest.mark.parametrize(
    ("shown", "words_for_it"),
    [([n * 3 // 4 for n in range(32)], "slowed to 75 %"), (range(23, -1, -1), "played backwards")],
)
def test_a_copy_that_is_played_otherwise_is_not_the_same(
    shown, words_for_it,
    original, tmp_path, mtcnn
):  # fmt: skip
    frames = footage()
    copy = write_copy(tmp_path / "copy.mp4", [frames[n] for n in shown], FPS, CopyOptions(crf=22))
    result = said(copy, original, mtcnn)
    assert result.finding == "transformed"
    assert result.sentence == f"Same footage, {words_for_it}"
