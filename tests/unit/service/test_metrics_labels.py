"""Labels of the metrics are Unmask's own: no client chooses one."""

import pytest
from starlette.testclient import TestClient

from service import metrics
from service.api.app import create_app
from tests.support.applications import application
from tests.unit.service.test_jobs import Analyzer


@pytest.fixture
def client(tmp_path):
    with application(tmp_path, Analyzer()) as app:
        yield TestClient(create_app(lambda: app), raise_server_exceptions=False)


def series():
    """All label sets of all metrics."""
    return {
        (sample.name, *sorted(sample.labels.items()))
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
    }


def test_invented_methods_and_paths_make_no_series(client):
    client.request("GET", "/healthz")
    client.request("ZERO", "/healthz")
    client.request("GET", "/nowhere")
    before = series()
    for number in range(50):
        client.request(f"METHOD{number}", "/healthz")
        client.request(f"METHOD{number}", f"/nowhere/{number}")
        client.request("GET", f"/nowhere/{number}")
    new = {one for one in series() - before if "unmask" in one[0]}
    assert len(new) <= 6, new
