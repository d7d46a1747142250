"""The parent's end of a worker, and what its answers may be.

Nothing that comes back is trusted: a worker may have been taken over by its file.
"""

import contextlib
import json
import logging
import math
import os
import signal
import socket
import sys
import time
from threading import Event
from typing import Any

from detector import errors
from detector.errors import Canceled, MediaError
from detector.isolation import fork_server
from detector.isolation.fork_server import LENGTH, NO_MEMORY
from detector.isolation.types import Limits
from detector.sentences import _

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1  # Between two looks at whether the caller still wants an answer
_MAX_ANSWER_BYTES = 8 * 1024**2
"""bytes of an answer without pixels; provenance with everything in it has 200 kB"""
_RAISED = {name: getattr(errors, name) for name in ("InputError", "MediaError", "UsageError")}
_HINT = _("If you trust it, convert it to MP4 or PNG and try again.")


class WorkerChannel:
    """The parent's end of one worker: a request out, answers back, or the reason why not."""

    def __init__(
        self, link: socket.socket, status: socket.socket, limits: Limits, cancel: Event
    ) -> None:
        self._link, self._status = link, status
        self._limits, self._cancel = limits, cancel
        self._left = bytearray()
        link.settimeout(POLL_SECONDS)

    def ask(self, message: bytes) -> None:
        """Send the request. One that can't be sent shows when the answer is waited for."""
        with contextlib.suppress(OSError):
            self._link.settimeout(self._limits.timeout)
            fork_server.send(self._link, message)
        self._link.settimeout(POLL_SECONDS)

    def release(self) -> None:
        """Give the place of a frame back."""
        with contextlib.suppress(OSError):
            self._link.send(b".")

    def answer(self, timeout: float | None = None) -> dict[str, Any]:
        """Return the next answer; raises what went wrong in the worker, or with it."""
        end = time.monotonic() + (timeout or self._limits.timeout)
        (size,) = LENGTH.unpack(self._exactly(LENGTH.size, end))
        if size > _MAX_ANSWER_BYTES:
            raise implausible()
        try:
            answer = json.loads(self._exactly(size, end), parse_constant=_not_a_number)
        except (ValueError, RecursionError) as error:
            raise implausible() from error
        if not isinstance(answer, dict):
            raise implausible()
        if answer.get("error") in _RAISED:
            message, code, hint = (str(answer.get(key, "")) for key in ("message", "code", "hint"))
            raise _RAISED[answer["error"]](message, code=code, hint=hint)
        if "failed" in answer:
            log.warning("a worker failed with %s", str(answer["failed"])[:80])
            raise _crashed()
        return answer

    def _exactly(self, size: int, end: float) -> bytes:
        while len(self._left) < size:
            if self._cancel.is_set():
                raise Canceled()
            if time.monotonic() > end:
                log.warning("a worker was ended, it did not answer in time")
                raise _slow()
            try:
                part = self._link.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                part = b""
            if not part:
                raise self._why()
            self._left += part
        data = bytes(self._left[:size])
        del self._left[:size]
        return data

    def _why(self) -> MediaError:
        """Why a worker ended without an answer."""
        self._status.settimeout(5.0)
        try:
            code = os.waitstatus_to_exitcode(int.from_bytes(self._status.recv(4), sys.byteorder))
        except (OSError, ValueError):
            code = 1
        log.warning("a worker ended without an answer, status %d", code)
        if code == NO_MEMORY or code == -signal.SIGKILL:  # the system's own way out of memory
            return _large(self._limits.memory)
        return _slow() if code == -signal.SIGXCPU else _crashed()


def checked_frame(
    answer: Any, indices: tuple[int, int], after: float, slot: int
) -> tuple[int, float, int, int]:
    """Return a plausible frame's index, time and size; `indices` only shrink, so it ends."""
    try:
        index, at, height, width = answer
        whole = all(type(n) is int for n in (index, height, width))
        right = whole and indices[0] <= index < indices[1] and height > 0 and width > 0
        if right and height * width * 3 <= slot and math.isfinite(at) and at >= after:
            return index, float(at), height, width
    except (TypeError, ValueError):
        pass
    raise implausible()


def _not_a_number(text: str) -> float:
    raise ValueError(text)


def _crashed() -> MediaError:
    return MediaError(
        "This file made the program that reads it crash. Nothing else was harmed, but we can't "
        "read it.",
        code="reader_crashed",
        hint=_HINT,
    )


def implausible() -> MediaError:
    """Return the error for an answer that can't be true, and log it."""
    log.warning("a worker gave an answer that can't be true")
    return _crashed()


def _large(memory: int) -> MediaError:
    return MediaError(
        _("Reading this file takes more than the {number:.3g} GB of memory we allow.").format(
            number=memory / 1024**3
        ),
        code="reader_memory",
        hint="Use a smaller copy, or cut out the part that matters.",
    )


def _slow() -> MediaError:
    return MediaError(
        "Reading this file took too long, so we stopped.", code="reader_timeout", hint=_HINT
    )
