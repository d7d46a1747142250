"""Limits: a sliding window, half requests, requests of two lengths, guesses of share links."""

import socket
import time
from types import SimpleNamespace

import pytest

from dashboard.labels import NBSP
from service import limits, rate_limit
from service.api import app
from service.api.app import CheckedBody, TimedProtocol
from service.context import LOCAL, Principal, PrincipalKind, RequestContext
from service.limits import MEGABYTE, RateLimitExceeded, TooLarge, allowance, taking
from service.rate_limit import RateLimiter
from tests.support.api import on_a_port
from tests.support.waiting import Clock

GUEST, OTHER = Principal("guest:a", PrincipalKind.GUEST), Principal("guest:b", PrincipalKind.GUEST)
USER = Principal("4f1c", PrincipalKind.USER)


@pytest.fixture
def clock(monkeypatch):
    """The time of the limiter, which stands still; nothing was counted before."""
    clock = Clock(1020.0)
    monkeypatch.setattr(rate_limit, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(limits, "files", RateLimiter(limits.HOUR))
    return clock


class Door:
    """Who takes the next files, and from where."""

    context = RequestContext(GUEST)

    def __call__(self, person, address="203.0.113.9"):
        self.context = RequestContext(person, address=address)

    def take(self, size=None, count=1):
        with taking(self.context, size, count):
            pass


@pytest.fixture
def come():
    """come(person, address): who takes the next files."""
    return Door()


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(rate_limit, "MAX_KEYS", 3)
    lately = RateLimiter(60)
    for key in "abcd":
        assert lately.take({key: 1}) is None
    assert lately.take({"d": 1})
    assert lately.take({"a": 1}) is None  # the oldest was forgotten


def test_a_guest_is_told_how_long_to_wait(clock, come, monkeypatch):
    monkeypatch.setenv("UNMASK_GUEST_FILES_PER_HOUR", "2")
    come(GUEST)
    come.take()
    clock.now += 2900
    come.take()
    with pytest.raises(RateLimitExceeded) as refused:
        come.take()
    assert refused.value.message == (
        f"This server allows 2{NBSP}files an hour. Next one in 12{NBSP}minutes."
    )
    assert refused.value.code == "quota"
    come(OTHER)
    come.take()
    come(GUEST)
    clock.now += 700.1
    come.take()


def test_a_new_cookie_does_not_help(clock, come, monkeypatch):
    monkeypatch.setenv("UNMASK_ADDRESS_FILES_PER_HOUR", "3")
    for number in range(3):
        come(Principal(f"guest:{number}", PrincipalKind.GUEST))
        come.take()
    come(Principal("guest:fresh", PrincipalKind.GUEST))
    with pytest.raises(RateLimitExceeded, match=r"3.files an hour from one network"):
        come.take()
    come(Principal("guest:fresh", PrincipalKind.GUEST), "198.51.100.4")
    come.take()
    come(USER)  # an account is not held for its neighbors
    come.take()


def test_more_than_an_hour_holds_is_said_at_once(clock, come, monkeypatch):
    monkeypatch.setenv("UNMASK_GUEST_FILES_PER_HOUR", "20")
    come(GUEST)
    with pytest.raises(RateLimitExceeded, match=r"20.files an hour; these are 45"):
        come.take(count=45)
    come.take(count=20)


def test_what_failed_does_not_count(clock, come, monkeypatch):
    monkeypatch.setenv("UNMASK_USER_FILES_PER_HOUR", "1")
    come(USER)
    with pytest.raises(OSError, match="full"), taking(come.context):
        raise OSError("the disk is full")
    come.take()
    with pytest.raises(RateLimitExceeded, match=r"1.file an hour. Next one in 60.minutes"):
        come.take()


def test_a_guest_may_bring_less(clock, come, monkeypatch):
    monkeypatch.setenv("UNMASK_GUEST_MAX_MB", "50")
    come(GUEST)
    assert limits.megabytes(GUEST, 500) == 50
    come.take(50 * MEGABYTE)
    with pytest.raises(TooLarge, match=r"50.MB"):
        come.take(50 * MEGABYTE + 1)
    come(USER)
    come.take(50 * MEGABYTE + 1)
    monkeypatch.setenv("UNMASK_GUEST_MAX_MB", "100000")  # not more than the server takes
    assert limits.megabytes(GUEST, 500) == limits.megabytes(USER, 500)


def test_the_owner_of_the_computer_is_not_limited(clock, come):
    come(LOCAL, "127.0.0.1")
    for _ in range(500):
        come.take(10**12)


def test_zero_is_no_limit(monkeypatch):
    for kind in ("GUEST", "USER", "ADDRESS"):
        monkeypatch.setenv(f"UNMASK_{kind}_FILES_PER_HOUR", "0")
    assert allowance(GUEST, "203.0.113.9") == allowance(USER, "203.0.113.9") == {}


HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


async def echo(scope, receive, send):
    """Answer with the length of the body."""
    size, more = 0, scope["type"] == "http"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{size}".encode()})


@pytest.fixture
def port(monkeypatch):
    monkeypatch.setattr(app, "HEADER_SECONDS", 0.4)
    monkeypatch.setattr(app, "BODY_SECONDS", 0.4)
    monkeypatch.setattr(app, "BODY_RATE", 4.0)
    with on_a_port(CheckedBody(echo), http=TimedProtocol, lifespan="off") as number:
        yield number


def answer(port, *pieces, pause=0.0):
    """Return what the server says until it closes the connection, or within 3 s."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as link:
        said = b""
        try:
            for piece in pieces:
                link.sendall(piece)
                time.sleep(pause)
            while got := link.recv(4096):
                said += got
        except (ConnectionError, TimeoutError) as error:
            return said + f" {type(error).__name__}".encode()
        return said


def test_headers_that_do_not_end_close_the_connection(port):
    for pieces in ((), (b"POST",), (HEAD,), (HEAD + b"X-A: 1\r\n",)):
        assert answer(port, *pieces) == b""
    drip = [HEAD, *(b"X-%d: 1\r\n" % n for n in range(12))]  # never quiet for long
    assert b"200" not in answer(port, *drip, pause=0.1)


def test_the_second_request_of_a_connection_is_timed_too(port):
    first = HEAD + b"Content-Length: 2\r\n\r\nab"
    said = answer(port, first, HEAD, pause=0.2)
    assert said.count(b"HTTP/1.1 200") == 1 and b"TimeoutError" not in said


def test_a_body_that_does_not_come_is_refused(port):
    for length in (b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n"):
        said = answer(port, HEAD + length + b"\r\n")
        assert said.startswith(b"HTTP/1.1 408") and b"TimeoutError" not in said


def test_a_slow_body_that_comes_is_taken(port):
    close = b"Connection: close\r\n"
    pieces = [HEAD + close + b"Content-Length: 6\r\n\r\n", *(b"x" for _ in range(6))]
    said = answer(port, *pieces, pause=0.15)
    assert said.startswith(b"HTTP/1.1 200") and b"\r\n6\r\n" in said


def test_a_body_that_comes_byte_by_byte_is_refused(port, monkeypatch):
    monkeypatch.setattr(app, "BODY_RATE", 1000.0)
    pieces = [HEAD + b"Content-Length: 60\r\n\r\n", *(b"x" for _ in range(10))]
    assert b"200" not in answer(port, *pieces, pause=0.1)


@pytest.mark.parametrize("first", [True, False])
def test_a_request_of_two_lengths_is_refused(port, first):
    both = [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"]
    head = HEAD + b"".join(both if first else both[::-1])
    said = answer(port, head + b"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400") and said.count(b"HTTP/1.1") == 1


def test_links_that_lead_nowhere_are_counted_by_address():
    limits.rejected.clear()
    try:
        for _ in range(limits.MAX_REJECTED):
            limits.count_dead_link("203.0.113.9")
        with pytest.raises(limits.RateLimitExceeded) as refused:
            limits.count_dead_link("203.0.113.9")
        assert 0 < refused.value.retry_after <= limits.MINUTE
        limits.count_dead_link("203.0.113.10")
        limits.count_rejected("203.0.113.9")  # keys are counted by themselves
    finally:
        limits.rejected.clear()
