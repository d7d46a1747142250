"""A server whose analyses run on a cluster: records, progress, cancel, and a lost worker."""

import os
import signal

import pytest

from cluster import ClusterAnalyzer
from detector.media import isolated
from detector.pipeline import open_remote
from detector.schema.analysis import Settings
from service import startup
from service.application import Application
from service.context import LOCAL, RequestContext
from service.records.model import State
from service.tasks.calibrations import Calibrations
from tests.integration.detector.test_cluster import analyzed, comparable, pid
from tests.support.processes import python
from tests.support.tasks import ANN, BEN, make_tasks
from tests.support.waiting import until

OWNER = RequestContext(LOCAL, loopback=True)


@pytest.fixture(scope="module")
def alone(clips):
    return analyzed(clips[0], frames=4)[clips[0]]


@pytest.fixture(scope="module")
def app(tmp_path_factory, alone):
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNMASK_DATA", str(folder))
        patch.setenv("UNMASK_RAY_ADDRESS", "local")
        patch.setenv("UNMASK_RAY_WORKERS", "2")
        patch.setenv("UNMASK_RAY_CPUS", "0.5")
        made = Application(folder)
        yield made
        made.stop()
        made.jobs.store.close()


@pytest.fixture(scope="module")
def clips():
    from tests.support.clips import face_clip

    return face_clip(2, 320, 240, 25), face_clip(20, 320, 240, 25)


def submit(app, path, **settings):
    with path.open("rb") as file:
        return app.submit(OWNER, file, path.name, Settings(**settings))


def ended(app, job):
    until(lambda: not job.active)
    return app.find(OWNER, job.key)


def test_a_file_is_analyzed_on_the_cluster(app, clips, alone):
    assert app.jobs.workers == app.remote.slots == 4
    job = ended(app, submit(app, clips[0], frames=4))
    assert job.state is State.DONE, job.error
    assert job.analysis.seal.holds  # this server's own
    assert comparable(job.analysis.model_copy(update={"seal": None})) == comparable(alone)
    assert not app.analyzer._detectors, "nothing was loaded here"
    assert app.find(OWNER, job.key).picture


def test_progress_is_seen_and_a_cancel_is_heard(app, clips):
    job = submit(app, clips[1], frames=200)
    until(lambda: job.progress is not None and 0 < job.progress.fraction < 1)
    app.tasks.cancel(job)
    assert ended(app, job).state is State.CANCELED
    until(lambda: sum(m.free for m in app.remote._pool._members) == 4)


def test_a_killed_worker_costs_a_person_nothing(app, clips):
    members = app.remote._pool._members
    pids = [pid(member) for member in members]
    job = submit(app, clips[1], frames=60)
    until(lambda: job.progress is not None and any(member.free < 2 for member in members))
    (busy,) = (n for n, member in enumerate(members) if member.free < 2)
    os.kill(pids[busy], signal.SIGKILL)
    assert ended(app, job).state is State.DONE, job.error
    assert len(job.analysis.timestamps) == 60


def test_a_server_whose_cluster_does_not_answer_does_not_start(monkeypatch, app):
    monkeypatch.setenv("UNMASK_RAY_ADDRESS", "nowhere")
    monkeypatch.setenv("UNMASK_SANDBOX", "off")
    with pytest.raises(SystemExit, match="'nowhere' is not the address of a Ray cluster"):
        startup.prepare()
    monkeypatch.delenv("UNMASK_RAY_ADDRESS")
    startup.prepare()
    assert open_remote() is None
    assert isinstance(app.remote, ClusterAnalyzer) and not isolated()


VICTIM = """
import io, os, signal, sys
from pathlib import Path
sys.path.insert(0, ".")
from service.tasks.calibrations import CalibrationRequest, Calibrations
from tests.support.tasks import ANN, make_tasks

data = Path(sys.argv[1])
calibrations = Calibrations(make_tasks(data), lambda: os.kill(os.getpid(), signal.SIGKILL), data)
clips = calibrations.keep_clips([("a.mp4", io.BytesIO(b"x"))])
calibrations.start(CalibrationRequest(clips, None, 0.05, "", uploads=clips[0].parent), ANN)
import time; time.sleep(60)
"""


def test_a_killed_server_leaves_nobodys_clips(tmp_path):
    assert python("-c", VICTIM, tmp_path).returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("own-clips-*"))) == 1
    tasks = make_tasks(tmp_path)
    calibrations = Calibrations(tasks, lambda: None, tmp_path)
    tasks.recover()
    assert not list(tmp_path.glob("own-clips-*"))
    run = calibrations.current(ANN)
    assert run.state is State.INTERRUPTED and "Start it again" in run.error
    assert calibrations.current(BEN) is None
    tasks.close()
