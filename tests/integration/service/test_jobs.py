"""A server that is killed, and one beside another: what became of its analyses. Real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.records.model import LOCAL
from service.tasks.jobs import Jobs, State
from tests.support.scopes import local
from tests.support.waiting import PATIENT, until
from tests.unit.service.test_jobs import DAY, SAMPLE, Analyzer, open_jobs, wait


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Jobs]]:
    made: list[Jobs] = []

    def build(**options: Any) -> Jobs:
        made.append(open_jobs(tmp_path, Analyzer(), **{"workers": 1, **options}))
        return made[-1]

    yield build
    for jobs in made:
        jobs.close()
        jobs.store.close()


VICTIM = """
import io, os, signal, sys, time
from pathlib import Path
from sqlalchemy import event
from service.tasks.jobs import Jobs, QueueLimits, State
from service.tasks.manager import TaskManager
from service.tasks.store import TaskStore
from service.records.instances import Server
from service.records.database import FILE
from service.records.sql import SQLStore, open_store
from service.tasks.throughput import ThroughputEstimator
from service.records.store import RecordScope
from service.storage.uploads import Uploads
from detector.pipeline import Progress
from detector.schema.analysis import Analysis, Settings

data, where = Path(sys.argv[1]), sys.argv[2]
sample = Analysis.model_validate_json(sys.stdin.readline())

def end():
    os.kill(os.getpid(), signal.SIGKILL)

class Analyzer:
    begun = False
    def analyze(self, path, settings, **options):
        self.begun = True
        if where == "analysis":
            end()
        if where == "life":
            options["observe"](Progress("faces", 0.2, {}))
            time.sleep(0.6)
            options["observe"](Progress("faces", 0.4, {}))
            sys.stdin.readline()
        return sample

class Slow(io.BytesIO):
    def read(self, count=-1):
        return end() if self.tell() else super().read(3)

analyzer, store = Analyzer(), open_store(data / FILE)
tasks = TaskManager(TaskStore(store.database), Server(data, store.database))
jobs = Jobs(analyzer, Uploads(data), store, tasks, ThroughputEstimator(),
            limits=QueueLimits(workers=1))
if where == "save":  # the transaction is written, all but its last word
    event.listen(store.database.engine, "commit", lambda _: end() if analyzer.begun else None)
source = (Slow if where == "copy" else io.BytesIO)(b"content")
job = jobs.submit(source, "a.mp4", Settings(), RecordScope("local", store))
print(job.key, flush=True)
time.sleep(60)
"""


def victim(data: Path, where: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(data), where],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    print(SAMPLE.model_dump_json(), file=child.stdin, flush=True)
    return child


@pytest.mark.parametrize("where", ["analysis", "save"])
def test_killed_in_the_middle_nothing_is_corrupt_and_it_runs_again(
    tmp_path: Path, make: Callable[..., Jobs], where: str
) -> None:
    killed = victim(tmp_path, where)
    killed.communicate(timeout=PATIENT)
    assert killed.returncode == -signal.SIGKILL
    jobs = make()
    (key,) = jobs.store.ids(LOCAL)
    with jobs.store.database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    found = jobs.find(key, local(jobs))
    assert found is not None and found.state is State.INTERRUPTED and found.analysis is None
    assert found.has_media and found.path.read_text() == "content"
    assert jobs.store.thumbnails(LOCAL, [key]) == {}
    again = jobs.rerun(key, found.settings, local(jobs))
    assert again is not None
    wait(again)
    other = make()
    assert other.find(key, local(other)).analysis == again.analysis  # type: ignore[union-attr]


def test_killed_while_a_file_comes_leaves_nothing_for_long(
    tmp_path: Path, make: Callable[..., Jobs]
) -> None:
    killed = victim(tmp_path, "copy")
    killed.communicate(timeout=PATIENT)
    assert killed.returncode == -signal.SIGKILL
    jobs = make()
    assert jobs.store.ids(LOCAL) == []
    (half,) = jobs.uploads.root.iterdir()
    assert not jobs.uploads.path(half.name).exists()
    jobs.sweep(DAY, 30 * DAY, now=datetime.now(UTC) + timedelta(hours=2))
    assert not half.exists()


def test_what_runs_in_another_process_is_not_taken_for_lost(
    tmp_path: Path, make: Callable[..., Jobs]
) -> None:
    other = victim(tmp_path, "life")
    try:
        assert other.stdout is not None and other.stdin is not None
        key = other.stdout.readline().strip()
        jobs = make()
        until(lambda: (job := jobs.find(key, local(jobs))) is not None and job.progress is not None)
        found = jobs.find(key, local(jobs))
        assert found is not None and found.state is State.RUNNING
        assert (found.progress.stage, found.progress.fraction) == ("faces", 0.4)
        assert jobs.find(key, local(jobs)) is found and jobs.busy() == []
        print("go on", file=other.stdin, flush=True)
        until(lambda: (job := jobs.find(key, local(jobs))) is None or not job.active)
        job = jobs.find(key, local(jobs))
        assert job is not None and job.state is State.DONE and job.analysis is not None
        assert jobs.find(key, local(jobs)) is job
    finally:
        other.kill()
        other.communicate()
