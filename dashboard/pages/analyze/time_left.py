"""How long an analysis has still to go, in words that do not jump."""

import math
from dataclasses import dataclass

from dashboard import labels
from dashboard.i18n import _

MIN_ELAPSED_SECONDS = 3.0
"""before a time left is told: earlier it would only jump."""
MIN_FRACTION = 0.08
"""of the work that must be done before a time left is told, for the same reason."""


@dataclass
class TimeLeft:
    """Time left in words: after a few seconds, in steps of 5 s, never growing without a word."""

    shown: int = 0

    def text(self, elapsed: float, fraction: float) -> str:
        """
        Parameters
        ----------
        elapsed : float
            Seconds since the work began.
        fraction : float
            Of the work that is done, 0..1.
        """
        if elapsed < MIN_ELAPSED_SECONDS or fraction < MIN_FRACTION:
            return ""
        seconds = elapsed * (1 - fraction) / fraction
        new = max(5, 5 * math.ceil(seconds / 5))
        if self.shown and new > self.shown:
            # A little longer than said: keep what was said. Much longer: say so.
            if new <= self.shown + max(5, 0.25 * self.shown):
                new = self.shown
            else:
                self.shown = new
                return _("slower than expected, {time} left").format(time=labels.about(new))
        self.shown = new
        return _("{time} left").format(time=labels.about(new))
