"""Pictures that come as they are made: cameras of this computer, and streams by address.

Unlike a file, a stream has no end that is known, may stall, and may come back. So every wait has a
limit, and a lost stream is opened again after a pause that grows. A stranger's stream is held to
whitelists like a stranger's file: what it names on its own may only be fetched by network
protocols, never read from this computer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import av
import numpy as np
from av.container import InputContainer

from detector.errors import MediaError, UsageError
from detector.media.container import picture_stream
from detector.media.upright import Upright, upright_size

OPENING, READING = 10.0, 10.0
"""s. Without an answer, without a packet."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""s before a lost stream is opened again; the last one from then on."""
MOST_PAUSES = 12
"""in a row without a picture: two and a half minutes"""
LONGEST_SIDE = 1920
"""px. Larger pictures are shrunk: the face is as good to judge, and four of them fit in the place
of one."""
_NETWORK = "http,https,rtsp,rtsps,rtp,srtp,udp,tcp,tls,rtmp,rtmps,crypto,httpproxy"
_FORMATS = (
    "rtsp,rtp,sdp,hls,mpegts,flv,live_flv,mpjpeg,mjpeg,mov,mp4,matroska,webm,h264,hevc,nut,asf,ogg"
)
SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "tcp", "udp")
_CAMERAS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


def is_address(source: str) -> bool:
    """Whether a source is an address ("scheme://…") rather than a path."""
    return "://" in source


def is_device(source: str) -> bool:
    """Whether a source is a camera of this computer: a character device, or said to be one."""
    return source.startswith("/dev/") or Path(source).is_char_device()


class Stream:
    """A camera or an address, opened again when it is lost.

    Parameters
    ----------
    source : str
        "/dev/video0", "rtsp://…", "http://…".
    lost : callable, optional
        Called with a sentence and the s until the next try.
    stop : Event, optional
        Set it to end.
    opening, reading : float
        s of patience.
    pauses : sequence of float
        s between tries.

    Raises
    ------
    UsageError
        It is neither, or of a kind that isn't read here.
    """

    def __init__(
        self,
        source: str,
        *,
        lost: Callable[[str, float], None] | None = None,
        stop: Event | None = None,
        opening: float = OPENING,
        reading: float = READING,
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._source, self._stop = source, stop or Event()
        self._lost = lost or (lambda sentence, wait: None)
        self._patience, self._pauses = (opening, reading), pauses
        self.finite = False
        """It was a recording: its end is no loss."""
        if is_address(source):
            scheme = urlsplit(source).scheme.lower()
            if scheme not in SCHEMES:
                raise UsageError(
                    f"{scheme}:// is not an address that can be watched.",
                    hint=f"These are: {', '.join(f'{s}://' for s in SCHEMES)}.",
                )
        elif not is_device(source):
            raise UsageError(f"{source} is neither a camera nor an address.")

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Pictures as they come: (s since the first, uint8 [H, W, 3] upright RGB).

        Raises
        ------
        MediaError
            It could not be opened at first, or was lost for good. `code` is one of "not_found",
            "refused", "denied", "no_answer", "busy", "undecodable", "lost".
        """
        begun: float | None = None
        misses = 0
        while not self._stop.is_set():
            try:
                came = False
                with self._opened() as container:
                    for picture in self._pictures(container):
                        misses, came = 0, True
                        now = time.monotonic()
                        begun = now if begun is None else begun
                        yield now - begun, picture
                        if self._stop.is_set():
                            return
                if self.finite:
                    return
                problem = MediaError(f"{self.name} has ended.", code="lost")
            except (av.error.FFmpegError, OSError, ValueError) as error:
                problem = self._said(error)
                if came:
                    broke = f"The connection to {self.name} broke."
                    problem = MediaError(broke, code="lost", hint=problem.hint)
            except MediaError as error:
                problem = error
            if begun is None or problem.code in ("denied", "no_picture"):
                raise problem
            if misses >= MOST_PAUSES:
                raise MediaError(
                    f"{self.name} was lost and did not come back.",
                    code="lost",
                    hint=problem.message,
                )
            pause = self._pauses[min(misses, len(self._pauses) - 1)]
            misses += 1
            self._lost(problem.message, pause)
            self._stop.wait(pause)

    @property
    def name(self) -> str:
        """What it is called to a person: an address without its password."""
        if not is_address(self._source):
            return self._source
        parts = urlsplit(self._source)
        where = parts.hostname or ""
        where += f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{where}{parts.path}"

    def _opened(self) -> InputContainer:
        if not is_address(self._source):
            return self._camera()
        options = {
            "protocol_whitelist": _NETWORK,
            "format_whitelist": _FORMATS,
            "fflags": "nobuffer",  # what waits in a buffer is no longer live
            "rtsp_transport": "tcp",  # a lost packet of UDP smears the face for seconds
        }
        return av.open(self._source, mode="r", timeout=self._patience, container_options=options)

    def _camera(self) -> InputContainer:
        kind = _CAMERAS.get(sys.platform)
        if kind is None:
            raise UsageError("Cameras can't be read on this system.", hint="Use the dashboard.")
        return av.open(self._source, mode="r", format=kind, timeout=self._patience)

    def _pictures(self, container: InputContainer) -> Iterator[np.ndarray]:
        stream = picture_stream(container)
        self.finite = stream.duration is not None or (container.duration or 0) > 0
        rate = float(stream.average_rate or 0)
        upright: Upright | None = None
        began, first = time.monotonic(), None
        for frame in container.decode(stream):
            if upright is None:
                width, height = upright_size(frame, stream)
                shrink = min(1.0, LONGEST_SIDE / max(width, height))
                upright = Upright(max(1, round(width * shrink)), max(1, round(height * shrink)))
            if self.finite and frame.time is not None:
                # A recording comes as fast as the network: it is shown at its own speed.
                first = frame.time if first is None else first
                self._stop.wait(max(0.0, frame.time - first - (time.monotonic() - began)))
            elif self.finite and rate:
                self._stop.wait(1 / rate)
            yield upright(frame)

    def _said(self, error: Exception) -> MediaError:
        """Return what went wrong, in words."""
        name, camera = self.name, not is_address(self._source)
        if isinstance(error, ConnectionRefusedError):
            hint = "Check the port, and that the camera or server is running."
            return MediaError(f"{name} refused the connection.", code="refused", hint=hint)
        denied = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, PermissionError)
        if isinstance(error, denied):
            hint = (
                "Your account may need to be in the group that may use cameras (video)."
                if camera
                else "Check the name and the password in the address."
            )
            return MediaError(f"{name} does not let us in.", code="denied", hint=hint)
        if isinstance(error, (FileNotFoundError, av.error.HTTPNotFoundError)):
            hint = "Is it plugged in?" if camera else "Check the path of the address."
            what = "There is no camera" if camera else "There is nothing at"
            return MediaError(f"{what} {name}.", code="not_found", hint=hint)
        if isinstance(error, (av.error.ExitError, TimeoutError)):
            return MediaError(
                f"{name} did not answer within {self._patience[0]:.0f} s.",
                code="no_answer",
                hint="Check the address, and that no firewall is in between.",
            )
        if isinstance(error, OSError) and error.errno == 16:
            hint = "Close the program that has it."
            return MediaError(f"{name} is in use by another program.", code="busy", hint=hint)
        if isinstance(error, (av.error.InvalidDataError, ValueError)):
            what = "is no camera" if camera else "sends no video that we can read"
            return MediaError(f"{name} {what}.", code="undecodable")
        if isinstance(error, OSError) and error.errno == 5 and not camera:
            hint = "Check the name in the address, and your connection."
            return MediaError(f"{name} can't be reached.", code="not_found", hint=hint)
        return MediaError(f"{name} can't be read: {error}.", code="undecodable")
