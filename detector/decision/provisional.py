"""Which decisions on the first moments of a file may be shown before the last ones are scored.

An answer towards fake is an accusation: shown early, it must not be taken back. `FAKE` on two or
four of eight moments ends in another answer more often than 1 time in 50 (altered faces: 16 and
6 %), unless its log odds pass the limit by a margin, and so does `PROBABLY_FAKE` (9 and 4 %):
`python -m lab.bench.moments` prints the table. Other answers are shown after the first round and
may still change."""

from detector.decision.numbers import logit
from detector.schema.analysis import Label, Question, Verdict

MARGIN = 0.75
"""log odds above the limit of `FAKE` from which at most 1 in 50 such answers were taken back"""
MEASURED = (Question.MANIPULATION, Question.SYNTHESIS, Question.PICTURE)
"""questions for which that was measured"""


def is_shown(verdict: Verdict) -> bool:
    """Return True if a verdict on the first moments may be shown."""
    if verdict.label is Label.FAKE:
        if verdict.probability is None or verdict.question not in MEASURED:
            return False
        return logit(verdict.probability) >= logit(verdict.thresholds.high) + MARGIN
    return verdict.label not in (Label.PROBABLY_FAKE, Label.NOT_APPLICABLE)
