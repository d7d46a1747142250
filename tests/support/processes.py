"""Programs and servers of the tests' own, and the processes that descend from one."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.waiting import PATIENT, until

ROOT = Path(__file__).resolve().parents[2]


def python(*words, variables=None, **options):
    """Run Python with our code and these variables of the environment; keep what it prints."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})},
        capture_output=True,
        text=True,
        **{"cwd": ROOT, "timeout": 3 * PATIENT} | options,
    )


@contextmanager
def running(command, url, log, **options):
    """Start a program, wait until it answers at an address, and end it."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)

    def answers():
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(url, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        until(answers, every=0.1)
        yield process
    finally:
        process.terminate()
        try:
            ended = process.wait(60)
        finally:
            process.kill()
    assert ended in (0, -15), log.read_text()


def descendants(root=None):
    """Return the processes that descend from this one (or another), zombies among them."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            after = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(entry.name)] = int(after[1])
    found, level = set(), {root or os.getpid()}
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        found |= level
    return found
