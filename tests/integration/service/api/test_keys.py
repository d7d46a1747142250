"""Keys over HTTP: who is let in, to what, how often, and until when."""

import json
from unittest.mock import Mock

import httpx
import pytest
from websockets.sync.client import connect

from service import limits
from service.context import Scope
from service.tasks.task import QueueFull
from tests.support.processes import python
from tests.support.tasks import busy
from tests.support.waiting import until

FILE = {"file": ("clip.mp4", b"bytes of a clip", "video/mp4")}
AWAY = "unmask.example.org"
"""A name of the server that only somebody elsewhere would use."""


@pytest.fixture(autouse=True)
def fresh():
    for limiter in (limits.files, limits.daily_files, limits.requests, limits.rejected):
        limiter.clear()


def away(url, text):
    headers = {"Host": AWAY, "Authorization": f"Bearer {text}"}
    return httpx.Client(base_url=url, headers=headers, timeout=60)


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_a_key_works_from_elsewhere_and_is_somebody(url, ann):
    with away(url, ann) as client:
        view = client.post("/v1/analyses", params={"wait": 60}, files=FILE).json()
        assert view["state"] == "done"
        assert [one["id"] for one in client.get("/v1/analyses").json()] == [view["id"]]
    by_header = httpx.get(f"{url}/v1/analyses", headers={"Host": AWAY, "X-API-Key": ann})
    assert [one["id"] for one in by_header.json()] == [view["id"]]
    assert httpx.get(f"{url}/v1/analyses").json() == [], "the owner of this computer is another"


def test_what_is_somebody_elses_is_not_found(url, ann, ben, analyzer):
    analyzer.go.clear()
    with away(url, ann) as one, away(url, ben) as two:
        view = one.post("/v1/analyses", files=FILE).json()
        assert code(two.get(view["task"]["href"])) == (404, "not_found")
        assert code(two.get(f"{view['task']['href']}/events")) == (404, "not_found")
        assert code(two.delete(view["task"]["href"])) == (404, "not_found")
        assert code(two.delete(view["href"])) == (404, "not_found")
        assert two.get("/v1/analyses").json() == []
        analyzer.go.set()
        until(lambda: one.get(view["href"]).json()["state"] == "done")
        assert two.get(view["href"]).status_code == 200, "who has the address may look"
        assert one.delete(view["href"]).status_code == 204
        assert code(two.get(view["href"])) == (404, "not_found")


@pytest.mark.parametrize("wrong", ["um_000000000000_" + "x" * 32, "nonsense", "um__", "é"])
def test_a_wrong_key_is_wrong_on_this_computer_too(url, wrong):
    answer = httpx.get(f"{url}/v1/models", headers={"X-API-Key": wrong.encode()})
    assert code(answer) == (401, "unauthorized")


def test_nobody_tries_thousands(url):
    answers = [
        httpx.get(f"{url}/v1/models", headers={"X-API-Key": f"try{n}"})
        for n in range(limits.MAX_REJECTED + 1)
    ]
    assert {a.status_code for a in answers[:-1]} == {401}
    assert code(answers[-1]) == (429, "quota") and int(answers[-1].headers["Retry-After"]) > 0


def test_a_key_is_for_its_scopes(url, application):
    reader = application.keys.add("r", (Scope.READ,))[1]
    uploader = application.keys.add("u", (Scope.ANALYZE,))[1]
    with away(url, reader) as client:
        assert client.get("/v1/models").status_code == 200
        assert code(client.post("/v1/analyses", files=FILE)) == (403, "forbidden")
        assert code(client.post("/v1/models/x/fetch")) == (403, "forbidden")
    with away(url, uploader) as client:
        assert client.post("/v1/analyses", files=FILE).is_success
        assert code(client.get("/v1/models")) == (403, "forbidden")


def test_a_key_revoked_in_mid_run_sees_no_more_and_the_work_is_not_lost(url, application, analyzer):
    key, text = application.keys.add("r", (Scope.READ, Scope.ANALYZE))
    analyzer.go.clear()
    with away(url, text) as client:
        view = client.post("/v1/analyses", files=FILE).json()
        link = f"{url.replace('http', 'ws', 1)}{view['task']['href']}/events"
        with connect(link, additional_headers={"X-API-Key": text}) as socket:
            assert json.loads(socket.recv())["state"] in ("queued", "running")
            application.keys.revoke(key.id)
            list(socket)  # it ends by itself, though the task goes on
        assert busy(application.jobs)
        assert code(client.get(view["href"])) == (401, "unauthorized")
    analyzer.go.set()
    until(lambda: httpx.get(f"{url}{view['href']}").json()["state"] == "done")


def test_too_much_is_429_and_says_when(url, application, monkeypatch):
    text = application.keys.add("h", (Scope.READ, Scope.ANALYZE), files_per_hour=1)[1]
    with away(url, text) as client:
        assert client.post("/v1/analyses", files=FILE).is_success
        answer = client.post("/v1/analyses", files={"file": ("b.mp4", b"other")})
        assert code(answer) == (429, "quota") and int(answer.headers["Retry-After"]) > 3000
        monkeypatch.setenv("UNMASK_REQUESTS_PER_MINUTE", "2")
        answer = client.get("/v1/models")
        assert code(answer) == (429, "quota") and int(answer.headers["Retry-After"]) <= 60
    assert httpx.get(f"{url}/v1/models").status_code == 200, "the owner is not limited"


def test_the_same_request_under_one_key_is_done_once(client, analyzer):
    analyzer.go.clear()
    sent = {"files": FILE, "headers": {"Idempotency-Key": "night-7"}}
    first, again = (client.post("/v1/analyses", **sent) for _ in range(2))
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"]
    other = client.post("/v1/analyses", files={"file": ("c", b"x")}, headers=sent["headers"])
    assert code(other) == (422, "idempotency_key_reused")
    assert client.post("/v1/analyses", files=FILE).json()["id"] != first.json()["id"]
    analyzer.go.set()


def test_a_refused_request_may_come_again(client, monkeypatch, application):
    sent = {"files": FILE, "headers": {"Idempotency-Key": "n"}}
    with monkeypatch.context() as patch:
        patch.setattr(application.jobs, "submit", Mock(side_effect=QueueFull("Full.")))
        assert client.post("/v1/analyses", **sent).status_code == 503
    assert client.post("/v1/analyses", **sent).status_code in (200, 202)


def unmask(data, *words):
    return python("-m", "cli", "keys", *words, variables={"UNMASK_DATA": str(data)})


def test_keys_are_made_listed_and_ended_from_a_shell(url, application, tmp_path):
    made = unmask(tmp_path, "add", "night run", "--scopes", "read", "--days", "3")
    text = made.stdout.strip()
    assert made.returncode == 0 and "shown this once" in made.stderr
    with away(url, text) as client:
        assert client.get("/v1/models").status_code == 200
        (listed,) = json.loads(unmask(tmp_path, "list", "--json").stdout)
        assert listed["name"] == "night run" and text not in str(listed)
        assert unmask(tmp_path, "revoke", listed["id"]).returncode == 0
        assert client.get("/v1/models").status_code == 401
    assert "revoked" in unmask(tmp_path, "list").stdout
    for wrong in (("add", "x", "--scopes", "all"), ("add", "x", "--days", "0"), ("revoke", "no")):
        refused = unmask(tmp_path, *wrong)
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
