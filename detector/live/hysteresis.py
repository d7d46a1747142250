"""Hysteresis of the word: late enough not to flicker, soon enough to warn.

Two rules that pull apart: a word must hold still (it changes only after 3 s beyond a threshold),
and a face that becomes manipulated must be named within 2 s. They are reconciled by asking for more
evidence where there is less time.

1. *The usual way.* The mean of the last `WINDOW` seconds has been beyond a threshold for `HOLD`
   seconds at every scored frame. To leave a word it must be beyond by `SLACK`.
2. *The early way, towards suspicion only, and only where something has changed.* The last
   `SHORT_WINDOW` seconds **by themselves**, judged exactly as a clip of that length would be, are
   over the upper threshold at every scored frame for `EARLY` seconds, with at least `EARLY_FRAMES`
   of them, and stand `JUMP` above what the mean was before: "likely manipulated". In the same way
   "no sign" is taken back to "inconclusive" when they are between the thresholds. What came before
   is then forgotten: it was of another state, and would hold the mean down for seconds. A swap
   shows in about half of `SHORT_WINDOW` plus `EARLY`, 1.2 s, and the time it takes to score. A
   score that hovers about a threshold has not changed, and goes the usual way.

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
SHORT_WINDOW = 1.0
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
    """What a stretch of time says, by `detector.decision.decide`."""

    label: Label
    """INCONCLUSIVE also where the material is too poor, whatever the probability."""
    probability: float
    thresholds: Thresholds
    frames: int
    """Scored, in the stretch."""

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
    def initial(self) -> bool:
        """It has said nothing but its first "inconclusive"."""
        return self.since == self._began

    def update(self, time: float, long: WindowVerdict, short: WindowVerdict | None) -> bool:
        """Take in a scored frame of `time`, s, ascending: the verdict on the last `WINDOW` s (or on
        what there is since the last early change), and on the last `SHORT_WINDOW` s. Return whether
        the word changed the early way: what is older than `SHORT_WINDOW` is to be forgotten."""
        before = self._before(time, long.probability)
        changed: Label | None = None
        if short is not None and short.frames >= EARLY_FRAMES:
            risen = logit(short.probability) - logit(before) >= JUMP
            changed = short.label if risen else None
        low, high, p = long.thresholds.low, long.thresholds.high, long.probability
        outside = {
            "fake": long.label is Label.FAKE,
            "real": long.label is Label.REAL,
            "not fake": long.label is not Label.FAKE and (long.abstained or p < high - SLACK),
            "not real": long.label is not Label.REAL and (long.abstained or p > low + SLACK),
            "early": changed is Label.FAKE,
            "undecided": changed is Label.INCONCLUSIVE and self.label is Label.REAL,
        }
        held = {name: self._held(name, holds, time) for name, holds in outside.items()}
        leaves = {Label.FAKE: "not fake", Label.REAL: "not real"}.get(self.label)
        if held["fake"] >= HOLD:
            self._set_label(Label.FAKE, time)
        elif held["real"] >= HOLD:
            self._set_label(Label.REAL, time)
        elif leaves and held[leaves] >= HOLD:
            self._set_label(Label.INCONCLUSIVE, time)
        settled = time - self._began >= HOLD  # the first word takes its time in any case
        if self.label is not Label.FAKE and settled and held["early"] >= EARLY:
            self.latch_fake(time)
            return True
        if settled and held["undecided"] >= EARLY:
            # The mean before stays what is compared with: it may rise further.
            self._set_label(Label.INCONCLUSIVE, time)
            self._true_since.pop("real", None)
            return True
        return False

    def latch_fake(self, time: float) -> None:
        """Say "likely manipulated" now; what came before counts no more."""
        self._set_label(Label.FAKE, time)
        self._true_since.clear()
        self._means.clear()

    def _before(self, time: float, probability: float) -> float:
        """Note the newest mean; return the one before the last `SHORT_WINDOW` + `EARLY` seconds."""
        self._means.append((time, probability))
        while len(self._means) > 1 and self._means[1][0] <= time - SHORT_WINDOW - EARLY:
            self._means.popleft()
        return self._means[0][1]

    def _held(self, name: str, holds: bool, time: float) -> float:
        """s for which something has been true; -inf when it isn't."""
        if not holds:
            self._true_since.pop(name, None)
            return -math.inf
        return time - self._true_since.setdefault(name, time)

    def _set_label(self, label: Label, time: float) -> None:
        if label is not self.label:
            self.label, self.since = label, time
