"""Fixtures on a data folder and a database file of the test's own."""

import pytest

from service import config
from service.library.catalog import Library
from service.records.database import FILE, Database
from service.records.footage import FootageStore
from tests.support.applications import finds
from tests.support.servers_contract import clock
from tests.support.tasks import make_tasks

__all__ = ["clock", "finds"]


@pytest.fixture
def no_settings(monkeypatch):
    """Take every setting out of the environment."""
    for several in config.names(config.Config).values():
        for name in several:
            monkeypatch.delenv(name, raising=False)
    config.set_fallback({})


@pytest.fixture
def where(tmp_path):
    """What the contracts of stores open."""
    return tmp_path / FILE


@pytest.fixture
def tasks(tmp_path):
    manager = make_tasks(tmp_path)
    yield manager
    manager.close()


@pytest.fixture
def database(where):
    opened = Database(where)
    yield opened
    opened.close()


@pytest.fixture
def library(database):
    return Library(FootageStore(database))
