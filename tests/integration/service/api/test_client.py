"""`detector.client` against a real server, and against one that is busy."""

import time

import httpx
import pytest

from detector import client as module
from detector.client import ApiError, UnmaskClient
from detector.errors import MediaError
from detector.schema.analysis import Analysis
from service.context import Scope
from tests.support.waiting import until


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"bytes of a clip")
    return path


def test_a_file_is_sent_followed_and_read(remote, clip, analyzer):
    analyzer.go.clear()
    sent = remote.submit([clip], frames=8, models=["texture", "videomae"])
    assert sent["state"] in {"queued", "running"} and sent["name"] == "clip.mp4"
    task = sent["task"]["id"]
    until(lambda: remote.request("GET", f"/v1/tasks/{task}").json()["stage"] == "faces")
    analyzer.go.set()
    assert [event["state"] for event in remote.events(task)][-1] == "done"
    analysis = remote.wait(sent["id"])
    assert isinstance(analysis, Analysis) and analysis.settings.models == ["texture", "videomae"]
    report = remote.request("GET", f"/v1/analyses/{sent['id']}/report.pdf")
    assert report.content.startswith(b"%PDF")
    remote.request("DELETE", f"/v1/analyses/{sent['id']}")
    with pytest.raises(ApiError) as gone:
        remote.wait(sent["id"])
    assert (gone.value.status, gone.value.code) == (404, "not_found") and gone.value.request_id


def test_what_has_no_result_says_why(remote, clip, analyzer):
    analyzer.error = MediaError("This is no video.", code="not_media", hint="Send another.")
    with pytest.raises(ApiError) as failed:
        remote.analyze(clip)
    assert failed.value.code == "not_media" and failed.value.hint == "Send another."
    analyzer.error = None
    (failure,) = remote.request("GET", "/v1/analyses").json()
    assert failure["state"] == "failed"
    once_more = remote.request("POST", f"/v1/analyses/{failure['id']}/again").json()
    assert once_more["id"] == failure["id"]
    assert remote.wait(failure["id"]).media.name == "clip.mp4"
    with pytest.raises(ApiError, check=lambda e: e.status == 422):
        remote.analyze(clip, frames=0)
    with pytest.raises(ApiError):
        list(remote.events("none"))


def test_a_task_can_be_stopped_and_a_batch_followed(remote, clip, tmp_path, analyzer):
    analyzer.go.clear()
    sent = remote.submit([clip])
    remote.request("DELETE", f"/v1/tasks/{sent['task']['id']}")
    with pytest.raises(ApiError, check=lambda e: e.code == "canceled"):
        remote.wait(sent["id"])
    analyzer.go.set()
    other = tmp_path / "other.mp4"
    other.write_bytes(b"other bytes")
    batch = remote.submit([clip, other], batch=True, frames=4)
    assert {item["name"] for item in batch["items"]} == {"clip.mp4", "other.mp4"}
    until(lambda: remote.request("GET", f"/v1/batches/{batch['id']}").json()["done"])
    assert remote.request("GET", f"/v1/batches/{batch['id']}").json()["counts"] == {"done": 2}


def test_a_key_goes_along(url, application):
    with UnmaskClient(url, application.keys.add("a", (Scope.READ,))[1]) as remote:
        assert remote.request("GET", "/v1/analyses").json() == []
    unauthorized = pytest.raises(ApiError, check=lambda e: e.code == "unauthorized")
    with UnmaskClient(url, "um_none") as remote, unauthorized:
        remote.request("GET", "/v1/analyses")


def test_what_a_busy_server_sends_away_is_sent_again_whole(clip, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    came: list[tuple[str, bool]] = []

    def server(request):
        came.append((request.headers["Idempotency-Key"], b"bytes of a clip" in request.read()))
        if len(came) < 3:
            return httpx.Response(503, headers={"Retry-After": str(100 * len(came))}, json={})
        return httpx.Response(422, json={"error": {"code": "x", "message": "No."}})

    with (
        UnmaskClient(transport=httpx.MockTransport(server)) as remote,
        pytest.raises(ApiError) as refused,
    ):
        remote.submit([clip])
    assert refused.value.code == "x" and pauses == [module.MAX_WAIT, module.MAX_WAIT]
    assert len(set(came)) == 1 and came[0][1], "the same key, and the whole file each time"


def test_what_is_no_api_is_said_to_be_none():
    transport = httpx.MockTransport(lambda request: httpx.Response(502, text="<html>"))
    odd = pytest.raises(ApiError, check=lambda e: (e.status, e.code) == (502, "no_api"))
    with UnmaskClient(transport=transport) as remote, odd:
        remote.request("GET", "/v1/models")
