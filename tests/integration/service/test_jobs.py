"""A server that is killed while a file comes. A real process."""

import signal
from datetime import UTC, datetime, timedelta

from service.records.model import LOCAL
from tests.support.processes import python
from tests.unit.service.test_jobs import DAY, Analyzer, open_jobs

VICTIM = """
import io, os, signal, sys
from pathlib import Path
from detector.schema.analysis import Settings
from tests.support.scopes import local
from tests.unit.service.test_jobs import Analyzer, open_jobs

class Slow(io.BytesIO):
    def read(self, count=-1):
        return os.kill(os.getpid(), signal.SIGKILL) if self.tell() else super().read(3)

jobs = open_jobs(Path(sys.argv[1]), Analyzer(), workers=1)
jobs.submit(Slow(b"content"), "a.mp4", Settings(), local(jobs))
"""


def test_killed_while_a_file_comes_leaves_nothing_for_long(tmp_path):
    assert python("-c", VICTIM, tmp_path).returncode == -signal.SIGKILL
    jobs = open_jobs(tmp_path, Analyzer(), workers=1)
    assert jobs.store.ids(LOCAL) == []
    (half,) = jobs.uploads.root.iterdir()
    assert not jobs.uploads.path(half.name).exists()
    jobs.sweep(DAY, 30 * DAY, now=datetime.now(UTC) + timedelta(hours=2))
    assert not half.exists()
    jobs.close()
    jobs.store.close()
