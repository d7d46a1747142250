"""Requests made of the API's own description (schemathesis), bounded in number."""

from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from detector.errors import MediaError
from service import limits
from service.api.app import create_app
from service.api.routes import legacy
from tests.support.api import served
from tests.support.applications import application
from tests.unit.service.test_jobs import Analyzer

SCHEMA = schemathesis.openapi.from_dict(create_app(lambda: None).openapi())
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]
CHECKS = (not_a_server_error, status_code_conformance, response_schema_conformance)
EXAMPLES = 12
"""requests of each operation"""


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """A server, and the id of a finished analysis; downloads go nowhere."""
    data: Path = tmp_path_factory.mktemp("schema")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNMASK_DATA", str(data))
        patch.setenv("UNMASK_OFFLINE", "1")
        patch.setattr(limits, "MAX_REJECTED", 1_000_000)  # keys are made up here
        analyzer = Analyzer()
        with application(data, analyzer) as app, served(app) as url:
            app.prepared.set()
            file = {"file": ("clip.mp4", b"bytes of a clip")}
            answer = httpx.post(f"{url}/v1/analyses?wait=60", files=file)
            assert answer.status_code == 200
            analyzer.error = MediaError("This is no video.", code="not_media")
            yield url, answer.json()["id"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_every_answer_is_as_described(operation, known):
    address, id = known

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def check(case):
        if case.path.startswith("/v1/analyses/{id}") and case.method == "GET":
            case.path_parameters["id"] = id  # one made up is found nowhere
        if "wait" in case.query:
            wait = case.query["wait"]
            case.query["wait"] = min(0.05, wait) if isinstance(wait, int | float) else "x"
        elif case.path in ("/upload-video", *legacy.ADDRESSES):
            case.query["wait"] = 0.05
        case.call_and_validate(base_url=address, checks=list(CHECKS), timeout=60)

    check()


def test_the_description_names_every_route_with_an_example():
    described = create_app(lambda: None).openapi()
    assert {"/v1/analyses", "/v1/batches", "/metrics", "/upload-video"} <= set(described["paths"])
    for name in ("AnalysisView", "TaskView", "BatchView", "SimpleVerdict", "VideoScores"):
        assert described["components"]["schemas"][name]["examples"], name
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
