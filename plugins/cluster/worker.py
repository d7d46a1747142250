"""Worker of a cluster: an actor with an analyzer whose models are loaded once.

Concurrent calls run in threads of the actor and share the batches of its models
(`detector.pipeline.scoring`).
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
from detector.cores import usable_cores
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
    """Put a file into the object store; return references to its pieces, in order."""
    import ray

    with open_file(path) as file:
        return [ray.put(piece) for piece in iter(lambda: file.read(PIECE_BYTES), b"")]


@contextlib.contextmanager
def received(path: Path, digest: str, pieces: list[Any] | None) -> Iterator[Path | None]:
    """Yield the path of a file in a worker; None if it was not sent and can't be read.

    A file is read directly if the worker has the same content under the same path (one machine, a
    shared disk, a mounted bucket), and else sent through Ray's object store, in pieces that Ray
    moves between machines and spills to disk."""
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
        # Keep the ending: some readers depend on it.
        target = folder / f"media{path.suffix[:8]}"
        with target.open("wb") as file:
            for piece in pieces:
                file.write(ray.get(piece))
        yield target
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Delete temporary folders of killed workers on this machine."""
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
CONTROL = "control"  # concurrency group of calls that are answered while all others are busy


def side_by_side(cpus: float) -> int:
    """Return the number of concurrent calls of a worker."""
    return min(MAX_SIDE_BY_SIDE, max(2, math.ceil(cpus)))


@dataclass(frozen=True)
class Call:
    """A file to analyze; `id`: of its result by the caller's version and weights."""

    key: str
    path: Path
    name: str
    sha256: str
    id: str
    settings: Settings


class ClusterWorker:
    """Actor in a process of a cluster, with `cpus` and `gpus` from Ray."""

    def __init__(self, device: str, cpus: float, gpus: float, isolate: bool) -> None:
        give_back_freed()
        sweep()
        if not gpus:  # the machine's model memory in proportion to the cores
            share_memory(min(1.0, cpus / usable_cores()))
        if isolate:
            media.isolate()
        self._analyzer = Analyzer(device=device, max_concurrent_batches=max(1, int(cpus)))
        self._progress: dict[str, Progress] = {}

    def warm_up(self) -> str:
        """Load the default models; return the id of this version and these weights."""
        self._analyzer.warm_up()
        return id_of("", Settings())

    def analyze(self, call: Call, pieces: list[Any] | None) -> Analysis | None:
        """Analyze a file; None if it can't be read here and has to be sent. Raise the errors of
        `Analyzer.analyze`, and ClusterError if this worker has another version or other weights
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
        """Return the progress of a call; None if it is not running here."""
        return self._progress.get(key)


def unlike() -> ClusterError:
    """Return the error raised when the worker's models or versions differ from the driver's."""
    text = _(
        "The workers of the cluster have another version of Unmask or other weights than this "
        "computer."
    )
    hint = _("Install the same version and fetch the same models on all machines.")
    return ClusterError(text, code="cluster_differs", hint=hint)
