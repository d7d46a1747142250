"""The policy: ordered rules over what the models say, and the one place where a label is lowered.

A label follows from the score and the thresholds. Then rules are asked in order whether it may
stand (`veto`); the first that objects lowers it to INCONCLUSIVE, and its code is stored with the
answer. Nothing here is changed in place, and nothing is raised.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from detector.decision import voice
from detector.decision.context import Context
from detector.decision.material import Stratum, poor, strata
from detector.decision.numbers import label_of, odds_at, sigmoid
from detector.decision.people import Opinion, ScoredSubject
from detector.schema.analysis import (
    Analysis,
    Basis,
    Contribution,
    EmpiricalOdds,
    Label,
    Modality,
    PerturbationResult,
    Question,
    ReasonCode,
    Robustness,
    Side,
    Subject,
    Thresholds,
)

GLIMPSED = 0.25
"""Share of the looked-at moments under which a person's score says nothing of the whole file."""
FEWEST_MOMENTS = 3
"""Moments in a row over the threshold. Of 39 untouched development clips that as a whole stay below
it none has two (by the scores that `python -m lab.bench.quality` keeps)."""
MOST_OF_MOMENTS = 0.5
"""Of a person's moments; over more of them the score of the whole says it."""


@dataclass(frozen=True)
class StretchAbove:
    """A stretch in which a person's score stays over the threshold; times in s."""

    person: str  # id of the subject
    start: float
    end: float
    peak: float
    highest: float  # score at the peak, 0..1
    moments: int  # looked at within it


@dataclass(frozen=True)
class UnmeasuredAlarm:
    """A model that was not measured here and calls a person manipulated."""

    probability: float
    id: str
    subject: Subject


@dataclass(frozen=True)
class Decision:
    """One question decided for the file."""

    context: Context
    label: Label
    opinions: dict[str, Opinion]  # of everybody judged, by the subject's id
    thresholds: Thresholds  # for as many people as were judged
    top: ScoredSubject | None = None  # the most suspicious person; None where nobody was judged
    seen: tuple[str, ...] = ()
    """ids of the people who count: those who are too poorly seen are left out where there are
    others"""
    logit: float | None = None  # log odds of the file: those of the most suspicious person
    contributions: tuple[Contribution, ...] = ()
    odds: EmpiricalOdds | None = None
    vetoed_by: ReasonCode | None = None
    flipped: tuple[PerturbationResult, ...] = ()
    part: StretchAbove | None = None
    unlike: tuple[Stratum, ...] = ()
    """in what the leading person's material is unlike that of the calibration"""
    withheld: ReasonCode | None = None
    """why the picture or sound of the leading person is too poor or too brief to clear them"""
    alarm: UnmeasuredAlarm | None = None
    """the highest one of the models that were not measured here"""

    @property
    def evaluated(self) -> bool:
        """Return whether any model of this question was counted."""
        return bool(self.context.counted)


# --- one question ---------------------------------------------------------------------------------


def decide_question(
    analysis: Analysis,
    context: Context,
    people: Mapping[str, ScoredSubject],
    robustness: Robustness | None,
) -> Decision:
    """Answer one question for the file; `people` by subject id, `robustness` by today's
    thresholds."""
    opinions = {
        id: judged.opinions[context.question]
        for id, judged in people.items()
        if context.question in judged.opinions
    }
    if analysis.partial or not opinions:
        return Decision(context, Label.NOT_APPLICABLE, opinions, context.thresholds)
    seen = tuple(id for id, o in opinions.items() if not o.abstains) or tuple(opinions)
    limits = _limits(context, len(seen), people)
    opinions = {
        id: replace(o, label=label_of(sigmoid(o.logit), limits)) for id, o in opinions.items()
    }
    top = max(seen, key=lambda id: (opinions[id].logit, id))
    opinion, subject = opinions[top], people[top].subject
    part = None
    if opinion.label.side is not Side.FAKE:
        part = _longest_part([people[id].subject for id in seen], context.question, limits)
    unlike = strata(analysis, subject)
    glimpsed = _glimpsed(analysis, subject, context.question)
    draft = Decision(
        context,
        opinion.label,
        opinions,
        limits,
        top=people[top],
        seen=seen,
        logit=opinion.logit,
        contributions=opinion.contributions,
        # The clips that odds were counted on were alike all along, and none of them so poor.
        odds=None
        if part or unlike or glimpsed or opinion.abstains
        else _odds(analysis, context, opinion.logit, len(seen)),
        part=part,
        unlike=unlike,
        withheld=_withheld(analysis, subject, bool(unlike) or glimpsed),
        alarm=_alarm([people[id].subject for id in seen if not opinions[id].abstains], context),
        flipped=_flipped(robustness, context.question),
    )
    return apply_veto(draft, people)


def _limits(context: Context, seen: int, people: Mapping[str, ScoredSubject]) -> Thresholds:
    """Return the thresholds for so many subjects. Beside a face that counts the whole picture is
    called fake only where that is sure: each further question is a further chance to accuse a
    genuine file, which the limits of the faces have used up."""
    limits = context.of_people(seen)
    faces = (o for j in people.values() if j.subject.modality is Modality.FACE
             for o in j.opinions.values())  # fmt: skip
    if context.question.subject is not Modality.PICTURE or all(o.abstains for o in faces):
        return limits
    bands = [band for band in limits.bands if band.label is not Label.PROBABLY_FAKE]
    return limits.model_copy(update={"probably_high": None, "bands": bands})


def _withheld(analysis: Analysis, subject: Subject, unlike: bool) -> ReasonCode | None:
    """Return why material is too poor, or `unlike` what was measured, to clear a file by it."""
    heard = voice.heard_of(analysis, subject.id) if subject.modality.of_sound else None
    if (clipped := voice.withholds_real(heard)) is not None:
        return clipped
    return ReasonCode.TOO_POOR_TO_CLEAR if unlike or poor(analysis, subject) else None


def _odds(analysis: Analysis, context: Context, total: float, people: int) -> EmpiricalOdds | None:
    """Return what such a score meant in our tests, where just these models were measured on files
    of this kind. Among several people a score means as much as a lower one of one person."""
    measured = context.basis in (Basis.MEASURED, Basis.OWN, Basis.CUSTOM)
    measured = measured and context.all_calibrated and context.as_fitted
    if not measured or analysis.media.still:
        return None
    shift = context.ensemble.people_correction * math.log(people)
    return odds_at(context.ensemble.odds, total - shift, holds=total)


def _glimpsed(analysis: Analysis, subject: Subject, question: Question) -> bool:
    """Return whether a person was scored in too few of the moments to stand for the file."""
    scored = sum(question in frame.answers for frame in subject.frames)
    return bool(subject.frames) and scored < GLIMPSED * len(analysis.timestamps)


def _alarm(subjects: Sequence[Subject], context: Context) -> UnmeasuredAlarm | None:
    """Return the highest score of an unmeasured model that calls one of the subjects fake."""
    alarms = [
        UnmeasuredAlarm(score.probability, id, subject)
        for subject in subjects
        for id, score in subject.models.items()
        if id in context.witnesses and score.label.side is Side.FAKE
    ]
    return max(alarms, key=lambda a: (a.probability, a.id, a.subject.id), default=None)


def _flipped(robustness: Robustness | None, of: Question) -> tuple[PerturbationResult, ...]:
    """Return the trials whose answer goes the other way than that of the unchanged file."""
    if robustness is None or robustness.question is not of:
        return ()
    side = robustness.unchanged.label.side
    other = {t.label.side for t in robustness.flipped} - {None}
    return tuple(t for t in robustness.flipped if side and t.label.side in other)


def veto(d: Decision) -> ReasonCode | None:
    """Return why a label may not stand: the first of these rules that objects."""
    if d.top and (abstains := d.opinions[d.top.subject.id].abstains):
        return abstains
    if len(d.context.counted) < d.context.min_models:
        return ReasonCode.TOO_FEW_MODELS
    theirs = d.context.basis in (Basis.OWN, Basis.CUSTOM)
    if not theirs and any(stratum.misleads for stratum in d.unlike):
        return ReasonCode.UNLIKE_MEASURED
    if d.label.side is Side.REAL:
        if (other := _uncleared(d)) is not None:
            return d.opinions[other].abstains
        if d.part:
            return ReasonCode.PART_ABOVE
        if d.alarm:
            return ReasonCode.UNMEASURED_ABOVE
        if d.withheld:
            return d.withheld
    return ReasonCode.FRAGILE if d.flipped else None


def apply_veto(draft: Decision, people: Mapping[str, ScoredSubject]) -> Decision:
    """Lower the label where a rule objects: the one place where that happens for a question."""
    code = veto(draft)
    if code is None:
        return draft
    other = _uncleared(draft) if draft.label.side is Side.REAL else None
    top = people[other] if other is not None else draft.top  # the person to look at
    return replace(draft, label=Label.INCONCLUSIVE, vetoed_by=code, top=top)


def _uncleared(d: Decision) -> str | None:
    """Return the most suspicious of those who are too poorly seen to count and not below the
    limits, if there is one: a file is cleared only where everybody in it is."""
    above = {id: o.logit for id, o in d.opinions.items() if o.label.side is not Side.REAL}
    return max(above, key=lambda id: (above[id], id), default=None)


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

    The surest answer towards fake leads. Without one, faces go before the whole picture and that
    before voices; of questions about the same the most suspicious leads. What is undecided beside
    it is open: a fake of one kind is none of another. An answer towards real takes every question
    about the same that was asked of measured models, the least certain of them; others can't give
    it. A question about something else takes it away only where that is likelier fake than not.
    """
    evaluated = {q: d for q, d in decisions.items() if d.evaluated}
    judged = {q: d for q, d in evaluated.items() if d.logit is not None}
    if not judged:
        return FileVerdict(None, Label.NOT_APPLICABLE)
    fakes = [q for q, d in judged.items() if d.label.side is Side.FAKE]
    first = min(map(_place, judged.values()))
    in_front = fakes or [q for q, d in judged.items() if _place(d) == first]

    def precedence(question: Question) -> tuple[bool, int, float]:
        d = judged[question]
        certain = d.label.suspicion if fakes else 0
        return d.context.measured, certain, d.logit or 0.0

    leading = max(in_front, key=precedence)
    lead = judged[leading]
    others = [q for q in evaluated if q is not leading]
    undecided = tuple(q for q in others if evaluated[q].label.side is None)
    if lead.label.side is not Side.REAL:
        return FileVerdict(leading, lead.label, undecided)
    if any(keeps_open(evaluated[q], lead) for q in others):
        return FileVerdict(leading, Label.INCONCLUSIVE, undecided, ReasonCode.OTHER_QUESTION_OPEN)
    beside = [evaluated[q] for q in others if _place(evaluated[q]) == _place(lead)]
    agreeing = [d.label for d in beside if d.label.side is Side.REAL]
    label = max([lead.label, *agreeing], key=lambda one: one.suspicion)
    return FileVerdict(leading, label, undecided)


def keeps_open(other: Decision, lead: Decision) -> bool:
    """Return whether another question withholds an answer towards real from the whole file."""
    if not other.evaluated or other.context.basis is Basis.PUBLISHED:
        return False
    if _place(other) == _place(lead):
        return other.label.side is not Side.REAL
    return (other.logit or 0.0) > 0.0


def _place(d: Decision) -> int:
    """Return the place, in the order of `Modality`, of what a question was answered about."""
    about = d.top.subject.modality if d.top else d.context.question.subject
    return list(Modality).index(about)


def order(subjects: list[Subject], leading: str | None) -> list[Subject]:
    """Sort people, the one in front first, then the most suspicious."""

    def key(subject: Subject) -> tuple[bool, int, float, str]:
        probability = -1.0 if subject.probability is None else subject.probability
        return subject.id != leading, -subject.label.suspicion, -probability, subject.id

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


def _longest_part(
    subjects: Sequence[Subject], asked: Question, limits: Thresholds
) -> StretchAbove | None:
    """Return the longest part of anybody's face that stands out, if one does."""
    if not asked.spec.stretches:
        return None
    found = [part for subject in subjects for part in _parts(subject, asked, limits.high)]
    return max(found, key=lambda part: part.moments, default=None)


def _parts(subject: Subject, asked: Question, high: float) -> Iterator[StretchAbove]:
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
