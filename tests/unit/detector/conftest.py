"""What tests of reports share."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def save(tmp_path: Path) -> Callable[[bytes, str], Path]:
    """Write a report to a file of its form."""

    def write(data: bytes, form: str) -> Path:
        path = tmp_path / f"report.{form}"
        path.write_bytes(data)
        return path

    return write
