"""Pictures and streams on which the product failed, second set, with what is right for each
(`../shared/bugs4/README.md`)."""

import numpy as np
import pytest

from detector import media
from detector.decision.numbers import logit
from detector.errors import MediaError
from detector.schema.analysis import Label, Question, Settings

pytestmark = pytest.mark.shared


@pytest.fixture
def at(shared):
    return lambda name: shared / "bugs4" / name


def first(path):
    return media.frame_at(path, media.probe(path), 0.0).rgb.astype(float)


def likelihood(analyzer, path, question=Question.MANIPULATION):
    answer = analyzer.analyze(path, Settings(), scores_only=True).verdict.answers[question]
    assert answer.probability is not None
    return answer.probability


def test_an_animation_without_its_hidden_picture(analyzer, at):
    about = media.probe(at("apng_hidden_first_picture.png"))
    assert (about.frame_count, about.duration) == (2, pytest.approx(0.8))
    found = likelihood(analyzer, at("apng_hidden_first_picture.png"))
    assert found == likelihood(analyzer, at("apng_hidden_first_picture_twin.png"))
    assert abs(logit(found) - logit(0.975)) <= 0.7  # the map of pictures was refitted since


def test_gamma_is_that_of_browsers(analyzer, at):
    path = at("png_gamma_010.png")
    assert np.abs(first(path) - first(at("png_gamma_twin.png"))).mean() <= 3
    found = likelihood(analyzer, path, Question.SYNTHESIS)
    assert abs(logit(found) - logit(0.902)) <= 0.5


def test_of_two_pictures_in_one_gamma_what_browsers_show_is_judged_without_odds(analyzer, at):
    path = at("png_gamma_two_pictures.png")
    lit = first(path).max(axis=2) > 20  # a dot in four pixels: Chromium shows the same within 9
    assert 0.2 < lit.mean() < 0.3
    found = analyzer.analyze(path, Settings(), scores_only=True)
    assert found.verdict.label is Label.INCONCLUSIVE
    assert found.verdict.odds is None
    assert any("0.023" in note for note in found.media.notes)


def test_orientation_in_xmp_alone_turns_nothing(at):
    about = media.probe(at("xmp_orientation.jpg"))
    assert about.rotation == 0 and not about.notes
    assert (first(at("xmp_orientation.jpg")) == first(at("xmp_orientation_twin.jpg"))).all()


@pytest.mark.parametrize(
    ("name", "words"),
    [("camera_raw.dng", "raw file"), ("jpeg_behind_bom.jpg", "only after 3 other bytes")],
)
def test_what_is_refused_says_why(at, name, words):
    with pytest.raises(MediaError, match=words):
        media.probe(at(name))


def test_the_film_of_a_motion_photo_is_named(at):
    about = media.probe(at("motion_photo_google.jpg"))
    assert about.film == pytest.approx(1.7, abs=0.1) and "1.7 s" in about.notes[0]


@pytest.mark.parametrize("time", [0.0, 0.3, 0.7, 1.4])
def test_a_turn_by_sei_holds_at_every_time(at, time):
    path, twin = at("turned_by_sei.mp4"), at("turned_by_sei_twin.mp4")
    found, right = (media.frame_at(one, media.probe(one), time).rgb for one in (path, twin))
    assert found.shape == (360, 440, 3)
    assert abs(float(found.mean()) - float(right.mean())) < 1


@pytest.mark.parametrize(("name", "frames"), [("raw_stream.h264", 24), ("raw_stream.m2v", 13)])
def test_bare_streams_are_read(at, name, frames):
    about = media.probe(at(name))
    assert about.frame_count == frames
    assert about.notes == ["It holds no times: 16 pictures a second are assumed."]


def test_damage_stands_at_its_own_time(at):
    path, notes = at("packets_lost_from_the_start.ts"), list[str]()
    list(media.decode(path, media.probe(path), [0.0, 0.5, 1.0, 1.9], notes=notes))
    assert notes == ["The video is damaged near 0.0 s; we used what could be decoded."]


def test_a_short_talk_before_a_long_still_is_found(analyzer, at):
    found = analyzer.analyze(at("short_talk_then_still.mp4"), Settings(), scores_only=True)
    assert not found.media.frozen and len(found.timestamps) == found.media.frame_count == 25
    answer = found.verdict.answers[Question.MANIPULATION]
    assert answer.probability is not None and abs(answer.probability - 0.93) <= 0.1
