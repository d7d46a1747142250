"""A camera into which known footage is played: who watches it is told, and nobody else."""

from unittest.mock import Mock

import numpy as np
import pytest

from bench.copies import CopyOptions, write_copy
from detector.comparison.fingerprint import fingerprint, of_frames
from detector.live import LiveSettings
from detector.live.recorder import Ring
from detector.schema.analysis import Analysis
from service import originals
from service.library.catalog import best_match
from service.live import viewers
from service.live.viewers import LiveOptions, SessionRetention, Viewer
from service.records.footage import ANALYSES
from tests.support.footage import add_file
from tests.support.footage_contract import ALICE, BOB
from tests.support.live_stand_in import StandInSession
from tests.support.waiting import until
from tests.unit.service.test_library import scene

FPS = 10


@pytest.fixture
def played(tmp_path):
    """A film of eight seconds, and its frames as a camera's link delivers them."""
    frames = scene(3, 80)
    return write_copy(tmp_path / "film.mp4", frames, FPS, CopyOptions(crf=20)), frames


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(originals, "LOOK_SECONDS", 0.05)


class Camera:
    """A viewer, and the time it believes."""

    def __init__(self, search):
        self.now = 0.0
        self.asked = 0
        self._search = search
        options = LiveOptions(keep=SessionRetention.NOTHING)
        self.viewer = Viewer(StandInSession(LiveSettings()), options, clock=lambda: self.now)
        originals.follow(self.viewer, self.search)

    def search(self, prints):
        found = self._search(prints)
        self.asked += 1
        return found

    def show(self, frames):
        for frame in frames:
            self.viewer.show(frame)
            self.now += 1 / FPS


def test_a_film_in_the_place_of_a_camera_is_told(library, played):
    film, frames = played
    add_file(library, ALICE, film, source="/press")
    camera = Camera(lambda prints: library.search(ALICE, prints))
    camera.show(frames)
    until(lambda: camera.viewer.known is not None)
    known = camera.viewer.known
    assert known.name == "film.mp4" and known.matched >= known.asked / 2
    camera.show(scene(9, 80) * 2)
    asked = camera.asked
    until(lambda: camera.asked > asked + 2)
    assert camera.viewer.known.match_sha256 == known.match_sha256, "that it was shown stays known"
    camera.viewer.end()


def test_what_was_merely_analyzed_and_what_others_hold_is_not_told(library, played):
    film, frames = played
    add_file(library, ALICE, film, source=ANALYSES)
    add_file(library, BOB, film, source="/press")
    camera = Camera(lambda prints: library.search(ALICE, prints))
    camera.show(frames)
    until(lambda: camera.asked > 1)
    assert camera.viewer.known is None
    camera.viewer.end()


def test_too_little_is_no_reason_to_look():
    camera = Camera(lambda prints: pytest.fail("it was looked for"))
    camera.show(scene(1, int(FPS * originals.MIN_SECONDS)))
    assert not camera.viewer.over.wait(0.3)
    camera.viewer.end()


def test_a_library_that_fails_leaves_the_camera_on(played, caplog):
    camera = Camera(Mock(side_effect=OSError("the disk is gone")))
    camera.show(played[1])
    until(lambda: "not looked for" in caplog.text)
    camera.show(played[1][:5])
    assert not camera.viewer.ended and camera.viewer.known is None
    camera.viewer.end()


def test_it_is_said_in_what_is_kept_of_the_session(library, played):
    film, frames = played
    add_file(library, ALICE, film, source="/press")
    kept: list[Analysis] = []

    def keep(analysis, *_, **__):
        kept.append(analysis)
        return "id"

    session = StandInSession(LiveSettings())
    options = LiveOptions(keep=SessionRetention.SCORES, scope=object())
    viewer = Viewer(session, options, on_end=lambda viewer: viewers.ended(viewer, keep))
    viewer.push(frames[0])
    viewer.known = best_match(library.search(ALICE, fingerprint(film)))
    viewer._first = viewer._first and viewer._first - 5
    viewer.push(frames[1])
    viewer.end()
    [analysis] = kept
    assert analysis.media.notes[0] == (
        "The camera showed footage that is in the library of whoever watched it: film.mp4."
    )


def test_the_ring_gives_its_pictures_apart():
    ring = Ring()
    for number, frame in enumerate(scene(0, 40)):
        ring.add(frame, number / FPS)
    shown = list(ring.pictures(0.5))
    assert [time for _, time in shown] == pytest.approx([i * 0.5 for i in range(8)])
    prints = of_frames(shown)
    assert np.allclose(prints.times, [time for _, time in shown]) and len(prints.hashes) == 8
    assert not len(of_frames([]).times)
