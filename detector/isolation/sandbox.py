"""Sandbox: run functions in worker processes whose crash, hang or memory use affects no other.

    with Sandbox(limits) as sandbox:
        answer = sandbox.call(function, path, returns=int, reads=(path,))

`detector.isolation.privileges` restricts a worker, `detector.isolation.fork_server` forks it.
No answer is trusted: a hostile file may have taken over its worker."""

import contextlib
import json
import logging
import math
import mmap
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from detector import errors
from detector.errors import Canceled, MediaError, UnmaskError
from detector.isolation import fork_server
from detector.isolation.fork_server import LENGTH, NO_MEMORY, Request
from detector.isolation.types import Frame, Limits
from detector.sentences import _

POLL_SECONDS = 0.1  # between checks of the cancellation
_MAX_ANSWER_BYTES = 8 * 1024**2
"""maximum size of an answer without pixels; a full provenance has 200 kB"""
_RAISED = {name: getattr(errors, name) for name in ("InputError", "MediaError", "UsageError")}
_HINT = _("If you trust it, convert it to MP4 or PNG and try again.")


class WorkerChannel:
    """The parent's end of one worker: sends a request, receives answers or the reason for none."""

    def __init__(
        self, link: socket.socket, status: socket.socket, limits: Limits, cancel: Event
    ) -> None:
        self._link, self._status = link, status
        self._limits, self._cancel = limits, cancel
        self._left = bytearray()
        link.settimeout(POLL_SECONDS)

    def ask(self, message: bytes) -> None:
        """Send the request. A failure is reported by `answer`."""
        with contextlib.suppress(OSError):
            self._link.settimeout(self._limits.timeout)
            fork_server.send(self._link, message)
        self._link.settimeout(POLL_SECONDS)

    def release(self) -> None:
        """Free a frame's slot."""
        with contextlib.suppress(OSError):
            self._link.send(b".")

    def answer(self, timeout: float | None = None) -> dict[str, Any]:
        """Return the next answer; raise the worker's error, or the reason why it ended."""
        end = time.monotonic() + (self._limits.timeout if timeout is None else timeout)
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
        """Return the error for a worker that ended without an answer."""
        self._status.settimeout(5.0)
        try:
            code = os.waitstatus_to_exitcode(int.from_bytes(self._status.recv(4), sys.byteorder))
        except (OSError, ValueError):
            code = 1
        log.warning("a worker ended without an answer, status %d", code)
        if code == NO_MEMORY or code == -signal.SIGKILL:  # the kernel's out-of-memory kill
            return _large(self._limits.memory)
        return _slow() if code == -signal.SIGXCPU else _crashed()


def checked_frame(
    answer: Any, indices: tuple[int, int], after: float, slot: int
) -> tuple[int, float, int, int, int | None]:
    """Validate a frame's index, time, size and last index; `indices` only shrink, so a stream
    ends."""
    try:
        index, at, height, width, until = answer
        whole = all(type(n) is int for n in (index, height, width))
        right = whole and indices[0] <= index < indices[1] and height > 0 and width > 0
        right = right and (until is None or (type(until) is int and index <= until < indices[1]))
        if right and height * width * 3 <= slot and math.isfinite(at) and at >= after:
            return index, float(at), height, width, until
    except (TypeError, ValueError):
        pass
    raise implausible()


def _not_a_number(text: str) -> float:
    raise ValueError(text)


def _crashed() -> MediaError:
    text = _(
        "This file made the program that reads it crash. Nothing else was harmed, but we can't "
        "read it."
    )
    return MediaError(text, code="reader_crashed", hint=_HINT)


def implausible() -> MediaError:
    """Return the error for an invalid answer, and log it."""
    log.warning("a worker gave an answer that can't be true")
    return _crashed()


def _large(memory: int) -> MediaError:
    text = _("Reading this file takes more than the {number:.3g} GB of memory we allow.")
    hint = _("Use a smaller copy, or cut out the part that matters.")
    return MediaError(text.format(number=memory / 1024**3), code="reader_memory", hint=hint)


def _slow() -> MediaError:
    return MediaError(
        _("Reading this file took too long, so we stopped."), code="reader_timeout", hint=_HINT
    )


log = logging.getLogger(__name__)
T = TypeVar("T")
Paths = tuple[str | os.PathLike[str], ...]

AT_ONCE = 16  # concurrent workers; further calls wait
_AHEAD, _ROOM = 3, 96 * 1024**2
"""frames that a worker may be ahead, and their maximum bytes of shared memory"""


class Sandbox(contextlib.AbstractContextManager["Sandbox"]):
    """Worker factory with `limits` for each; one instance serves all threads. The fork server
    imports the modules of `preload` once for all workers. Raise UnmaskError on a system without
    `fork` (Windows)."""

    def __init__(self, limits: Limits, preload: Sequence[str] = ()) -> None:
        if not hasattr(os, "fork"):
            text = _("Files can't be read in a process of their own on this system.")
            hint = _("Run Unmask in a Linux container to have them kept apart.")
            raise UnmaskError(text, code="no_sandbox", hint=hint)
        self.limits, self.preload = limits, tuple(preload)
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the fork server without waiting, so that the first file does not wait for it."""
        with self._lock:
            self._server()

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            if self._control is not None:
                self._control.close()
            if self._process is not None:
                self._process.terminate()  # heeded only while it is not ready yet
                self._process.wait()
            self._control = self._process = None

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        returns: type[T] | Any,
        reads: Paths,
        writes: Path | None = None,
        port: int | None = None,
        timeout: float | None = None,
        cancel: Event | None = None,
    ) -> T:
        """Call a module's function in a worker that may open `reads`, write to the folder `writes`
        and connect to one TCP `port`; its result is validated as `returns` by pydantic.

        `timeout`, s, defaults to that of the limits. Raise the function's own `detector.errors`;
        MediaError if the worker crashed (`reader_crashed`), hung (`reader_timeout`) or exceeded its
        memory (`reader_memory`); Canceled."""
        request = self._request(function, arguments, reads, port)
        if writes is not None:
            request = replace(request, writes=str(writes.resolve()))
        with self._worker(request, cancel=cancel) as worker:
            result: T = self._validated(worker.answer(timeout), "result", returns)
            return result

    def frames(
        self,
        function: Callable[..., Iterator[Any]],
        *arguments: Any,
        size: tuple[int, int],
        notes: list[str],
        count: int = sys.maxsize,
        head: Any = None,
        timeout: float | None = None,
        cancel: Event | None = None,
        **access: Any,
    ) -> Iterator[Any]:
        """Stream a function's frames from a worker, a few ahead: at most `count` of `size` (width,
        height), each within `timeout` s of the one before.

        The function takes `notes` as a keyword, which are appended at the end; with `head` it first
        yields one value of that type. Access (`reads`, `port`) and errors as `call`."""
        request = self._request(function, arguments, **access)
        slot = size[0] * size[1] * 3
        if not 0 < slot <= self.limits.frame:
            raise implausible()
        slots = max(1, min(_AHEAD, _ROOM // slot))
        with _shared(slots * slot) as memory, mmap.mmap(memory, slots * slot) as shared:
            request = replace(
                request, options={"notes": []}, slots=slots, slot=slot, headed=head is not None
            )
            with self._worker(request, memory, cancel) as worker:
                if head is not None:
                    yield self._validated(worker.answer(timeout), "head", head)
                number, index, last = 0, -1, -math.inf
                while (answer := worker.answer(timeout)).get("frame") is not None:
                    index, last, height, width, until = checked_frame(
                        answer["frame"], (index + 1, count), last, slot
                    )
                    at = number % slots * slot
                    taken = np.frombuffer(shared, np.uint8, height * width * 3, at).copy()
                    worker.release()
                    number += 1
                    yield Frame(index, last, taken.reshape(height, width, 3), until)
                notes += [str(note)[:300] for note in answer.get("notes") or []][:20]

    @staticmethod
    def _validated(answer: dict[str, Any], key: str, returns: Any) -> Any:
        try:
            return TypeAdapter(returns).validate_python(answer[key])
        except (KeyError, ValidationError) as error:
            raise implausible() from error

    def _request(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        reads: Paths = (),
        port: int | None = None,
    ) -> Request:
        return Request(
            function=f"{function.__module__}:{function.__qualname__}",
            arguments=arguments,
            options={},
            limits=self.limits,
            reads=tuple(os.path.abspath(path) for path in reads),
            port=port,
            # Niceness of the calling thread, for its worker; Linux only.
            niceness=os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
            if sys.platform == "linux"
            else None,
        )

    @contextlib.contextmanager
    def _worker(
        self, request: Request, memory: int | None = None, cancel: Event | None = None
    ) -> Iterator[WorkerChannel]:
        cancel = cancel or Event()
        while not self._free.acquire(timeout=POLL_SECONDS):
            if cancel.is_set():
                raise Canceled()
        try:
            link, its_link = socket.socketpair()
            status, its_status = socket.socketpair()
            with link, status:  # the worker ends with them
                with its_link, its_status, self._lock:
                    fds = [its_link.fileno(), its_status.fileno()]
                    self._spawn(fds if memory is None else [*fds, memory])
                worker = WorkerChannel(link, status, self.limits, cancel)
                worker.ask(pickle.dumps(request))
                yield worker
        finally:
            self._free.release()

    def _spawn(self, fds: list[int]) -> None:
        """Request a worker from the fork server, restarting it if it is gone. Holds the lock."""
        for attempt in (1, 2):
            control = self._server()
            try:
                socket.send_fds(control, [b"r"], fds)
                return
            except OSError as error:
                if attempt == 2:
                    raise UnmaskError(
                        _("The process that reads files can't be started.")
                    ) from error
                self._discard_server()

    def _server(self) -> socket.socket:
        """Return the control socket of a living fork server. Holds the lock."""
        if self._process is not None and self._process.poll() is not None:
            self._discard_server()
        if self._control is None:
            ours, theirs = socket.socketpair()
            path = [str(Path(entry or ".").resolve()) for entry in sys.path]
            command = [sys.executable, "-I", fork_server.__file__]
            command += [json.dumps(path), json.dumps(self.preload), str(theirs.fileno())]
            environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            if sys.platform == "darwin":  # its frameworks abort forks that use them
                environment["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
            with theirs:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env=bare_environment() | environment,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # an interrupt at the terminal is not for it
                )
            self._control = ours
        return self._control

    def _discard_server(self) -> None:
        """Clean up a fork server that ended unexpectedly. Holds the lock."""
        log.warning("the process that starts workers ended; it is started again")
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._control = self._process = None


@contextlib.contextmanager
def _shared(size: int) -> Iterator[int]:
    """Yield anonymous memory, sealed if possible: a worker could shrink it and crash the parent."""
    if hasattr(os, "memfd_create"):
        import fcntl

        descriptor = os.memfd_create("frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(descriptor, size)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
            yield descriptor
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        yield file.fileno()


def bare_environment() -> dict[str, str]:
    """Return the environment that a process needs to start: no keys, tokens or proxies."""
    needed = ["PATH", "SYSTEMROOT", "TEMP", "TMP", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH"]
    return {name: os.environ[name] for name in needed if name in os.environ}
