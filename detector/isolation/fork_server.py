"""Fork server (zygote): the process that workers are forked from, and a worker's main function.

Run as a program; arguments: the parent's import path and the modules to preload, as JSON, and the
file descriptor of the control socket. It reads no media itself and forks a worker for each call,
which drops privileges (`detector.isolation.privileges`) before it opens its file and answers in
JSON and raw pixels; only the parent's request may be a pickle. A worker is killed when the other
end of its `status` socket is closed, by the parent or by the parent's exit."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import mmap
import os
import pickle
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

if __name__ == "__main__":  # started with -I: the parent states the import path
    sys.path[:] = json.loads(sys.argv[1])

import numpy as np
from pydantic import TypeAdapter

from detector.cores import usable_cores
from detector.errors import UnmaskError
from detector.isolation.privileges import drop_privileges

if TYPE_CHECKING:
    from detector.isolation.types import Limits

LENGTH = struct.Struct(">I")
NO_MEMORY = 3  # exit status of a worker that ran out of memory
_MAX_TEXT = 500  # characters of an error's text


@dataclass(frozen=True)
class Request:
    """A call to run in a worker."""

    function: str
    """"module:name". Its result is JSON-serializable by its annotation, or, with `slots`, an
    iterator of Frames."""
    arguments: tuple[Any, ...]
    options: dict[str, Any]  # For the function
    limits: Limits
    reads: tuple[str, ...]  # The files that it may open
    writes: str | None = None  # The folder that it may write to
    port: int | None = None  # The one port of TCP that it may connect to
    slots: int = 0
    slot: int = 0  # Frames in the shared memory, and bytes of each; 0 for none
    headed: bool = False  # A JSON-serializable value precedes the frames
    niceness: int | None = None
    """Minimum niceness of the worker."""


def send(link: socket.socket, message: bytes) -> None:
    """Send a length-prefixed message."""
    link.sendall(LENGTH.pack(len(message)) + message)


def receive(link: socket.socket) -> bytes:
    """Receive one message; raise EOFError if the other end is closed."""
    (size,) = LENGTH.unpack(_exactly(link, LENGTH.size))
    return _exactly(link, size)


def _exactly(link: socket.socket, size: int) -> bytes:
    data = link.recv(size, socket.MSG_WAITALL)
    if len(data) < size:
        raise EOFError
    return data


# --- the fork server -----------------------------------------------------------------------------


@dataclass
class ForkServer:
    """The workers of one parent, forked on request and killed when it exits."""

    control: socket.socket
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    workers: dict[int, socket.socket] = field(default_factory=dict)  # by process id

    def serve(self) -> None:
        """Fork workers until the parent exits, then kill the rest."""
        wake, wakes = socket.socketpair()
        for end in (wake, wakes):
            end.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.selector.register(self.control, selectors.EVENT_READ)
        self.selector.register(wake, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is wake:
                    with contextlib.suppress(BlockingIOError):
                        wake.recv(4096)
                elif key.fileobj is self.control:
                    data, fds, _, _ = socket.recv_fds(self.control, 1, 3)
                    if not data:
                        self.kill_all()
                        return
                    self.spawn(fds)
                else:  # the parent closed the status socket
                    self.selector.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)
            self.reap()

    def spawn(self, fds: list[int]) -> None:
        """Fork one worker with its link, status socket and shared memory, if any."""
        link, status = (socket.socket(fileno=fd) for fd in fds[:2])
        try:
            pid = os.fork()
        except OSError:  # process limit reached: the parent sees its sockets close
            pid = -1
        if pid == 0:
            self.close_inherited_fds()
            status.close()
            serve_request(link, fds[2] if len(fds) > 2 else None)
        link.close()
        for memory in fds[2:]:
            os.close(memory)
        if pid < 0:
            status.close()
            return
        self.workers[pid] = status
        self.selector.register(status, selectors.EVENT_READ, pid)

    def close_inherited_fds(self) -> None:
        """Close the file descriptors of the fork server and of other workers, in a worker."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        self.control.close()
        for status in self.workers.values():
            status.close()
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):  # libraries print what is in files
            os.dup2(nothing, standard)

    def reap(self) -> None:
        """Report the exit status of ended workers on their status sockets."""
        while self.workers:
            pid, exit_status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            status = self.workers.pop(pid)
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(status)
            with contextlib.suppress(OSError):
                status.send(struct.pack("=i", exit_status))
            status.close()

    def kill_all(self) -> None:
        for pid in self.workers:
            os.kill(pid, signal.SIGKILL)
        for pid in list(self.workers):
            os.waitpid(pid, 0)


# --- a worker -------------------------------------------------------------------------------------


def serve_request(link: socket.socket, memory: int | None) -> NoReturn:
    """Answer one request and exit."""
    end = 1
    try:
        request: Request = pickle.loads(receive(link))  # from the parent, which is trusted
        module, _, name = request.function.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        if request.niceness is not None:
            own = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, 0, max(own, request.niceness))
        drop_privileges(request.limits, request.reads, request.writes, request.port)
        _answer(link, memory, request, function)
        end = 0
    except (EOFError, BrokenPipeError):  # the parent is gone
        end = 0
    except MemoryError:
        end = NO_MEMORY
    finally:
        os._exit(end)


def _answer(
    link: socket.socket, memory: int | None, request: Request, function: Callable[..., Any]
) -> None:
    try:
        result = function(*request.arguments, **request.options)
        if memory is not None:
            _stream(link, memory, request, result)
            result = None
        answer = {"result": TypeAdapter(Any).dump_python(result, mode="json")}
    except UnmaskError as error:
        answer = {
            "error": type(error).__name__,
            "message": error.message[:_MAX_TEXT],
            "code": error.code,
            "hint": error.hint[:_MAX_TEXT],
        }
    except (MemoryError, EOFError, BrokenPipeError):
        raise
    except Exception as error:
        answer = {"failed": type(error).__name__, "message": str(error)[:_MAX_TEXT]}
    if "notes" in request.options:
        answer["notes"] = request.options["notes"]
    send(link, json.dumps(answer).encode())


def _stream(link: socket.socket, memory: int, request: Request, frames: Iterator[Any]) -> None:
    """Write frames to free slots of the shared memory; send the head and metadata as messages."""
    if request.headed:
        head = TypeAdapter(Any).dump_python(next(frames), mode="json")
        send(link, json.dumps({"head": head}).encode())
    room = np.frombuffer(mmap.mmap(memory, request.slots * request.slot), np.uint8)
    for number, frame in enumerate(frames):
        if number >= request.slots and not link.recv(1):  # one byte for each place set free
            raise EOFError
        height, width, _ = frame.rgb.shape
        if frame.rgb.nbytes > request.slot:
            raise ValueError("a frame is larger than the file answer")
        at = number % request.slots * request.slot
        np.copyto(room[at : at + frame.rgb.nbytes].reshape(height, width, 3), frame.rgb)
        about = [frame.index, frame.time, height, width, frame.last]
        send(link, json.dumps({"frame": about}).encode())


def main() -> None:
    """Import the preloaded modules, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when it is over
    control = socket.socket(fileno=int(sys.argv[3]))
    # Requests are pickled under this name.
    sys.modules["detector.isolation.fork_server"] = sys.modules["__main__"]
    for name in ("detector.isolation.privileges", *json.loads(sys.argv[2])):
        importlib.import_module(name)
    usable_cores()  # read here: a worker may not
    gc.collect()
    gc.freeze()  # forked workers don't copy what was imported
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # from here on, only the control socket ends it
    ForkServer(control).serve()


if __name__ == "__main__":
    main()
