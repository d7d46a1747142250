"""Fixtures on a data folder and a database file of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service import config
from service.library.catalog import Library
from service.records.database import FILE, Database
from service.records.footage import FootageStore
from service.tasks.manager import TaskManager
from tests.support.tasks import make_tasks


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every setting out of the environment."""
    for several in config.names(config.Config).values():
        for name in several:
            monkeypatch.delenv(name, raising=False)
    config.set_fallback({})


@pytest.fixture
def where(tmp_path: Path) -> Path:
    """What the contracts of stores open."""
    return tmp_path / FILE


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[TaskManager]:
    manager = make_tasks(tmp_path)
    yield manager
    manager.close()


@pytest.fixture
def database(where: Path) -> Iterator[Database]:
    opened = Database(where)
    yield opened
    opened.close()


@pytest.fixture
def library(database: Database) -> Library:
    return Library(FootageStore(database))
