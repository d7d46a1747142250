"""How a verdict moves when its file is changed a little. Pure data."""

from pydantic import Field

from detector.schema.base import Probability, StrictModel
from detector.schema.codes import Label, Question


class PerturbationResult(StrictModel):
    """The same part of the file once more, changed in one way
    (`detector.perturbation.corruptions`)."""

    condition: str = Field(description="its name, such as crf-32; none: unchanged")
    title: str
    probability: Probability | None = None
    label: Label
    models: dict[str, Probability] = Field(
        default_factory=dict, description="each counted model on the most suspicious person"
    )
    error: str | None = Field(default=None, description="why there is no score, if there is none")


class Robustness(StrictModel):
    """How the verdict moves when the file is compressed, scaled, blurred, made noisy … once more.

    Every trial, the unchanged one too, looks at the same few moments of the same part, so that
    what moves a score is the condition alone.
    """

    question: Question = Field(description="the one that led when it was tried")
    start: float = Field(default=0.0, description="s; of the part that was tried")
    end: float | None = Field(default=None, description="s; None for a picture")
    sampled: int = Field(
        description="frames that each trial looked at; of a sound, windows of speech"
    )
    unchanged: PerturbationResult
    trials: list[PerturbationResult]
    seconds: float

    @property
    def flipped(self) -> list[PerturbationResult]:
        """Trials with another verdict than the unchanged part."""
        return [t for t in self.trials if t.error is None and t.label != self.unchanged.label]

    def moved(self, trial: PerturbationResult) -> float | None:
        """Return by how much a trial's likelihood differs from the unchanged part's."""
        if trial.probability is None or self.unchanged.probability is None:
            return None
        return trial.probability - self.unchanged.probability

    @property
    def furthest(self) -> PerturbationResult | None:
        """The trial whose likelihood moved most; None where none has one."""
        scored = [t for t in self.trials if self.moved(t) is not None]
        return max(scored, key=lambda t: abs(self.moved(t) or 0.0), default=None)

    @property
    def fragile(self) -> bool:
        """Whether any trial has another verdict."""
        return bool(self.flipped)
