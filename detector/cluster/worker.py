"""One worker of a cluster: an actor with an analyzer whose models are loaded once.

Its calls run in threads of the actor, side by side; what they have for one model at the same time
goes through it together (`detector.pipeline.scoring`).
"""

import contextlib
import math
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector import media
from detector.config import share_memory
from detector.errors import ClusterError, MediaError
from detector.media.files import open_file, sha256
from detector.memory import give_back_freed
from detector.pipeline import Analyzer, Progress
from detector.pipeline.initial_results import id_of
from detector.schema.analysis import Analysis, Settings
from detector.sentences import _

PIECE_BYTES = 16 * 1024**2
_PREFIX = "unmask-ray-"


def put_pieces(path: Path) -> list[Any]:
    """Put a file into the object store; return its pieces in order, which keep it there."""
    import ray

    with open_file(path) as file:
        return [ray.put(piece) for piece in iter(lambda: file.read(PIECE_BYTES), b"")]


@contextlib.contextmanager
def received(path: Path, digest: str, pieces: list[Any] | None) -> Iterator[Path | None]:
    """Yield where a worker can read a file; None if it neither sees nor was sent it.

    It is read where it lies where the worker sees the same content under the same path (one
    machine, a shared disk, a mounted bucket), and else goes through Ray's object store, as pieces
    that Ray moves from machine to machine, and to its disk where memory ends."""
    if pieces is None:
        try:
            with open_file(path) as file:
                same = sha256(file) == digest
        except (MediaError, OSError):
            same = False
        yield path if same else None
        return
    import ray

    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        # Its ending stays: what a file is called is never believed, but some readers look.
        target = folder / f"media{path.suffix[:8]}"
        with target.open("wb") as file:
            for piece in pieces:
                file.write(ray.get(piece))
        yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Delete what workers that were killed left on this machine."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


MAX_SIDE_BY_SIDE = 16
CONTROL = "control"  # Calls that answer while all others are busy


def side_by_side(cpus: float) -> int:
    """Return how many clips a worker has at a time, as a batch on one machine with its cores."""
    return min(MAX_SIDE_BY_SIDE, max(2, math.ceil(cpus)))


@dataclass(frozen=True)
class Call:
    """A file to analyze; `id` is that of its result by the caller's program and weights."""

    key: str
    path: Path
    name: str
    sha256: str
    id: str
    settings: Settings


class ClusterWorker:
    """Lives in a process of a cluster; `cpus` and `gpus` are what Ray gave it."""

    def __init__(self, device: str, cpus: float, gpus: float, isolate: bool) -> None:
        give_back_freed()
        sweep()
        if not gpus:  # of the half of a machine's memory, what its share of the cores is
            share_memory(min(1.0, cpus / (os.cpu_count() or 1)))
        if isolate:
            media.isolate()
        self._analyzer = Analyzer(device=device, max_concurrent_batches=max(1, int(cpus) // 4))
        self._progress: dict[str, Progress] = {}

    def warm_up(self) -> str:
        """Load the default models; return the id that says which program and weights these are."""
        self._analyzer.warm_up()
        return id_of("", Settings())

    def analyze(self, call: Call, pieces: list[Any] | None) -> Analysis | None:
        """Analyze a file; None if it can't be seen from here and has to be sent. Raise as
        `Analyzer.analyze` does, or ClusterError if this worker has another program or other weights
        than the caller."""
        import ray

        if id_of(call.sha256, call.settings) != call.id:
            raise unlike()
        context, cancel = ray.get_runtime_context(), threading.Event()

        def observe(progress: Progress) -> None:
            self._progress[call.key] = progress
            if context.is_canceled():
                cancel.set()

        try:
            with received(call.path, call.sha256, pieces) as path:
                if path is None:
                    return None
                return self._analyzer.analyze(
                    path, call.settings, name=call.name, observe=observe, cancel=cancel
                )
        finally:
            self._progress.pop(call.key, None)

    def progress(self, key: str) -> Progress | None:
        """Return how far a call is; None where it isn't here."""
        return self._progress.get(key)


def unlike() -> ClusterError:
    """Return the error raised when the worker's models or versions differ from the driver's."""
    text = _(
        "The workers of the cluster have another version of Unmask or other weights than this "
        "computer."
    )
    hint = _("Install the same version and fetch the same models on all machines.")
    return ClusterError(text, code="cluster_differs", hint=hint)
