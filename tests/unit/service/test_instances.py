"""Servers that share a database: who of them lives, and what becomes of a dead one's tasks."""

from pathlib import Path

import pytest

from service.records.database import FILE
from tests.support.servers_contract import ServersContract, clock

__all__ = ["clock"]


class TestSQLite(ServersContract):
    @pytest.fixture
    def where(self, tmp_path: Path) -> Path:
        return tmp_path / FILE
