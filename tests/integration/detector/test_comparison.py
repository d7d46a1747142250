"""A made copy beside its original: what was done to it is found, and nothing else is said."""

import json
import threading
from itertools import pairwise

import cv2
import numpy as np
import pytest
import skimage.data
from skimage import data

from cli import main
from detector.comparison import aligned, compare
from detector.comparison.align import stretches, time_path
from detector.errors import Canceled
from detector.presentation import comparison as words
from detector.schema.comparison import Comparison, ComparisonFinding
from tests.support.copies import CopyOptions, write_copy
from tests.support.portrait import (
    FPS,
    FRAMES,
    HALF,
    HEIGHT,
    SIZE,
    WIDTH,
    altered,
    anew,
    footage,
    framed,
    head,
    px,
    take,
    write,
)

FONT = cv2.FONT_HERSHEY_SIMPLEX
CROP = slice(px(20), px(380)), slice(px(60), px(460))


def said(copy, original):
    return compare(copy, original, roles="stated")


def test_a_reencoded_copy_does_not_differ(original, tmp_path):
    size = WIDTH * 3 // 4, HEIGHT * 3 // 4
    small = [cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in footage()[:HALF]]
    result = said(write(tmp_path / "copy.mp4", small, 32), original)
    assert result.finding is ComparisonFinding.NOTHING_DIFFERS
    assert [person.changed_region for person in result.people] == ["none"]
    assert result.space.scale == pytest.approx(0.75, abs=0.01)
    assert result.generation.younger == "copy"


def test_a_changed_face_is_found_with_its_time(original, tmp_path, mtcnn):
    frames = footage()
    frames[12:] = altered(frames[12:], mtcnn, "face")
    copy = write(tmp_path / "copy.mp4", frames, 26)
    result = said(copy, original)
    assert result.finding is ComparisonFinding.FACE_DIFFERS
    (span,) = result.people[0].spans
    assert span.start == pytest.approx(1.0, abs=0.2)
    assert span.end == pytest.approx(2.0, abs=0.1)
    assert result.face_difference > 3 * result.background_difference
    (pictures,) = aligned(copy, original, result, result.moments[-2:-1], side=SIZE[0])
    assert pictures is not None
    face = result.moments[-2].faces[0].box
    x0, y0, x1, y1 = (round(value) for value in face)
    assert pictures.difference[y0:y1, x0:x1].mean() > 3 * pictures.difference[:, :x0].mean()
    every = aligned(copy, original, result, result.moments)
    same = every[-2]
    assert len(every) == len(result.moments) and same is not None
    assert np.abs(same.copy.astype(int) - pictures.copy).mean() < 2, "the same moment"
    assert same.difference[y0:y1, x0:x1].mean() > 3 * same.difference[:, :x0].mean()
    assert same.heat(40)[y0:y1, x0:x1].mean() > 2 * same.heat(40)[:, :x0].mean()


def test_a_mouth_of_its_own_is_said_to_be_the_mouth(original, tmp_path, mtcnn):
    copy = write(tmp_path / "copy.mp4", altered(footage()[:HALF], mtcnn, "mouth"), 24)
    assert said(copy, original).finding is ComparisonFinding.MOUTH_DIFFERS


def test_of_footage_that_was_made_anew_nothing_is_said_to_be_the_same(original, tmp_path):
    rng = np.random.default_rng(3)
    copy = write(tmp_path / "copy.mp4", [anew(rgb, rng, 1.1) for rgb in footage()[:HALF]])
    result = said(copy, original)
    assert (result.finding, result.reason) == (ComparisonFinding.NOT_COMPARABLE, "other_shapes")
    assert not result.accuses
    assert result.moments, "whoever reads it can look at the moments"


def test_crop_mirror_and_grade_are_undone(original, tmp_path):
    table = (255 * (np.arange(256) / 255) ** 0.75).astype(np.uint8)
    frames = [table[f[CROP]][:, ::-1] for f in footage()[:HALF]]
    result = said(write(tmp_path / "copy.mp4", frames, 24), original)
    assert result.finding is ComparisonFinding.TRANSFORMED
    assert result.space.mirrored
    assert result.grading.graded
    assert result.space.kept == pytest.approx(360 * 400 / (480 * 400), abs=0.03)


def test_a_face_is_found_through_crop_and_mirror(original, tmp_path, mtcnn):
    frames = [f[CROP][:, ::-1] for f in altered(footage()[:HALF], mtcnn, "face")]
    result = said(write(tmp_path / "copy.mp4", frames, 24), original)
    assert result.finding is ComparisonFinding.FACE_DIFFERS


@pytest.mark.parametrize("way", ["letterbox", "turned by 5 degrees", "on its side", "lens"])
def test_framed_and_turned_copies_are_the_same_footage(way, original, tmp_path):
    # A lens's corners need all frames, or their misfit is taken for an edit.
    frames = footage()[: FRAMES if way == "lens" else HALF]
    copy = write(tmp_path / "copy.mp4", [framed(f, way) for f in frames], 22)
    result = said(copy, original)
    assert result.finding in (ComparisonFinding.TRANSFORMED, ComparisonFinding.NOTHING_DIFFERS)
    assert (result.finding == ComparisonFinding.TRANSFORMED) == (way != "lens")
    assert [person.changed_region for person in result.people] == ["none"]


@pytest.mark.parametrize("way", ["turned in a letterbox", "on its side", "upside down", "lens"])
def test_a_face_is_found_with_its_time_in_framed_and_turned_copies(way, original, tmp_path, mtcnn):
    part = "mouth" if way == "on its side" else "face"
    frames = footage()[:HALF]
    frames[4:] = altered(frames[4:], mtcnn, part)
    result = said(write(tmp_path / "copy.mp4", [framed(f, way) for f in frames], 22), original)
    assert result.finding == f"{part}_differs"
    (span,) = result.people[0].spans
    assert span.start == pytest.approx(4 / FPS, abs=0.1), "what was left alone is not accused"
    assert span.end == pytest.approx(HALF / FPS, abs=0.1)


def test_a_title_between_two_stretches_is_none_of_the_footage(original, tmp_path, mtcnn):
    title: np.ndarray = np.full((HEIGHT, WIDTH, 3), (30, 60, 120), np.uint8)
    cv2.putText(title, "LATER", (px(90), px(220)), FONT, 2, (255,) * 3, 4)
    for part, finding in (("", "nothing_differs"), ("face", "face_differs")):
        frames = footage()[:16]
        frames = altered(frames, mtcnn, part) if part else frames
        frames[8:8] = [title] * 4
        result = said(write(tmp_path / f"{part}copy.mp4", frames, 24), original)
        assert result.finding == finding
        assert result.time.compared - result.time.matched in (2, 3, 4)


def test_a_caption_is_another_edit_and_has_a_place(original, tmp_path):
    frames = footage()[:HALF]
    for rgb in frames:
        cv2.rectangle(rgb, (px(20), px(350)), (px(300), px(380)), (10, 10, 90), -1)
        cv2.putText(rgb, "BREAKING NEWS", (px(26), px(373)), FONT, 0.55, (255,) * 3, 1)
    result = said(write(tmp_path / "copy.mp4", frames, 24), original)
    assert result.finding is ComparisonFinding.OTHER_EDITS
    assert result.edits[0].kind == "overlay"
    x0, y0, x1, y1 = result.edits[0].box
    assert px(300) < (y0 + y1) / 2 < HEIGHT
    assert x0 < px(160) < x1


@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("takes")
    return [write(folder / f"{seed}.mp4", take(seed)) for seed in (1, 2, 3)]


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2)])
def test_another_take_of_the_same_scene_accuses_no_face(takes, one, other):
    assert said(takes[one], takes[other]).finding is ComparisonFinding.NOT_SAME_FOOTAGE


def test_where_the_head_alone_moves_its_way_tells_the_takes_apart(tmp_path, mtcnn):
    original = write(tmp_path / "original.mp4", head(1))
    changed = write(tmp_path / "changed.mp4", altered(head(1), mtcnn, "face"), 24)
    assert said(changed, original).finding is ComparisonFinding.FACE_DIFFERS
    other = said(write(tmp_path / "other.mp4", head(2), 24), original)
    assert not other.finding.manipulated


def test_a_take_is_known_again(takes, tmp_path):
    again = write(tmp_path / "again.mp4", take(1)[:HALF], 32)
    assert said(again, takes[0]).finding is ComparisonFinding.NOTHING_DIFFERS


def test_other_footage_is_refused(original, tmp_path):
    cup = cv2.resize(skimage.data.coffee()[:400, :480], SIZE)
    coffee = [np.roll(cup, 4 * n, axis=1) for n in range(HALF)]
    result = said(write(tmp_path / "copy.mp4", coffee), original)
    assert result.finding is ComparisonFinding.NOT_SAME_FOOTAGE
    assert result.moments == []


def test_stills_are_compared(tmp_path, mtcnn):
    first = footage()[0]
    paths = [tmp_path / "copy.jpg", tmp_path / "original.png"]
    changed = altered([first], mtcnn, "face")[0]
    cv2.imwrite(str(paths[0]), changed[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    cv2.imwrite(str(paths[1]), first[:, :, ::-1])
    assert said(paths[0], paths[1]).finding is ComparisonFinding.FACE_DIFFERS
    cv2.imwrite(str(paths[0]), first[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert said(paths[0], paths[1]).finding is ComparisonFinding.NOTHING_DIFFERS


def test_a_comparison_can_be_canceled(original):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Canceled):
        compare(original, original, cancel=stop)


def test_the_command_says_it_in_words_json_and_status(tmp_path, capsys):
    target = tmp_path / "out.json"
    original = write(tmp_path / "original.mp4", footage()[:HALF])
    assert main(["compare", str(original), str(original), "--json", str(target)]) == 0
    shown = capsys.readouterr().out
    assert "Both files show the same footage." in shown
    assert "byte by byte" in shown
    assert Comparison.model_validate(json.loads(target.read_text())).identical
    assert main(["compare", str(original), str(tmp_path / "missing.mp4")]) == 2


def followed(shown, fps):
    """Match a copy that shows these of 200 frames, and return its stretches."""
    rng = np.random.default_rng(0)
    originals = np.cumsum(rng.normal(0, 3, (200, 50)), axis=0)
    times = np.arange(200) / 25
    copies = originals[shown] + rng.normal(0, 1, (len(shown), 50))
    cost = ((copies[:, None] - originals[None]) ** 2).mean(2)
    copy_times = [n / fps for n in range(len(shown))]
    found = time_path(cost, copy_times, times.tolist())
    assert found.tolist() == shown
    return stretches(copy_times, times[found].tolist())


def test_time_follows_offset_rate_and_cuts():
    shown = [*range(30, 80, 2), *range(150, 190, 2)]  # half the frames, one cut
    parts = followed(shown, 12.5)
    assert [round(part.original_start, 2) for part in parts] == [1.2, 6.0]
    assert parts[0].rate == pytest.approx(1.0)


@pytest.mark.parametrize("way", ["drift", "dropped", "doubled"])
def test_time_follows_what_players_and_platforms_do_to_it(way):
    shown = {
        "drift": [round(20 + n * 1.04) for n in range(120)],
        "dropped": [n for n in range(20, 150) if n % 7],
        "doubled": [n for n in range(20, 110) for _ in range(2 if n % 9 == 0 else 1)],
    }[way]
    assert len(followed(shown, 25)) == 1


def test_an_analysis_is_held_against_its_original_and_its_number_stays(
    original, tmp_path, mtcnn, capsys
):
    out = tmp_path / "a.json"
    copy = str(write(tmp_path / "copy.mp4", altered(footage()[:HALF], mtcnn, "face"), 24))
    models = ["--models", "texture", "--frames", "4"]
    assert main(["analyze", copy, *models, "--json", "-"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert main(["analyze", copy, *models, "--original", str(original), "--json", str(out)]) == 0
    beside = json.loads(out.read_text())
    assert beside["comparison"]["finding"] == "face_differs" and alone["comparison"] is None
    sentence = words.sentence(Comparison.model_validate(beside["comparison"]))
    assert sentence.startswith(f"Manipulated copy of {original.name}: the face of Person A differs")
    assert beside["verdict"] == alone["verdict"], "a finding of its own, never a vote"
    said = capsys.readouterr().out
    assert "The same footage: only the face differs" in said
    assert "Detectors alone:" in said and "Measured against" in said


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
def test_what_was_done_to_all_of_it_accuses_no_face(way, original, tmp_path):
    frames = footage()[: FRAMES if way in ("fade", "fields") else HALF]
    result = said(handed_on(tmp_path, frames, way), original)
    assert result.finding in SAME.get(way, {"transformed"})
    assert [person.changed_region for person in result.people] == ["none"]


@pytest.mark.parametrize("way", ["vignette", "fade", "watermark", "fields", "curve"])
def test_a_face_is_found_under_it(way, original, tmp_path, mtcnn):
    frames = altered(footage()[: FRAMES if way == "fade" else HALF], mtcnn, "face")
    assert said(handed_on(tmp_path, frames, way), original).finding == "face_differs"


def part_of_a_report(folder, original, mtcnn, part):
    frames = footage()[:HALF]
    frames = altered(frames, mtcnn, part) if part else frames
    result = said(handed_on(folder, frames, "report"), original)
    assert result.excerpt.start == pytest.approx(0.5, abs=0.1)
    assert result.excerpt.end == pytest.approx(1.5, abs=0.1)
    assert result.time.matched < 0.6 * result.time.compared
    return result


def test_in_a_report_the_part_that_shows_it_is_compared_and_said(original, tmp_path):
    result = part_of_a_report(tmp_path, original, None, "")
    assert result.finding == "nothing_differs"
    assert words.sentence(result) == "Part of it is the same footage, and nothing differs there"
    assert words.lead(result).startswith("The copy shows this original from 00:0")
    assert "Of what else it shows this says nothing." in words.lead(result)


def test_a_face_that_was_changed_in_a_report_has_its_time_in_it(original, tmp_path, mtcnn):
    result = part_of_a_report(tmp_path, original, mtcnn, "face")
    assert result.finding == "face_differs"
    assert "; it shows other footage, too" in words.sentence(result)
    (span,) = result.people[0].spans
    assert result.excerpt.start <= span.start < span.end <= result.excerpt.end


@pytest.mark.parametrize(
    ("shown", "words_for_it"),
    [([n * 3 // 4 for n in range(32)], "slowed to 75 %"), (range(23, -1, -1), "played backwards")],
)
def test_a_copy_that_is_played_otherwise_is_not_the_same(
    shown, words_for_it,
    original, tmp_path
):  # fmt: skip
    frames = footage()
    copy = write_copy(tmp_path / "copy.mp4", [frames[n] for n in shown], FPS, CopyOptions(crf=22))
    result = said(copy, original)
    assert result.finding == "transformed"
    assert words.sentence(result) == f"Same footage, {words_for_it}"
