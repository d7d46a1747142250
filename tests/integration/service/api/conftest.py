"""A server of the API on a data folder of its own, and a client on this computer."""

import httpx
import pytest

from detector.client import UnmaskClient
from service.context import Scope
from tests.support.api import served
from tests.support.applications import application as opened
from tests.support.waiting import PATIENT
from tests.unit.service.test_jobs import Analyzer


@pytest.fixture
def analyzer():
    """Stands in for the networks: what goes over the wire is what is tested here."""
    return Analyzer()


@pytest.fixture
def application(tmp_path, analyzer, monkeypatch):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    with opened(tmp_path, analyzer) as app:
        yield app
        analyzer.go.set()


@pytest.fixture
def url(application):
    with served(application) as address:
        yield address


@pytest.fixture
def ann(application):
    return application.keys.add("ann", (Scope.READ, Scope.ANALYZE))[1]


@pytest.fixture
def ben(application):
    return application.keys.add("ben", (Scope.READ, Scope.ANALYZE))[1]


@pytest.fixture
def client(url):
    with httpx.Client(base_url=url, timeout=PATIENT) as opened:
        yield opened


@pytest.fixture
def remote(url):
    with UnmaskClient(url) as opened:
        yield opened
