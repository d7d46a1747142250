"""What came of holding a suspected copy against its original, with its sentence. Pure data."""

from pydantic import computed_field

from detector.messages import comparison as words
from detector.schema.base import in_english, written_only
from detector.schema.compared import (
    Compared,
    ComparedMoment,
    ComparedPerson,
    ComparisonFinding,
    Edit,
    FaceDifference,
    Generation,
    GenerationHint,
    Grading,
    MovementTrace,
    SharedMovement,
    SharedStretch,
    SpaceAlignment,
    Span,
    TimeAlignment,
)

__all__ = [
    "ComparedMoment",
    "ComparedPerson",
    "Comparison",
    "ComparisonFinding",
    "Edit",
    "FaceDifference",
    "Generation",
    "GenerationHint",
    "Grading",
    "MovementTrace",
    "SharedMovement",
    "SharedStretch",
    "SpaceAlignment",
    "Span",
    "TimeAlignment",
]


class Comparison(Compared):
    """The comparison of a suspected copy with its original."""

    _drop_written = written_only("sentence")

    @computed_field  # type: ignore[prop-decorator]
    @property
    @in_english
    def sentence(self) -> str:
        """Return the finding in one sentence, in English."""
        return words.sentence(self)
