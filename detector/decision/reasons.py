"""Why an answer is what it is, and what it can't tell: codes with parameters, strongest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detector.decision.context import Context
from detector.decision.material import MIN_DURATION, POOR_WIDTH, WIDE_GAP, widest_gap
from detector.decision.numbers import sigmoid
from detector.decision.policy import DECIDED, Decision, Front
from detector.messages import Param
from detector.schema.analysis import (
    Analysis,
    Basis,
    Caveat,
    CaveatCode,
    Evidence,
    Label,
    Modality,
    ModelResult,
    Question,
    Reason,
    ReasonCode,
    Robustness,
    Subject,
)

MOST = 3
"""reasons"""
RIGHT = 0.95
"""of decided clips that must be decided rightly, originals and fakes weighted alike: the promise
that "no sign" must keep (`training.operating`)"""


def _reason(
    code: ReasonCode,
    *,
    time: float | None = None,
    subject: str | None = None,
    model: str | None = None,
    **params: Param,
) -> Reason:
    return Reason(code=code, params=params, time=time, subject=subject, model=model)


# --- one answer -----------------------------------------------------------------------------------


def reasons(analysis: Analysis, decision: Decision) -> list[Reason]:
    """Name at most three reasons for one question, strongest first, each with a moment."""
    if decision.top is None:
        return []
    top, context = decision.top.subject, decision.context
    by_code = {
        ReasonCode.TOO_FEW_FRAMES: _too_few_frames,
        ReasonCode.LOW_QUALITY: _too_poor,
        ReasonCode.SOMEBODY_ABOVE: _somebody,
    }
    first: list[Reason] = []
    if decision.lowered_by is ReasonCode.TOO_FEW_MODELS:
        first = [
            _reason(
                ReasonCode.TOO_FEW_MODELS,
                counted=len(context.counted),
                needed=context.min_models,
            )
        ]
    elif decision.lowered_by is ReasonCode.FRAGILE:
        trials: list[str] = [t.title for t in decision.turned]
        first = [_reason(ReasonCode.FRAGILE, trials=trials)]
    elif decision.lowered_by in by_code:
        return [by_code[decision.lowered_by](top, context.question)]
    return [*first, *_of_scores(analysis, decision, top)][:MOST]


def _of_scores(analysis: Analysis, decision: Decision, top: Subject) -> list[Reason]:
    context = decision.context
    limits, question = context.thresholds, context.question
    scores = sorted(
        ((top.models[id], model) for id, model in context.counted.items() if id in top.models),
        key=lambda pair: -pair[0].probability,
    )
    peak = _peak(top, question)
    if decision.label is Label.FAKE or (
        decision.lowered_by is ReasonCode.FRAGILE and sigmoid(decision.logit or 0.0) > limits.high
    ):
        above = [
            _above(analysis, top, model, limits.high)
            for score, model in scores
            if score.label is Label.FAKE or len(scores) == 1
        ]
        return above or [_together(decision, top, peak)]
    if decision.several:
        person = max(decision.several, key=lambda id: decision.opinions[id].logit)
        return [
            _reason(
                ReasonCode.SEVERAL_PEOPLE,
                time=peak,
                subject=person,
                person=person,
                people=len(decision.seen),
            )
        ]
    labels = {score.label for score, _ in scores}
    if decision.label is Label.INCONCLUSIVE and {Label.FAKE, Label.REAL} <= labels:
        (high, most), (low, least) = scores[0], scores[-1]
        return [
            _reason(
                ReasonCode.MODELS_DISAGREE,
                time=_peak(top, most.id),
                subject=top.id,
                model=most.id,
                most=_name(most),
                most_score=high.probability,
                least=_name(least),
                least_score=low.probability,
                question=question.value,
                confused_by=most.confused_by,
            )
        ]
    opinion = decision.opinions[top.id]
    if opinion.uncertain and opinion.doubt:
        cause = max(opinion.doubt, key=lambda name: opinion.doubt[name])
        return [_reason(ReasonCode.UNCERTAIN, time=peak, subject=top.id, cause=cause)]
    return [_within(analysis, top, decision)]


def _name(model: ModelResult) -> str:
    return model.plain or model.title


def _above(analysis: Analysis, top: Subject, model: ModelResult, high: float) -> Reason:
    """One model's evidence, with its strongest stretch."""
    time = _peak(top, model.id)
    params: dict[str, Param] = {
        "title": model.title, "finding": model.finding, "confused_by": model.confused_by,
    }  # fmt: skip
    if analysis.media.kind != "image" and time is not None:
        start, end = _stretch(top, model.id, time, high)
        if end > start:
            params |= {"start": start, "end": end}
    return Reason(
        code=ReasonCode.ABOVE_THRESHOLD, params=params, time=time, subject=top.id, model=model.id
    )


def _together(decision: Decision, top: Subject, peak: float | None) -> Reason:
    """No model decides alone: those that pull the same way, most first."""
    pulling = sorted(
        (c for c in decision.contributions if c.kind == "model" and c.logit > 0),
        key=lambda c: -c.logit,
    )
    names = [_name(decision.context.counted[c.id]) for c in pulling]
    return _reason(
        ReasonCode.TOGETHER_ABOVE,
        time=peak,
        subject=top.id,
        leans=names,
        high=decision.context.thresholds.high,
    )


def _within(analysis: Analysis, top: Subject, decision: Decision) -> Reason:
    """Not over the threshold: where the score is, and how high it gets."""
    question = decision.context.question
    under = decision.label is Label.REAL
    code = ReasonCode.BELOW_THRESHOLD if under else ReasonCode.BETWEEN_THRESHOLDS
    curve = _curve(top, question)
    return _reason(
        code,
        time=_peak(top, question),
        subject=top.id,
        kind=analysis.media.kind,
        which=code.value,
        highest=max((s for _, s in curve), default=0.0),
        high=decision.context.thresholds.high,
    )


def _too_few_frames(top: Subject, question: Question) -> Reason:
    scored = sum(1 for f in top.frames if question in f.answers)
    return _reason(
        ReasonCode.TOO_FEW_FRAMES,
        subject=top.id,
        scored=scored,
        whole=top.modality is Modality.FULL_FRAME,
    )


def _too_poor(top: Subject, question: Question) -> Reason:
    widths = sorted(f.quality.width for f in top.frames)
    width = round(widths[len(widths) // 2])
    return _reason(ReasonCode.LOW_QUALITY, subject=top.id, width=width, least=POOR_WIDTH)


def _somebody(top: Subject, question: Question) -> Reason:
    return _reason(
        ReasonCode.SOMEBODY_ABOVE, time=_peak(top, question), subject=top.id, person=top.id
    )


def _curve(subject: Subject, of: str | Question) -> list[tuple[float, float]]:
    """(time, score) of one model, or of a question's models together, where there is a score."""
    points = [
        (f.time, f.answers.get(of) if isinstance(of, Question) else f.scores.get(of))
        for f in subject.frames
    ]
    return [(t, s) for t, s in points if s is not None]


def _peak(subject: Subject, of: str | Question) -> float | None:
    curve = _curve(subject, of)
    return max(curve, key=lambda p: p[1])[0] if curve else None


def _stretch(subject: Subject, model: str, peak: float, above: float) -> tuple[float, float]:
    """Return the run of moments around the peak that stays above a score."""
    curve = _curve(subject, model)
    middle = next(i for i, (t, _) in enumerate(curve) if t == peak)
    first = last = middle
    while first > 0 and curve[first - 1][1] > above:
        first -= 1
    while last + 1 < len(curve) and curve[last + 1][1] > above:
        last += 1
    return curve[first][0], curve[last][0]


def pulling(decision: Decision) -> int:
    """Count the models that pull to the answer's side."""
    side = 1 if (decision.logit or 0.0) > 0 else -1
    return sum(c.kind == "model" and c.logit * side > 0 for c in decision.contributions)


# --- the file -------------------------------------------------------------------------------------


def unjudged(
    analysis: Analysis,
    subjects: Sequence[Subject],
    contexts: Mapping[Question, Context],
    judged: bool,
) -> Reason | None:
    """Say why the file has no verdict at all, if so.

    Parameters
    ----------
    subjects : sequence of Subject
        The most suspicious first.
    judged : bool
        Whether anybody has a score.
    """
    media, top = analysis.media, subjects[0] if subjects else None
    if analysis.partial:
        return _reason(ReasonCode.CANCELED)
    if top is None or (top.modality is Modality.FULL_FRAME and not judged):
        return _reason(
            ReasonCode.NO_FACE,
            kind=media.kind,
            looked=len(analysis.moments),
            scored=top is not None,
            min_face=analysis.settings.min_face,
        )
    if media.kind == "video" and (media.duration or 0.0) < MIN_DURATION:
        return _reason(ReasonCode.CLIP_TOO_SHORT, seconds=media.duration or 0.0, least=MIN_DURATION)
    if judged:
        return None
    code = top.reason or ReasonCode.NO_MODEL
    faces = [f for subject in analysis.judged for f in subject.frames]
    if code is ReasonCode.NO_MODEL:
        silent: list[str] = [
            m.title
            for context in contexts.values()
            for m in context.models.values()
            if m.scored and not m.error and m.not_counted_because == "uncalibrated"
        ]
        if silent:
            return _reason(ReasonCode.NO_OPERATING_POINT, subject=top.id, titles=silent)
        return _reason(code, subject=top.id)
    return _reason(
        code,
        subject=top.id,
        which=code.value,
        bad=sum(1 for f in faces if f.quality.problem is not None),
        faces=len(faces),
        width=round(max((f.quality.width for f in faces), default=0.0)),
        min_face=analysis.settings.min_face,
    )


def caveats(
    analysis: Analysis,
    decisions: Mapping[Question, Decision],
    said: Front,
    evidence: Sequence[Evidence],
    robustness: Robustness | None,
) -> list[Caveat]:
    """Name what this can't tell: what applies to this verdict, then to this file."""
    lead = decisions[said.leading] if said.leading else None
    if lead is None:
        return [Caveat(code=CaveatCode.NOT_JUDGED)]
    out = []
    if said.label is not Label.REAL:
        out.append(Caveat(code=CaveatCode.WHO_AND_WHY))
    worst = next((e for e in evidence if e.rating == "poor"), None) or next(
        (e for e in evidence if e.rating == "fair"), None
    )
    if worst:
        out.append(
            Caveat(code=CaveatCode.POOR_MATERIAL, params={"item": worst.code, **worst.params})
        )
    if said.label is Label.REAL:
        out.append(Caveat(code=CaveatCode.NOT_GENUINE))
    if len(lead.seen) > 1:
        out.append(Caveat(code=CaveatCode.WHICH_PERSON, params={"people": len(lead.seen)}))
    if lead.context.basis is Basis.PUBLISHED:
        voters = [lead.context.counted[id] for id in lead.context.published]
        titles: Param = [model.title for model in voters]
        sources: Param = [m.operating_point_source for m in voters if m.operating_point_source]
        out.append(
            Caveat(code=CaveatCode.PUBLISHED_POINT, params={"titles": titles, "sources": sources})
        )
    elif lead.context.basis is Basis.SUBSET:
        out.append(Caveat(code=CaveatCode.SUBSET))
    if not lead.context.thresholds.no_sign and said.label is Label.INCONCLUSIVE:
        out.append(Caveat(code=CaveatCode.NO_SIGN_WITHHELD, params={"right": RIGHT}))
    if (gap := widest_gap(analysis)) > WIDE_GAP:
        out.append(Caveat(code=CaveatCode.SAMPLING_GAP, params={"gap": round(gap)}))
    for question in said.open:
        out.append(Caveat(code=CaveatCode.STAYS_OPEN, params={"question": question.value}))
    for question, decision in decisions.items():
        if not decision.asked:
            out.append(Caveat(code=CaveatCode.NOT_ASKED, params={"question": question.value}))
    if robustness is not None and robustness.question is said.leading and said.label in DECIDED:
        flipped: Param = [trial.title for trial in robustness.flipped]
        if flipped:
            out.append(Caveat(code=CaveatCode.COPIES, params={"trials": flipped}))
    return out


def other_open(said: Front, decisions: Mapping[Question, Decision]) -> Reason:
    """Say that another question keeps "no sign" from the whole file."""
    unsure = next(
        q for q, d in decisions.items()
        if d.asked and q is not said.leading and d.label is not Label.REAL
    )  # fmt: skip
    return _reason(ReasonCode.OTHER_QUESTION_OPEN, open=unsure.value)


__all__ = ["caveats", "other_open", "pulling", "reasons", "unjudged"]
