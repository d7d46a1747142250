"""Whether the computer's clock was set while the server ran."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

TOLERANCE_SECONDS = 3600.0  # A smaller correction is that of a clock that went wrong


class JumpGuard:
    """Compares the clock of the day with one that only goes on."""

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._steady = wall, steady
        self._last = wall(), steady()

    def jumped(self) -> bool:
        """Return whether the clock was set since the last call; deletion by age then waits."""
        wall, steady = self._wall(), self._steady()
        jump = (wall - self._last[0]) - (steady - self._last[1])
        self._last = wall, steady
        if abs(jump) <= TOLERANCE_SECONDS:
            return False
        log.warning("the clock was set by %+.0f s: nothing is deleted in this round", jump)
        return True
