"""Which browser this is: local or a guest, by what a connection says and how far it is believed."""

from http.cookies import SimpleCookie

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from dashboard import session
from dashboard.cookies import GuestCookie
from service import auth
from service.auth.caller import GUEST, Caller, digest
from service.context import new_id
from tests.support.waiting import PATIENT

page_caller = session.page_caller  # before the fixture of tests/integration stands in for it


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in ("UNMASK_LOCAL", "UNMASK_TRUST_PROXY", "UNMASK_PUBLIC_URL", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)


def caller(peer=None, **headers):
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Caller(peer, (("host", "localhost:8501"), *named) if "host" not in headers else named)


REBOUND = "rebound.example:8501"


@pytest.mark.parametrize(
    ("who", "here"),
    [
        (caller(), True),
        (caller("127.0.0.1"), True),
        (caller("::1", host="[::1]:8501", origin="http://[::1]:8501"), True),
        (caller("127.0.0.1", origin="http://localhost:8501"), True),
        # A socket of both kinds of address, which is what a server without one of its own has.
        (caller("::ffff:127.0.0.1", host="127.0.0.1:8501"), True),
        (caller("::ffff:7f00:1", host="127.0.0.1:8501", origin="http://127.0.0.1:8501"), True),
        (caller("::ffff:192.168.1.20", host="192.168.1.2:8501"), False),
        (caller("::ffff:127.0.0.1", host="unmask.example"), False),
        (caller("192.168.1.20"), False),
        # A proxy on this computer says so in one of several ways, or passes the name it was asked.
        (caller("127.0.0.1", x_forwarded_for="203.0.113.9"), False),
        (caller("127.0.0.1", forwarded="for=203.0.113.9"), False),
        (caller("127.0.0.1", via="1.1 proxy"), False),
        (caller("127.0.0.1", host="unmask.example"), False),
        (caller("127.0.0.1", origin="https://unmask.example"), False),
        # The page of another server on this computer.
        (caller("127.0.0.1", origin="http://localhost:3000"), False),
        (caller("127.0.0.1", origin="http://localhost"), False),
        (caller("127.0.0.1", origin="null"), False),
        # A stranger's name that was made to lead to 127.0.0.1.
        (caller("127.0.0.1", host=REBOUND), False),
        (caller("127.0.0.1", host="[broken"), False),
        (caller("not an address"), False),
    ],
)
def test_local_is_who_sits_here(who, here):
    assert who.loopback is here


def test_an_operator_says_who_is_local(monkeypatch):
    monkeypatch.setenv("UNMASK_LOCAL", "off")
    assert not caller("127.0.0.1").loopback
    monkeypatch.setenv("UNMASK_LOCAL", "all")
    assert caller("172.17.0.1", host="box:8501").loopback
    monkeypatch.delenv("UNMASK_LOCAL")
    monkeypatch.setenv("UNMASK_TRUST_PROXY", "1")
    assert not caller("127.0.0.1").loopback


BRIDGE = "172.17.0.1"
"""Where a browser on this computer comes from, for a server in a container."""


@pytest.mark.parametrize(
    ("who", "misled", "neighbor"),
    [
        (caller(BRIDGE), False, False),
        (caller(BRIDGE, origin="http://localhost:8501"), False, False),
        (caller(BRIDGE, host="box:8501", origin="http://box:8501"), False, False),
        (caller(BRIDGE, host="192.168.1.2:8501", origin="http://192.168.1.2:8501"), False, False),
        (caller(BRIDGE, host="[fd00::2]:8501", origin="http://[fd00::2]:8501"), False, False),
        # The port is part of the origin.
        (caller(BRIDGE, origin="http://localhost:3000"), False, True),
        (caller(BRIDGE, origin="http://localhost"), False, True),
        (caller(BRIDGE, origin="http://127.0.0.1:8501"), False, True),
        (caller(BRIDGE, origin="https://evil.example"), False, True),
        (caller(BRIDGE, origin="null"), False, True),
        (caller("127.0.0.1", origin="http://localhost:3000"), False, True),
        # A stranger's name that was made to lead here; its script may set headers, too.
        (caller(BRIDGE, host=REBOUND), True, False),
        (caller(BRIDGE, host=REBOUND, origin=f"http://{REBOUND}"), True, False),
        (caller(BRIDGE, host=REBOUND, x_forwarded_for="127.0.0.1"), True, False),
        (caller(BRIDGE, host="[broken"), True, False),
        (caller(BRIDGE, host="127.0.0.1.rebound.example"), True, False),
    ],
)
def test_where_everybody_is_local_a_strangers_page_is_not(monkeypatch, who, misled, neighbor):
    monkeypatch.setenv("UNMASK_LOCAL", "all")
    assert (who.misled, who.from_a_neighbor) == (misled, neighbor)
    assert who.loopback is not (misled or neighbor)
    principal = auth.identify(who, None)
    assert (principal is not None and principal.id == "local") is not (misled or neighbor)


def test_where_everybody_is_local_an_operator_says_the_name(monkeypatch):
    named = caller(BRIDGE, host="unmask.example:8501", origin="http://unmask.example:8501")
    renamed = caller(BRIDGE, host="unmask:8501", origin="https://unmask.example")
    monkeypatch.setenv("UNMASK_LOCAL", "all")
    assert named.misled and renamed.from_a_neighbor
    monkeypatch.setenv("UNMASK_PUBLIC_URL", "https://unmask.example")
    assert named.loopback and renamed.loopback
    assert caller(BRIDGE, host="rebound.example", origin="http://rebound.example").misled
    assert caller(BRIDGE, origin="http://localhost:3000").from_a_neighbor
    monkeypatch.delenv("UNMASK_PUBLIC_URL")
    monkeypatch.setenv("UNMASK_TRUST_PROXY", "1")
    assert named.loopback and renamed.from_a_neighbor
    asked = {"origin": "https://unmask.example", "x_forwarded_host": "unmask.example"}
    assert caller(BRIDGE, host="unmask:8501", **asked).loopback


def test_another_port_is_another_server_whoever_asks(monkeypatch):
    """The cookie of a guest goes to every port of a name."""
    assert caller("192.0.2.7", host="box:8501", origin="http://box:3000").from_a_neighbor
    assert not caller("192.0.2.7", host="box:8501", origin="http://box:8501").from_a_neighbor
    proxied = caller("192.0.2.7", host="box", origin="http://box:80", x_forwarded_for="192.0.2.8")
    assert not proxied.from_a_neighbor
    renamed = caller("127.0.0.1", origin="https://unmask.example")
    assert not renamed.from_a_neighbor and not renamed.loopback
    monkeypatch.setenv("UNMASK_PUBLIC_URL", "https://unmask.example")
    assert not renamed.loopback, "a proxy here that set no header makes nobody local"


def test_forwarded_addresses_count_only_from_trusted_proxies(monkeypatch):
    chain = caller("10.0.0.2", x_forwarded_for="1.1.1.1, 203.0.113.9, 10.0.0.1")
    assert chain.address == "10.0.0.2"
    monkeypatch.setenv("UNMASK_TRUST_PROXY", "2")
    assert chain.address == "203.0.113.9"
    monkeypatch.setenv("UNMASK_TRUST_PROXY", "1")
    assert chain.address == "10.0.0.1"
    assert caller("10.0.0.2", x_forwarded_for="nonsense").address == "unknown"
    assert caller("10.0.0.2").address == "10.0.0.2"  # the proxy was passed by
    monkeypatch.setenv("UNMASK_TRUST_PROXY", "yes")
    with pytest.raises(SystemExit, match="UNMASK_TRUST_PROXY"):
        _ = chain.address


def test_one_home_counts_as_one_address():
    one, other = caller("2001:db8:1:2:aaaa::1"), caller("2001:db8:1:2:bbbb::9")
    assert one.address == other.address != caller("2001:db8:1:3::1").address
    assert caller("::ffff:192.0.2.1").address == "192.0.2.1"


def test_only_our_own_pages_may_post(monkeypatch):
    ours = {"host": "unmask.example", "origin": "https://unmask.example"}
    assert caller(**ours).from_own_page
    assert caller(**ours, sec_fetch_site="same-origin").from_own_page
    assert not caller(**ours, sec_fetch_site="cross-site").from_own_page
    assert not caller(host="unmask.example", origin="https://evil.example").from_own_page
    assert not caller(host="unmask.example", origin="null").from_own_page
    assert not caller(host="unmask.example").from_own_page
    monkeypatch.setenv("UNMASK_PUBLIC_URL", "https://unmask.example/")
    assert caller(host="inside:8501", origin="https://unmask.example").from_own_page


def asked(request):
    caller = Caller.of_request(request)
    person = auth.identify(caller, auth.find_session(caller))
    return JSONResponse({"id": person.id if person else None})


def page(request):
    if "if-none-match" in request.headers:
        return Response(status_code=304)
    return HTMLResponse("<p>page</p>")


def browser(url="http://box.lan:8501"):
    app = Starlette(
        routes=[Route("/", page), Route("/who", asked)], middleware=[Middleware(GuestCookie)]
    )
    return TestClient(app, base_url=url)


def test_a_browser_is_one_guest_over_reloads_and_no_other():
    one, other = browser(), browser()
    given = one.get("/")
    made = SimpleCookie(given.headers["set-cookie"])[GUEST]
    assert made["httponly"] and not made["secure"]
    assert (made["samesite"], made["path"], len(made.value)) == ("Lax", "/", 22)
    assert given.headers["cache-control"] == "no-store"
    other.get("/")
    id = one.get("/who").json()["id"]
    assert id == f"guest:{digest(made.value)}"
    assert made.value not in id
    assert "set-cookie" not in one.get("/").headers
    assert one.get("/who").json()["id"] == id != other.get("/who").json()["id"]


def test_https_makes_the_cookie_one_of_this_host_alone():
    one = browser("http://box.lan:8501")
    made = one.get("/", headers={"x-forwarded-proto": "https"}).headers["set-cookie"]
    assert made.startswith("__Host-unmask=") and "Secure" in made and "HttpOnly" in made
    # A plain one, that a neighbor under the same domain could have set, is not believed then.
    tossed = Caller(None, (("x-forwarded-proto", "https"),), {GUEST: new_id()})
    assert tossed.cookie(GUEST) is None


def test_in_the_frame_of_a_space_the_cookie_is_its_partitions(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "somebody/unmask")
    secure = {"x-forwarded-proto": "https"}
    made = browser().get("/", headers=secure).headers["set-cookie"].split("; ")
    assert {"SameSite=None", "Secure", "Partitioned", "HttpOnly"} <= set(made)
    assert "SameSite=Lax" in browser().get("/").headers["set-cookie"]  # None needs Secure


def test_a_cookie_that_can_not_be_ours_is_replaced():
    for value in ("", "short", "x" * 23, "../../../etc/passwd..."):
        one = browser()
        one.cookies.set(GUEST, value)
        assert GUEST in one.get("/").headers.get("set-cookie", ""), value


def test_a_browser_that_lost_its_cookie_gets_one_with_a_cached_page():
    got = browser().get("/", headers={"if-none-match": '"known"'})
    assert got.status_code == 200
    assert "set-cookie" in got.headers


def test_data_takes_no_cookie_along():
    one = browser()
    assert "set-cookie" not in one.get("/who").headers
    assert one.get("/who").json()["id"] is None


def test_a_page_without_a_browser_is_a_guests_and_a_thread_is_nobodys(monkeypatch):
    def script():
        import streamlit as st

        from dashboard import session

        context = session.request_context()
        st.text(context.principal.kind)
        st.text(context.guest == context.principal)
        st.text(context.loopback)

    monkeypatch.setattr(session, "page_caller", page_caller)
    page = AppTest.from_function(script, default_timeout=PATIENT).run()
    assert [text.value for text in page.text] == ["guest", "True", "False"]
    with pytest.raises(RuntimeError, match="while a page is drawn"):
        session.request_context()
