"""Fixtures on a database file of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.library.catalog import Library
from service.records.database import FILE, Database
from service.records.footage import FootageStore


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / FILE)
    yield opened
    opened.close()


@pytest.fixture
def library(database: Database) -> Library:
    return Library(FootageStore(database))
