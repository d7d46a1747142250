"""Verdict of a file: answers, thresholds, odds, contributions, robustness.

Pure data, part of the tree of `detector.schema.analysis`. Codes with parameters;
`detector.messages` makes sentences of them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, computed_field

from detector.schema.base import Param, Probability, Sentence, StrictModel, written_only
from detector.schema.codes import Basis, CaveatCode, FileKind, Label, Modality, Question, ReasonCode


class Tally(StrictModel):
    """A count of so many of so many files: clips, pictures or recordings."""

    count: int = Field(ge=0)
    files: int = Field(ge=1)


class BandRate(StrictModel):
    """How often one answer is right on sources left out, if as many files are fake as genuine and
    each source counts alike."""

    label: Label
    right: Probability
    low: Probability = Field(description="lower 90 % bound of `right`, by resampling sources")
    share: Probability = Field(description="of the files that it is right about: how many get it")
    wrong: Tally = Field(description="of the files it is wrong about: how many get it")


class Thresholds(StrictModel):
    """Five bands of the likelihood: above `high` FAKE, above `probably_high` PROBABLY_FAKE, below
    `low` REAL, below `probably_low` PROBABLY_REAL, between INCONCLUSIVE. A band whose promise no
    limit keeps is left out: `high` 1, `low` 0, `probably_…` None."""

    low: Probability
    high: Probability
    probably_low: Probability | None = Field(default=None, description="never under `low`")
    probably_high: Probability | None = Field(default=None, description="never over `high`")
    bands: list[BandRate] = Field(
        default_factory=list, description="how often each answer was right, where it was measured"
    )
    false_positive_rate: float | None = Field(
        default=None, description="share of untouched calibration clips above `high`"
    )
    false_negative_rate: float | None = Field(
        default=None, description="share of manipulated calibration clips below `low`"
    )
    false_positives: Tally | None = Field(
        default=None, description="the count behind `false_positive_rate`, where it is known"
    )
    false_negatives: Tally | None = Field(
        default=None, description="the count behind `false_negative_rate`, where it is known"
    )
    data: Sentence = Field(default="", description="what they were chosen on, in words")
    custom: bool = Field(default=False, description="moved by the person for this one result")
    own: bool = Field(default=False, description="`high` is from the person's own untouched clips")

    @property
    def can_clear(self) -> bool:
        """Return whether any score is REAL or PROBABLY_REAL: a lower limit keeps its promise."""
        return self.unsuspicious > 0

    @property
    def never_decide(self) -> bool:
        """Return whether every score is inconclusive."""
        return not self.can_clear and self.suspect >= 1

    @property
    def suspect(self) -> float:
        """Return the likelihood over which an answer is FAKE or PROBABLY_FAKE."""
        return self.high if self.probably_high is None else self.probably_high

    @property
    def unsuspicious(self) -> float:
        """Return the likelihood under which an answer is REAL or PROBABLY_REAL."""
        return self.low if self.probably_low is None else self.probably_low

    @property
    def zones(self) -> list[tuple[Label, float, float]]:
        """Return the bands from 0 to 1 with their limits, without empty ones."""
        edges = [
            0.0,
            self.low,
            max(self.low, self.unsuspicious),
            min(self.suspect, self.high),
            self.high,
            1.0,
        ]
        order = (
            Label.REAL, Label.PROBABLY_REAL, Label.INCONCLUSIVE, Label.PROBABLY_FAKE, Label.FAKE,
        )  # fmt: skip
        parts = zip(order, edges, edges[1:], strict=False)
        return [(label, start, end) for label, start, end in parts if end > start]

    @property
    def edges(self) -> list[float]:
        """Return the limits between the bands, ascending."""
        return [start for _, start, _ in self.zones if start > 0]

    def rate(self, label: Label) -> BandRate | None:
        """Return how often an answer was right; None where it was not measured."""
        return next((band for band in self.bands if band.label is label), None)


class ConfidenceInterval(StrictModel):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class OddsPoint(StrictModel):
    """What a score meant among the calibration's clips, each scored by what other sources fit."""

    logit: float
    share: Probability = Field(description="manipulated, if as many are manipulated as untouched")
    low: Probability = Field(description="95 % interval, by resampling groups of sources")
    high: Probability
    clips: int = Field(description="near this score")


class EmpiricalOdds(StrictModel):
    """Of clips with a score like this, how many were manipulated in our tests."""

    share: Probability
    low: Probability
    high: Probability
    clips: int

    @property
    def likelihood_ratio(self) -> float:
        """Return how many times likelier such a score is of a fake than of a genuine file: the
        odds, since as many clips count as fake as genuine. Never beyond what 1,000 clips show."""
        share = min(max(self.share, 1e-3), 1 - 1e-3)
        return share / (1 - share)


Support = Literal["none", "weak", "moderate", "moderately_strong", "strong", "very_strong"]
SUPPORT: tuple[tuple[float, Support], ...] = (
    (2.0, "none"), (10.0, "weak"), (100.0, "moderate"), (1_000.0, "moderately_strong"),
    (10_000.0, "strong"),
)  # fmt: skip
"""Likelihood ratios under which support is called so, for either side: ENFSI Guideline for
Evaluative Reporting in Forensic Science, 2015."""


def support_of(ratio: float) -> Support:
    """Return how strongly a likelihood ratio supports its side."""
    size = max(ratio, 1 / ratio)
    return next((name for limit, name in SUPPORT if size < limit), "very_strong")


class CodedMessage(StrictModel):
    """A code with its parameters; `detector.messages` has its sentence."""

    code: str
    params: dict[str, Param] = Field(default_factory=dict)


class Reason(CodedMessage):
    """One line under the verdict, with the moment to look at."""

    code: ReasonCode
    time: float | None = None
    subject: str | None = None
    model: str | None = None


class Caveat(CodedMessage):
    """One thing that a verdict can't tell."""

    code: CaveatCode


class Evidence(StrictModel):
    """How good the material is: face size, sharpness, compression, frames, how much of what
    surrounds the face is in the picture; of a voice how much speech there is, up to which
    frequency, over how much noise, and where it is overloaded how much of it."""

    code: Literal[
        "face_size",
        "sharpness",
        "compression",
        "frames",
        "surroundings",
        "speech",
        "band",
        "noise",
        "clipping",
    ]
    rating: Literal["good", "fair", "poor"]
    params: dict[str, Param] = Field(default_factory=dict)


class Contribution(StrictModel):
    """What one part adds to the log odds of the likelihood, which they sum to.

    kind
        "model": `id` is the model's; its weight times its calibrated logit.
        "others": what other questions and people add.
        "start": the starting point that the fits gave, less what several people take off.
    """

    kind: Literal["model", "others", "start"]
    id: str = ""
    logit: float
    time: float | None = Field(default=None, description="that model's strongest moment, s")


class Answer(StrictModel):
    """One question's part in the likelihood of the file. Its label follows from that of the file,
    which it never contradicts."""

    label: Label
    share: Probability | None = Field(
        default=None,
        description="of the odds of all parts together; None: no part of the likelihood",
    )
    probability: Probability | None = Field(
        default=None, description="of the question alone, about the most suspicious subject"
    )
    evaluated: bool = Field(
        default=True, description="False: no model of this question was counted"
    )
    reason: ReasonCode | None = Field(
        default=None, description="why it is no part of the likelihood although it has a score"
    )
    subject: str | None = Field(default=None, description="id of the most suspicious one")
    subject_count: int = Field(default=0, description="who were judged for it")
    auc: ConfidenceInterval | None = Field(
        default=None, description="per clip, of just these models on sources left out"
    )
    counted: int = Field(default=0, description="models that were counted")

    @property
    def counts(self) -> bool:
        """Return whether it is part of the likelihood."""
        return self.share is not None


class Verdict(StrictModel):
    """Verdict of the file: one likelihood that anything in it was altered or generated.

    `question` and `subject` are those of the part with the largest share in it.
    """

    label: Label
    probability: Probability | None = Field(
        default=None, description="likelihood: the one number of the file"
    )
    kind: FileKind | None = Field(default=None, description="whose fit and limits apply")
    thresholds: Thresholds
    basis: Basis = Basis.MEASURED
    question: Question | None = None
    subject: str | None = None
    answers: dict[Question, Answer] = Field(default_factory=dict)
    vetoed_by: ReasonCode | None = Field(
        default=None, description="what made it INCONCLUSIVE although the likelihood is decided"
    )
    reasons: list[Reason] = Field(default_factory=list)
    caveats: list[Caveat] = Field(default_factory=list, description="what this can't tell")
    contributions: list[Contribution] = Field(
        default_factory=list,
        description="what pulled which way; sums to the log odds of `probability`",
    )
    odds: EmpiricalOdds | None = Field(
        default=None,
        description="None: not measured for these models, too few such files, or the material is "
        "poorer than theirs",
    )
    auc: ConfidenceInterval | None = Field(
        default=None, description="per file, of just these models on sources left out"
    )
    agreeing_models: int = Field(
        default=0, description="counted models that pull to the answer's side; use contributions"
    )
    counted: int = Field(default=0, description="models that were counted")

    _drop_written = written_only("interval", "likelihood_ratio", "support")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def interval(self) -> tuple[Probability, Probability] | None:
        """Return the 95 % interval of `probability` by files with such a score; None without
        odds."""
        if self.odds is None or self.probability is None:
            return None
        return self.odds.low, self.odds.high

    @computed_field  # type: ignore[prop-decorator]
    @property
    def likelihood_ratio(self) -> float | None:
        """Return how many times more probable such a score is of a fake than of a genuine file, by
        the odds of our tests; None without odds."""
        return self.odds.likelihood_ratio if self.odds else None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def support(self) -> Support | None:
        """Return the likelihood ratio on the verbal scale of forensic institutes."""
        return support_of(self.likelihood_ratio) if self.likelihood_ratio else None

    @property
    def strongest(self) -> Contribution | None:
        """Return what the model adds that pulls most towards the finding, if any does."""
        pulling = [part for part in self.contributions if part.kind == "model" and part.logit > 0]
        return max(pulling, key=lambda part: part.logit, default=None)

    @property
    def parts(self) -> dict[Question, Answer]:
        """Return the answers that are part of the likelihood, the largest share first."""
        counting = [(q, a) for q, a in self.answers.items() if a.share is not None]
        return dict(sorted(counting, key=lambda pair: -(pair[1].share or 0.0)))

    def part(self, *subjects: Modality) -> Answer | None:
        """Return the answer with the largest share about such subjects; None where no question
        about them is part of the likelihood."""
        return next((a for q, a in self.parts.items() if q.subject in subjects), None)


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
    error: Sentence | None = Field(
        default=None, description="why there is no score, if there is none"
    )


class Robustness(StrictModel):
    """Answers after perturbations of the file: compression, scaling, blur, noise …

    Every trial, the unchanged one too, looks at the same few moments of the same part, so that
    what moves a score is the condition alone.
    """

    question: Question = Field(description="of the largest part when it was tried")
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
        """Trials whose answer goes another way than that of the unchanged part."""
        side = self.unchanged.label.side
        return [t for t in self.trials if t.error is None and t.label.side is not side]

    def moved(self, trial: PerturbationResult) -> float | None:
        """Return by how much a trial's likelihood differs from the unchanged part's."""
        if trial.probability is None or self.unchanged.probability is None:
            return None
        return trial.probability - self.unchanged.probability

    @property
    def furthest(self) -> PerturbationResult | None:
        """Return the trial whose likelihood moved most; None where none has one."""
        scored = [t for t in self.trials if self.moved(t) is not None]
        return max(scored, key=lambda t: abs(self.moved(t) or 0.0), default=None)

    @property
    def fragile(self) -> bool:
        """Return whether any trial has another verdict."""
        return bool(self.flipped)
