"""Cameras by their address, watched for somebody who does not sit at this computer.

libav follows a camera's redirects, so it never connects itself: a worker with one open port reads
from `detector.links.relay`, which keeps the rules of links. Credentials go to their host only, and
into no message."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from threading import Event
from urllib.parse import quote, unquote

import httpx
import numpy as np

from detector.errors import Canceled, InputError, MediaError
from detector.isolation import connect_isolated
from detector.links.addresses import MAX_URL, LinkRefused, LinkRules, Resolve
from detector.links.relay import Relay, Target
from detector.media import stream
from detector.sentences import _

PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
"""of each scheme that cameras are watched by"""
USUAL_PORTS = frozenset({*PORTS.values(), 8554})
FORMATS = "rtsp,rtp,sdp,mpegts,flv,live_flv,mpjpeg,mjpeg,mov,mp4,matroska,webm,h264,hevc,nut"
"""Containers of a camera: none that names other addresses, as playlists do. An RTSP camera
describes its streams in `sdp`, which may: its connections lead nowhere in a worker, and over TCP
libav makes none."""


@dataclass(frozen=True)
class CameraAddress:
    """Where a camera is, and what lets us in there."""

    scheme: str
    host: str
    port: int
    path: str
    """With its query; it may hold a key."""
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """What it is called to a person: neither path nor password."""
        return self.host

    @property
    def public(self) -> str:
        """The address without name and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def parse(text: str, rules: LinkRules) -> CameraAddress:
    """Return a camera's address, unresolved; raise LinkRefused, naming scheme and port alone."""
    try:
        url = httpx.URL(text.strip()) if len(text) <= MAX_URL else None
    except (httpx.InvalidURL, ValueError, UnicodeError):
        url = None
    if url is None or not url.host:
        raise LinkRefused(
            "This is not the address of a camera.",
            code="link_invalid",
            hint="One looks like rtsp://camera.example/stream or http://camera.example/video.",
        )
    if url.scheme not in PORTS:
        known = ", ".join(f"{scheme}://" for scheme in PORTS)
        raise LinkRefused(f"{url.scheme}:// is not watched here; {known} are.")
    port = url.port or PORTS[url.scheme]
    if rules.ports is not None and port not in rules.ports:
        raise LinkRefused(
            f"Port {port} is not one that cameras are watched at here.",
            hint="Who runs this server can name more: UNMASK_CAMERA_PORTS.",
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


class CameraStream(stream.Stream):
    """A camera at an address, opened again when it is lost; each time its address is looked at
    anew. `resolve` and `verify` as in `PinnedTransport`."""

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
        self.name = address.name
        self._rules, self._cancel, self._reached = rules, stop, False
        self._target = Target(
            scheme=address.scheme,
            host=address.host,
            port=address.port,
            path=address.path,
            login=(address.username, address.password) if address.username else None,
            resolve=resolve,
            verify=verify,
        )

    def connection(self) -> Iterator[np.ndarray]:
        """Yield one connection's pictures (`Stream.connection`); raise LinkRefused, MediaError."""
        opening, reading = self._timeouts
        rules = replace(self._rules, seconds=opening, silence=reading)
        try:
            with Relay(self._target, rules, self._cancel) as relay:
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
        if self._target.login and self._target.scheme.startswith("rtsp"):
            name, password = (quote(part, safe="") for part in self._target.login)
            url = url.replace("://", f"://{name}:{password}@", 1)
        # The relay gives up first, and knows why; then libav; the worker is ended last.
        patience = 2 * (opening + reading)
        frames = connect_isolated(
            stream.connect,
            url,
            self.name,
            FORMATS,
            (patience, patience),
            port=relay.port,
            size=(stream.MAX_SIDE, stream.MAX_SIDE),
            timeout=2 * patience,
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
                what = _("{name} sends no video that we can read.").format(name=self.name)
                raise MediaError(what) from error
            raise
