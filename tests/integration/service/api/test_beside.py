"""The API beside the dashboard, on one address: neither answers what is the other's."""

import asyncio
import re

import httpx
import pytest
from starlette.responses import PlainTextResponse
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from dashboard.server import OriginCheck
from tests.support.browser import serve
from tests.support.waiting import PATIENT


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("beside"), STREAMLIT_SERVER_BASE_URL_PATH="") as running:
        yield running


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, timeout=PATIENT) as opened:
        yield opened


def test_the_api_answers_on_the_pages_address(client):
    for path in ("/healthz", "/health"):
        assert client.get(path).json() == {"status": "ok"}
    assert any(model["ready"] for model in client.get("/v1/models").json())
    assert client.get("/openapi.json").json()["info"]["title"] == "Unmask"
    answer = client.post("/v1/analyses", params={"wait": 60}, files={"file": ("a.txt", b"text")})
    assert answer.status_code == 422 and answer.json()["error"]["code"]


@pytest.mark.parametrize(
    "path", ["/health/x", "/v1", "/v1/nothing", "/api/nothing", "/v9/x", "/livez"]
)
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_what_looks_like_an_api_is_never_a_page(client, path, accept):
    answer = client.get(path, headers={"Accept": accept})
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found"


def test_who_is_answered_is_said_at_the_start(server):
    assert "No key is in force: the API answers programs on this computer" in server.log.read_text()


@pytest.mark.parametrize(
    "path",
    ["/redoc", "/nothing", "/models/nothing", "/admin.php", "/.env",
     "/static/nothing.js", "/v1x", "/index.htm"],
)  # fmt: skip
def test_a_path_that_is_nothing_is_no_page(client, path):
    for accept in ("*/*", "text/html"):
        answer = client.get(path, headers={"Accept": accept})
        assert answer.status_code == 404 and "<html" not in answer.text


def test_the_pages_stay_pages(client):
    for path in ("/", "/models", "/history", "/account", "/?a=x"):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 200 and "<html" in answer.text
    assert client.get("/_stcore/health").text == "ok"


def linked(server, path="/_stcore/stream", origin=None):
    """What whoever opens a WebSocket is answered; 101 is a link."""
    try:
        with connect(f"{server.url.replace('http', 'ws', 1)}{path}", origin=origin) as link:
            return link.response.status_code
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_websocket_goes_to_whom_it_is_for(server):
    assert linked(server, "/v1/tasks/none/events") == 404
    assert linked(server, origin=server.url) == 101


def test_a_page_of_another_server_here_opens_no_websocket(server):
    for origin in ("http://127.0.0.1:1", "http://localhost:3000", "http://127.0.0.1"):
        assert linked(server, origin=origin) == 403


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/healthz", "/_stcore/metrics"])
def test_a_name_that_was_made_to_lead_here_is_told_the_right_one(server, client, path):
    answer = client.get(path, headers={"Host": "rebound.example"})
    assert answer.status_code == 421
    assert server.url.rpartition(":")[2] in answer.text and "UNMASK_PUBLIC_URL" in answer.text
    assert client.get(path).status_code == 200


def status_of(peer, method, path, headers):
    """What a client at this address is answered where a page would be."""

    async def ask():
        transport = httpx.ASGITransport(OriginCheck(PlainTextResponse("x")), client=(peer, 40000))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.request(method, path, headers=headers)).status_code

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {"Host": "localhost:8501"}, 200),
        ("192.0.2.7", {"Host": "box:8501"}, 404),
        ("127.0.0.1", {"Host": "localhost:8501", "X-Forwarded-For": "192.0.2.7"}, 404),
        ("127.0.0.1", {"Host": "localhost:8501", "Origin": "http://localhost:3000"}, 404),
    ],
)
def test_counters_are_for_who_sits_here(peer, headers, status):
    assert status_of(peer, "GET", "/_stcore/metrics", headers) == status


OURS, OTHER, REBOUND = "localhost:8501", "http://localhost:3000", "rebound.example:8501"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Host": OURS}, 200),
        ("POST", {"Host": OURS}, 200),  # a program
        ("POST", {"Host": OURS, "Origin": f"http://{OURS}"}, 200),
        ("POST", {"Host": OURS, "Origin": OTHER}, 403),
        ("PUT", {"Host": OURS, "Origin": "https://evil.example"}, 403),
        ("DELETE", {"Host": OURS, "Origin": "null"}, 403),
        ("POST", {"Host": OURS, "Origin": "chrome-extension://abcdefgh"}, 200),
        ("POST", {"Host": OURS, "Origin": "moz-extension://0f1e2d3c"}, 200),
        ("GET", {"Host": REBOUND}, 421),
        ("POST", {"Host": REBOUND, "Origin": f"http://{REBOUND}"}, 421),
    ],
)
def test_where_everybody_is_the_owner_a_strangers_page_is_refused(
    monkeypatch, method, headers, status
):
    """From a container's bridge, as `compose.yaml` has it."""
    monkeypatch.setenv("UNMASK_LOCAL", "all")
    assert status_of("172.17.0.1", method, "/v1/analyses", headers) == status


def test_an_extension_reaches_the_api_alone(monkeypatch):
    monkeypatch.setenv("UNMASK_LOCAL", "all")
    headers = {"Host": OURS, "Origin": "chrome-extension://abcdefgh"}
    assert status_of("172.17.0.1", "POST", "/_stcore/upload_file/x", headers) == 403


def test_a_container_of_ones_own_opens_no_door_to_strangers_pages(tmp_path):
    """The real server, as `compose.yaml` starts it."""
    with serve(tmp_path, STREAMLIT_SERVER_BASE_URL_PATH="", UNMASK_LOCAL="all") as server:
        assert linked(server, origin=server.url) == 101
        for origin in (OTHER, "https://evil.example"):
            assert linked(server, origin=origin) == 403
            sent = {"file": ("a.txt", b"text")}
            answer = httpx.post(f"{server.url}/v1/analyses", files=sent, headers={"Origin": origin})
            assert answer.status_code == 403
        rebound = {"Host": REBOUND, "Origin": f"http://{REBOUND}"}
        assert httpx.get(f"{server.url}/v1/models", headers=rebound).status_code == 421
        assert httpx.get(f"{server.url}/v1/models").status_code == 200


def test_it_stands_below_a_base_path_as_the_pages_do(monkeypatch):
    from dashboard import server

    async def pages(scope, receive, send):
        await PlainTextResponse("a page")(scope, receive, send)

    async def ask():
        transport = httpx.ASGITransport(server.RestApi(pages))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            paths = ("/unmask/healthz", "/unmask/v1/no", "/unmask/models", "/unmask/")
            return [(await client.get(path)).text[:12] for path in paths]

    monkeypatch.setattr(server, "base_path", lambda: "/unmask")
    assert asyncio.run(ask()) == ['{"status":"o', '{"error":{"c', "a page", "a page"]


def test_the_description_can_be_read_and_tried_without_a_strangers_server(client):
    page = client.get("/docs")
    assert page.status_code == 200 and "swagger-ui" in page.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded and all(path.startswith("/static-offline-docs/") for path in loaded)
    assert all(client.get(path).status_code == 200 for path in loaded)
