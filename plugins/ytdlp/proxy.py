"""Filtering HTTP proxy on localhost: every connection obeys the rules of links.

For a program that makes its own connections: each is pinned to a checked address, and the received
bytes are counted. A random password of each instance keeps other programs out."""

import asyncio
import base64
import re
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from detector.network.addresses import WEB_PORTS, LinkRefused, LinkRules, Resolve, check_port
from detector.network.transport import LoopThread, Streams, pieces, reach

MAX_HEAD_BYTES = 64 << 10
MAX_CONNECTIONS = 16  # at a time
_BAD, _UNKNOWN, _FORBIDDEN, _UNREACHABLE = (
    f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("ascii")
    for status in ("400 Bad Request", "407 Unknown", "403 Forbidden", "502 Unreachable")
)
_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n")
_OURS = re.compile(rb"(?im)^(?:proxy-[\w-]+|connection|keep-alive):[^\n]*\n")
"""Hop-by-hop headers, which are not forwarded."""


class LinkProxy(LoopThread):
    """Proxy on a local port while it is entered, until `cancel` is set, also when `on_bytes`
    (called with the total received, in the proxy's thread) raises; `max_bytes` of the rules limits
    all traffic. `refused` is the reason of the last refused connection; `full`: the limit was
    exceeded."""

    def __init__(
        self,
        rules: LinkRules,
        cancel: threading.Event,
        *,
        on_bytes: Callable[[int], object] = lambda count: None,
        resolve: Resolve | None = None,
    ) -> None:
        super().__init__("link-proxy", cancel, rules.read_timeout)
        self._rules, self._on_bytes, self._resolve = rules, on_bytes, resolve
        self._word = secrets.token_urlsafe(16)
        self._count = 0
        self._open = 0
        self.refused: LinkRefused | None = None
        self.full = False

    @property
    def url(self) -> str:
        return f"http://unmask:{self._word}@127.0.0.1:{self.port}"

    async def _main(self) -> None:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
        async with server:
            self._ready.set_result(server.sockets[0].getsockname()[1])
            await asyncio.Event().wait()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MAX_CONNECTIONS:
                await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # one of the two has left
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self._rules.read_timeout)
        line = _LINE.match(head)
        word = base64.b64encode(f"unmask:{self._word}".encode()).decode()
        given = re.search(rb"(?im)^proxy-authorization: *basic +(\S+)", head)
        if given is None or not secrets.compare_digest(given[1], word.encode()):
            await _answer(writer, _UNKNOWN)
            return
        if line is None or (where := _target(line[1], line[2])) is None:
            await _answer(writer, _BAD)
            return
        host, port, path = where
        try:
            there = await self._connect(host, port)
        except LinkRefused as error:
            self.refused = error
            await _answer(writer, _FORBIDDEN)
            return
        except (OSError, TimeoutError):
            await _answer(writer, _UNREACHABLE)
            return
        try:
            if path is None:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                rest = _OURS.sub(b"", head[line.end() :])
                begin = b"%s %s HTTP/1.1\r\nConnection: close\r\n" % (line[1], path.encode())
                there[1].write(begin + rest)
            await self._both((reader, writer), there)
        finally:
            there[1].transport.abort()

    async def _connect(self, host: str, port: int) -> Streams:
        check_port(port, self._rules)

        async def connect(address: str) -> Streams:
            opened = asyncio.open_connection(address, port)
            return await asyncio.wait_for(opened, self._rules.read_timeout / 2)

        return await reach(host, port, self._rules, self._resolve, connect)

    async def _both(self, ours: Streams, theirs: Streams) -> None:
        request = asyncio.create_task(self._pump(ours[0], theirs[1], counted=False))
        try:  # also after the client has half-closed
            await self._pump(theirs[0], ours[1], counted=True)
        finally:
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool
    ) -> None:
        async for piece in pieces(reader, self._rules.read_timeout if counted else None):
            if counted:
                self._counted(len(piece))
            writer.write(piece)
            await writer.drain()

    def _counted(self, size: int) -> None:
        self._count += size
        if self._count > self._rules.max_bytes:
            self.full = True
            self._cancel.set()
            raise TimeoutError
        try:
            self._on_bytes(self._count)
        except Exception:
            self._cancel.set()
            raise TimeoutError from None


def _target(method: bytes, target: bytes) -> tuple[str, int, str | None] | None:
    """Return host, port and path of a request line; the path is None for a tunnel."""
    try:
        text = target.decode("ascii")
        tunnel = method == b"CONNECT"
        parts = urlsplit(f"//{text}" if tunnel else text)
        if not parts.hostname or (not tunnel and parts.scheme != "http") or parts.username:
            return None
        port = parts.port or (443 if tunnel else min(WEB_PORTS))
    except ValueError:
        return None
    if tunnel:
        return parts.hostname, port, None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.hostname, port, path


async def _answer(writer: asyncio.StreamWriter, answer: bytes) -> None:
    writer.write(answer)
    with suppress(OSError):
        await writer.drain()
