"""Half requests, requests of two lengths, and guesses of share links."""

import socket
import time

import pytest

from service import limits
from service.api import connections
from service.api.connections import CheckedBody, TimedProtocol
from tests.support.api import on_a_port

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
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.4)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.4)
    monkeypatch.setattr(connections, "BODY_RATE", 4.0)
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
    monkeypatch.setattr(connections, "BODY_RATE", 1000.0)
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
