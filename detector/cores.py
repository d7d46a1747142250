"""Processor cores that this process may use, and turns on them for large networks."""

import math
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


@lru_cache(maxsize=1)
def usable_cores() -> int:
    """Return the number of cores that this process may keep busy, at least 1: those of its affinity
    mask, or fewer where a container's CPU quota allows less."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, math.ceil(min(cores, quota(_CGROUPS, _OWN))))


def quota(root: Path, own: Path) -> float:
    """Return the cores that the control groups of this process allow (versions 1 and 2), the least
    of them and of all groups around; infinite without a limit. `root`: where they are mounted,
    `own`: the file with the group of the process."""
    least = math.inf
    for folder in _groups(root, own):
        with suppress(OSError, ValueError):
            most, period = (folder / "cpu.max").read_text("ascii").split()
            least = min(least, int(most) / int(period))
        with suppress(OSError, ValueError):
            micros = int((folder / "cpu.cfs_quota_us").read_text("ascii"))
            if micros > 0:
                least = min(least, micros / int((folder / "cpu.cfs_period_us").read_text("ascii")))
    return least


def _groups(root: Path, own: Path) -> Iterator[Path]:
    """Yield the folders of the process's control groups and of those around them."""
    with suppress(OSError, ValueError):
        for line in own.read_text("utf-8", "replace").splitlines():
            _number, controllers, name = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            mounted = root / controllers if controllers else root
            # Within a container the name may be that on the host: then the mount is the group.
            here = mounted / name.strip("/")
            while here != mounted and mounted in here.parents:
                yield here
                here = here.parent
            yield mounted
    yield root
    yield root / "cpu"


class Turns:
    """Places for work that takes a core each, given in the order of the requests: concurrent runs
    share the cores fairly, and no more threads compute than there are cores."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place, and hold it within the block."""
        with self._lock:
            gate = None
            if self._free and not self._waiting:
                self._free -= 1
            else:
                gate = threading.Lock()
                gate.acquire()
                self._waiting.append(gate)
        if gate is not None:
            gate.acquire()  # released by the one that gives its place on
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().release()
                else:
                    self._free += 1


@lru_cache(maxsize=1)
def turns() -> Turns:
    """Return the places of this process: one for each core that it may use."""
    return Turns(usable_cores())
