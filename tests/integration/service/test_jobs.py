"""A server that is killed while a file comes. A real process."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.records.model import LOCAL
from service.tasks.jobs import Jobs
from tests.support.waiting import PATIENT
from tests.unit.service.test_jobs import DAY, Analyzer, open_jobs


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
import io, os, signal, sys
from pathlib import Path
from service.tasks.jobs import Jobs, QueueLimits
from service.tasks.manager import TaskManager
from service.tasks.store import TaskStore
from service.records.instances import Server
from service.records.database import FILE
from service.records.sql import open_store
from service.tasks.throughput import ThroughputEstimator
from service.records.store import RecordScope
from service.storage.uploads import Uploads
from detector.schema.analysis import Settings

data = Path(sys.argv[1])

class Slow(io.BytesIO):
    def read(self, count=-1):
        return os.kill(os.getpid(), signal.SIGKILL) if self.tell() else super().read(3)

store = open_store(data / FILE)
tasks = TaskManager(TaskStore(store.database), Server(data, store.database))
jobs = Jobs(None, Uploads(data), store, tasks, ThroughputEstimator(),
            limits=QueueLimits(workers=1))
jobs.submit(Slow(b"content"), "a.mp4", Settings(), RecordScope("local", store))
"""


def test_killed_while_a_file_comes_leaves_nothing_for_long(tmp_path, make):
    killed = subprocess.run(
        [sys.executable, "-c", VICTIM, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        timeout=PATIENT,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    jobs = make()
    assert jobs.store.ids(LOCAL) == []
    (half,) = jobs.uploads.root.iterdir()
    assert not jobs.uploads.path(half.name).exists()
    jobs.sweep(DAY, 30 * DAY, now=datetime.now(UTC) + timedelta(hours=2))
    assert not half.exists()
