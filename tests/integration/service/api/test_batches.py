"""Batches over HTTP: what is taken, what is refused and comes again, and how far it is."""

import pytest

from service.api.routes.batches import MAX_FILES
from service.context import LOCAL
from tests.integration.service.api.test_keys import away, code
from tests.support.waiting import until


def files(*numbers):
    return [("files", (f"clip-{n}.mp4", f"bytes of {n}".encode())) for n in numbers]


def test_a_batch_is_followed_to_its_end(client, analyzer):
    analyzer.go.clear()
    answer = client.post("/v1/batches", files=files(1, 2, 3), data={"frames": "8"})
    assert answer.status_code == 202
    href = answer.json()["href"]
    assert answer.headers["Location"] == href and not answer.json()["done"]
    names = [item["name"] for item in answer.json()["items"]]
    assert names == ["clip-1.mp4", "clip-2.mp4", "clip-3.mp4"]
    analyzer.go.set()
    until(lambda: client.get(href).json()["done"])
    batch = client.get(href).json()
    assert batch["counts"] == {"done": 3}
    for item in batch["items"]:
        analysis = client.get(item["href"]).json()
        assert analysis["verdict"] == item["verdict"]
        assert analysis["result"]["settings"]["frames"] == 8
    client.delete(batch["items"][0]["href"])
    assert client.get(href).json()["counts"] == {"done": 2, "deleted": 1}


def test_a_batch_may_be_longer_than_the_queue_and_takes_more(client, analyzer, application):
    analyzer.go.clear()
    room = application.jobs.workers + 20
    batch = client.post("/v1/batches", files=files(*range(room + 3))).json()
    assert not batch["done"] and batch["counts"]["queued"] >= 22
    assert client.post("/v1/analyses", files=[("file", ("one.mp4", b"mine"))]).status_code == 202
    assert client.post(batch["href"], files=files(98, 99)).status_code == 202
    analyzer.go.set()
    until(lambda: client.get(batch["href"]).json()["done"])
    assert client.get(batch["href"]).json()["counts"] == {"done": room + 5}


def test_a_paused_batch_is_gone_on_with_when_a_file_is_added(client, analyzer, application):
    analyzer.go.clear()
    view = client.post("/v1/batches", files=files(1, 2, 3)).json()
    batch = application.batches.get(LOCAL.id, view["id"])
    until(lambda: analyzer.begun)
    application.batch_runs.pause(LOCAL, batch)
    analyzer.go.set()
    until(lambda: client.get(view["href"]).json()["done"])
    assert client.get(view["href"]).json()["counts"]["interrupted"] >= 1
    assert client.post(view["href"], files=files(4)).status_code == 202
    until(lambda: client.get(view["href"]).json()["counts"] == {"done": 4})


def test_a_batch_is_its_owners(url, ann, ben):
    with away(url, ann) as one, away(url, ben) as two:
        sent = {"files": files(1), "headers": {"Idempotency-Key": "n"}}
        batch = one.post("/v1/batches", **sent).json()
        assert one.post("/v1/batches", **sent).json()["id"] == batch["id"]
        assert code(two.get(batch["href"])) == (404, "not_found")
        assert code(two.post(batch["href"], files=files(2))) == (404, "not_found")
        assert one.get(batch["href"]).status_code == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"files": files(*range(MAX_FILES + 1))}, 400),
        ({"data": {"frames": "8"}}, 422),
        ({"files": files(1), "data": {"frames": "none"}}, 422),
        ({"json": []}, 415),
    ],
)
def test_what_does_not_fit_makes_no_batch(client, application, sent, status):
    assert client.post("/v1/batches", **sent).status_code == status
    assert not list(application.jobs.uploads.root.iterdir())
