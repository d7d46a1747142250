"""The figures of a server: counted where it happens, and for whom they are meant."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from detector.errors import MediaError
from service.context import Scope
from tests.integration.service.api.test_keys import away, code


def read(client):
    """Each figure by its name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(f"{k}={v}" for k, v in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_happens_is_counted(client, analyzer):
    before = read(client)

    def grown(*name):
        return read(client)[name] - before.get(name, 0.0)

    sent = {"params": {"wait": 60}, "files": {"file": ("secret-name.mp4", b"bytes of a clip")}}
    view = client.post("/v1/analyses", **sent).json()
    client.post("/v1/analyses", **sent)
    analyzer.error = MediaError("No video.", code="not_media")
    client.post("/v1/analyses", params={"wait": 60}, files={"file": ("b.mp4", b"other")})
    assert grown("unmask_analyses_total", "state=done") == 1
    assert grown("unmask_analyses_total", "state=failed") == 1
    assert grown("unmask_cache_hits_total") == 1
    assert grown("unmask_errors_total", "code=not_media", "ours=false") == 1
    assert grown("unmask_verdicts_total", f"verdict={view['verdict']}") == 1
    assert grown("unmask_stage_seconds_count", "stage=total") == 1
    assert grown("unmask_stage_seconds_count", "stage=score") == 1, "of the networks together"
    posts = ("unmask_http_requests_total", "method=POST", "route=/v1/analyses")
    assert grown(*posts, "status=200") == 2 and grown(*posts, "status=422") == 1
    figures = read(client)
    assert figures["unmask_tasks", "kind=analysis", "state=queued"] == 0
    assert figures["unmask_disk_free_bytes",] > 0
    text = client.get("/metrics").text
    assert view["id"] not in text and "secret-name" not in text


def test_unknown_addresses_make_no_figures_of_their_own(client):
    """Or a stranger could fill the memory with them."""
    for number in range(3):
        client.get(f"/v1/nothing-{number}")
    assert "nothing-" not in client.get("/metrics").text


def test_they_are_closed_to_strangers(url, application):
    stranger = httpx.get(f"{url}/metrics", headers={"Host": "unmask.example.org"})
    assert code(stranger) == (401, "unauthorized")
    reader = application.keys.add("r", (Scope.READ, Scope.ANALYZE))[1]
    scraper = application.keys.add("p", (Scope.METRICS,))[1]
    with away(url, reader) as client:
        assert code(client.get("/metrics")) == (403, "forbidden")
    with away(url, scraper) as client:
        assert client.get("/metrics").status_code == 200
        assert code(client.get("/v1/analyses")) == (403, "forbidden")


@pytest.fixture(autouse=True)
def many(monkeypatch):
    monkeypatch.setenv("UNMASK_REQUESTS_PER_MINUTE", "0")
