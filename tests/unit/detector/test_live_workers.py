"""Workers of live sessions: what fails reaches the session, and is said once."""

import threading
from concurrent.futures import CancelledError
from unittest.mock import Mock

import numpy as np
import pytest

from cli import main
from detector import live, vision
from detector.errors import ModelError
from detector.live.worker import MAX_FAILURES, WorkerGroup
from tests.conftest import write_clip
from tests.support.live_world import made
from tests.support.waiting import PATIENT, until

FRAME = np.full((48, 64, 3), 128, np.uint8)


@pytest.mark.parametrize("threaded", [True, False])
def test_a_face_detector_that_cannot_be_loaded_ends_the_session(monkeypatch, caplog, threaded):
    load = Mock(side_effect=ModelError("There is no face detector.", code="weights"))
    monkeypatch.setattr(vision, "load_detector", load)
    engine = live.LiveEngine(threaded=threaded, load=made())
    session = engine.open(live.LiveSettings(models=("texture",)))
    for number in range(30):
        session.push(FRAME, number / 25)
        if not threaded:
            engine.drain()
    with pytest.raises(ModelError, match="no face detector"):
        session.loaded.result(PATIENT)
    assert session.failure is not None and session.failure.code == "weights"
    assert not session.state.ready and session.closed and load.call_count == 1
    assert caplog.text.count("Traceback") <= 1
    engine.close()


def test_the_command_says_why_and_ends(monkeypatch, tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mp4", seconds=1, fps=5)
    load = Mock(side_effect=ModelError("There is no face detector."))
    monkeypatch.setattr(vision, "load_detector", load)
    for speed in ("real", "full"):
        assert main(["live", str(clip), "--speed", speed, "--models", "texture"]) != 0
        assert "There is no face detector." in capsys.readouterr().err


def test_frames_that_all_fail_end_the_session_and_are_logged_once(caplog):
    calls: list[int] = []

    def work():
        calls.append(1)
        raise ZeroDivisionError

    group = WorkerGroup(work, threaded=False)
    group.loaded.set_result(None)
    for _ in range(2 * MAX_FAILURES):
        group.drain()
    assert len(calls) == MAX_FAILURES and group.failure is not None
    assert group.failure.code == "live_failed" and caplog.text.count("a frame failed") == 1


def test_a_frame_that_fails_among_others_ends_nothing():
    turn = iter(range(1000))
    group = WorkerGroup(lambda: bool(1 // (next(turn) % 2)), threaded=False)
    group.loaded.set_result(None)
    for _ in range(50):
        group.drain()
    assert group.failure is None


def test_closing_wakes_who_waits_for_the_models():
    go = threading.Event()
    group = WorkerGroup(lambda: go.wait(PATIENT) and False, threaded=True)
    until(lambda: group._workers[0].thread is not None)
    group.close()
    with pytest.raises(CancelledError):
        group.loaded.result(PATIENT)
    go.set()
    group.join()
