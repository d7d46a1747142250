"""Network cameras (RTSP, HTTP) by URL, watched for a user at another computer.

libav follows a camera's redirects, so it never connects itself: a worker with one open port reads
from `Relay`, which applies the rules of links. Credentials are sent to their own host only and
appear in no message."""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from threading import Event
from urllib.parse import quote, unquote

import httpx
import numpy as np

from detector.errors import Canceled, InputError, MediaError
from detector.isolation import connect_isolated
from detector.media import stream
from detector.network.addresses import LinkRefused, LinkRules, Resolve, port_of, read_url
from detector.network.transport import (
    CHUNK_BYTES,
    LoopThread,
    PinnedTransport,
    Streams,
    first_to_end,
    followed,
    pieces,
    reach,
)
from detector.sentences import _

_REDIRECT = re.compile(rb"RTSP/\S*\s+[+0]*3")
"""A redirect as libav parses it: it skips blanks, and reads numbers as C does."""
_TAIL_BYTES = 2048  # Longer than any line that libav reads
ENDING_SECONDS = 1.0  # for a camera's end to say why it ended, after libav's did


PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
"""default port of each scheme of cameras"""
USUAL_PORTS = frozenset({*PORTS.values(), 8554})
FORMATS = "rtsp,rtp,sdp,mpegts,flv,live_flv,mpjpeg,mjpeg,mov,mp4,matroska,webm,h264,hevc,nut"
"""Containers of a camera: none that references other addresses, as playlists do. RTSP describes its
streams in `sdp`, which may: in a worker its connections are blocked, and over TCP libav makes
none."""


@dataclass(frozen=True)
class CameraAddress:
    """URL of a camera and its credentials."""

    scheme: str
    host: str
    port: int
    path: str  # With its query, which may hold a key
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def login(self) -> tuple[str, str] | None:
        return (self.username, self.password) if self.username else None

    @property
    def rtsp(self) -> bool:
        return self.scheme.startswith("rtsp")

    @property
    def public(self) -> str:
        """Return the URL without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


class Relay(LoopThread):
    """A local port that relays one camera: a thread connects to it by the rules of links, since
    libav would follow redirects itself. HTTP redirects are followed here; an RTSP redirect ends the
    connection.

    Connects on entering, within `rules.seconds` to the first byte and `rules.read_timeout` between
    two, and disconnects on leaving. libav opens `url`, on a `port` of 127.0.0.1 for one connection.
    Raise on entering LinkRefused, MediaError, Canceled."""

    def __init__(
        self,
        target: CameraAddress,
        rules: LinkRules,
        cancel: threading.Event,
        *,
        resolve: Resolve | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__("camera", cancel, rules.seconds)
        self._target, self._rules = target, rules
        self._resolve, self._verify = resolve, verify
        self._problem: InputError | None = None

    @property
    def url(self) -> str:
        target, here = self._target, f"127.0.0.1:{self.port}"
        return f"rtsp://{here}{target.path}" if target.rtsp else f"http://{here}/"

    def ended(self) -> InputError | None:
        """Return the error of the camera's connection after libav has left; None without one."""
        self._thread.wait(ENDING_SECONDS)
        return self._problem

    async def _main(self) -> None:
        name = self._target.host
        try:
            await self._serve()
            return
        except InputError as error:
            self._problem = error
        except (TimeoutError, httpx.TimeoutException):
            self._problem = stream.problem("no_answer", name, self._rules.seconds)
        except ssl.SSLError:
            self._problem = _not_its_name(name)
        except (OSError, httpx.HTTPError) as error:
            self._problem = _unreachable(name, error)
        if not self._ready.done():
            self._ready.set_exception(self._problem)

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.sleep, 0)  # closes aborted connections
            rtsp = self._target.rtsp
            async with asyncio.timeout(self._rules.seconds):
                if rtsp:
                    camera = await self._connect(stack)
                else:
                    answer = await self._request(stack)
            came: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

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
                await _pass_on((reader, writer), camera, self._rules.read_timeout)
            else:
                await _play(answer, reader, writer)

    async def _connect(self, stack: AsyncExitStack) -> Streams:
        target, secure = self._target, self._target.scheme == "rtsps"
        context = (self._verify or ssl.create_default_context()) if secure else None
        name = target.host if secure else None

        async def connect(address: str) -> Streams:
            port = target.port
            return await asyncio.open_connection(address, port, ssl=context, server_hostname=name)

        camera = await reach(target.host, target.port, self._rules, self._resolve, connect)
        stack.callback(camera[1].transport.abort)
        return camera

    async def _request(self, stack: AsyncExitStack) -> httpx.Response:
        """Request an HTTP camera's stream; credentials are sent to its own origin only."""
        target, rules = self._target, self._rules
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=PinnedTransport(rules, resolve=self._resolve, verify=self._verify),
                headers={"User-Agent": "Unmask", "Accept-Encoding": "identity"},
                timeout=rules.read_timeout,
                trust_env=False,
                follow_redirects=False,
            )
        )
        host = f"[{target.host}]" if ":" in target.host else target.host
        request = client.build_request(
            "GET", f"{target.scheme}://{host}:{target.port}{target.path}"
        )
        home = _origin(request.url)

        async def send(request: httpx.Request) -> httpx.Response:
            answer = await client.send(request, stream=True)
            if answer.status_code == 401 and target.login and _origin(request.url) == home:
                await answer.aclose()
                wanted = answer.headers.get("www-authenticate", "").lower()
                make = httpx.DigestAuth if wanted.startswith("digest") else httpx.BasicAuth
                answer = await client.send(request, stream=True, auth=make(*target.login))
            return answer

        answer = await stack.enter_async_context(followed(client, request, rules, send))
        return _checked(answer, target.host)


def _origin(url: httpx.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, port_of(url)


def _checked(answer: httpx.Response, name: str) -> httpx.Response:
    status = answer.status_code
    if status in (401, 403):
        raise stream.problem("denied", name)
    if status != 200:
        text = _("{name} gives no stream at this address: it answered {status}.")
        hint = _("Check the path of the address.")
        raise MediaError(text.format(name=name, status=status), code="not_found", hint=hint)
    return answer


def _not_its_name(name: str) -> InputError:
    text = _("No secure connection to {name}: its certificate is not valid for that name.")
    return LinkRefused(text.format(name=name), code="link_unreachable")


def _unreachable(name: str, error: Exception) -> InputError:
    if "CERTIFICATE" in str(error).upper():
        return _not_its_name(name)
    if isinstance(error, ConnectionRefusedError | httpx.ConnectError):
        return stream.problem("refused", name)
    return stream.problem("lost", name)


async def _play(
    answer: httpx.Response, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send the response's body to libav, as if this computer were the camera."""
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


async def _pass_on(libav: Streams, camera: Streams, read_timeout: float) -> None:
    """Relay libav and an RTSP camera until one ends or the camera is silent for too long."""

    async def pump(source: AsyncIterator[bytes], out: asyncio.StreamWriter) -> None:
        async for piece in source:
            out.write(piece)
            with suppress(ConnectionError):
                await out.drain()

    await first_to_end(
        pump(pieces(libav[0], None), camera[1]),
        pump(_without_redirects(pieces(camera[0], read_timeout)), libav[1]),
    )


async def _without_redirects(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the camera's bytes; raise LinkRefused before a piece that contains a redirect."""
    tail = b""
    async for piece in source:
        # libav ignores carriage returns.
        searched = tail + piece.replace(b"\r", b"")
        if _REDIRECT.search(searched):
            text = _("This camera redirects to another address, and redirects are not followed.")
            raise LinkRefused(text, code="link_redirects", hint=_("Use that address itself."))
        tail = searched[-_TAIL_BYTES:]
        yield piece


def parse(text: str, rules: LinkRules) -> CameraAddress:
    """Parse a camera's URL without resolving it; raise LinkRefused, naming scheme and port only."""
    if (url := read_url(text)) is None:
        hint = _("One looks like rtsp://camera.example/stream or http://camera.example/video.")
        raise LinkRefused(_("This is not the address of a camera."), code="link_invalid", hint=hint)
    if url.scheme not in PORTS:
        known = ", ".join(f"{scheme}://" for scheme in PORTS)
        raise LinkRefused(
            _("{scheme}:// is not watched here; {known} are.").format(
                scheme=url.scheme, known=known
            )
        )
    port = url.port or PORTS[url.scheme]
    if rules.ports is not None and port not in rules.ports:
        raise LinkRefused(
            _("Port {port} is not one that cameras are watched at here.").format(port=port),
            hint=_("The operator of this server can allow more: UNMASK_CAMERA_PORTS."),
        )
    username, _colon, password = url.userinfo.decode("ascii", "replace").partition(":")
    return CameraAddress(
        scheme=url.scheme,
        host=url.raw_host.decode("ascii").strip("[]"),
        port=port,
        path=url.raw_path.decode("ascii"),
        username=unquote(username),
        password=unquote(password),
    )


def without_login(text: str) -> str:
    """Return the text of a camera's URL without credentials, also where it is not valid: nothing
    before its last @ is left but the scheme."""
    return re.sub(r"^(\s*[\w+.-]*:?//)?.*@", r"\1", text, flags=re.DOTALL)


class CameraStream(stream.Stream):
    """A camera at a URL, reopened when it is lost; its address is checked each time. `resolve` and
    `verify` as in `PinnedTransport`."""

    def __init__(
        self,
        address: CameraAddress,
        rules: LinkRules,
        *,
        stop: Event,
        lost: Callable[[str, float], None] | None = None,
        resolve: Resolve | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(address.public, stop=stop, lost=lost)
        self.name = address.host  # display name: neither path nor password
        self._rules, self._cancel, self._reached = rules, stop, False
        self._target, self._resolve, self._verify = address, resolve, verify

    def connection(self) -> Iterator[np.ndarray]:
        """Yield one connection's pictures (`Stream.connection`); raise LinkRefused, MediaError."""
        opening, reading = self._timeouts
        rules = replace(self._rules, seconds=opening, read_timeout=reading)
        try:
            relay = Relay(
                self._target, rules, self._cancel, resolve=self._resolve, verify=self._verify
            )
            with relay:
                yield from self._relayed(relay)
        except LinkRefused as error:
            if not self._reached or error.code == "link_private":
                raise
            raise MediaError(error.message, code="lost", hint=error.hint) from error
        except Canceled:
            return

    def _relayed(self, relay: Relay) -> Iterator[np.ndarray]:
        opening, reading = self._timeouts
        url = relay.url
        if self._target.login and self._target.rtsp:
            name, password = (quote(part, safe="") for part in self._target.login)
            url = url.replace("://", f"://{name}:{password}@", 1)
        # The relay gives up first, and knows why; then libav; the worker is ended last.
        timeout = 2 * (opening + reading)
        frames = connect_isolated(
            stream.connect,
            url,
            self.name,
            FORMATS,
            (timeout, timeout),
            port=relay.port,
            size=(stream.MAX_SIDE, stream.MAX_SIDE),
            timeout=2 * timeout,
            cancel=self._cancel,
        )
        try:
            with closing(frames):  # type: ignore[type-var]  # a generator
                for frame in frames:
                    self._reached = True
                    yield frame.rgb
        except InputError as error:
            if self._cancel.is_set():
                raise Canceled from error
            if (problem := relay.ended()) is not None:
                raise problem from error
            if error.code in ("not_found", "refused"):  # it was reached: libav met its end
                raise stream.problem("undecodable", self.name) from error
            raise
