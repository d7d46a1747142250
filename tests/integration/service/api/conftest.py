"""A server of the API on a data folder of its own, and a client on this computer."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from detector.client import UnmaskClient
from service.application import Application
from service.context import Scope
from tests.support.api import served
from tests.support.applications import application as opened
from tests.support.waiting import PATIENT
from tests.unit.service.test_jobs import Analyzer


@pytest.fixture
def analyzer() -> Analyzer:
    """Stands in for the networks: what goes over the wire is what is tested here."""
    return Analyzer()


@pytest.fixture
def application(
    tmp_path: Path, analyzer: Analyzer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Application]:
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    with opened(tmp_path, analyzer) as app:
        yield app
        analyzer.go.set()


@pytest.fixture
def url(application: Application) -> Iterator[str]:
    with served(application) as address:
        yield address


@pytest.fixture
def ann(application: Application) -> str:
    return application.keys.add("ann", (Scope.READ, Scope.ANALYZE))[1]


@pytest.fixture
def ben(application: Application) -> str:
    return application.keys.add("ben", (Scope.READ, Scope.ANALYZE))[1]


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=PATIENT) as opened:
        yield opened


@pytest.fixture
def remote(url: str) -> Iterator[UnmaskClient]:
    with UnmaskClient(url) as opened:
        yield opened
