"""A browser extension is paired by a code of Settings."""

import httpx
import pytest

from service import limits
from service.pairing import CODE_SECONDS, Pairing
from tests.support.waiting import Clock


@pytest.fixture(autouse=True)
def fresh():
    limits.rejected.clear()


def pair(url, code, name="Firefox"):
    return httpx.post(f"{url}/v1/pairings", json={"code": code, "name": name})


def test_a_code_becomes_a_key_of_the_least_scope_once(url, application):
    code = application.pairing.begin()
    answer = pair(url, code.lower().replace("-", " "), name="Firefox on Linux")
    assert answer.status_code == 201 and answer.json()["scopes"] == ["read", "analyze"]
    key = answer.json()["key"]
    headers = {"Authorization": f"Bearer {key}", "Origin": "moz-extension://0f1e2d3c"}
    assert httpx.get(f"{url}/v1/analyses", headers=headers).status_code == 200
    assert [k.name for k in application.keys.in_force()][-1] == "Firefox on Linux"
    again = pair(url, code)
    assert again.status_code == 422 and again.json()["error"]["code"] == "pairing_refused"
    application.keys.revoke(answer.json()["id"])
    assert httpx.get(f"{url}/v1/analyses", headers=headers).status_code == 401


def test_a_code_expires(application, monkeypatch):
    clock = Clock(0.0)
    pairing = Pairing(application.keys)
    monkeypatch.setattr(pairing, "_codes", type(pairing._codes)(32, CODE_SECONDS, timer=clock))
    code = pairing.begin()
    clock.now = CODE_SECONDS + 1
    with pytest.raises(Exception, match="works once, for ten minutes"):
        pairing.finish(code, "late")


def test_codes_can_not_be_guessed(url, application):
    application.pairing.begin()
    answers = [pair(url, f"{n:08d}") for n in range(limits.MAX_REJECTED + 1)]
    assert {a.status_code for a in answers[:-1]} == {422}
    assert answers[-1].status_code == 429


def test_a_page_of_another_origin_reads_nothing(url):
    """No response admits another origin, so a browser hands none to a page."""
    headers = {"Origin": "https://hostile.example", "Access-Control-Request-Method": "POST"}
    for method, path in (("OPTIONS", "/v1/analyses"), ("GET", "/v1/analyses"), ("GET", "/healthz")):
        answer = httpx.request(method, f"{url}{path}", headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control")]
    sent = httpx.post(
        f"{url}/v1/analyses",
        headers={"Origin": "https://hostile.example"},
        files={"file": ("a.mp4", b"bytes", "video/mp4")},
    )
    assert sent.status_code == 401, "a form of another page starts nothing without a key"
