"""Live video: cameras of this computer, and streams by URL.

A stream has no known end, may stall, and may come back: every wait has a timeout, and a lost stream
is reopened with exponential back-off. An untrusted stream is held to whitelists like an untrusted
file: what it references may only be fetched by network protocols, never read from this computer."""

import errno
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import av
import numpy as np
from av.container import InputContainer
from av.error import (
    ExitError,
    HTTPForbiddenError,
    HTTPNotFoundError,
    HTTPUnauthorizedError,
    InvalidDataError,
)

from detector.errors import MediaError, UsageError
from detector.isolation import Frame
from detector.media.aspect import plausible
from detector.media.container import picture_stream
from detector.media.upright import Upright, shown_size
from detector.sentences import _

OPENING_TIMEOUT = READING_TIMEOUT = 10.0  # s. Without an answer, without a packet.
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""s before a lost stream is opened again; the last one from then on."""
MAX_RETRIES = 12  # in a row without a picture: two and a half minutes
MAX_SIDE = 1920
"""px. Larger pictures are shrunk: the face is as good to judge, and four of them fit in the place
of one."""
_NETWORK = "http,https,rtsp,rtsps,rtp,srtp,udp,tcp,tls,rtmp,rtmps,crypto,httpproxy"
FORMATS = (
    "rtsp,rtp,sdp,hls,mpegts,flv,live_flv,mpjpeg,mjpeg,mov,mp4,matroska,webm,h264,hevc,nut,asf,ogg"
)
SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "tcp", "udp")
_CAMERAS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
_NO_ENTRY = _("{name} does not let us in.")
_PROBLEMS = {
    "refused": (
        _("{name} refused the connection."),
        _("Check the port, and that the camera or server is running."),
    ),
    "denied": (_NO_ENTRY, _("Check the name and the password in the address.")),
    "no_answer": (
        _("{name} did not answer within {seconds:.0f} s."),
        _("Check the address, and that no firewall is in between."),
    ),
    "not_found": (_("There is nothing at {name}."), _("Check the path of the address.")),
    "unreachable": (
        _("{name} can't be reached."),
        _("Check the name in the address, and your connection."),
    ),
    "busy": (_("{name} is in use by another program."), _("Close the program that has it.")),
    "lost": (_("The connection to {name} broke."), ""),
    "undecodable": (_("{name} sends no video that we can read."), ""),
}
_OF_DEVICE = _PROBLEMS | {
    "denied": (
        _NO_ENTRY,
        _("Your account may need to be in the group that may use cameras (video)."),
    ),
    "not_found": (_("There is no camera {name}."), _("Is it plugged in?")),
    "undecodable": (_("{name} is no camera."), ""),
}
"""Overrides by code for a camera of this computer: problem and advice."""


def problem(code: str, name: str, seconds: float = 0.0, *, device: bool = False) -> MediaError:
    """Return why a stream of this `name` can't be watched, by its code; `seconds` were waited."""
    message, hint = (_OF_DEVICE if device else _PROBLEMS)[code]
    code = "not_found" if code == "unreachable" else code
    return MediaError(message.format(name=name, seconds=seconds), code=code, hint=hint)


def is_address(source: str) -> bool:
    """Return whether a source is an address ("scheme://…") rather than a path."""
    return "://" in source


def is_device(source: str) -> bool:
    """Return True if a source is a camera of this computer: a character device, or declared as
    one."""
    return source.startswith("/dev/") or Path(source).is_char_device()


class Stream:
    """A camera ("/dev/video0") or URL ("rtsp://…") that is reopened when it is lost. Raise
    UsageError for another kind of source.

    `lost` is called with a sentence and the s until the next attempt; set `stop` to end. `opening`
    and `reading` are timeouts, `pauses` waits between attempts, s. `name` is its display name,
    without a password; `formats` are the allowed containers."""

    def __init__(
        self,
        source: str,
        *,
        lost: Callable[[str, float], None] | None = None,
        stop: Event | None = None,
        opening: float = OPENING_TIMEOUT,
        reading: float = READING_TIMEOUT,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._source, self._stop = source, stop or Event()
        self._lost = lost or (lambda sentence, wait: None)
        self._timeouts, self._pauses = (opening, reading), pauses
        self.name, self.formats = source, FORMATS
        self.finite = False
        """It was a recording: its end is no loss."""
        if is_address(source):
            try:
                parts = urlsplit(source)
                port = f":{parts.port}" if parts.port else ""
            except ValueError as error:  # without its text, which repeats the password
                scheme = source.partition("://")[0]
                text = _("This address can't be read: {scheme}://….").format(scheme=scheme)
                hint = _("A port is a number up to 65535; an address of IPv6 is in brackets.")
                raise UsageError(text, hint=hint) from error
            self.name = f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
            scheme = parts.scheme.lower()
            if scheme not in SCHEMES:
                raise UsageError(
                    _("{scheme}:// is not an address that can be watched.").format(scheme=scheme),
                    hint=_("These are: {names}.").format(
                        names=", ".join(f"{s}://" for s in SCHEMES)
                    ),
                )
        elif not is_device(source):
            raise UsageError(
                _("{source} is neither a camera nor an address.").format(source=source)
            )

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (s since the first, uint8 [H, W, 3] upright RGB). Raise MediaError if it can't be
        opened or is lost for good: "not_found", "refused", "denied", "no_answer", "busy",
        "undecodable" or "lost"."""
        begun: float | None = None
        retries = 0
        while not self._stop.is_set():
            try:
                for picture in self.connection():
                    retries = 0
                    now = time.monotonic()
                    begun = now if begun is None else begun
                    yield now - begun, picture
                    if self._stop.is_set():
                        return
                return
            except MediaError as error:
                failure = error
            if begun is None or failure.code in ("denied", "no_picture"):
                raise failure
            if retries >= MAX_RETRIES:
                text = _("{name} was lost and did not come back.")
                raise MediaError(text.format(name=self.name), code="lost", hint=failure.message)
            pause = self._pauses[min(retries, len(self._pauses) - 1)]
            retries += 1
            self._lost(failure.message, pause)
            self._stop.wait(pause)

    def connection(self) -> Iterator[np.ndarray]:
        """Yield the pictures of one connection, uint8 [H, W, 3] upright RGB, until it ends. Raise
        MediaError (`frames`) if it can't be opened, or ends and is no recording."""
        delivered = False
        try:
            with self._opened() as container:
                for picture in self._pictures(container):
                    delivered = True
                    yield picture
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise (problem("lost", self.name) if delivered else self._failure(error)) from error
        if not self.finite:
            raise MediaError(_("{name} has ended.").format(name=self.name), code="lost")

    def _opened(self) -> InputContainer:
        if not is_address(self._source):
            kind = _CAMERAS.get(sys.platform)
            if kind is None:
                raise UsageError(
                    _("Cameras can't be read on this system."), hint=_("Use the dashboard.")
                )
            return av.open(self._source, mode="r", format=kind, timeout=self._timeouts)
        options = {
            "protocol_whitelist": _NETWORK,
            "format_whitelist": self.formats,
            "fflags": "nobuffer",  # buffered pictures are not live
            "rtsp_transport": "tcp",  # a lost packet of UDP smears the face for seconds
        }
        return av.open(self._source, mode="r", timeout=self._timeouts, container_options=options)

    def _pictures(self, container: InputContainer) -> Iterator[np.ndarray]:
        stream = picture_stream(container)
        self.finite = stream.duration is not None or (container.duration or 0) > 0
        rate = float(stream.average_rate or 0)
        upright: Upright | None = None
        began, first = time.monotonic(), None
        for frame in container.decode(stream):
            if upright is None:
                aspect = plausible(stream.sample_aspect_ratio)
                width, height = shown_size(frame, aspect)
                shrink = min(1.0, MAX_SIDE / max(width, height))
                upright = Upright(
                    max(1, round(width * shrink)),
                    max(1, round(height * shrink)),
                    framed=True,
                    aspect=aspect,
                )
            if self.finite and frame.time is not None:
                # A recording arrives faster than its own speed.
                first = frame.time if first is None else first
                self._stop.wait(max(0.0, frame.time - first - (time.monotonic() - began)))
            elif self.finite and rate:
                self._stop.wait(1 / rate)
            yield upright(frame)

    def _failure(self, error: Exception) -> MediaError:
        device = not is_address(self._source)
        match error:
            case ConnectionRefusedError():
                code = "refused"
            case HTTPUnauthorizedError() | HTTPForbiddenError() | PermissionError():
                code = "denied"
            case FileNotFoundError() | HTTPNotFoundError():
                code = "not_found"
            case ExitError() | TimeoutError():
                code = "no_answer"
            case OSError(errno=errno.EBUSY):
                code = "busy"
            case InvalidDataError() | ValueError():
                code = "undecodable"
            case OSError(errno=errno.EIO) if not device:
                code = "unreachable"
            case _:
                text = _("{name} can't be read: {error}.")
                return MediaError(text.format(name=self.name, error=error))
        return problem(code, self.name, self._timeouts[0], device=device)


def connect(
    url: str,
    name: str,
    formats: str,
    timeouts: tuple[float, float],
    *,
    notes: list[str] | None = None,
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """Pictures of one connection to an address of this computer, for a worker
    (`detector.isolation`): `timeouts` are s without an answer and without a packet. Raise
    MediaError as `Stream.connection`."""
    opening, reading = timeouts
    stream = Stream(url, stop=cancel, opening=opening, reading=reading)
    stream.name, stream.formats = name, formats
    begun = time.monotonic()
    for number, picture in enumerate(stream.connection()):
        yield Frame(number, time.monotonic() - begun, picture)
