"""The workers of one program: which are ready, and how many calls each has.

Ray places them, and starts one again when its process or its machine is lost. A call goes to the
ready worker with the fewest. Ray's own retry of a call waits for the very worker that was lost, and
where its machine does not come back, forever: so a call whose worker was lost is given to another.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from detector.cluster.worker import CONTROL, ClusterWorker, side_by_side, unlike
from detector.errors import Canceled, ClusterError

log = logging.getLogger(__name__)

Expected = Callable[[], str]

POLL_SECONDS = 0.2
NO_WORKER_SECONDS = 600.0
"""Longest wait while no worker is ready; a new machine of a cloud takes some minutes."""


@dataclass(eq=False)
class Member:
    """A worker as this program knows it; its `actor` stays the same when Ray starts it again."""

    actor: Any
    ready: bool = False
    free: int = 0  # calls that it can take beside those it has
    life: int = 0  # how often it was lost: calls of an earlier life are over


class WorkerPool:
    """Workers, each made with `arguments` and of so many `cpus` and `gpus`. Thread-safe. `expected`
    returns what `ClusterWorker.warm_up` has to return."""

    def __init__(
        self, count: int, arguments: Sequence[Any], cpus: float, gpus: float, expected: Expected
    ) -> None:
        import ray

        self._ray, self._expected = ray, expected
        self._each = side_by_side(cpus)
        self._changed = threading.Condition()
        self._error: ClusterError | None = None
        self._closed = False
        self._none_since = time.monotonic()
        kind = ray.remote(concurrency_groups={CONTROL: 1})(ClusterWorker).options(
            num_cpus=cpus,
            num_gpus=gpus,
            max_concurrency=self._each,
            max_restarts=-1,
            max_task_retries=0,
        )
        self._members = [Member(kind.remote(*arguments)) for _ in range(count)]
        self._waking = {self._wake(member): member for member in self._members}
        self._watcher = threading.Thread(target=self._watch, name="cluster", daemon=True)
        self._watcher.start()

    def take(self, cancel: threading.Event) -> tuple[Member, int]:
        """Wait for a free worker, return it with its life; raise Canceled or ClusterError."""
        with self._changed:
            while True:
                if cancel.is_set():
                    raise Canceled()
                if self._error is not None:
                    raise self._error
                best = max(self._members, key=lambda member: member.free, default=None)
                if best is not None and best.free:
                    best.free -= 1
                    return best, best.life
                self._refuse_to_wait_forever()
                self._changed.wait(POLL_SECONDS)

    def give_back(self, member: Member, life: int, *, lost: bool) -> None:
        """End a call; `lost`: its worker was lost with it."""
        with self._changed:
            if member.life != life:
                return  # of a life that is over
            if lost:
                member.ready, member.free, member.life = False, 0, life + 1
                if not self._any_ready():
                    self._none_since = time.monotonic()
                self._waking[self._wake(member)] = member
            else:
                member.free += 1
            self._changed.notify_all()

    def close(self) -> None:
        """End the workers; calls that wait for one are refused."""
        with self._changed:
            self._closed = True
            self._error = ClusterError("The cluster is no longer used here.")
            self._changed.notify_all()
        self._watcher.join()
        with suppress(self._ray.exceptions.RayError):  # the cluster may be gone
            for member in self._members:
                self._ray.kill(member.actor)

    def _any_ready(self) -> bool:
        return any(member.ready for member in self._members)

    def _refuse_to_wait_forever(self) -> None:
        """Raise where no worker has been ready for long. The lock is held."""
        waited = time.monotonic() - self._none_since
        if not self._any_ready() and waited > NO_WORKER_SECONDS:
            raise ClusterError(
                f"No worker of the cluster was ready for {NO_WORKER_SECONDS / 60:.0f} minutes.",
                hint="Has a machine of it room for one (UNMASK_RAY_CPUS, UNMASK_RAY_GPUS)?",
            )

    def _wake(self, member: Member) -> Any:
        """Ask a worker to say when it is ready, however often it has to be started for that."""
        return member.actor.warm_up.options(max_task_retries=-1).remote()

    def _watch(self) -> None:
        """In a thread: note which workers have become ready."""
        try:
            while not self._closed:
                with self._changed:
                    waking = list(self._waking)
                if not waking:
                    time.sleep(POLL_SECONDS)
                    continue
                for ref in self._ray.wait(waking, timeout=POLL_SECONDS)[0]:
                    self._ready(ref)
        except Exception as error:  # Ray itself has ended
            log.exception("the cluster can't be asked any more")
            self._fail(ClusterError(f"The connection to the cluster was lost: {error}."))

    def _ready(self, ref: Any) -> None:
        with self._changed:
            member = self._waking.pop(ref)
        problem: ClusterError | None = None
        try:
            if self._ray.get(ref) != self._expected():
                problem = unlike()
        except self._ray.exceptions.RayError as error:
            why = str(getattr(error, "cause", None) or error).strip().splitlines()
            problem = ClusterError(f"A worker can't be started: {why[-1] if why else error!r}.")
        with self._changed:
            if problem is None:
                member.ready, member.free = True, self._each
                self._changed.notify_all()
                return
            log.error("%s", problem.advice)
            self._members.remove(member)
        if not self._members:
            self._fail(problem)

    def _fail(self, error: ClusterError) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
