"""Programs and servers of the tests' own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.waiting import PATIENT, until

ROOT = Path(__file__).resolve().parents[2]


def python(
    *words: str | Path, variables: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run Python with our code and these variables of the environment; keep what it prints."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **(variables or {})},
        capture_output=True,
        text=True,
        **{"cwd": ROOT, "timeout": 3 * PATIENT} | options,
    )


@contextmanager
def running(
    command: Sequence[str | Path], url: str, log: Path, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program, wait until it answers at an address, and end it."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)

    def answers() -> bool:
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
