"""Reading strangers' files in processes that can crash, hang and swell without harm.

    with Sandbox() as box:
        media = box.call(describe, path, ..., returns=Media, reads=(path,))

A program switches it on for itself with `isolate()`; from then on everything in `detector` that
parses media does it in such a process, by `apart` and `frames_apart`. Nothing else changes for the
callers. What a reader may not do is in `detector.isolation.privileges`, how it is born in
`detector.isolation.fork_server`.

What comes back is checked like any input: a reader may have been taken over by its file.

Longer than 400 lines because the guard has one side here: what starts a reader, feeds it, checks
its answers and ends it holds one lock and is read together.
"""

from __future__ import annotations

import atexit
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
from collections.abc import Callable, Iterator
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
from detector.isolation.privileges import Limits
from detector.media.limits import MAX_PIXELS
from detector.media.types import Frame

log = logging.getLogger(__name__)
T = TypeVar("T")

AT_ONCE = 16
"""readers that may live at a time; the others wait in line"""
_PATIENCE = 0.1
"""s between two looks at whether the caller still wants an answer"""
_LARGEST_ANSWER = 8 * 1024**2
"""bytes of an answer without pixels; provenance with everything in it has 200 kB"""
_AHEAD, _ROOM = 3, 96 * 1024**2
"""frames that a reader may be ahead, and bytes of shared memory that they may take together"""
_RAISED = {name: getattr(errors, name) for name in ("InputError", "MediaError", "UsageError")}


class Sandbox:
    """Makes readers. One instance serves all threads.

    Parameters
    ----------
    limits : Limits
        What one reading may take.

    Raises
    ------
    UnmaskError
        On a system without `fork` (Windows), where there are none.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        if not hasattr(os, "fork"):
            raise UnmaskError(
                "Files can't be read in a process of their own on this system.",
                code="no_sandbox",
                hint="Run Unmask in a Linux container to have them kept apart.",
            )
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to prepare readers and return at once, so that the first file doesn't wait."""
        with self._lock:
            self._nursery()

    def close(self) -> None:
        """End all readers."""
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
        reads: tuple[str | os.PathLike[str], ...],
        writes: Path | None = None,
        patience: float | None = None,
        cancel: Event | None = None,
    ) -> T:
        """Call a module's function in a reader.

        Parameters
        ----------
        function : callable
            Of a module. Raises errors of `detector.errors`, which are raised here again.
        returns : type
            What it returns: something that pydantic can check.
        reads : paths
            The files that it may open.
        writes : Path, optional
            A folder that it may write to.
        patience : float, optional
            s to wait for the answer; default that of the limits.
        cancel : threading.Event, optional
            Once set, the reader is ended.

        Raises
        ------
        MediaError
            What `function` raised; or the reader crashed, hung or took too much.
        Canceled
        """
        request = self._request(function, arguments, reads, writes)
        with self._reader(request, cancel=cancel) as reader:
            said = reader.answer(patience)
            try:
                result: T = TypeAdapter(returns).validate_python(said["result"])
                return result
            except (KeyError, ValidationError) as error:
                raise _nonsense() from error

    def frames(
        self,
        function: Callable[..., Iterator[Frame]],
        *arguments: Any,
        size: tuple[int, int],
        count: int,
        notes: list[str],
        reads: tuple[str | os.PathLike[str], ...],
        cancel: Event | None = None,
    ) -> Iterator[Frame]:
        """Let a function of frames run in a reader, a few frames ahead.

        Parameters
        ----------
        function : callable
            Takes `notes` as a keyword, and yields at most `count` frames of `size`.
        size : (width, height)
        notes : list of str
            Gets what the function noted, at the end.

        Raises
        ------
        MediaError, Canceled
            As `call`.
        """
        slot = size[0] * size[1] * 3
        if not 0 < slot <= 3 * MAX_PIXELS:
            raise _nonsense()
        slots = max(1, min(_AHEAD, _ROOM // slot))
        with _shared(slots * slot) as memory, mmap.mmap(memory, slots * slot) as shared:
            request = self._request(function, arguments, reads)
            request = replace(request, options={"notes": []}, slots=slots, slot=slot)
            with self._reader(request, memory, cancel) as reader:
                number, index, last = 0, -1, -math.inf
                while (said := reader.answer()).get("frame") is not None:
                    index, last, height, width = _checked(
                        said["frame"], (index + 1, count), last, slot
                    )
                    at = number % slots * slot
                    taken = np.frombuffer(shared, np.uint8, height * width * 3, at).copy()
                    reader.release()
                    number += 1
                    yield Frame(index, last, taken.reshape(height, width, 3))
                notes += [str(note)[:300] for note in said.get("notes") or []][:20]

    def _request(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        reads: tuple[str | os.PathLike[str], ...],
        writes: Path | None = None,
    ) -> Request:
        return Request(
            function=f"{function.__module__}:{function.__qualname__}",
            arguments=arguments,
            options={},
            limits=self.limits,
            reads=tuple(os.path.abspath(path) for path in reads),
            writes=None if writes is None else str(writes.resolve()),
        )

    @contextlib.contextmanager
    def _reader(
        self, request: Request, memory: int | None = None, cancel: Event | None = None
    ) -> Iterator[_Reader]:
        cancel = cancel or Event()
        while not self._free.acquire(timeout=_PATIENCE):
            if cancel.is_set():
                raise Canceled()
        try:
            with self._born(memory) as (link, status):
                reader = _Reader(link, status, self.limits, cancel)
                reader.ask(pickle.dumps(request))
                yield reader
        finally:
            self._free.release()

    @contextlib.contextmanager
    def _born(self, memory: int | None) -> Iterator[tuple[socket.socket, socket.socket]]:
        """A new reader's link and status; it ends with them."""
        link, its_link = socket.socketpair()
        status, its_status = socket.socketpair()
        with link, status:
            with its_link, its_status:
                given = [its_link.fileno(), its_status.fileno()]
                given += [] if memory is None else [memory]
                with self._lock:
                    self._bear(given)
            yield link, status

    def _bear(self, given: list[int]) -> None:
        """Ask the nursery for a reader; a new nursery when it is gone. The lock is held."""
        for attempt in (1, 2):
            control = self._nursery()
            try:
                socket.send_fds(control, [b"r"], given)
                return
            except OSError as error:
                if attempt == 2:
                    raise UnmaskError("The process that reads files can't be started.") from error
                self._bury()

    def _nursery(self) -> socket.socket:
        """The way to a living nursery. The lock is held."""
        if self._process is not None and self._process.poll() is not None:
            self._bury()
        if self._control is None:
            ours, theirs = socket.socketpair()
            path = [str(Path(entry or ".").resolve()) for entry in sys.path]
            command = [sys.executable, "-I", fork_server.__file__, json.dumps(path)]
            with theirs:
                self._process = subprocess.Popen(
                    [*command, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env=_environment(),
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # an interrupt at the terminal is not for it
                )
            self._control = ours
        return self._control

    def _bury(self) -> None:
        """Put away a nursery that ended without being asked to. The lock is held."""
        log.warning("the process that starts readers ended; it is started again")
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._control = self._process = None


class _Reader:
    """The parent's view of one reader."""

    def __init__(
        self, link: socket.socket, status: socket.socket, limits: Limits, cancel: Event
    ) -> None:
        self._link, self._status = link, status
        self._limits, self._cancel = limits, cancel
        self._left = bytearray()
        link.settimeout(_PATIENCE)

    def ask(self, message: bytes) -> None:
        """Send the request. One that can't be sent shows when the answer is waited for."""
        with contextlib.suppress(OSError):
            self._link.settimeout(self._limits.silence)
            fork_server.send(self._link, message)
        self._link.settimeout(_PATIENCE)

    def release(self) -> None:
        """Give the place of a frame back."""
        with contextlib.suppress(OSError):
            self._link.send(b".")

    def answer(self, patience: float | None = None) -> dict[str, Any]:
        """The next answer; raises what went wrong in the reader, or with it."""
        end = time.monotonic() + (patience or self._limits.silence)
        (size,) = LENGTH.unpack(self._exactly(LENGTH.size, end))
        if size > _LARGEST_ANSWER:
            raise _nonsense()
        try:
            said = json.loads(self._exactly(size, end), parse_constant=_not_a_number)
        except (ValueError, RecursionError) as error:
            raise _nonsense() from error
        if not isinstance(said, dict):
            raise _nonsense()
        if said.get("error") in _RAISED:
            message, code, hint = (str(said.get(key, "")) for key in ("message", "code", "hint"))
            raise _RAISED[said["error"]](message, code=code, hint=hint)
        if "failed" in said:
            log.warning("a reader failed with %s", str(said["failed"])[:80])
            raise _crashed()
        return said

    def _exactly(self, size: int, end: float) -> bytes:
        while len(self._left) < size:
            if self._cancel.is_set():
                raise Canceled()
            if time.monotonic() > end:
                log.warning("a reader was ended, it did not answer in time")
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
        """Why a reader ended without an answer."""
        self._status.settimeout(5.0)
        try:
            code = os.waitstatus_to_exitcode(int.from_bytes(self._status.recv(4), sys.byteorder))
        except (OSError, ValueError):
            code = 1
        log.warning("a reader ended without an answer, status %d", code)
        if code == NO_MEMORY or code == -signal.SIGKILL:  # the system's own way out of memory
            return _large(self._limits.memory)
        return _slow() if code == -signal.SIGXCPU else _crashed()


# --- the switch -----------------------------------------------------------------------------------

_active: Sandbox | None = None


def isolate(limits: Limits | None = None) -> Sandbox:
    """From here on, this program parses media in readers. Calling it again changes nothing.

    Raises
    ------
    UnmaskError
        This system has no such processes.
    """
    global _active
    if _active is None:
        _active = Sandbox(limits)
        _active.start()
        atexit.register(stop_isolating)
    return _active


def stop_isolating() -> None:
    """Back to parsing in this process; for tests, and at the end."""
    global _active
    box, _active = _active, None
    if box is not None:
        box.close()


def isolated() -> bool:
    """Whether this program parses media in readers."""
    return _active is not None


def run_isolated(
    function: Callable[..., T],
    path: str | os.PathLike[str],
    *arguments: Any,
    returns: Any,
    writes: Path | None = None,
    patience: float | None = None,
    cancel: Event | None = None,
) -> T:
    """`function(path, *arguments)`, in a reader where this program is isolated.

    Parameters
    ----------
    function : callable
        Of a module. Where it is called here it is given `cancel` too, if that is not None.
    path : path
        The one file it may read.
    returns : type
        What it returns, for pydantic to check.
    writes : Path, optional
        The folder it may write to.
    patience : float, optional
        s to wait for the answer, where that is more than a look at a part of the file.
    cancel : threading.Event, optional

    Raises
    ------
    MediaError
        Also when the reader crashed (`reader_crashed`), hung (`reader_timeout`) or took too much
        memory (`reader_memory`).
    Canceled
    """
    if _active is None:
        return function(path, *arguments, **({} if cancel is None else {"cancel": cancel}))
    found: T = _active.call(
        function,
        path,
        *arguments,
        returns=returns,
        reads=(path,),
        writes=writes,
        patience=patience,
        cancel=cancel,
    )
    return found


def stream_isolated(
    function: Callable[..., Iterator[Frame]],
    path: str | os.PathLike[str],
    *arguments: Any,
    size: tuple[int, int],
    count: int,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """`function(path, *arguments, notes=..., cancel=...)`, in a reader where this program is
    isolated. See `Sandbox.frames`."""
    if _active is None:
        return function(path, *arguments, notes=notes, cancel=cancel)
    return _active.frames(
        function,
        path,
        *arguments,
        size=size,
        count=count,
        notes=notes,
        reads=(path,),
        cancel=cancel,
    )


# --- inside ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def _shared(size: int) -> Iterator[int]:
    """Memory for frames that has no name and vanishes with its last holder. Where the system can,
    its size is sealed: a reader that shrank it could take the parent down."""
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


def _checked(
    said: Any, indices: tuple[int, int], after: float, slot: int
) -> tuple[int, float, int, int]:
    """A frame's index, time, height and width, if they can be true: within `indices`, which only
    ever shrink, so that a reader can't go on for ever."""
    try:
        index, at, height, width = said
        whole = all(type(n) is int for n in (index, height, width))
        right = whole and indices[0] <= index < indices[1] and height > 0 and width > 0
        if right and height * width * 3 <= slot and math.isfinite(at) and at >= after:
            return index, float(at), height, width
    except (TypeError, ValueError):
        pass
    raise _nonsense()


def _not_a_number(text: str) -> float:
    raise ValueError(text)


def _environment() -> dict[str, str]:
    """Only what a process needs to start: no keys, no tokens, no proxies."""
    kept = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
    own = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if sys.platform == "darwin":  # its frameworks end a fork that touches them; nothing here does
        own["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
    return {name: os.environ[name] for name in kept if name in os.environ} | own


_HINT = "If you trust it, convert it to MP4 or PNG and try again."


def _crashed() -> MediaError:
    return MediaError(
        "This file made the program that reads it crash. Nothing else was harmed, but we can't "
        "read it.",
        code="reader_crashed",
        hint=_HINT,
    )


def _nonsense() -> MediaError:
    log.warning("a reader gave an answer that can't be true")
    return _crashed()


def _large(memory: int) -> MediaError:
    return MediaError(
        f"Reading this file takes more than the {memory / 1024**3:.3g} GB of memory we allow.",
        code="reader_memory",
        hint="Use a smaller copy, or cut out the part that matters.",
    )


def _slow() -> MediaError:
    return MediaError(
        "Reading this file took too long, so we stopped.", code="reader_timeout", hint=_HINT
    )
