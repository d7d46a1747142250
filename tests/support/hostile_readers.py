"""What hostile files make their readers do, done without the file: each takes a path and misbehaves
in one way. They stand in a module of their own because a reader imports it by name."""

import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from detector.media import Frame


def crash(path):
    """As a decoder that notices its own corruption."""
    os.abort()


def fault(path):
    """As a decoder that reads where nothing is."""
    return ctypes.string_at(1)[0]


def hang(path):
    while True:
        time.sleep(1)


def slow(path):
    time.sleep(1)
    return "at last"


def give_way(path):
    """How far it gives way to other processes."""
    return os.getpriority(os.PRIO_PROCESS, 0)


def spin(path):
    while True:
        pass


def swell(path):
    """Ask for more and more, and touch all of it."""
    held = []
    while True:
        held.append(np.ones(64 * 1024**2, np.uint8))


def frames_then_crash(path, count, *, notes):
    for number in range(count):
        yield Frame(number, float(number), np.full((8, 8, 3), number, np.uint8))
    os.abort()


def lying_frames(path, *, notes):
    """Their index was never asked for."""
    yield Frame(99, 0.0, np.zeros((8, 8, 3), np.uint8))


def endless_frames(path, *, notes):
    """The same one again and again."""
    while True:
        yield Frame(0, 0.0, np.zeros((8, 8, 3), np.uint8))


def headed_frames(path, head, *, notes):
    """What comes before the frames is whatever it is."""
    yield head
    yield Frame(0, 0.5, np.full((8, 8, 3), 7, np.uint8))


def lie(path):
    return "not a number"


def process(path):
    return os.getpid()


def environment(path):
    return dict(os.environ)


def attempts(path, elsewhere, parent):
    """Everything that a taken-over reader would try: what came of each."""
    beside = Path(path).with_name("beside.txt")

    def connect():
        return socket.create_connection(("127.0.0.1", 9), 1)

    tries = {
        "read the file": lambda: Path(path).read_bytes(),
        "read another": lambda: Path(elsewhere).read_bytes(),
        "list the folder": lambda: os.listdir(Path(path).parent),
        "write beside": lambda: beside.write_text("x"),
        "write into the file": lambda: os.open(path, os.O_RDWR),
        "delete the file": lambda: os.unlink(path),
        "open a socket": lambda: socket.socket(),
        "connect": connect,
        "run a program": lambda: subprocess.run(["/bin/true"], check=True),
        "fork": os.fork,
        "signal the parent": lambda: os.kill(parent, 0),
        "read the parent's memory": lambda: os.open(f"/proc/{parent}/mem", os.O_RDONLY),
    }
    found = {}
    for name, attempt in tries.items():
        try:
            attempt()
            found[name] = "done"
        except OSError as error:
            found[name] = type(error).__name__
    return found


def connects(port):
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


BREAKOUTS: tuple[Callable[[], object], ...] = (
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    lambda: Path("/etc/passwd").read_bytes(),
    lambda: subprocess.run(["true"], check=True),
)


def succeeded(*attempts):
    """1 for each attempt that came to its end, 0 for one that the system refused."""
    done = []
    for attempt in attempts:
        try:
            attempt()
        except OSError:
            done.append(0)
        else:
            done.append(1)
    return done


def reaching(own, other, *, notes):
    """As a camera that took its worker over: what of five it reached, a pixel each."""
    done = succeeded(lambda: connects(own), lambda: connects(other), *BREAKOUTS)
    yield Frame(0, 0.0, np.repeat(np.array(done, np.uint8)[None, :, None], 3, axis=2))


def reached(own, other, folder):
    """As a downloader that was taken over: what it reached, 1 each."""
    return succeeded(
        lambda: connects(own),
        lambda: Path(folder, "file").write_bytes(b"x"),
        lambda: connects(other),
        *BREAKOUTS,
        lambda: Path("/tmp/elsewhere").write_bytes(b"x"),
    )
