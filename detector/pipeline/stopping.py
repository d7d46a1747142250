"""When further moments would not change an answer: the rule by which rounds of scoring end.

A subject's log odds are a mean over moments. After `k` of `n` moments, the mean over all differs
from that so far by a standard error of `spread * sqrt(1 / k - 1 / n)`. A subject is settled
once no limit between two answers lies within `REACH` of these errors. The spread is that of the
moments seen, drawn towards the usual one, since few moments may agree by chance. Constants are
fitted on stored scores of moments (`python -m lab.bench.moments --fit TABLE`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detector.decision.numbers import logit
from detector.schema.analysis import Analysis, Question, Subject, Thresholds

REACH = 2.0
"""standard errors within which a limit may still be crossed"""
USUAL_SPREAD, USUAL_WEIGHT = 0.4, 4.0
"""log odds: standard deviation of a subject's moments, and how many moments it counts for"""
VARIES = 2.0
"""spread of the moments, as a multiple of the usual one, from which a file keeps all its moments:
an altered passage in an unaltered file"""
LEAST = 4
"""moments of a subject before a question about few of them may be settled"""
LEAST_HEARD = 8
"""the same of a voice, whose spread over a recording was not measured"""
FEW_SUBJECTS = 3
"""number of the most suspicious subjects that are each scored at `LEAST` moments"""


@dataclass(frozen=True)
class Reading:
    """The log odds of one subject for one question so far."""

    logit: float  # of all moments so far
    moments: tuple[float, ...]  # log odds at each scored moment
    total: int  # moments that can be scored in all
    errors: float = REACH  # standard errors within which a limit may still be crossed
    least: int = LEAST  # moments before it may be settled

    @property
    def spread(self) -> float:
        """Return the standard deviation of the moments, drawn towards the usual one."""
        mean = math.fsum(self.moments) / max(len(self.moments), 1)
        squares = math.fsum((x - mean) ** 2 for x in self.moments)
        degrees = USUAL_WEIGHT + max(len(self.moments) - 1, 0)
        return math.sqrt((USUAL_WEIGHT * USUAL_SPREAD**2 + squares) / degrees)

    @property
    def varies(self) -> bool:
        """Return True if the moments differ more than those of one kind of picture do."""
        return self.spread > VARIES * USUAL_SPREAD

    @property
    def reach(self) -> float:
        """Return by how much the log odds of all moments may differ from those so far."""
        if len(self.moments) >= self.total:
            return 0.0
        if not self.moments:
            return math.inf
        return self.errors * self.spread * math.sqrt(1 / len(self.moments) - 1 / self.total)


def limits(thresholds: Thresholds) -> list[float]:
    """Return the limits between two answers, log odds, ascending."""
    known = (thresholds.low, thresholds.probably_low, thresholds.probably_high, thresholds.high)
    return sorted({logit(limit) for limit in known if limit is not None and 0 < limit < 1})


def unsettled(readings: Mapping[str, Reading], bounds: Sequence[float]) -> list[str]:
    """Return the subjects, the most suspicious first, of which further moments may change the
    answer to one question: the highest log odds of all subjects, and the limits below it."""
    ranked = sorted(readings, key=lambda id: -readings[id].logit)
    few = [id for id in ranked[:FEW_SUBJECTS] if len(readings[id].moments) < readings[id].least]
    most = [readings[id].logit - readings[id].reach for id in ranked]
    surely = max(most, default=-math.inf)
    above = [bound for bound in bounds if bound >= surely]
    doubtful = [
        id
        for id in ranked
        if any(bound <= readings[id].logit + readings[id].reach for bound in above)
        or readings[id].varies
    ]
    wanted = [id for id in ranked if id in few or id in doubtful]
    return [id for id in wanted if len(readings[id].moments) < readings[id].total]


def reading(subject: Subject, models: Sequence[str], total: int) -> Reading | None:
    """Return the reading of a subject of a decided analysis, at the moments that `models` scored;
    `total`: moments that they can score. None without a likelihood."""
    if subject.probability is None:
        return None
    moments = tuple(
        logit(look.score)
        for look in subject.looks
        if look.score is not None and any(id in look.logits for id in models)
    )
    least = LEAST_HEARD if subject.modality.of_sound else LEAST
    return Reading(logit(subject.probability), moments, total, least=least)


def silent(analysis: Analysis, question: Question) -> bool:
    """Return True if a question is no part of the likelihood of such a file."""
    answer = analysis.verdict.answers.get(question)
    return answer is not None and answer.counted > 0 and not answer.evaluated
