"""Files that stand on their head: found, turned as a whole, said, and drawn turned everywhere."""

import cv2
import numpy as np
import pytest
from skimage import data

from cli.analyze import summary
from detector import explain, media
from detector.perturbation.conditions import Condition
from detector.perturbation.robustness import try_out
from detector.pipeline.orientation import OrientationCheck
from detector.presentation.file import rows_of_media
from detector.schema.analysis import Analysis, Settings
from detector.vision import Detection
from tests.conftest import camera
from tests.support.searches import searches

SIZE = (480, 270)
FEW = Settings(frames=6, models=["texture"])


def turned(degrees):
    """Pictures of the moving camera, turned clockwise."""
    return lambda number: media.turn(camera(SIZE)(number), degrees)


def counted(analyzer, path, settings=FEW):
    """An analysis, and how often faces were searched for."""
    with searches(analyzer.detector()) as searched:
        return analyzer.analyze(path, settings, scores_only=True), len(searched)


@pytest.mark.parametrize("degrees", [180, 90, 270])
def test_a_clip_that_stands_wrong_is_turned(analyzer, make_clip, degrees):
    """Pixels turned by `degrees` clockwise: upright after as much again in the other direction."""
    upright = analyzer.analyze(make_clip("up.mp4", seconds=2, size=SIZE), FEW, scores_only=True)
    size = SIZE if degrees == 180 else SIZE[::-1]
    path = make_clip("turned.mp4", seconds=2, size=size, picture=turned(degrees))
    out = analyzer.analyze(path, FEW, scores_only=True)
    assert out.media.turned == (360 - degrees) % 360
    assert (out.media.width, out.media.height) == SIZE
    assert sum("turned by" in note for note in out.media.notes) == 1
    assert len(out.people) == 1
    assert len(out.people[0].frames) == len(out.timestamps) == 6
    for face, same in zip(out.people[0].frames, upright.people[0].frames, strict=True):
        assert face.box == pytest.approx(same.box, abs=6)
        assert np.array(face.landmarks) == pytest.approx(np.array(same.landmarks), abs=6)
        assert face.quality.problem is None
    # What draws frames gets them turned: they are those of the upright clip.
    frame = media.frame_at(path, out.media, 1.0)
    assert frame.rgb.shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(frame.rgb.astype(int) - camera(SIZE)(25)).mean() < 8
    turn = f"{out.media.turned}° clockwise, beyond the file’s own rotation"
    assert ["Turned", turn] in [list(map(str, row)) for row in rows_of_media(out.media)]
    assert Analysis.model_validate_json(out.model_dump_json()) == out


def test_a_wrong_tag_is_made_up_for(analyzer, make_clip):
    path = make_clip("tag.mp4", seconds=2, size=SIZE, rotation=180)
    assert media.probe(path).rotation == 180
    out = analyzer.analyze(path, FEW, scores_only=True)
    assert (out.media.rotation, out.media.turned) == (180, 180)
    frame = media.frame_at(path, out.media, 1.0)
    assert np.abs(frame.rgb.astype(int) - camera(SIZE)(25)).mean() < 8


def test_an_upright_clip_is_searched_once_a_moment(analyzer, make_clip):
    out, searched = counted(analyzer, make_clip("up.mp4", seconds=2, size=SIZE))
    assert out.media.turned == 0
    assert out.media.notes == []
    assert searched == len(out.timestamps)


def test_a_clip_without_a_face_stays_as_it_is(analyzer, make_clip):
    coffee = cv2.resize(data.coffee(), SIZE)
    path = make_clip("none.mp4", seconds=2, size=SIZE, picture=lambda n: np.roll(coffee, n, 1))
    out, searched = counted(analyzer, path, FEW.model_copy(update={"frames": 24}))
    assert out.media.turned == 0
    assert out.people == []
    assert searched <= 24 + 4 + 3 * 8  # the smallest faces in four frames, turned ones in eight


def test_a_picture_on_its_head(analyzer, tmp_path):
    upright = data.astronaut()[:300, 60:440]
    path = tmp_path / "head.png"
    cv2.imwrite(str(path), media.turn(upright, 180)[..., ::-1])
    out = analyzer.analyze(path, FEW, scores_only=True)
    assert out.media.turned == 180
    assert np.array_equal(media.frame_at(path, out.media, 0.0).rgb, upright)
    cv2.imwrite(str(path), upright[..., ::-1])
    assert analyzer.analyze(path, FEW, scores_only=True).media.turned == 0


def test_a_closer_look_and_trials_stand_the_same_way(analyzer, make_clip):
    path = make_clip("head.mp4", seconds=3, size=SIZE, picture=turned(180))
    out = analyzer.analyze(path, Settings(frames=16, models=["texture"], sampling="closer"))
    assert out.media.turned == 180
    assert sum("turned by" in note for note in out.media.notes) == 1
    assert len(out.people[0].frames) == len(out.timestamps) == 16
    assert explain.heatmap(path, out, "A", 1.0, "texture") is not None
    found = try_out(path, out, analyzer, conditions=[Condition("crf", 30), Condition("crop", 0.05)])
    assert [t.error for t in found.trials] == [None, None]
    assert found.unchanged.probability == pytest.approx(found.trials[1].probability, abs=0.1)


def lying(upright):
    """Pictures of a face that is upright in the first ones, and on its side after them."""
    side = 360

    def picture(number):
        square = np.ascontiguousarray(camera((side, side))(number))
        return square if number < upright else media.turn(square, 90)

    return picture


def test_a_turn_is_offered_where_some_faces_are_upright(analyzer, make_clip):
    path = make_clip("fell.mp4", seconds=2, size=(360, 360), picture=lying(10))
    settings = FEW.model_copy(update={"frames": 12})
    out = analyzer.analyze(path, settings, scores_only=True)
    assert (out.media.turned, out.media.faces_turned) == (0, 270)
    assert [note for note in out.media.notes if "turned by 270°" in note and "Analyze it" in note]
    assert "--rotate 270" in summary(out)
    turned = analyzer.analyze(path, settings.model_copy(update={"rotate": 270}), scores_only=True)
    assert (turned.media.turned, turned.media.faces_turned) == (270, 0)
    assert turned.id != out.id
    assert [note for note in turned.media.notes if "as requested" in note]
    seen = {frame.time for subject in turned.people for frame in subject.frames}
    assert {time for time in turned.timestamps if time > 0.5} <= seen


@pytest.mark.parametrize("sampling", ["uniform", "closer"])
def test_the_person_decides_how_a_picture_is_turned(analyzer, make_clip, sampling):
    path = make_clip("head.mp4", seconds=2, size=SIZE, picture=lambda n: turned(90)(n)[:270])
    upright = make_clip("up.mp4", seconds=2, size=SIZE)
    for degrees, file in ((0, path), (90, upright), (180, upright)):
        asked = Settings(frames=6, models=["texture"], rotate=degrees, sampling=sampling)
        out = analyzer.analyze(file, asked, scores_only=sampling == "uniform")
        assert (out.media.turned, out.media.faces_turned) == (degrees, 0)
        frame = media.frame_at(file, out.media, 1.0)
        plain = media.frame_at(file, media.probe(file), 1.0)
        assert np.array_equal(frame.rgb, media.turn(plain.rgb, degrees))
        assert sum("as requested" in note for note in out.media.notes) == bool(degrees)


def test_faces_that_come_late_are_found_turned(analyzer, make_clip):
    blank = np.full((270, 480, 3), 40, np.uint8)
    path = make_clip(
        "title.mp4", seconds=4, size=SIZE, picture=lambda n: blank if n < 50 else turned(180)(n)
    )
    out = analyzer.analyze(path, FEW.model_copy(update={"frames": 24}), scores_only=True)
    assert out.media.turned == 180


@pytest.mark.parametrize("faces", [0, 1])
def test_a_turn_is_offered_for_less_sure_faces_where_none_is_upright(faces):
    points = [(30, 40), (70, 40), (50, 60), (35, 80), (65, 80)]
    face = Detection(box=(20, 20, 80, 100), landmarks=points, confidence=0.97)

    class Doubtful:
        def detect(self, rgb, least):
            return [face] if rgb[-1, -1].any() else []

    picture = np.zeros((100, 120, 3), np.uint8)
    picture[0, 0] = 255  # the last pixel once it is turned by 180 degrees
    check = OrientationCheck(Doubtful(), 24, 1)
    check.check(picture, [face] * faces)
    assert check.end() == (None if faces else (180, 1))
