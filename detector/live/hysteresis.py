"""Hysteresis of the word: late enough not to flicker, soon enough to warn.

Two rules that pull apart: a word must hold still (it changes only after 3 s beyond a threshold),
and a face that becomes manipulated must be named within 2 s. They are reconciled by asking for more
evidence where there is less time.

1. *The usual way.* The mean of the last `WINDOW` seconds has been beyond a threshold for `HOLD`
   seconds at every scored frame. To leave a word it must be beyond by `SLACK`.
2. *The early way, towards suspicion only, and only where something has changed.* The last `FRESH`
   seconds **by themselves**, judged exactly as a clip of that length would be, are over the upper
   threshold at every scored frame for `EARLY` seconds, with at least `EARLY_FRAMES` of them, and
   stand `JUMP` above what the mean was before: "likely manipulated". In the same way "no sign" is
   taken back to "inconclusive" when they are between the thresholds. What came before is then
   forgotten: it was of another state, and would hold the mean down for seconds. A swap shows in
   about half of `FRESH` plus `EARLY`, 1.2 s, and the time it takes to score. A score that hovers
   about a threshold has not changed, and goes the usual way.

Nothing leaves "likely manipulated" early. Once raised it stays for 3 s at least, and one good
second never clears a face.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from detector.decision import label_of
from detector.decision.numbers import logit
from detector.schema.analysis import Label, Thresholds

HOLD = 3.0
"""s beyond a threshold before the word changes."""
FRESH = 1.0
"""s that are judged alone for the early way."""
EARLY = 0.7
"""s for which they must all say so."""
EARLY_FRAMES = 6
"""scored frames in them, at least: twice what a verdict on a clip needs."""
JUMP = 1.0
"""of the log odds, above the mean before: e times as likely."""
SLACK = 0.03
"""of the likelihood, beyond the threshold that a word is left over."""


@dataclass(frozen=True)
class WindowVerdict:
    """What a stretch of time says, by `detector.decision.decide`.

    Attributes
    ----------
    label : Label
        INCONCLUSIVE also where the material is too poor, whatever the probability.
    probability : float
    thresholds : Thresholds
    frames : int
        Scored, in the stretch.
    """

    label: Label
    probability: float
    thresholds: Thresholds
    frames: int

    @property
    def abstained(self) -> bool:
        """The label is not what the probability alone would say."""
        return self.label is not label_of(self.probability, self.thresholds)


class LabelHysteresis:
    """The word on one face, or on the session. Starts inconclusive."""

    def __init__(self, time: float) -> None:
        self.label = Label.INCONCLUSIVE
        self.since = time
        self._began = time
        self._true_since: dict[str, float] = {}
        self._means: deque[tuple[float, float]] = deque()

    @property
    def new(self) -> bool:
        """It has said nothing but its first "inconclusive"."""
        return self.since == self._began

    def update(self, time: float, slow: WindowVerdict, fresh: WindowVerdict | None) -> bool:
        """Take notice of a scored frame.

        Parameters
        ----------
        time : float
            s, ascending.
        slow : Said
            Of the last `WINDOW` s, or of what there is since the last early change.
        fresh : Said or None
            Of the last `FRESH` s.

        Returns
        -------
        bool
            The word changed the early way: what is older than `FRESH` is to be forgotten.
        """
        before = self._before(time, slow.probability)
        changed: Label | None = None
        if fresh is not None and fresh.frames >= EARLY_FRAMES:
            risen = logit(fresh.probability) - logit(before) >= JUMP
            changed = fresh.label if risen else None
        low, high, p = slow.thresholds.low, slow.thresholds.high, slow.probability
        outside = {
            "fake": slow.label is Label.FAKE,
            "real": slow.label is Label.REAL,
            "not fake": slow.label is not Label.FAKE and (slow.abstained or p < high - SLACK),
            "not real": slow.label is not Label.REAL and (slow.abstained or p > low + SLACK),
            "early": changed is Label.FAKE,
            "doubt": changed is Label.INCONCLUSIVE and self.label is Label.REAL,
        }
        held = {name: self._held(name, holds, time) for name, holds in outside.items()}
        if held["fake"] >= HOLD:
            self._say(Label.FAKE, time)
        elif held["real"] >= HOLD:
            self._say(Label.REAL, time)
        elif (self.label is Label.FAKE and held["not fake"] >= HOLD) or (
            self.label is Label.REAL and held["not real"] >= HOLD
        ):
            self._say(Label.INCONCLUSIVE, time)
        settled = time - self._began >= HOLD  # the first word takes its time in any case
        if self.label is not Label.FAKE and settled and held["early"] >= EARLY:
            self.warn(time)
            return True
        if settled and held["doubt"] >= EARLY:
            # The mean before stays what is compared with: it may rise further.
            self._say(Label.INCONCLUSIVE, time)
            self._true_since.pop("real", None)
            return True
        return False

    def warn(self, time: float) -> None:
        """Say "likely manipulated" now; what came before counts no more."""
        self._say(Label.FAKE, time)
        self._true_since.clear()
        self._means.clear()

    def _before(self, time: float, probability: float) -> float:
        """The mean before the last `FRESH` and `EARLY` seconds; takes note of the newest one."""
        self._means.append((time, probability))
        while len(self._means) > 1 and self._means[1][0] <= time - FRESH - EARLY:
            self._means.popleft()
        return self._means[0][1]

    def _held(self, name: str, holds: bool, time: float) -> float:
        """s for which something has been true; -inf when it isn't."""
        if not holds:
            self._true_since.pop(name, None)
            return -math.inf
        return time - self._true_since.setdefault(name, time)

    def _say(self, label: Label, time: float) -> None:
        if label is not self.label:
            self.label, self.since = label, time
