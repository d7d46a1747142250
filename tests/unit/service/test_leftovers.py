"""What a killed server leaves in each folder under the data folder is swept, or kept by a rule."""

import os
import time
from datetime import timedelta

import pytest

from detector import paths
from service.application import Application
from service.context import new_id
from service.live.viewers import Recordings
from tests.support.applications import application
from tests.unit.service.test_jobs import Analyzer

DEAD = "0123456789ab"  # a server that is no more
LEFT = {
    f"uploads/{new_id()}/.coming": "half an upload",
    f"uploads/{new_id()}/clip.mp4": "an upload whose record was never written",
    "uploads/.form-x1/.coming": "a file of a request",
    "uploads/.library-x1/000-clip.mp4": "files for a library",
    "uploads/.opened-x1/container": "an archive that was being opened",
    "uploads/.copy-x1/clip.mp4": "media that came from a bucket",
    "uploads/stray": "a file without a folder",
    f"live/{DEAD}-{new_id()}.mp4": "a recording of a camera, with faces",
    "own-clips-x1/000-clip.mp4": "clips of a calibration",
    "evaluations/x1/run.json": "an evaluation",
    f"servers/{DEAD}.lock": "the lock of a server",
    ".speed.json.0a1b2c3d": "a file that was being written",
}
KEPT = {
    "uploads": "of records that exist, until their time is up (UNMASK_RETENTION_HOURS)",
    "servers": "the lock of the server that runs",
    "evaluations": "until their time is up",
    "live": "recordings of cameras that run",
    "unmask.db": "records, until their time is up",
    "unmask.db-shm": "of the database",
    "unmask.db-wal": "of the database",
    "seal.key": "the key of seals",
}
"""All that a server without a task has in its data folder, and why it is kept."""


def put(data, name, age):
    path = data / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("left")
    then = time.time() - age.total_seconds()
    for one in (path, path.parent):
        if one != data:
            os.utime(one, (then, then))
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.mark.parametrize("name", LEFT, ids=LEFT.values())
def test_what_a_killed_server_left_is_swept(folder, name):
    left = put(folder, name, timedelta(days=40))
    with application(folder, Analyzer()) as app:
        app.sweep()
        assert not left.exists()
        if left.parent not in (folder, *(folder / kept for kept in KEPT)):
            assert not left.parent.exists()


def test_a_recording_of_a_dead_server_is_swept_at_once_and_a_running_one_is_kept(folder):
    left = put(folder, f"live/{DEAD}-{new_id()}.mp4", timedelta())
    with application(folder, Analyzer()) as app:
        here = app.films.new()
        here.write_text("runs")
        app.sweep()
        assert here.exists() and not left.exists()
    with application(folder, Analyzer()) as later:
        later.sweep()
        assert not here.exists()


def test_a_new_recording_leaves_no_descriptor_open_and_no_file_behind(folder):
    with application(folder, Analyzer()) as app:
        films = Recordings(folder, app.tasks.server)
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        made = {films.new() for _ in range(20)}
        after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        assert len(made) == 20 and after <= before and not any(path.exists() for path in made)


def test_a_young_file_that_is_being_written_is_kept(folder):
    young = [put(folder, name, timedelta()) for name in (".a.0a1b2c3d", "own-clips-x1/clip.mp4")]
    with application(folder, Analyzer()) as app:
        app.sweep()
        assert all(path.exists() for path in young)


def test_all_that_a_server_has_in_its_folder_is_kept_for_a_reason(folder):
    with application(folder, Analyzer()) as app:
        app.sweep()
        names = {path.name for path in folder.iterdir()}
    assert names <= KEPT.keys(), "a new file or folder needs a rule here, and a sweep or a reason"


def test_a_rule_that_fails_holds_up_no_other(folder, monkeypatch, caplog):
    left = put(folder, f"live/{DEAD}-{new_id()}.mp4", timedelta())
    with application(folder, Analyzer()) as app:

        def broken(*_arguments):
            raise OSError("the disk is gone")

        monkeypatch.setattr(app.jobs, "sweep", broken)
        app.sweep()
        assert not left.exists() and "could not be deleted" in caplog.text


def test_paths_know_what_they_were_writing():
    assert paths.is_unfinished(".speed.json.0a1b2c3d") and not paths.is_unfinished(".samples.lock")
    assert Application.sweep.__doc__
