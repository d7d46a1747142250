"""Comparisons over the wire: two files or two analyses, a task, and whose the finding is."""

import threading

import httpx
import pytest

from detector import client as client_module
from detector.client import ApiError, UnmaskClient
from detector.errors import Canceled
from detector.schema.comparison import ComparisonFinding
from service import originals as engine
from tests.support.applications import compared
from tests.support.pdf import text_of
from tests.support.waiting import PATIENT, until


@pytest.fixture
def go(monkeypatch):
    """Every comparison says "same footage" once this is set; the files are none."""
    allowed = threading.Event()
    allowed.set()

    def compare(copy, original, **more):
        more["on_progress"](0.3)
        while not allowed.wait(0.01):
            if more["cancel"].is_set():
                raise Canceled
        return compared(more, ComparisonFinding.NOTHING_DIFFERS)

    monkeypatch.setattr(engine, "compare", compare)
    return allowed


@pytest.mark.parametrize("genuine", ["first", "second"])
def test_nobody_is_accused_until_the_original_is_named(remote, tmp_path, monkeypatch, genuine):
    monkeypatch.setattr(
        engine, "compare", lambda *files, **more: compared(more, ComparisonFinding.FACE_DIFFERS)
    )
    names = ("press.mp4", "shared.mp4") if genuine == "first" else ("shared.mp4", "press.mp4")
    ids = until_ready(remote, *(clip(tmp_path, name) for name in names))
    found = remote.compare(*ids)
    assert found.role_source == "unknown" and not found.accuses
    kept = begin(remote, *ids)
    assert not kept["accuses"] and "we can’t tell which is the original" in kept["sentence"]
    assert all(remote.wait(id).proof is None for id in ids)
    until(lambda: ended(remote, kept["id"]))  # while it runs, none can be named
    found = remote.compare(*ids, original=genuine)
    assert found.role_source == "stated" and found.original_media.name == "press.mp4"
    assert begin(remote, *reversed(ids))["accuses"], "what was stated stands"
    copy, original = ids if genuine == "second" else reversed(ids)
    until(lambda: remote.wait(copy).proof is not None)  # a result is kept, then told to its files
    assert remote.wait(copy).proof.name == "press.mp4"
    assert remote.wait(original).proof is None


def clip(folder, name):
    path = folder / name
    path.write_bytes(f"bytes of {name}".encode())
    return path


def test_two_files_are_compared_and_both_are_analyzed(remote, tmp_path, go, application):
    copy, original = clip(tmp_path, "shared.mp4"), clip(tmp_path, "press.mp4")
    until_ready(remote, copy, original)  # what they are is known by that: they are no media
    found = remote.compare(copy, original)
    assert found.finding is ComparisonFinding.NOTHING_DIFFERS
    assert (found.copy_media.name, found.original_media.name) == ("shared.mp4", "press.mp4")
    analyses = remote.request("GET", "/v1/analyses").json()
    assert {one["name"] for one in analyses} == {"shared.mp4", "press.mp4"}


def until_ready(remote, *paths):
    """Analyze files; their ids."""
    ids = [remote.submit([path])["id"] for path in paths]
    for id in ids:
        remote.wait(id)
    return ids


def begin(remote, copy, original, **more):
    data = {"first": copy, "second": original, **more}
    return remote.request("POST", "/v1/comparisons", data=data).json()


def read(remote, id):
    return remote.request("GET", f"/v1/comparisons/{id}").json()


def ended(remote, id):
    return read(remote, id)["state"] in client_module.ENDED


def report(remote, id):
    return remote.request("GET", f"/v1/comparisons/{id}/report.pdf").content


def test_two_analyses_are_compared_once_and_the_copy_holds_the_finding(remote, url, tmp_path, go):
    ids = until_ready(remote, clip(tmp_path, "shared.mp4"), clip(tmp_path, "press.mp4"))
    go.clear()
    first = begin(remote, *ids)
    assert not ended(remote, first["id"]) and first["task"]["kind"] == "comparison"
    assert first["finding"] is None and first["href"] == f"/v1/comparisons/{first['id']}"
    assert begin(remote, *ids)["id"] == first["id"], "it is under way"
    task = f"/v1/tasks/{first['id']}"
    until(lambda: remote.request("GET", task).json()["fraction"] == pytest.approx(0.3))
    go.set()
    until(lambda: ended(remote, first["id"]))
    done = read(remote, first["id"])
    assert done["state"] == "done" and done["sentence"] == "Both files show the same footage"
    for answer in (f"/v1/comparisons/{first['id']}", f"/v1/analyses/{ids[0]}"):
        result = httpx.get(url + answer, timeout=PATIENT).json()["result"]
        assert result.get("comparison", result)["finding"] == done["finding"]
    assert done["finding"] == done["result"]["finding"]
    assert begin(remote, *ids)["id"] == first["id"], "nothing is computed twice"
    assert remote.wait(ids[0]).comparison.original_media.name == "press.mp4"
    assert remote.wait(ids[1]).comparison is None


def test_a_finding_is_reported_to_whoever_may_see_it(remote, tmp_path, go):
    ids = until_ready(remote, clip(tmp_path, "shared.mp4"), clip(tmp_path, "press.mp4"))
    remote.compare(*ids)
    said = text_of(report(remote, begin(remote, *ids)["id"]))
    assert "shared.mp4 against press.mp4" in said and "Both files show the same footage" in said
    with pytest.raises(ApiError, check=lambda e: e.code == "not_found"):
        report(remote, "A" * 22)


def test_one_that_is_canceled_has_no_finding(remote, tmp_path, go):
    ids = until_ready(remote, clip(tmp_path, "a.mp4"), clip(tmp_path, "b.mp4"))
    go.clear()
    id = begin(remote, *ids)["id"]
    remote.request("DELETE", f"/v1/tasks/{id}")
    until(lambda: ended(remote, id))
    assert read(remote, id)["state"] == "canceled"
    assert read(remote, id)["result"] is None
    with pytest.raises(ApiError, match="canceled", check=lambda e: e.code == "no_result"):
        report(remote, id)


def test_what_is_missing_is_named(client, remote, tmp_path):
    (id,) = until_ready(remote, clip(tmp_path, "a.mp4"))

    def refusal(data):
        answer = client.post("/v1/comparisons", data=data)
        return answer.status_code, answer.json()["error"]["code"]

    assert refusal({"first": id}) == (422, "no_file")
    assert refusal({"first": id, "second": "A" * 22}) == (404, "not_found")
    both = {"first": id, "second": id}
    assert refusal({**both, "original": "press.mp4"}) == (422, "unknown_original")
    assert client.get(f"/v1/comparisons/{'A' * 22}").status_code == 404


def test_nobody_reads_anothers(url, tmp_path, go, ann, ben):
    with UnmaskClient(url, ann) as one, UnmaskClient(url, ben) as two:
        ids = until_ready(one, clip(tmp_path, "a.mp4"), clip(tmp_path, "b.mp4"))
        id = begin(one, *ids)["id"]
        until(lambda: ended(one, id))
        with pytest.raises(ApiError, check=lambda e: e.status == 404):
            read(two, id)
