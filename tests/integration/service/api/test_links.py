"""Links over HTTP: a real server of the API that fetches from a real one on this computer."""

import os
import threading
from contextlib import suppress

import pytest

from detector.schema.analysis import Analysis
from service import batches, links
from service.context import Scope
from tests.integration.service.api.test_analyses import nothing_left, refusal
from tests.integration.service.api.test_keys import away
from tests.support.links import PRIVATE, serving, whole
from tests.support.waiting import until

GIF = b"GIF89a, and words that the stand-in for the networks reads"


@pytest.fixture
def web(monkeypatch):
    with serving(PRIVATE, {"/a.gif": whole(GIF)}) as server:
        monkeypatch.setenv("UNMASK_LINKS", "1")
        monkeypatch.setenv("UNMASK_LINKS_PRIVATE", "1")
        monkeypatch.setenv("UNMASK_LINKS_PORTS", str(server.server_port))
        yield server


def test_a_link_becomes_an_analysis(client, web, application):
    url = web.url(PRIVATE, "/a.gif?token=secret")
    answer = client.post("/v1/analyses", params={"wait": 60}, data={"url": url, "frames": "8"})
    assert answer.status_code == 200, answer.text
    view = answer.json()
    assert view["name"] == "a.gif" and "secret" not in answer.text
    assert Analysis.model_validate(view["result"]).settings.frames == 8
    (folder,) = application.jobs.uploads.root.iterdir()
    assert next(folder.glob("*.gif")).read_bytes() == GIF
    again = client.post("/v1/analyses", data={"url": url, "frames": "8"})
    assert again.status_code == 200 and again.json()["id"] == view["id"]


def test_a_link_is_off_private_or_too_large_and_leaves_nothing(
    client, web, application, monkeypatch
):
    url = web.url(PRIVATE, "/a.gif")
    web.answers["/big"] = whole(b"", Content_Length=str(3 << 30))
    big = client.post("/v1/analyses", data={"url": web.url(PRIVATE, "/big")})
    assert refusal(big)["code"] == "too_large" and big.status_code == 422
    monkeypatch.delenv("UNMASK_LINKS_PRIVATE")
    assert refusal(client.post("/v1/analyses", data={"url": url}))["code"] == "link_private"
    monkeypatch.delenv("UNMASK_LINKS")
    assert refusal(client.post("/v1/analyses", data={"url": url}))["code"] == "links_off"
    assert nothing_left(application)


def test_one_analysis_takes_a_file_or_a_link(client, web):
    url = web.url(PRIVATE, "/a.gif")
    both = client.post("/v1/analyses", files={"file": ("a.gif", b"x")}, data={"url": url})
    assert refusal(both)["code"] == "too_many_files" and not web.came


def test_a_batch_takes_files_and_links(client, web):
    web.answers["/page"] = whole(b"<html>Watch!</html>")
    urls = [web.url(PRIVATE, path) for path in ("/a.gif", "/page")]
    answer = client.post("/v1/batches", files={"files": ("b.mp4", b"bytes")}, data={"url": urls})
    assert answer.status_code == 202, answer.text
    until(lambda: client.get(answer.json()["href"]).json()["done"])
    batch = client.get(answer.json()["href"]).json()
    assert batch["counts"] == {"done": 2, "refused": 1}
    errors = {item["name"]: (item["error"] or {}).get("code") for item in batch["items"]}
    assert errors == {"b.mp4": None, "a.gif": None, urls[1]: "link_page"}


def test_links_of_one_request_share_its_time(client, web, monkeypatch):
    monkeypatch.setattr(batches, "MAX_REQUEST_SECONDS", 4.0)
    web.answers["/slow"] = lambda handler: web.left.wait(30) and None
    urls = [web.url(PRIVATE, "/slow"), web.url(PRIVATE, "/a.gif")]
    batch = client.post("/v1/batches", data={"url": urls}).json()
    web.left.set()
    assert [item["error"]["code"] for item in batch["items"]] == ["link_slow", "busy"]


def test_a_server_fetches_a_few_links_at_a_time(client, web, application, monkeypatch):
    monkeypatch.setattr(links, "MAX_REQUEST_SECONDS", 1.0)
    web.answers["/slow"] = lambda handler: web.left.wait(30) and None
    slow, wanted = web.url(PRIVATE, "/slow"), {"url": web.url(PRIVATE, "/a.gif")}
    tasks = [client.post("/v1/links", data={"url": slow}).json() for _ in range(links.MAX_AT_ONCE)]
    until(lambda: len(web.came) == links.MAX_AT_ONCE)
    late = client.post("/v1/analyses", data=wanted)
    assert late.status_code == 503 and late.headers["Retry-After"]
    assert len(web.came) == links.MAX_AT_ONCE and nothing_left(application)
    monkeypatch.setattr(links, "MAX_REQUEST_SECONDS", 60.0)
    for task in tasks:
        client.delete(task["href"])
    assert client.post("/v1/analyses", data=wanted).status_code in (200, 202)
    web.left.set()


def test_our_own_failure_is_not_the_links(client, web, monkeypatch):
    monkeypatch.setattr(links.links, "fetch", lambda *_, **__: 1 / 0)
    answer = client.post("/v1/analyses", data={"url": web.url(PRIVATE, "/a.gif")})
    assert answer.status_code == 500


def test_a_fetch_is_a_task_that_tells_its_bytes_and_ends_in_an_analysis(client, web, application):
    go = threading.Event()

    def slowly(handler):
        body = GIF + bytes(200_000)
        handler.begin(Content_Length=str(len(body)))
        handler.wfile.write(body[:100_000])
        handler.wfile.flush()
        go.wait(60)
        handler.wfile.write(body[100_000:])

    web.answers["/slow.gif"] = slowly
    url = web.url(PRIVATE, "/slow.gif?token=secret")
    answer = client.post("/v1/links", data={"url": url, "frames": "8"})
    assert answer.status_code == 202, answer.text
    task = answer.json()
    assert answer.headers["Location"] == task["href"] and task["kind"] == "fetch"
    until(lambda: client.get(task["href"]).json()["fraction"] > 0.3)
    running = client.get(task["href"]).json()
    assert running["state"] == "running" and running["fraction"] < 0.6
    assert running["result"] is None and running["stage"] == "fetch"
    go.set()
    until(lambda: client.get(task["href"]).json()["state"] == "done")
    ended = client.get(task["href"])
    analysis = client.get(ended.json()["result"]).json()
    assert analysis["name"] == "slow.gif" and "secret" not in ended.text
    until(lambda: client.get(analysis["href"]).json()["result"] is not None)
    assert client.get(analysis["href"]).json()["result"]["settings"]["frames"] == 8


@pytest.mark.parametrize("said", [b"", GIF + bytes(100_000)])
def test_a_fetch_that_is_stopped_leaves_nothing(client, web, application, said):
    hung = threading.Event()

    def hangs(handler):
        if said:
            handler.begin(Content_Length="9000000")
            handler.wfile.write(said)
            handler.wfile.flush()
        hung.wait(60)

    web.answers["/hangs.gif"] = hangs
    open_files = set(os.listdir("/proc/self/fd"))
    task = client.post("/v1/links", data={"url": web.url(PRIVATE, "/hangs.gif")}).json()
    until(lambda: web.came)
    assert client.delete(task["href"]).status_code == 202
    until(lambda: client.get(task["href"]).json()["state"] == "canceled")
    assert client.get(task["href"]).json()["result"] is None
    hung.set()
    assert nothing_left(application)
    assert not application.tasks.active(), "its place is free again"
    until(lambda: not _unlinked(set(os.listdir("/proc/self/fd")) - open_files))


def _unlinked(descriptors):
    """Which of some open files are temporary ones of ours."""
    found = []
    for number in descriptors:
        with suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return [name for name in found if "/unmask-" in name or "(deleted)" in name]


def test_a_fetch_that_comes_to_nothing_says_why(client, web, application):
    web.answers["/page"] = whole(b"<html>Watch!</html>")
    task = client.post("/v1/links", data={"url": web.url(PRIVATE, "/page")}).json()
    until(lambda: client.get(task["href"]).json()["state"] == "failed")
    assert client.get(task["href"]).json()["error"]["code"] == "link_page"
    assert nothing_left(application)


def test_what_can_be_refused_at_once_makes_no_task(client, web, monkeypatch):
    def ask(**sent):
        answer = client.post("/v1/links", **sent)
        return answer.status_code, refusal(answer)["code"]

    assert ask(data={"url": "ftp://example.org/x"}) == (422, "link_refused")
    assert ask(data={"frames": "8"}) == (422, "no_file")
    assert ask(data={"url": web.url(PRIVATE, "/a.gif"), "frames": "0"}) == (422, "invalid")
    assert ask(files={"file": ("a.gif", b"x")}) == (422, "no_file")
    assert ask(data={"url": ["http://a.example/", "http://b.example/"]}) == (422, "too_many_files")
    monkeypatch.delenv("UNMASK_LINKS")
    assert ask(data={"url": web.url(PRIVATE, "/a.gif")}) == (422, "links_off")
    assert not web.came


def test_a_fetch_counts_as_one_file_and_only_where_it_gave_one(web, url, application):
    web.answers["/page"] = whole(b"<html>Watch!</html>")
    key = application.keys.add("one", (Scope.READ, Scope.ANALYZE), files_per_hour=1)[1]
    with away(url, key) as client:
        for path, state in (("/page", "failed"), ("/a.gif", "done")):
            task = client.post("/v1/links", data={"url": web.url(PRIVATE, path)}).json()
            until(lambda task=task: client.get(task["href"]).json()["ended"])
            assert client.get(task["href"]).json()["state"] == state
        answer = client.post("/v1/links", data={"url": web.url(PRIVATE, "/a.gif")})
        assert answer.status_code == 429 and answer.headers["Retry-After"]


def test_a_fetch_is_its_owners(web, url, ann, ben):
    with away(url, ann) as hers, away(url, ben) as his:
        sent = {"url": web.url(PRIVATE, "/a.gif")}
        headers = {"Idempotency-Key": "one"}
        task = hers.post("/v1/links", data=sent, headers=headers).json()
        assert hers.post("/v1/links", data=sent, headers=headers).json()["id"] == task["id"]
        assert his.get(task["href"]).status_code == his.delete(task["href"]).status_code == 404
