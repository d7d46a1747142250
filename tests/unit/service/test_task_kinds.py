"""What each kind of background work runs, refuses, says and keeps, and who may see it."""

import io
import threading
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from detector import selfcheck
from detector.errors import Canceled, InputError, MediaError, WeightsError
from service.records.model import State
from service.tasks import kinds
from service.tasks.calibrations import CalibrationRequest, Calibrations
from service.tasks.kinds import MAX_WAITING, SELF_CHECK, Downloads, RobustnessQueue, SelfChecks
from service.tasks.task import QueueFull
from tests.support.result_sample import make_analysis
from tests.support.tasks import ADMIN, ANN, BEN, ended
from tests.support.waiting import PATIENT, until


def test_a_download_can_be_stopped_and_is_never_run_twice(tasks):
    downloads = Downloads(tasks)
    turns, begun = [], threading.Event()

    def work(on_progress):
        turns.append(1)
        for done in range(100_000):
            on_progress(done, 100_000)
            begun.set()
            threading.Event().wait(0.005)

    one = downloads.start("a", work, ANN)
    assert begun.wait(PATIENT)
    assert downloads.start("a", work, ANN) is one and one.active
    assert downloads.find("a", BEN) is None and downloads.find("a", ADMIN) is one
    downloads.dismiss("a", ANN)  # it is under way
    assert downloads.find("a", ANN) is one
    tasks.cancel(one)
    assert "Stopped" in ended(one).error and len(turns) == 1 and one.code == ""
    downloads.dismiss("a", BEN)
    assert downloads.find("a", ANN) is one
    downloads.dismiss("a", ANN)
    assert downloads.find("a", ANN) is None


def test_a_broken_download_tells_no_more_than_a_person_needs(tasks, caplog):
    downloads = Downloads(tasks)

    one = ended(downloads.start("a", Mock(side_effect=RuntimeError("secret path")), ANN))
    assert "secret" not in one.error and one.error and one.code == ""
    assert "download failed" in caplog.text and "secret path" in caplog.text
    known = WeightsError("No connection to x.", code="no_connection")
    two = ended(downloads.start("b", Mock(side_effect=known), ANN))
    assert (two.error, two.code) == ("No connection.", "no_connection") and two.hint
    assert [r.levelname for r in caplog.records if "download" in r.message] == ["ERROR", "WARNING"]


def test_downloads_wait_for_nobody(tasks):
    downloads, go = Downloads(tasks), threading.Event()
    several = [downloads.start(f"{n}", lambda on_progress: go.wait(PATIENT), ANN) for n in range(9)]
    until(lambda: all(one.state is not State.QUEUED for one in several))
    assert all(one.state is State.RUNNING for one in several)
    go.set()
    assert all(ended(one).state is State.DONE for one in several)


def test_robustness_runs_one_file_at_a_time_and_keeps_the_outcome(tasks, monkeypatch):
    gate, kept = threading.Event(), []
    outcome = object()

    def perturb(path, analysis, analyzer, *, on_progress, cancel):
        on_progress(1, 2, "mirror")
        assert gate.wait(PATIENT)
        if cancel.is_set():
            raise Canceled()
        if path.name == "bad":
            raise MediaError("damaged")
        if path.name == "ours":
            raise ZeroDivisionError
        return outcome

    def job(key):
        return SimpleNamespace(key=key, path=Path(key))

    monkeypatch.setattr(kinds, "try_out", perturb)
    jobs = SimpleNamespace(update=lambda job, change: kept.append(job.key))
    line, analysis = RobustnessQueue(tasks, jobs, Mock()), make_analysis()
    first = line.start(job("a"), analysis, ANN)
    second = line.start(job("a"), analysis, ANN)
    assert second is first, "a second click changes nothing"
    assert line.find("a", BEN) is None and line.find("a", ADMIN) is first
    others = [line.start(job(key), analysis, ANN) for key in ("bad", "ours", "stopped")]
    tasks.cancel(others[2])
    more = [line.start(job(f"x{i}"), analysis, ANN) for i in range(MAX_WAITING - 2)]
    with pytest.raises(QueueFull, match="waiting"):
        line.start(job("one more"), analysis, BEN)
    gate.set()
    for task in (first, *others, *more):
        ended(task)
    assert kept == ["a", "x0", "x1", "x2"] and first.result is outcome and first.stage == "mirror"
    assert [t.error for t in others] == [
        "damaged", "It stopped. Your file is not at fault.", "You stopped it.",
    ]  # fmt: skip


def test_one_calibration_a_server_and_its_clips_go_with_it(tasks, tmp_path):
    go = threading.Event()

    def analyzer():
        assert go.wait(PATIENT)
        raise InputError("It can't be loaded.")

    calibrations = Calibrations(tasks, analyzer, tmp_path)
    clips = calibrations.keep_clips([("../a.mp4", io.BytesIO(b"x"))])
    folder = clips[0].parent
    assert folder.parent == tmp_path
    run = calibrations.start(CalibrationRequest(clips, None, 0.05, "", uploads=folder), ANN)
    assert calibrations.current(BEN) is None and calibrations.current(ADMIN) is run
    more = calibrations.keep_clips([("b.mp4", io.BytesIO(b"x"))])
    with pytest.raises(InputError, match="Another calibration"):
        calibrations.start(CalibrationRequest(more, None, 0.05, "", uploads=more[0].parent), ADMIN)
    assert not more[0].parent.exists() and folder.exists()
    go.set()
    assert ended(run).error == "It can't be loaded." and run.reference == ""
    assert not folder.exists() and (run.done, run.total) == (0, 1)
    # One that is stopped before it began.
    tasks.scheduler.reserve(2.0)
    clips = calibrations.keep_clips([("c.mp4", io.BytesIO(b"x"))])
    go.clear()
    first = calibrations.start(
        CalibrationRequest(clips, None, 0.05, "", uploads=clips[0].parent), ANN
    )
    tasks.cancel(first)
    go.set()
    assert ended(first).state in (State.CANCELED, State.FAILED)
    assert not clips[0].parent.exists()


def test_a_self_check_runs_once_and_tells_everybody_how_fast_models_are(tasks, monkeypatch):
    go, runs = threading.Event(), []
    outcome = SimpleNamespace(id="texture", milliseconds=12.0)

    def check(progress):
        runs.append(1)
        assert go.wait(PATIENT)
        return [outcome]

    monkeypatch.setattr(selfcheck, "selfcheck", check)
    checks = SelfChecks(tasks)
    one = checks.start(ADMIN)
    assert checks.start(ADMIN) is one and checks.find(SELF_CHECK, BEN) is None
    assert checks.seconds("texture") is None
    go.set()
    assert ended(one).result == [outcome] and runs == [1]
    assert checks.seconds("texture") == 0.012 and checks.seconds("videomae") is None
