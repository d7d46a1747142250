"""Which decisions on the first moments of a file may be shown before the last ones are scored.

An answer towards fake is an accusation: shown early, it must not be taken back. It is held back
until so many moments that at most 1 in 50 ended in another answer
(`python -m lab.evaluation.provisional` prints the table). Other answers are shown after the first
round; they may still change."""

from detector.schema.analysis import Label

LEAST_MOMENTS: dict[Label, int] = {}
"""moments of each subject from which an answer towards fake is shown; without one: never early"""


def is_shown(label: Label, moments: int) -> bool:
    """Return True if a decision on so many moments of each subject may be shown."""
    if label in (Label.FAKE, Label.PROBABLY_FAKE):
        return moments >= LEAST_MOMENTS.get(label, moments + 1)
    return label is not Label.NOT_APPLICABLE
