"""A disk that fills up: during an upload, a batch, a recording, a report and a backup."""

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from detector.live.recorder import Recorder
from detector.schema.live import LiveSettings
from service.live import viewers
from service.live.viewers import LiveOptions, SessionRetention, Viewers
from service.records.store import RecordScope
from tests.integration.faults.conftest import QUICK, clear, fill, small_disk
from tests.support.live_stand_in import StandInEngine
from tests.support.processes import python
from tests.support.waiting import PATIENT

linux = pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
DISK_MB = 140  # 100 of them are kept for results and logs


def full_places(server):
    """What is in the folder of uploads now, and a full disk."""
    before = server.uploads()
    fill(server.data.parent)
    return before


@linux
def test_uploads_batches_reports_and_backups_on_a_full_disk(serving, tmp_path, clip):
    with small_disk(tmp_path / "disk", DISK_MB) as disk, serving(disk / "data") as server:
        kept = server.analyzed(clip)
        before = full_places(server)
        clear(server.upload(clip, frames="9"), "disk_full")
        files = [("files", (f"{n}.mp4", clip.read_bytes())) for n in range(3)]
        batch = server.request("POST", "/v1/batches", files=files, data=QUICK | {"frames": "9"})
        if batch.status_code == 202:
            codes = {item["error"]["code"] for item in batch.json()["items"]}
            assert codes == {"disk_full"}
        else:
            clear(batch, "disk_full")
        assert server.uploads() == before, "nothing is left behind"
        for form in ("md", "json", "csv"):
            assert server.get(f"{kept}/report.{form}").status_code == 200
        # Heatmaps take their time, whatever the disk has left.
        pdf = server.client.get(f"{kept}/report.pdf", timeout=3 * PATIENT)
        assert pdf.status_code == 200 and pdf.content.startswith(b"%PDF")
        result = server.get(kept).json()
        with closing(sqlite3.connect(tmp_path / "backup.db")) as copy:
            with closing(sqlite3.connect(server.data / "unmask.db")) as records:
                records.backup(copy)
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert copy.execute("SELECT count(*) FROM records").fetchone() == (1,)
        (disk / "filler").unlink()
        assert server.get(kept).json() == result, "nothing is lost that was acknowledged"
        server.analyzed(clip, frames="9")
        server.goes_on()


@linux
@pytest.mark.parametrize("announced", [True, False])
def test_a_form_that_does_not_fit_leaves_nothing(serving, tmp_path, clip, announced):
    with small_disk(tmp_path / "disk", DISK_MB) as disk, serving(disk / "data") as server:
        fill(disk, leave=105 << 20)
        body = clip.read_bytes() + bytes(8 << 20)
        head = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n',
            body,
            b"\r\n--x--\r\n",
        )
        content = b"".join(head) if announced else iter(head)
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = server.request("POST", "/v1/analyses", content=content, headers=kind)
        assert clear(answer, "disk_full").status_code == 507
        assert server.uploads() == []
        server.goes_on()


def picture(number):
    return np.random.default_rng(number).integers(0, 255, (480, 640, 3), np.uint8)


@linux
@pytest.mark.parametrize("where", ["small", "/dev/full", "gone"])
def test_a_recording_that_finds_no_room_keeps_its_scores(tmp_path, where):
    """The Stop button, the reaper and the shutdown of the server wait for `close`."""
    with small_disk(tmp_path / "disk", 2) as disk:
        film = disk / "film.mp4"
        if where == "/dev/full":
            film.symlink_to("/dev/full")
        elif where == "gone":
            film = disk / "missing" / "film.mp4"
        keep = Mock(return_value="kept")
        crowd = Viewers(
            StandInEngine, 1, lambda viewer: viewers.ended(viewer, keep), new_film=lambda: film
        )
        scope = RecordScope("guest:a", Mock())
        viewer = crowd.open(LiveSettings(), LiveOptions(keep=SessionRetention.VIDEO, scope=scope))
        viewer._first = viewer._clock() - 5
        for number in range(60):
            viewer.push(picture(number % 4))
        viewer.end()
        assert viewer.ended and keep.called and keep.call_args.kwargs["media"] is None
        assert viewer.result == "kept" and "scores are kept" in viewer.problem
        assert not film.is_file() and crowd.running == 0
        crowd.close()


@linux
def test_a_recorder_meets_a_full_device_and_closes(tmp_path):
    (tmp_path / "film.mp4").symlink_to("/dev/full")
    recorder = Recorder(tmp_path / "film.mp4")
    for number in range(40):
        recorder.add(picture(number), number / 25)
    assert not recorder.close() and recorder.error is not None


@linux
@pytest.mark.parametrize("option", ["--json", "--report"])
def test_a_command_that_writes_to_a_full_device_says_so(tmp_path, clip, option, converted):
    target = Path("/dev/full") if option == "--json" else tmp_path / "report.pdf"
    if option == "--report":
        os.symlink("/dev/full", target)
    run = python(
        "-m", "cli", "analyze", str(clip), "--models", "texture", "--frames", "8", option,
        str(target), variables={"UNMASK_CONVERTED": str(converted), "UNMASK_DATA": str(tmp_path)},
    )  # fmt: skip
    assert "Traceback" not in run.stderr, run.stderr
    assert run.returncode != 0 or option == "--report", run.stderr
