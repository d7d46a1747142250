"""Full batches across runs: what several runs wait to have scored goes through a model together.

No request waits for others: a batch is scored at once where its model is free, and what arrives
meanwhile is taken together when its turn comes.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from detector.models.base import Model

LARGEST = 32
"""items that go through a model together: two passes of `Model.BATCH`."""


class DynamicBatcher:
    """Stands between runs and their models; one for all runs that go on at the same time.

    Parameters
    ----------
    max_concurrent_batches : int
        Passes of one model that may go on side by side.
    """

    def __init__(self, max_concurrent_batches: int = 1) -> None:
        self._max_concurrent = max_concurrent_batches
        self._lanes: WeakKeyDictionary[Model, _Lane] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def score(self, model: Model, batch: np.ndarray) -> np.ndarray:
        """Return what `model.score(batch)` does, or raise what it raises."""
        with self._lock:
            lane = self._lanes.get(model)
            if lane is None:
                lane = self._lanes[model] = _Lane(self._max_concurrent)
        return lane.score(model, batch)


@dataclass(eq=False)
class _Request:
    batch: np.ndarray
    logits: Future[np.ndarray] = field(default_factory=Future)


class _Lane:
    """What waits for one model."""

    def __init__(self, max_concurrent_batches: int) -> None:
        self._turn = threading.Semaphore(max_concurrent_batches)
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []

    def score(self, model: Model, batch: np.ndarray) -> np.ndarray:
        request = _Request(batch)
        with self._lock:
            self._waiting.append(request)
        with self._turn:
            while taken := self._take(request):
                _serve(model, taken)
        return request.logits.result()  # another's turn may still have it

    def _take(self, own: _Request) -> list[_Request]:
        """Take the longest waiting of one shape; none once `own` was taken."""
        with self._lock:
            if own not in self._waiting:
                return []
            taken: list[_Request] = []
            for request in list(self._waiting):
                items = sum(len(other.batch) for other in taken) + len(request.batch)
                alike = not taken or request.batch.shape[1:] == taken[0].batch.shape[1:]
                if alike and (not taken or items <= LARGEST):
                    taken.append(request)
                    self._waiting.remove(request)
            return taken


def _serve(model: Model, requests: Sequence[_Request]) -> None:
    """Score requests together; where that fails, each alone: one must not fail for another."""
    try:
        logits = model.score(np.concatenate([request.batch for request in requests]))
    except BaseException as error:
        if len(requests) > 1:
            for request in requests:
                _serve(model, [request])
            return
        requests[0].logits.set_exception(error)
    else:
        ends = np.cumsum([len(request.batch) for request in requests])[:-1]
        for request, own in zip(requests, np.split(logits, ends), strict=True):
            request.logits.set_result(own)
