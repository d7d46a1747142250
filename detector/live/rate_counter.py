"""How a session keeps up: counts, rates and delays over the last seconds."""

from collections import Counter, deque

import numpy as np

from detector.live.state import LiveRates

MEASURED = 3.0
"""s"""
MAX_TIMES = 256
"""moments kept for each figure: 3 s at 85 a second"""


class RateCounter:
    """Not locked. All times are the engine's clock."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._at: dict[str, deque[float]] = {}
        self._delays: dict[str, deque[tuple[float, float]]] = {}

    def count(self, what: str, now: float) -> None:
        """One frame was pushed, looked at, scored."""
        self.counts[what] += 1
        self._at.setdefault(what, deque(maxlen=MAX_TIMES)).append(now)

    def delay(self, what: str, now: float, seconds: float) -> None:
        """How long one took."""
        self._delays.setdefault(what, deque(maxlen=MAX_TIMES)).append((now, seconds))

    def last(self, what: str) -> float | None:
        """When it last was."""
        at = self._at.get(what)
        return at[-1] if at else None

    def rate(self, what: str, now: float) -> float:
        """So many a second."""
        inside = [t for t in self._at.get(what, ()) if t > now - MEASURED]
        if len(inside) < 2:
            return 0.0
        # From the first to now: a source that stopped slows down, instead of staying as it was.
        return (len(inside) - 1) / max(now - inside[0], 1e-3)

    def rates(self, now: float) -> LiveRates:
        """Return the figures as they are shown."""
        looked, scored = (
            [seconds for t, seconds in self._delays.get(what, ()) if t > now - MEASURED]
            for what in ("looked", "scored")
        )
        return LiveRates(
            pushed=self.counts["pushed"],
            looked=self.counts["looked"],
            scored=self.counts["scored"],
            dropped=self.counts["dropped"],
            fps=self.rate("pushed", now),
            scored_fps=self.rate("scored", now),
            delay=float(np.median(looked)) if looked else None,
            delay_p95=float(np.percentile(looked, 95)) if looked else None,
            score_delay=float(np.median(scored)) if scored else None,
        )
