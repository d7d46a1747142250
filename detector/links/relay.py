"""An address of this computer that leads to one camera, and nowhere else.

A thread of its own connects to the camera by the rules of links and passes on what comes to the
first who connects here. What would lead libav elsewhere does not get through: over HTTP redirects
are followed here, by the rules; over RTSP one ends the connection.
"""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import httpx

from detector.errors import InputError, MediaError
from detector.links.addresses import LinkRefused, LinkRules, Resolve, port_of
from detector.links.background import LoopThread
from detector.links.transport import MAX_ADDRESSES, PinnedTransport, resolving
from detector.sentences import _

CHUNK_BYTES = 1 << 16
_REDIRECT = re.compile(rb"RTSP/\S*\s+[+0]*3")
"""What libav reads as a redirect: it skips blanks, and reads a number as C does."""
_TAIL_BYTES = 2048
"""Longer than any line that libav reads."""
ENDING_SECONDS = 1.0
"""for a camera's end to say why it ended, after libav's did"""


@dataclass(frozen=True)
class Target:
    """One camera; host and path as they go over the wire."""

    scheme: str
    host: str
    port: int
    path: str
    login: tuple[str, str] | None = field(default=None, repr=False)
    """name, password"""
    resolve: Resolve | None = None
    verify: ssl.SSLContext | None = None


class Relay(LoopThread):
    """Reaches a camera on entering, within `rules.seconds` to the first byte and `rules.silence`
    between two, and lets go of it on leaving. libav opens `url`, on a `port` of 127.0.0.1 for one
    connection. Raise on entering LinkRefused, MediaError, Canceled."""

    def __init__(self, target: Target, rules: LinkRules, cancel: threading.Event) -> None:
        super().__init__("camera", cancel, rules.seconds)
        self._target, self._rules = target, rules
        self._problem: InputError | None = None

    @property
    def url(self) -> str:
        scheme = "rtsp" if self._target.scheme.startswith("rtsp") else "http"
        path = self._target.path if scheme == "rtsp" else "/"
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def ended(self) -> InputError | None:
        """Return why the camera's end broke, once libav has left; None where it didn't."""
        self._thread.join(ENDING_SECONDS)
        return self._problem

    async def _main(self) -> None:
        name = self._target.host
        try:
            await self._serve()
            return
        except InputError as error:
            self._problem = error
        except (TimeoutError, httpx.TimeoutException):
            self._problem = MediaError(
                _("{name} did not answer within {seconds:.0f} s.").format(
                    name=name, seconds=self._rules.seconds
                ),
                code="no_answer",
                hint="Check the address, and that no firewall is in between.",
            )
        except ssl.SSLError:
            self._problem = _not_its_name(name)
        except (OSError, httpx.HTTPError) as error:
            self._problem = _unreachable(name, error)
        if not self._ready.done():
            self._ready.set_exception(self._problem)

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.sleep, 0)  # in which what was aborted is closed
            rtsp = self._target.scheme.startswith("rtsp")
            async with asyncio.timeout(self._rules.seconds):
                if rtsp:
                    camera = await self._connect(stack)
                else:
                    answer = await self._request(stack)
            came: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
            came = asyncio.get_running_loop().create_future()

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if came.done():
                    writer.transport.abort()
                else:
                    came.set_result((reader, writer))

            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            server = await asyncio.start_server(accept, sock=listener)
            stack.callback(server.close)
            self._ready.set_result(listener.getsockname()[1])
            reader, writer = await asyncio.wait_for(came, self._rules.seconds)
            server.close()
            stack.callback(writer.transport.abort)
            if rtsp:
                await _pass_on((reader, writer), camera, self._rules.silence)
            else:
                await _play(answer, reader, writer)

    async def _connect(
        self, stack: AsyncExitStack
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to an RTSP camera, at an address that was looked at."""
        target, secure = self._target, self._target.scheme == "rtsps"
        found = await resolving(target.host, target.port, self._rules, target.resolve)
        context = (target.verify or ssl.create_default_context()) if secure else None
        refused = OSError(f"{target.host} has no address")
        for address in found[:MAX_ADDRESSES]:
            try:
                reader, writer = await asyncio.open_connection(
                    address,
                    target.port,
                    ssl=context,
                    server_hostname=target.host if secure else None,
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                refused = error
                continue
            stack.callback(writer.transport.abort)
            return reader, writer
        raise refused

    async def _request(self, stack: AsyncExitStack) -> httpx.Response:
        """Request an HTTP camera's stream by the rules of links; its password is its host's."""
        target, rules = self._target, self._rules
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=PinnedTransport(rules, resolve=target.resolve, verify=target.verify),
                headers={"User-Agent": "Unmask", "Accept-Encoding": "identity"},
                timeout=rules.silence,
                trust_env=False,
                follow_redirects=False,
            )
        )
        host = f"[{target.host}]" if ":" in target.host else target.host
        request = client.build_request(
            "GET", f"{target.scheme}://{host}:{target.port}{target.path}"
        )
        home = _origin(request.url)
        for _hop in range(rules.max_redirects + 1):
            answer = await client.send(request, stream=True)
            if answer.status_code == 401 and target.login and _origin(request.url) == home:
                await answer.aclose()
                login = _login(answer, *target.login)
                answer = await client.send(request, stream=True, auth=login)
            if answer.next_request is None:
                stack.push_async_callback(answer.aclose)
                return _checked(answer, target.host)
            await answer.aclose()
            request = answer.next_request
        raise LinkRefused("This address leads on and on.", code="link_redirects")


def _origin(url: httpx.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, port_of(url)


def _login(answer: httpx.Response, name: str, password: str) -> httpx.Auth:
    """Return what a camera asked for; a password is never sent before it was."""
    if answer.headers.get("www-authenticate", "").lower().startswith("digest"):
        return httpx.DigestAuth(name, password)
    return httpx.BasicAuth(name, password)


def _checked(answer: httpx.Response, name: str) -> httpx.Response:
    """Return the answer of a camera that gives its stream."""
    status = answer.status_code
    if status in (401, 403):
        raise MediaError(
            _("{name} does not let us in.").format(name=name),
            code="denied",
            hint="Check the name and the password in the address.",
        )
    if status != 200:
        raise MediaError(
            _("{name} gives no stream at this address: it answered {status}.").format(
                name=name, status=status
            ),
            code="not_found",
            hint="Check the path of the address.",
        )
    return answer


def _not_its_name(name: str) -> InputError:
    return LinkRefused(
        f"No secure connection to {name}: its certificate is not one for that name.",
        code="link_unreachable",
    )


def _unreachable(name: str, error: Exception) -> InputError:
    if "CERTIFICATE" in str(error).upper():
        return _not_its_name(name)
    if isinstance(error, ConnectionRefusedError | httpx.ConnectError):
        return MediaError(
            _("{name} refused the connection.").format(name=name),
            code="refused",
            hint="Check the port, and that the camera is on.",
        )
    return MediaError(_("The connection to {name} broke.").format(name=name), code="lost")


async def _play(
    answer: httpx.Response, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Give libav the body of an answer, as if this computer were the camera."""
    with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await reader.readuntil(b"\r\n\r\n")
    kind = answer.headers.get("content-type", "application/octet-stream")
    kind = re.sub(r"[^\x20-\x7e]", "", kind)[:200]
    writer.write(f"HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode("ascii"))
    async for piece in answer.aiter_raw(CHUNK_BYTES):
        if writer.is_closing():
            return
        writer.write(piece)
        with suppress(ConnectionError):  # libav has left
            await writer.drain()


async def _pass_on(
    libav: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    camera: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    silence: float,
) -> None:
    """Relay libav and an RTSP camera until one ends or the camera is silent for `silence` s."""

    async def pump(pieces: AsyncIterator[bytes], out: asyncio.StreamWriter) -> None:
        async for piece in pieces:
            out.write(piece)
            with suppress(ConnectionError):
                await out.drain()

    works = [
        asyncio.create_task(pump(_pieces(libav[0], None), camera[1])),
        asyncio.create_task(pump(_without_redirects(_pieces(camera[0], silence)), libav[1])),
    ]
    try:
        done, _waiting = await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for work in works:
            work.cancel()
    for work in done:
        work.result()


async def _pieces(reader: asyncio.StreamReader, silence: float | None) -> AsyncIterator[bytes]:
    while piece := await asyncio.wait_for(reader.read(CHUNK_BYTES), silence):
        yield piece


async def _without_redirects(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the camera's bytes; raise LinkRefused before a piece that holds a redirect."""
    tail = b""
    async for piece in pieces:
        # libav leaves out carriage returns, wherever they stand.
        heard = tail + piece.replace(b"\r", b"")
        if _REDIRECT.search(heard):
            raise LinkRefused(
                "This camera says that it is at another address, and nobody is led on.",
                code="link_redirects",
                hint="Use that address itself.",
            )
        tail = heard[-_TAIL_BYTES:]
        yield piece
