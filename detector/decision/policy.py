"""The policy: ordered rules over what the models say, and the one place where a label is lowered.

A label follows from the score and the thresholds. Then rules are asked in order whether a decided
label may stand (`veto`); the first that objects lowers it to INCONCLUSIVE, and its code is
kept with the answer. Nothing here is changed in place, and nothing is raised.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from detector.decision.context import Context
from detector.decision.material import Stratum, strata
from detector.decision.numbers import label_of, lean_of, logit, odds_at, pooled, sigmoid
from detector.decision.people import Judged, Opinion
from detector.schema.analysis import (
    OF_PICTURE,
    Analysis,
    Basis,
    Contribution,
    EmpiricalOdds,
    Label,
    Lean,
    PerturbationResult,
    Question,
    ReasonCode,
    Robustness,
    Subject,
    Thresholds,
)

DECIDED = (Label.FAKE, Label.REAL)
GLIMPSED = 0.25
"""Share of the looked-at moments under which somebody's score says nothing of the whole file."""
FEWEST_MOMENTS = 3
"""Moments in a row over the threshold. Of 39 untouched development clips that as a whole lean
nowhere, or untouched, none has two (by the scores that `python -m bench.quality` keeps)."""
MOST_OF_MOMENTS = 0.5
"""Of somebody's moments; over more of them the score of the whole says it."""


@dataclass(frozen=True)
class StretchAbove:
    """A stretch in which somebody's score stays over the threshold; times in s."""

    person: str  # id of the subject
    start: float
    end: float
    peak: float
    highest: float  # score at the peak, 0..1
    moments: int  # looked at within it


@dataclass(frozen=True)
class Witness:
    """A model that was not measured here and calls somebody manipulated."""

    probability: float
    id: str
    subject: Subject


@dataclass(frozen=True)
class Decision:
    """One question decided for the file."""

    context: Context
    label: Label
    opinions: dict[str, Opinion]  # of everybody judged, by the subject's id
    top: Judged | None = None  # the most suspicious person; None where nobody was judged
    seen: tuple[str, ...] = ()
    """ids of the people whose scores are in `logit`: those who are too poorly seen are left out
    where there are others"""
    logit: float | None = None  # combined log odds of the file
    contributions: tuple[Contribution, ...] = ()
    odds: EmpiricalOdds | None = None
    lean: Lean | None = None
    vetoed_by: ReasonCode | None = None
    flipped: tuple[PerturbationResult, ...] = ()
    fake_alone: tuple[str, ...] = ()
    """people who alone would be FAKE and among so many are not"""
    part: StretchAbove | None = None
    unlike: tuple[Stratum, ...] = ()
    """in what the leading person's material is unlike that of the calibration"""
    witness: Witness | None = None
    """the surest one of the models that were not measured here"""

    @property
    def evaluated(self) -> bool:
        """Whether any model of this question was counted."""
        return bool(self.context.counted)


RANK = {Label.NOT_APPLICABLE: 0, Label.REAL: 1, Label.INCONCLUSIVE: 2, Label.FAKE: 3}


# --- one question ---------------------------------------------------------------------------------


def decide_question(
    analysis: Analysis,
    context: Context,
    people: Mapping[str, Judged],
    robustness: Robustness | None,
) -> Decision:
    """Answer one question for the file; `people` by subject id, `robustness` by today's
    thresholds."""
    opinions = {
        id: judged.opinions[context.question]
        for id, judged in people.items()
        if context.question in judged.opinions
    }
    none = Decision(context, Label.NOT_APPLICABLE, opinions)
    if analysis.partial or not opinions:
        return none
    seen = tuple(id for id, o in opinions.items() if not o.abstains) or tuple(opinions)
    top = max(seen, key=lambda id: (opinions[id].logit, id))
    total = pooled([opinions[id].logit for id in seen], context.ensemble.multiple_testing_penalty)
    added = opinions[top].contributions
    if len(seen) > 1:
        added = (*added, Contribution(kind="people", logit=total - opinions[top].logit))
    label = label_of(sigmoid(total), context.thresholds)
    measured = context.basis in (Basis.MEASURED, Basis.OWN, Basis.CUSTOM)
    measured = measured and context.all_calibrated and context.as_fitted
    measured = measured and analysis.media.kind != "image"
    odds = odds_at(context.ensemble.odds, total) if measured else None
    fake_alone = [id for id in seen if opinions[id].label is Label.FAKE]
    lean = lean_of(odds, sigmoid(total))
    part = None
    if label is not Label.FAKE and lean is not Lean.MANIPULATED:
        part = _longest_part([people[id].subject for id in seen], context)
    # The clips that odds were counted on were alike all along, and none of them so poor.
    if part is not None:
        odds, lean = None, Lean.NONE
    well_seen = [people[id].subject for id in seen if not opinions[id].abstains]
    if opinions[top].abstains:
        odds, lean = None, Lean.NONE if lean is Lean.UNTOUCHED else lean
    glimpsed = _glimpsed(analysis, people[top].subject, context.question)
    unlike = strata(analysis, people[top].subject)
    still = analysis.media.kind == "image" and lean is Lean.UNTOUCHED  # measured on clips alone
    if glimpsed or unlike or still:
        odds, lean = None, Lean.NONE
    draft = replace(
        none,
        label=label,
        top=people[top],
        seen=seen,
        logit=total,
        contributions=added,
        odds=odds,
        lean=lean,
        fake_alone=() if label is Label.FAKE else tuple(fake_alone),
        part=part,
        unlike=unlike,
        witness=_witness(well_seen, context),
        flipped=_flipped(robustness, context.question),
    )
    lowered = apply_veto(draft, people)
    leans = lowered.witness and lowered.label is Label.INCONCLUSIVE and lean is Lean.NONE
    return replace(lowered, lean=Lean.MANIPULATED) if leans and not glimpsed else lowered


def _glimpsed(analysis: Analysis, subject: Subject, question: Question) -> bool:
    """Return whether somebody was scored in too few of the moments for a lean of the file."""
    scored = sum(question in frame.answers for frame in subject.frames)
    return bool(subject.frames) and scored < GLIMPSED * len(analysis.timestamps)


def _witness(subjects: Sequence[Subject], context: Context) -> Witness | None:
    """Return the surest of the witnesses that call one of the subjects manipulated."""
    said = [
        Witness(score.probability, id, subject)
        for subject in subjects
        for id, score in subject.models.items()
        if id in context.witnesses and score.label is Label.FAKE
    ]
    return max(said, key=lambda w: (w.probability, w.id, w.subject.id), default=None)


def _flipped(robustness: Robustness | None, of: Question) -> tuple[PerturbationResult, ...]:
    """Return the trials of a decided answer that decided otherwise."""
    if robustness is None or robustness.question is not of:
        return ()
    decided = robustness.unchanged.label in DECIDED
    return tuple(t for t in robustness.flipped if decided and t.label in DECIDED)


def veto(d: Decision) -> ReasonCode | None:
    """Return why a decided label may not stand: the first of these rules that objects."""
    if d.top and (abstains := d.opinions[d.top.subject.id].abstains):
        return abstains
    if len(d.context.counted) < d.context.min_models:
        return ReasonCode.TOO_FEW_MODELS
    theirs = d.context.basis in (Basis.OWN, Basis.CUSTOM)
    if not theirs and any(stratum.misleads for stratum in d.unlike):
        return ReasonCode.UNLIKE_MEASURED
    # A file gets "no sign" only where it would be the answer for everybody in it.
    if d.label is Label.REAL and any(o.label is not Label.REAL for o in d.opinions.values()):
        return ReasonCode.SOMEBODY_ABOVE
    if d.label is Label.REAL and d.part:
        return ReasonCode.PART_ABOVE
    if d.label is Label.REAL and d.witness:
        return ReasonCode.UNMEASURED_ABOVE
    return ReasonCode.FRAGILE if d.flipped else None


def apply_veto(draft: Decision, people: Mapping[str, Judged]) -> Decision:
    """Lower the label where a rule objects: the one place where that happens for a question."""
    code = veto(draft)
    if code is None:
        return draft
    top = draft.top
    if code is ReasonCode.SOMEBODY_ABOVE:  # that person is the one to look at
        above = {id: o for id, o in draft.opinions.items() if o.label is not Label.REAL}
        top = people[max(above, key=lambda id: (above[id].logit, id))]
        code = above[top.subject.id].abstains or code
    label = Label.INCONCLUSIVE if draft.label in DECIDED else draft.label
    return replace(draft, label=label, vetoed_by=code, top=top)


# --- the questions beside each other --------------------------------------------------------------


@dataclass(frozen=True)
class FileVerdict:
    """Which question stands in front, and the verdict of the file."""

    leading: Question | None
    label: Label
    open: tuple[Question, ...] = ()  # undecided beside it: reported, no part of the verdict
    vetoed_by: ReasonCode | None = None  # another question withholds "no sign" from the file


def combine_questions(decisions: Mapping[Question, Decision]) -> FileVerdict:
    """Put the questions beside each other.

    FAKE by any question stands, else the most suspicious one is in front, and the other, if it is
    undecided, is open: a fake of one kind is none of another. "No sign" takes every question that
    was asked of measured models; others can't give it. What is seen goes before what is heard, and
    a voice takes "no sign" from the picture only where it leans to cloned.
    """
    evaluated = {q: d for q, d in decisions.items() if d.evaluated}
    judged = {q: d for q, d in evaluated.items() if d.logit is not None}
    if not judged:
        return FileVerdict(None, Label.NOT_APPLICABLE)
    fakes = [q for q, d in judged.items() if d.label is Label.FAKE]
    in_front = fakes or [q for q in judged if q in OF_PICTURE] or list(judged)
    leading = max(in_front, key=lambda q: (judged[q].context.measured, judged[q].logit or 0.0))
    lead = judged[leading]
    others = [q for q in evaluated if q is not leading]
    undecided = tuple(q for q in others if evaluated[q].label not in DECIDED)
    if lead.label is Label.REAL and any(keeps_open(evaluated[q]) for q in others):
        return FileVerdict(leading, Label.INCONCLUSIVE, undecided, ReasonCode.OTHER_QUESTION_OPEN)
    return FileVerdict(leading, lead.label, undecided)


def keeps_open(other: Decision) -> bool:
    """Return whether another question withholds "no sign" from the whole file."""
    if not other.evaluated or other.context.basis is Basis.PUBLISHED:
        return False
    of_picture = other.context.question in OF_PICTURE
    return other.label is not Label.REAL if of_picture else other.lean is Lean.MANIPULATED


def order(subjects: list[Subject], leading: str | None) -> list[Subject]:
    """Sort people, the one in front first, then the most suspicious."""

    def key(subject: Subject) -> tuple[bool, int, float, str]:
        probability = -1.0 if subject.probability is None else subject.probability
        return subject.id != leading, -RANK[subject.label], -probability, subject.id

    return sorted(subjects, key=key)


def relabel(tried: Robustness | None, contexts: Mapping[Question, Context]) -> Robustness | None:
    """Label the trials by the thresholds that decide now, where a person moved them."""
    if tried is None or not contexts[tried.question].thresholds.custom:
        return tried
    limits = contexts[tried.question].thresholds

    def label(trial: PerturbationResult) -> PerturbationResult:
        if trial.probability is None:
            return trial
        return trial.model_copy(update={"label": label_of(trial.probability, limits)})

    trials = [label(trial) for trial in tried.trials]
    return tried.model_copy(update={"unchanged": label(tried.unchanged), "trials": trials})


# --- a part that stands out -----------------------------------------------------------------------


def _longest_part(subjects: Sequence[Subject], context: Context) -> StretchAbove | None:
    """Return the longest part of anybody's face that stands out, if one does."""
    if not context.question.spec.stretches:
        return None
    found = [part for subject in subjects for part in _parts(subject, context)]
    return max(found, key=lambda part: part.moments, default=None)


def _parts(subject: Subject, context: Context) -> Iterator[StretchAbove]:
    asked, high = context.question, context.thresholds.high
    looks = [look for look in subject.looks if asked in look.answers]
    for over, run in groupby(looks, lambda look: look.answers[asked] > high):
        part = list(run)
        if over and FEWEST_MOMENTS <= len(part) <= MOST_OF_MOMENTS * len(looks):
            top = max(part, key=lambda look: look.answers[asked])
            yield StretchAbove(
                person=subject.id,
                start=part[0].start,
                end=part[-1].end,
                peak=top.start,
                highest=top.answers[asked],
                moments=len(part),
            )


# --- near a threshold -----------------------------------------------------------------------------


MARGIN = 0.3
"""of log odds: twice by how much scores on 4 moments differ from those on 12 (deviation 0.13 on 88
people of the development clips, 0.41 at most)"""


def near_threshold(analysis: Analysis) -> set[tuple[str, Question]]:
    """Return ids of subjects with the question whose score is within `MARGIN` of a threshold, or
    stays below it although a single moment is above."""
    return {
        (subject.id, question)
        for subject in analysis.judged
        for question in subject.answers
        if _near(subject, question, analysis.verdict.answers[question].thresholds)
    }


def _near(subject: Subject, question: Question, limits: Thresholds) -> bool:
    score = subject.answers[question].probability
    if score is None:
        return False
    if any(abs(logit(score) - logit(limit)) < MARGIN for limit in (limits.low, limits.high)):
        return True
    above = any(frame.answers.get(question, 0.0) > limits.high for frame in subject.frames)
    return above and score < limits.high
