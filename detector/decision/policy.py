"""Decision policy: the label of each question, ordered veto rules, and their combination.

A label follows from the score and the thresholds. The first rule that objects (`veto`) lowers it to
INCONCLUSIVE, and its code is stored with the answer. All functions are pure.
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
"""Share of the samples below which a person's score does not represent the whole file."""
FEWEST_MOMENTS = 3
"""Consecutive samples above the threshold. Of 39 untouched development clips whose overall score is
below it, none has two (by the scores of `python -m lab.bench.quality`)."""
MOST_OF_MOMENTS = 0.5
"""Share of a person's samples from which on the overall score suffices."""


@dataclass(frozen=True)
class StretchAbove:
    """A stretch in which a person's score stays above the threshold; times in s."""

    person: str  # id of the subject
    start: float
    end: float
    peak: float
    highest: float  # score at the peak, 0..1
    moments: int  # samples within it


@dataclass(frozen=True)
class UnmeasuredAlarm:
    """A score of an unmeasured model that calls a person manipulated."""

    probability: float
    id: str
    subject: Subject


@dataclass(frozen=True)
class Decision:
    """The decision on one question for the file."""

    context: Context
    label: Label
    opinions: dict[str, Opinion]  # of all judged subjects, by id
    thresholds: Thresholds  # for the number of judged people
    top: ScoredSubject | None = None  # the most suspicious subject; None if none was judged
    seen: tuple[str, ...] = ()
    """ids of the subjects that count: those seen too poorly are left out if there are others"""
    logit: float | None = None  # log odds of the file: those of the most suspicious subject
    contributions: tuple[Contribution, ...] = ()
    odds: EmpiricalOdds | None = None
    vetoed_by: ReasonCode | None = None
    flipped: tuple[PerturbationResult, ...] = ()
    part: StretchAbove | None = None
    unlike: tuple[Stratum, ...] = ()
    """rare kinds of material of the leading subject"""
    withheld: ReasonCode | None = None
    """why the leading subject's picture or sound is too poor or too brief to clear it"""
    alarm: UnmeasuredAlarm | None = None
    """the highest one"""

    @property
    def evaluated(self) -> bool:
        """Return True if any model of this question was counted."""
        return bool(self.context.counted)


def decide_question(
    analysis: Analysis,
    context: Context,
    people: Mapping[str, ScoredSubject],
    robustness: Robustness | None,
) -> Decision:
    """Decide one question for the file; `people`: by subject id, `robustness`: relabeled by the
    current thresholds."""
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
        # Odds were counted on clips that were manipulated throughout and of better quality.
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
    """Return the thresholds for so many subjects. Beside a face that counts, the whole picture is
    never PROBABLY_FAKE: a further question is a further chance of a false alarm."""
    limits = context.of_people(seen)
    faces = (o for j in people.values() if j.subject.modality is Modality.FACE
             for o in j.opinions.values())  # fmt: skip
    if context.question.subject is not Modality.PICTURE or all(o.abstains for o in faces):
        return limits
    bands = [band for band in limits.bands if band.label is not Label.PROBABLY_FAKE]
    return limits.model_copy(update={"probably_high": None, "bands": bands})


def _withheld(analysis: Analysis, subject: Subject, unlike: bool) -> ReasonCode | None:
    """Return why the material is too poor, or `unlike` the measured one, to clear a file."""
    heard = voice.heard_of(analysis, subject.id) if subject.modality.of_sound else None
    if (clipped := voice.withholds_real(heard)) is not None:
        return clipped
    return ReasonCode.TOO_POOR_TO_CLEAR if unlike or poor(analysis, subject) else None


def _odds(analysis: Analysis, context: Context, total: float, people: int) -> EmpiricalOdds | None:
    """Return the empirical odds of a score, if exactly these models were measured."""
    measured = context.basis in (Basis.MEASURED, Basis.OWN, Basis.CUSTOM)
    measured = measured and context.all_calibrated and context.as_fitted
    if not measured or analysis.media.still:
        return None
    shift = context.ensemble.people_correction * math.log(people)
    return odds_at(context.ensemble.odds, total - shift, holds=total)


def _glimpsed(analysis: Analysis, subject: Subject, question: Question) -> bool:
    """Return True if a person was scored in too few samples to represent the file."""
    scored = sum(question in frame.answers for frame in subject.frames)
    if scored and not analysis.media.live:  # a model of few moments scores some of these frames
        scored = sum(frame.usable for frame in subject.frames)
    return bool(subject.frames) and scored < GLIMPSED * len(analysis.timestamps)


def _alarm(subjects: Sequence[Subject], context: Context) -> UnmeasuredAlarm | None:
    alarms = [
        UnmeasuredAlarm(score.probability, id, subject)
        for subject in subjects
        for id, score in subject.models.items()
        if id in context.witnesses and score.label.side is Side.FAKE
    ]
    return max(alarms, key=lambda a: (a.probability, a.id, a.subject.id), default=None)


def _flipped(robustness: Robustness | None, of: Question) -> tuple[PerturbationResult, ...]:
    if robustness is None or robustness.question is not of:
        return ()
    side = robustness.unchanged.label.side
    other = {t.label.side for t in robustness.flipped} - {None}
    return tuple(t for t in robustness.flipped if side and t.label.side in other)


def veto(d: Decision) -> ReasonCode | None:
    """Return the code of the first rule that objects to a label, if any."""
    if d.top and (abstains := d.opinions[d.top.subject.id].abstains):
        return abstains
    if len(d.context.counted) < d.context.min_models:
        return ReasonCode.TOO_FEW_MODELS
    own = d.context.basis in (Basis.OWN, Basis.CUSTOM)
    if not own and any(stratum.misleads for stratum in d.unlike):
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
    """Lower the label to INCONCLUSIVE if a rule objects."""
    code = veto(draft)
    if code is None:
        return draft
    other = _uncleared(draft) if draft.label.side is Side.REAL else None
    top = people[other] if other is not None else draft.top  # the person to look at
    return replace(draft, label=Label.INCONCLUSIVE, vetoed_by=code, top=top)


def _uncleared(d: Decision) -> str | None:
    """Return the most suspicious subject that is not cleared, if any, also if seen poorly."""
    above = {id: o.logit for id, o in d.opinions.items() if o.label.side is not Side.REAL}
    return max(above, key=lambda id: (above[id], id), default=None)


@dataclass(frozen=True)
class FileVerdict:
    """The leading question, and the label of the file."""

    leading: Question | None
    label: Label
    open: tuple[Question, ...] = ()  # undecided beside it: reported, not part of the verdict
    vetoed_by: ReasonCode | None = None  # another question withholds "no sign" from the file


def combine_questions(decisions: Mapping[Question, Decision]) -> FileVerdict:
    """Combine the questions.

    The surest answer towards fake leads. Without one, faces go before the whole picture, and that
    before voices; of questions about the same modality the most suspicious leads. Undecided
    questions beside it are open: a fake of one kind is not one of another. An answer towards real
    needs every measured question about the same modality, and has the label of the least certain.
    A question about another modality withholds it only if fake is likelier than real there.
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
    """Return True if another question withholds an answer towards real from the whole file."""
    if not other.evaluated or other.context.basis is Basis.PUBLISHED:
        return False
    if _place(other) == _place(lead):
        return other.label.side is not Side.REAL
    return (other.logit or 0.0) > 0.0


def _place(d: Decision) -> int:
    about = d.top.subject.modality if d.top else d.context.question.subject
    return list(Modality).index(about)


def order(subjects: list[Subject], leading: str | None) -> list[Subject]:
    """Sort subjects, the leading one first, then the most suspicious."""

    def key(subject: Subject) -> tuple[bool, int, float, str]:
        probability = -1.0 if subject.probability is None else subject.probability
        return subject.id != leading, -subject.label.suspicion, -probability, subject.id

    return sorted(subjects, key=key)


def relabel(tried: Robustness | None, contexts: Mapping[Question, Context]) -> Robustness | None:
    """Relabel the trials by custom thresholds, if a person set any."""
    if tried is None or not contexts[tried.question].thresholds.custom:
        return tried
    limits = contexts[tried.question].thresholds

    def label(trial: PerturbationResult) -> PerturbationResult:
        if trial.probability is None:
            return trial
        return trial.model_copy(update={"label": label_of(trial.probability, limits)})

    trials = [label(trial) for trial in tried.trials]
    return tried.model_copy(update={"unchanged": label(tried.unchanged), "trials": trials})


def _longest_part(
    subjects: Sequence[Subject], asked: Question, limits: Thresholds
) -> StretchAbove | None:
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
