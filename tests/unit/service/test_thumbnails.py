"""The picture of a record, made while the faces of its file are still scored."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from detector.pipeline import Progress
from service.records import thumbnails
from service.records.thumbnails import EarlyThumbnail, moment
from tests.support.result_sample import make_analysis

PATH = Path("clip.mp4")
SAMPLE = make_analysis()
SEARCHED = Progress("score", 0.5, {}, sampled=8, sampled_total=8, partial=SAMPLE)


@pytest.fixture
def made(monkeypatch):
    """The moment of each picture that was made, and the thread it was made in."""
    calls: list[tuple[float, str]] = []

    def make(path, analysis):
        calls.append((moment(analysis), threading.current_thread().name))
        return b"%f" % calls[-1][0]

    monkeypatch.setattr(thumbnails, "of", make)
    return calls


def test_it_is_made_once_when_all_faces_were_searched_for(made):
    early = EarlyThumbnail(PATH)
    early.look(Progress("faces", 0.1, {}))
    early.look(replace(SEARCHED, sampled=7))
    assert not made
    for _report in range(3):
        early.look(SEARCHED)
    assert early.of(SAMPLE) == b"%f" % moment(SAMPLE)
    ((_moment, thread),) = made
    assert thread != threading.current_thread().name, "beside the scores, not after them"


def test_another_moment_at_the_end_is_another_picture(made):
    first = SAMPLE.judged[0]
    later = first.model_copy(update={"thumbnail_time": first.thumbnail_time + 1})
    subjects = [later if one.id == first.id else one for one in SAMPLE.subjects]
    other = SAMPLE.model_copy(update={"subjects": subjects})
    early = EarlyThumbnail(PATH)
    early.look(SEARCHED)
    assert early.of(other) == b"%f" % moment(other) != b"%f" % moment(SAMPLE)
    assert made[-1] == (moment(other), threading.current_thread().name)


def test_without_a_report_it_is_made_at_the_end(made):
    assert EarlyThumbnail(PATH).of(SAMPLE) is not None and len(made) == 1
