"""Search and scoring intervals of a live session, planned from the measured cost of its first
frames."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

MEASURED = 50  # runs of each kind of work that are timed: the first seconds of a session
USUAL_RATE = 25.0  # frames a second of a camera
BEST_SCORED = 50 / 3
"""scored frames a second, two of three of 25: neighboring frames score nearly the same"""
SELDOM_SECONDS = 0.96
"""s between two scores of a model made for few moments of a clip (`ModelSpec.moments`)"""


@dataclass(frozen=True)
class Schedule:
    """Intervals that this computer can keep."""

    search_every: float = 0.0  # least s between two face searches
    score_every: float = 1 / BEST_SCORED  # s between two scored frames
    model_every: Mapping[str, int] = field(default_factory=dict)
    """A frame model scores every n-th scored frame."""


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
        search takes at most half; the rest is shared out, cheapest work first, in equal parts."""
        search = self._cost("search")
        left = share - min(share / 2, search * USUAL_RATE)
        costs = {id: faces * self._cost(id) for id in self._seldom} | {"judge": self._cost("judge")}
        every: dict[str, float] = {}
        for id, cost in sorted(costs.items(), key=lambda pair: pair[1]):
            wanted = SELDOM_SECONDS if self._seldom.get(id) else 1 / self.best
            every[id] = max(wanted, cost * (len(costs) - len(every)) / left)
            left -= cost / every[id]
        score_every = max(every.pop("judge"), min(every.values(), default=0.0))
        return Schedule(
            search_every=0.0 if math.isinf(share) else 2 * search / share,
            score_every=score_every,
            model_every={id: max(1, round(s / score_every)) for id, s in every.items()},
        )
