"""Search and scoring intervals of a live session, planned from the measured cost of its first
frames."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

MEASURED = 50  # runs of each kind of work that are timed: the first seconds of a session
SLACK = 1e-3  # s by which frame times may be rounded
BEST_SCORED = 50 / 3
"""scored frames a second, two of three of 25: neighboring frames score nearly the same"""
SELDOM = 1.5  # multiple of the interval of scored frames from which a model leaves some out
SELDOM_SECONDS = 0.96
"""s between two scores of a model made for few moments of a clip (`ModelSpec.moments`)"""


@dataclass(frozen=True)
class Schedule:
    """Intervals that this computer can keep."""

    search_every: float = 0.0  # least s between two face searches
    score_every: float = 1 / BEST_SCORED  # s between two scored frames
    model_every: Mapping[str, float] = field(default_factory=dict)
    """s between two frames that a frame model scores, by id; 0: each scored frame. Not a number of
    frames: a busy computer scores fewer of them than planned."""


class Cadence:
    """Turns at a fixed interval among frames that come at another one."""

    def __init__(self) -> None:
        self._last = float("-inf")  # s; when the newest turn was due

    def due(self, time: float, every: float) -> bool:
        """Return True if a frame at `time`, s, has a turn at intervals of `every` s."""
        return time - self._last >= every - SLACK

    def take(self, time: float, every: float) -> None:
        """Take the turn. Its delay is carried over, else an interval of 0.06 s would become 0.08 s
        with a camera of 25 frames a second."""
        late = time - self._last - every
        self._last = time - (late if 0 < late < every else 0)


class Rates:
    """Cost measurements of one session. Lock-free: each kind of work has one writer.

    `seldom`: by frame model id, whether it scores once a second at most.
    """

    def __init__(self, seldom: Mapping[str, bool], best: float = BEST_SCORED) -> None:
        self._seldom, self.best = seldom, best
        self._taken: dict[str, list[float]] = {}

    def add(self, kind: str, seconds: float) -> None:
        """Record the cost of an early run, s: "search", "judge" (a frame's crops and verdict) or a
        model's id (one face)."""
        taken = self._taken.setdefault(kind, [])
        if len(taken) < MEASURED:
            taken.append(seconds)

    def _cost(self, kind: str) -> float:
        return min(self._taken.get(kind, ()), default=0.0)  # the least disturbed by other programs

    def plan(self, faces: int, share: float) -> Schedule:
        """Return intervals that fit into `share` s of work a second, with `faces` in a frame. The
        search takes at most half; the rest is shared out in equal parts, of which work that needs
        less leaves the others what it does not need."""
        search = self._cost("search")
        search_every = 0.0 if math.isinf(share) else max(1 / self.best, 2 * search / share)
        left = share - (search / search_every if search_every else 0.0)
        costs = {id: faces * self._cost(id) for id in self._seldom} | {"judge": self._cost("judge")}
        wanted = {id: SELDOM_SECONDS if self._seldom.get(id) else 1 / self.best for id in costs}
        every: dict[str, float] = {}
        for id in sorted(costs, key=lambda id: costs[id] / wanted[id]):
            every[id] = max(wanted[id], costs[id] * (len(costs) - len(every)) / left)
            left -= costs[id] / every[id]
        score_every = max(every.pop("judge"), min(every.values(), default=0.0))
        return Schedule(
            search_every=search_every,
            score_every=score_every,
            model_every={id: s if s > SELDOM * score_every else 0.0 for id, s in every.items()},
        )
