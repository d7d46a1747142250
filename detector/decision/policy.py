"""Decision policy: from the parts of a file to its label.

1. The parts that count are those of subjects in material that is good enough (`parts`).
2. Their formula gives the likelihood (`detector.decision.likelihood`).
3. Its band under the limits for this kind of file and these models is the label (`limits`).
4. The first of `VETOES` that objects lowers the label to INCONCLUSIVE; its code is stored.

Labels of people and questions follow from the file's and never contradict it. All functions are
pure.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from detector.decision import likelihood, voice
from detector.decision.context import PUBLISHED_LIMITS, PUBLISHED_MARGIN, Context
from detector.decision.likelihood import Part
from detector.decision.material import Stratum, poor, strata
from detector.decision.numbers import label_of, limit_of, logit, odds_at, sigmoid
from detector.decision.people import Opinion, ScoredSubject
from detector.schema.analysis import (
    Analysis,
    Basis,
    Contribution,
    EmpiricalOdds,
    FileKind,
    Label,
    Likelihood,
    Modality,
    ModelResult,
    OddsPoint,
    OwnThreshold,
    PerturbationResult,
    Question,
    ReasonCode,
    Robustness,
    Side,
    Subject,
    Thresholds,
)
from detector.sentences import _

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
    """A score of an unmeasured model that calls a subject fake."""

    probability: float
    id: str
    subject: Subject
    question: Question


@dataclass(frozen=True)
class FileFit:
    """Formula and limits for the parts of one file."""

    kind: FileKind
    weights: Mapping[Question, float]
    formula: Likelihood
    basis: Basis
    thresholds: Thresholds
    odds: Sequence[OddsPoint] = ()  # empty where they were not measured for these models
    asked: frozenset[Question] = frozenset()  # with which the formula of this kind was fitted

    def probability(self, parts: Sequence[Part]) -> float:
        """Return the likelihood that any of the parts is fake."""
        return sigmoid(likelihood.log_odds(parts, self.formula))


@dataclass(frozen=True)
class Decision:
    """The decision on a file."""

    label: Label
    fit: FileFit
    contexts: Mapping[Question, Context]  # of the parts
    people: Mapping[str, ScoredSubject]  # all judged subjects, by id
    parts: tuple[Part, ...]  # that count, the largest first
    logit: float  # log odds of the file
    alone: Mapping[str, float]  # likelihood of each subject as if it were the only one
    looks: Mapping[str, Sequence[float | None]]  # that of each at each of its looks
    top: str  # id of the subject to look at
    strata: tuple[Stratum, ...] = ()  # rare kinds of material of that subject
    withheld: ReasonCode | None = None  # why its material is too poor or too brief to clear it
    part: StretchAbove | None = None
    alarm: UnmeasuredAlarm | None = None  # the highest one
    flipped: tuple[PerturbationResult, ...] = ()
    silent: tuple[Question, ...] = ()  # that belong to the fit, were asked and gave no score
    odds: EmpiricalOdds | None = None
    vetoed_by: ReasonCode | None = None

    @property
    def subject(self) -> Subject:
        """Return the subject to look at."""
        return self.people[self.top].subject

    @property
    def question(self) -> Question:
        """Return the question of the largest part."""
        return self.parts[0].question

    @property
    def counted(self) -> dict[str, ModelResult]:
        """Return the models behind the parts, by id."""
        return {id: m for context in self.contexts.values() for id, m in context.counted.items()}


def decide_file(
    analysis: Analysis, contexts: Mapping[Question, Context], people: Mapping[str, ScoredSubject]
) -> Decision | None:
    """Decide a file by its scored subjects (by id); None where nothing was judged."""
    kind = _kind(analysis, people)
    weights = _weights(analysis, kind)
    own = {id: _parts(id, people, kind, weights, abstaining=True) for id in people}
    counting = {id: _parts(id, people, kind, weights) for id in people}
    parts = [p for some in counting.values() for p in some] or [p for s in own.values() for p in s]
    if not parts:
        return None
    used = {part.question: contexts[part.question] for part in parts}
    fit = _fit(analysis, kind, weights, parts, used)
    total = likelihood.log_odds(parts, fit.formula)
    label = label_of(sigmoid(total), fit.thresholds)
    # A file that is cleared is so by what is seen first.
    heard_last = label.side is Side.REAL
    parts.sort(key=lambda p: (heard_last and p.question.of_sound, -p.logit, p.subject))
    counts = {part.subject for part in parts}
    seen = {p.subject for p in parts if not p.question.of_sound} if heard_last else counts
    top = max(seen or counts, key=lambda id: (likelihood.total(p.logit for p in own[id]), id))
    subject = people[top].subject
    rare, glimpsed = strata(analysis, subject), _glimpsed(analysis, subject)
    draft = Decision(
        label=label,
        fit=fit,
        contexts=used,
        people=people,
        parts=tuple(parts),
        logit=total,
        alone={id: fit.probability(some) for id, some in own.items() if some},
        looks={id: _scored_looks(id, people, fit, own[id]) for id in people},
        top=top,
        strata=rare,
        withheld=_withheld(analysis, subject, bool(rare) or glimpsed),
        alarm=_alarm([people[id].subject for id in counts], contexts),
        silent=tuple(
            q for q, c in contexts.items() if q in fit.asked and q not in used and c.counted
        ),
    )
    if draft.label.side is not Side.FAKE:
        draft = replace(draft, part=_longest_part(draft, counts))
    usual = not (draft.part or rare or glimpsed or seen_poorly(draft))
    draft = replace(draft, odds=odds_at(fit.odds, total) if usual else None)
    return _vetoed(replace(draft, flipped=_flipped(analysis.robustness, draft)))


# --- parts, formula, limits -----------------------------------------------------------------------


def _kind(analysis: Analysis, people: Mapping[str, ScoredSubject]) -> FileKind:
    def scored(*modalities: Modality, well: bool = False) -> bool:
        opinions = [o for judged in people.values() if judged.subject.modality in modalities
                    for o in judged.opinions.values()]  # fmt: skip
        return any(not (well and o.abstains) for o in opinions)

    pictures = scored(Modality.PICTURE, Modality.FULL_FRAME)
    faces = scored(Modality.FACE, well=True) or (not pictures and scored(Modality.FACE))
    return likelihood.kind_of(still=analysis.media.still, faces=faces, pictures=pictures)


def _weights(analysis: Analysis, kind: FileKind) -> dict[Question, float]:
    """Return the weight of each question. Of a clip with a face the whole picture is no part unless
    the fit says otherwise: it raises more false alarms than it finds."""
    stated = analysis.likelihoods[kind].weights if kind in analysis.likelihoods else {}
    silent = {Question.PICTURE} if kind is FileKind.CLIP else set()
    return {q: stated.get(q, 0.0 if q in silent else 1.0) for q in Question}


def _parts(
    id: str,
    people: Mapping[str, ScoredSubject],
    kind: FileKind,
    weights: Mapping[Question, float],
    *,
    abstaining: bool = False,
) -> list[Part]:
    """Return the parts of one subject. Beside a face that counts, the whole picture is evidence
    about it and no subject."""
    judged = people[id]
    faces = kind in (FileKind.CLIP, FileKind.STILL)
    if judged.subject.modality is Modality.PICTURE and faces:
        return []
    known = {q: o.logit for q, o in judged.opinions.items() if abstaining or not o.abstains}
    if judged.subject.modality is not Modality.FACE:
        return likelihood.parts(known, weights, id)
    if not known or not (faces or abstaining):
        return []
    picture = next((p for p in people.values() if p.subject.modality is Modality.PICTURE), None)
    if faces and picture is not None:
        known |= {q: o.logit for q, o in picture.opinions.items()}
    return likelihood.parts(known, weights, id)


def _fit(
    analysis: Analysis,
    kind: FileKind,
    weights: Mapping[Question, float],
    parts: Sequence[Part],
    used: Mapping[Question, Context],
) -> FileFit:
    """Return the formula and the limits of exactly these parts and models."""
    shipped = analysis.likelihoods.get(kind) or Likelihood()
    choice, own = next((c.choice, c.own) for c in used.values())
    asked = shipped.fitted
    whole = {q for q in used if not q.of_sound} == asked
    as_measured = whole and all(c.usual and not c.alone for c in used.values())
    formula = shipped if whole else likelihood.unfitted(parts, shipped.people)
    alone = [c.alone for c in used.values() if c.alone and c.usual]
    if len(used) == 1 and alone and kind in (FileKind.CLIP, FileKind.SOUND):
        shipped = formula = Likelihood(people=alone[0].people, thresholds=alone[0].thresholds)
        as_measured = True
    calibrated = all(c.all_calibrated for c in used.values())
    ours = shipped.thresholds
    low = 0.0
    if ours.can_clear and calibrated:
        low = ours.low if as_measured else min(ours.low, 0.5 - PUBLISHED_MARGIN)
    if (moved := choice.thresholds) is not None:
        update = {} if calibrated else {"low": 0.0, "probably_low": None}
        basis, limits = Basis.CUSTOM, moved.model_copy(update=update)
    elif own is not None:
        basis, limits = Basis.OWN, _own_limits(own, ours, low)
    elif any(c.published for c in used.values()):
        basis, limits = Basis.PUBLISHED, PUBLISHED_LIMITS
        formula = likelihood.unfitted(parts, 1.0)
    elif as_measured:
        basis, limits = Basis.MEASURED, ours
    elif any(c.measured for c in used.values()):
        high = max(ours.high, PUBLISHED_LIMITS.suspect)
        basis, limits = Basis.SUBSET, Thresholds(low=low, high=high)
    else:
        basis, limits = Basis.NONE, Thresholds(low=0, high=1)
    odds = shipped.odds if as_measured else ()
    return FileFit(kind, weights, formula, basis, limits, odds, frozenset(asked))


def _own_limits(own: OwnThreshold, ours: Thresholds, low: float) -> Thresholds:
    """Return the own `high` with the calibrated `low`, unless an uncalibrated model counts."""
    high = limit_of(own.high)
    cleared = ours.probably_low if low else None
    text = _("your own {clips} clips of {recordings} recordings, {day}")
    if own.domain:
        text = _("your own {clips} clips of {recordings} recordings ({domain}), {day}")
    return Thresholds(
        low=min(low, high),
        high=high,
        probably_low=None if cleared is None else min(cleared, high),
        false_positive_rate=own.rate,
        data=text.format(
            clips=own.clips,
            recordings=own.sources,
            domain=own.domain,
            day=f"{own.created:%Y-%m-%d}",
        ),
        own=True,
    )


# --- vetoes ---------------------------------------------------------------------------------------


def seen_poorly(d: Decision) -> ReasonCode | None:
    """Return why the material of the subject in front is too poor for any answer, if so."""
    opinions = d.people[d.top].opinions
    why = [o.abstains for q, o in opinions.items() if q in d.contexts]
    return next(iter(why), None) if all(why) else None


def too_few_models(d: Decision) -> ReasonCode | None:
    """Return a code if a question has fewer counted models than an answer needs, or, towards real,
    one that was asked gave no score."""
    few = any(len(c.counted) < c.min_models for c in d.contexts.values())
    silent = d.silent and d.label.side is Side.REAL
    return ReasonCode.TOO_FEW_MODELS if few or silent else None


def someone_unlike(d: Decision) -> ReasonCode | None:
    """Return a code towards real if nothing like a person or voice was in the tests."""
    unlike = d.people[other].unlike if (other := unlike_subject(d)) else None
    return unlike if d.label.side is Side.REAL else None


def unlike_subject(d: Decision) -> str | None:
    """Return the first person or voice that is unlike all that was tested, if any."""
    people = ((id, p) for id, p in d.people.items() if p.subject.modality is not Modality.PICTURE)
    return next((id for id, judged in people if judged.unlike), None)


def someone_open(d: Decision) -> ReasonCode | None:
    """Return why, towards real, a person alone is not cleared, or is seen poorly and more probably
    fake."""
    if d.label.side is not Side.REAL or (other := _open_subject(d)) is None:
        return None
    return abstains(d.people[other]) or ReasonCode.PERSON_OPEN


def part_above(d: Decision) -> ReasonCode | None:
    """Return a code if, towards real, a stretch of the clip is above the upper limit."""
    return ReasonCode.PART_ABOVE if d.part and d.label.side is Side.REAL else None


def unmeasured_above(d: Decision) -> ReasonCode | None:
    """Return a code if, towards real, a model that was not measured here calls a subject fake."""
    return ReasonCode.UNMEASURED_ABOVE if d.alarm and d.label.side is Side.REAL else None


def too_poor_to_clear(d: Decision) -> ReasonCode | None:
    """Return why, towards real, traces may be lost: material that is poor, rare or brief."""
    return d.withheld if d.label.side is Side.REAL else None


def fragile(d: Decision) -> ReasonCode | None:
    """Return a code if a small change of the file turns its answer around."""
    return ReasonCode.FRAGILE if d.flipped else None


VETOES: tuple[Callable[[Decision], ReasonCode | None], ...] = (
    seen_poorly,
    too_few_models,
    someone_unlike,
    someone_open,
    part_above,
    unmeasured_above,
    too_poor_to_clear,
    fragile,
)
"""In order; each may lower an answer to INCONCLUSIVE, and none raises one."""


def _vetoed(draft: Decision) -> Decision:
    code = next(filter(None, (veto(draft) for veto in VETOES)), None)
    if code is None:
        return draft
    top = draft.top
    if draft.label.side is Side.REAL and code is someone_open(draft):
        top = _open_subject(draft) or top
    return replace(draft, label=Label.INCONCLUSIVE, vetoed_by=code, top=top)


def _open_subject(d: Decision) -> str | None:
    """Return the most suspicious subject that keeps a file from being cleared, if any."""
    counts = {part.subject for part in d.parts}
    above = {
        id: p for id, p in d.alone.items()
        if (label_of(p, d.fit.thresholds).side is not Side.REAL if id in counts else p > 0.5)
    }  # fmt: skip
    return max(above, key=lambda id: (above[id], id), default=None)


def abstains(judged: ScoredSubject) -> ReasonCode | None:
    """Return why no question gets an answer about a subject, if so."""
    why = [opinion.abstains for opinion in judged.opinions.values()]
    return next(iter(why), None) if all(why) else None


def _withheld(analysis: Analysis, subject: Subject, unlike: bool) -> ReasonCode | None:
    """Return why the material is too poor, or `unlike` the measured one, to clear a file."""
    heard = voice.heard_of(analysis, subject.id) if subject.modality.of_sound else None
    if (clipped := voice.withholds_real(heard)) is not None:
        return clipped
    return ReasonCode.TOO_POOR_TO_CLEAR if unlike or poor(analysis, subject) else None


def _glimpsed(analysis: Analysis, subject: Subject) -> bool:
    """Return True if a person was scored in too few samples to represent the file."""
    scored = sum(bool(frame.answers) for frame in subject.frames)
    if scored and not analysis.media.live:  # a model of few moments scores some of these frames
        scored = sum(frame.usable for frame in subject.frames)
    return bool(subject.frames) and scored < GLIMPSED * len(analysis.timestamps)


def _alarm(
    subjects: Sequence[Subject], contexts: Mapping[Question, Context]
) -> UnmeasuredAlarm | None:
    alarms = [
        UnmeasuredAlarm(score.probability, id, subject, question)
        for question, context in contexts.items()
        for subject in subjects
        for id, score in subject.models.items()
        if id in context.witnesses and label_of(score.probability, PUBLISHED_LIMITS).side
    ]
    return max(alarms, key=lambda a: (a.probability, a.id, a.subject.id), default=None)


def _flipped(robustness: Robustness | None, d: Decision) -> tuple[PerturbationResult, ...]:
    if robustness is None or robustness.question.of_sound is not d.question.of_sound:
        return ()
    tried = relabel(robustness, d.fit.thresholds)
    side = tried.unchanged.label.side
    other = {t.label.side for t in tried.flipped} - {None}
    return tuple(t for t in tried.flipped if side and t.label.side in other)


def relabel(tried: Robustness, limits: Thresholds) -> Robustness:
    """Relabel the trials by custom thresholds, if a person set any."""
    if not limits.custom:
        return tried

    def label(trial: PerturbationResult) -> PerturbationResult:
        if trial.probability is None:
            return trial
        return trial.model_copy(update={"label": label_of(trial.probability, limits)})

    trials = [label(trial) for trial in tried.trials]
    return tried.model_copy(update={"unchanged": label(tried.unchanged), "trials": trials})


# --- moments --------------------------------------------------------------------------------------


def _scored_looks(
    id: str, people: Mapping[str, ScoredSubject], fit: FileFit, own: Sequence[Part]
) -> list[float | None]:
    """Return the likelihood of a subject at each of its looks; a question without a score at a
    moment keeps that of the whole clip."""
    judged, kept = people[id], {part.question for part in own}
    known = {q: o.logit for p in people.values() for q, o in p.opinions.items()
             if q in kept and (p is judged or p.subject.modality is Modality.PICTURE)}  # fmt: skip
    out: list[float | None] = []
    for look in judged.subject.looks:
        here = {q: logit(p) for q, p in look.answers.items() if q in kept}
        parts = likelihood.parts(known | here, fit.weights, id) if here else []
        out.append(fit.probability(parts) if parts else None)
    return out


def _longest_part(d: Decision, counts: set[str]) -> StretchAbove | None:
    faces = [d.people[id] for id in sorted(counts)]
    found = [
        part for judged in faces
        if judged.subject.modality in (Modality.FACE, Modality.FULL_FRAME)
        for part in _stretches(judged, d)
    ]  # fmt: skip
    return max(found, key=lambda part: part.moments, default=None)


def _stretches(judged: ScoredSubject, d: Decision) -> Iterator[StretchAbove]:
    every = zip(judged.subject.looks, d.looks[judged.subject.id], strict=True)
    looks = [(look, score) for look, score in every if score is not None]
    for over, run in groupby(looks, lambda pair: pair[1] > d.fit.thresholds.high):
        part = list(run)
        if over and FEWEST_MOMENTS <= len(part) <= MOST_OF_MOMENTS * len(looks):
            top, highest = max(part, key=lambda pair: pair[1])
            yield StretchAbove(
                person=judged.subject.id,
                start=part[0][0].start,
                end=part[-1][0].end,
                peak=top.start,
                highest=highest,
                moments=len(part),
            )


# --- what pulled which way ------------------------------------------------------------------------


def evidence_of(d: Decision, part: Part) -> Opinion:
    """Return the evidence behind a part: about its subject, or about the whole picture."""
    found = d.people[part.subject].opinions.get(part.question)
    pictures = (p.opinions[part.question] for p in d.people.values() if part.question in p.opinions)
    return found or next(pictures)


def contributions(d: Decision) -> list[Contribution]:
    """Return what the models of the largest part add to the log odds, what all other parts add,
    and the starting point."""
    first = d.parts[0]
    group = likelihood.GENERATED if first.question in likelihood.GENERATED else (first.question,)
    lead = [p for p in d.parts if p.subject == first.subject and p.question in group]
    scale, out, subjects = d.fit.formula.scale, list[Contribution](), {p.subject for p in d.parts}
    start = d.fit.formula.offset - d.fit.formula.people * math.log(len(subjects))
    for part in lead:
        for one in evidence_of(d, part).contributions:
            moved = d.fit.weights[part.question] * scale * one.logit
            if one.kind == "model":
                out.append(one.model_copy(update={"logit": moved}))
            else:
                start += moved
    every, own = (likelihood.total(p.logit for p in some) for some in (d.parts, lead))
    if len(lead) < len(d.parts):
        out.append(Contribution(kind="others", logit=scale * (every - own)))
    return [*out, Contribution(kind="start", logit=start)] if start else out


def pulling(d: Decision) -> int:
    """Return the number of models of all parts that agree with the verdict's side."""
    side = 1 if d.logit > 0 else -1
    return len({
        one.id for part in d.parts for one in evidence_of(d, part).contributions
        if one.kind == "model" and one.logit * side > 0
    })  # fmt: skip


# --- labels that follow from the file's -----------------------------------------------------------


def label_of_subject(id: str, d: Decision) -> Label:
    """Return the label of a subject: that of the file for the one in front; of another its own
    band, never surer than the file's and never towards fake in a file that is not."""
    judged, p = d.people[id], d.alone.get(id)
    if p is None:
        return Label.NOT_APPLICABLE
    if abstains(judged):
        return Label.INCONCLUSIVE
    if id == d.top:
        return d.label
    own = label_of(p, d.fit.thresholds)
    if own.side is Side.FAKE:
        return min(own, d.label, key=_suspicion) if d.label.side is Side.FAKE else UNSURE
    return max(own, d.label, key=_suspicion) if d.label.side is Side.REAL else own


UNSURE = Label.INCONCLUSIVE


def _suspicion(label: Label) -> int:
    return label.suspicion


def label_of_question(question: Question, share: float, d: Decision) -> Label:
    """Return the label of a question's part: that of a cleared or open file; of one that is called
    fake where the part leads, or holds much of the evidence, and open elsewhere."""
    if d.label.side is not Side.FAKE or question is d.question or share >= MUCH:
        return d.label
    return UNSURE


MUCH = 1 / 3
"""share of the evidence from which on a part that does not lead has the label of the file"""


def order(subjects: list[Subject], leading: str | None) -> list[Subject]:
    """Sort subjects, the leading one first, then the most suspicious."""

    def key(subject: Subject) -> tuple[bool, int, float, str]:
        probability = -1.0 if subject.probability is None else subject.probability
        return subject.id != leading, -subject.label.suspicion, -probability, subject.id

    return sorted(subjects, key=key)
