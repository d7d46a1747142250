"""Rounds of scoring: a model that scores few moments of a file first scores some of them, spread
over the file; more follow only where they may change an answer (`detector.pipeline.stopping`)."""

import heapq
import itertools
import threading
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field

from detector.pipeline.scoring import ScoreItem
from detector.schema.analysis import Modality

FIRST = 2  # moments of each subject in the first round; each further round doubles them
LEAST_SCORED = 4
"""moments of a subject that a model scores, if it has as many outside the planned ones"""
SPARE = 1 << 16
"""order of the first moment that is only scored where a subject has fewer than `LEAST_SCORED`"""
MAX_HELD_BYTES = 96 * 1024**2
"""of inputs that wait for a later round; beyond it only the first `LEAST_SCORED` of a subject do"""

GroupKey = tuple[Modality, Hashable, tuple[str, ...]]
"""A subject of a modality, and the models that score its moments."""


def spread(count: int) -> list[int]:
    """Return the positions 0 … count - 1 in an order whose every beginning is spread evenly."""
    chosen = sorted({count // 4, count - 1 - count // 4} & set(range(count)))
    rest = [n for n in range(count) if n not in chosen]
    while rest:
        # Of several as far from all the ones nearest to the ends.
        widest = max(rest, key=lambda n: (min(abs(n - c) for c in chosen), abs(2 * n + 1 - count)))
        chosen.append(widest)
        rest.remove(widest)
    return chosen


def orders(times: Sequence[float], most: int) -> dict[float, int]:
    """Return the times of which a model with `most` moments scores, with the order of each."""
    count = len(times)
    at = range(count) if count <= most else [int((n + 0.5) * count / most) for n in range(most)]
    return {times[at[place]]: order for order, place in enumerate(spread(len(at)))}


@dataclass
class _Group:
    released: int = 0
    waiting: list[tuple[int, int, ScoreItem]] = field(default_factory=list)  # a heap, by order

    def due(self, moments: int) -> bool:
        """Return True if an item has to be released to reach so many moments."""
        if not self.waiting:
            return False
        most = min(moments, LEAST_SCORED) if self.waiting[0][0] >= SPARE else moments
        return self.released < most


class Rounds:
    """Inputs of one run that wait for their round. `submit` passes an item to the scoring stage.
    Thread-safe."""

    def __init__(self, submit: Callable[[ScoreItem], None]) -> None:
        self._submit = submit
        self._groups: dict[GroupKey, _Group] = {}
        self._number = itertools.count()
        self._held = 0
        self._lock = threading.Lock()
        self.number = 1
        """of the round, from 1"""

    @property
    def moments(self) -> int:
        """Return the number of moments of a subject that are scored by the end of this round."""
        return FIRST << (self.number - 1)

    @property
    def most(self) -> int:
        """Return the largest number of moments of a subject so far, scored or waiting."""
        with self._lock:
            return max((g.released + len(g.waiting) for g in self._groups.values()), default=0)

    def submit(self, item: ScoreItem) -> None:
        """Pass on an item of the first round, or one without an order; store any other."""
        if item.order is None:
            return self._submit(item)
        with self._lock:
            group = self._groups.setdefault((item.modality, item.subject, item.models), _Group())
            now = item.order < FIRST
            if now:
                group.released += 1
            elif self._held < MAX_HELD_BYTES or len(group.waiting) < LEAST_SCORED - FIRST:
                heapq.heappush(group.waiting, (item.order, next(self._number), item))
                self._held += item.data.nbytes
        if now:
            self._submit(item)

    def complete(self) -> None:
        """Fill up the round where a subject was not seen at the moments planned for it."""
        for key in list(self._groups):
            self._release(key)

    def waiting(self) -> list[GroupKey]:
        """Return the subjects and models with moments that are not scored yet."""
        with self._lock:
            return [key for key, group in self._groups.items() if group.due(SPARE)]

    def counts(self, key: GroupKey) -> tuple[int, int]:
        """Return how many moments of a group were passed on, and how many there are in all."""
        with self._lock:
            group = self._groups[key]
            more = sum(order < SPARE for order, _number, _item in group.waiting)
            spare = min(len(group.waiting) - more, max(0, LEAST_SCORED - group.released - more))
            return group.released, group.released + more + spare

    def planned(self) -> dict[str, int]:
        """Return by model id the number of moments that were passed on."""
        found: dict[str, int] = {}
        with self._lock:
            for (_modality, _subject, models), group in self._groups.items():
                for id in models:
                    found[id] = found.get(id, 0) + group.released
        return found

    def advance(self, wanted: Sequence[GroupKey]) -> None:
        """Begin the next round with these groups, in their order."""
        self.number += 1
        for key in wanted:
            self._release(key)

    def clear(self) -> None:
        """Forget what waits, and begin with the first round."""
        with self._lock:
            self._groups.clear()
            self._held, self.number = 0, 1

    def drop(self, models: Collection[str]) -> None:
        """Forget what waits for these models alone."""
        with self._lock:
            for key, group in self._groups.items():
                if set(key[2]) <= set(models):
                    self._held -= sum(item.data.nbytes for _o, _n, item in group.waiting)
                    group.waiting.clear()

    def _release(self, key: GroupKey) -> None:
        while True:
            with self._lock:
                group = self._groups[key]
                if not group.due(self.moments):
                    return
                _order, _number, item = heapq.heappop(group.waiting)
                group.released += 1
                self._held -= item.data.nbytes
            self._submit(item)
