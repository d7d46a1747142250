"""Reasons and caveats of an answer: codes with parameters, strongest first."""

from collections.abc import Mapping, Sequence

from detector.decision import voice
from detector.decision.context import Context
from detector.decision.material import MIN_DURATION, POOR_WIDTH, WIDE_GAP, widest_gap
from detector.decision.numbers import label_of, sigmoid
from detector.decision.policy import Decision, FileVerdict, keeps_open
from detector.schema.analysis import (
    OF_SOUND,
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
    Side,
    Subject,
)
from detector.schema.base import Param
from detector.schema.ensemble import NotCounted, shown_name

MOST = 3
"""reasons of an answer"""
POORLY_HEARD = (
    ReasonCode.SINGING,
    ReasonCode.TOO_NOISY,
    ReasonCode.PHONE_QUALITY,
    ReasonCode.CLIPPED,
)
RIGHT = 0.82
"""share of right decisions, originals and fakes weighted alike, that the least certain answer,
"probably untouched", must reach (`lab.evaluation.bands`)"""


def _reason(
    code: ReasonCode,
    top: Subject | None = None,
    time: float | None = None,
    model: str | None = None,
    **params: Param,
) -> Reason:
    return Reason(code=code, params=params, time=time, subject=top.id if top else None, model=model)


def reasons(analysis: Analysis, decision: Decision) -> list[Reason]:
    """Return at most three reasons for one question, strongest first, each with its time."""
    found = _measured(analysis, decision)
    if decision.label is not Label.INCONCLUSIVE or not (alarm := decision.alarm):
        return found[:MOST]
    model = decision.context.models[alarm.id]
    reason = _reason(
        ReasonCode.UNMEASURED_ABOVE,
        alarm.subject,
        _peak(alarm.subject, model.id),
        model.id,
        title=shown_name(model),
        asked=decision.context.question.value,
    )
    first = decision.vetoed_by is ReasonCode.UNMEASURED_ABOVE
    return [reason, *found][:MOST] if first else [*found[: MOST - 1], reason]


def _measured(analysis: Analysis, decision: Decision) -> list[Reason]:
    if decision.top is None:
        return []
    top, context, code = decision.top.subject, decision.context, decision.vetoed_by
    if code is ReasonCode.TOO_FEW_FRAMES:
        scored = sum(context.question in f.answers for f in top.frames)
        return [_reason(code, top, scored=scored, whole=top.modality is not Modality.FACE)]
    if code is ReasonCode.LOW_QUALITY:
        widths = sorted(f.quality.width for f in top.frames)
        return [_reason(code, top, width=round(widths[len(widths) // 2]), least=POOR_WIDTH)]
    if code in POORLY_HEARD and (heard := voice.heard_of(analysis, top.id)):
        return [Reason(code=code, params=voice.params(heard), subject=top.id)]
    first: list[Reason] = []
    if (part := decision.part) is not None:
        stretch: dict[str, Param] = {
            "start": part.start, "end": part.end, "highest": part.highest,
            "high": decision.thresholds.high,
        }  # fmt: skip
        above = ReasonCode.PART_ABOVE
        first = [Reason(code=above, params=stretch, time=part.peak, subject=part.person)]
    elif code is ReasonCode.TOO_FEW_MODELS:
        first = [_reason(code, counted=len(context.counted), needed=context.min_models)]
    elif code is ReasonCode.UNLIKE_MEASURED:
        kind = next(stratum for stratum in decision.unlike if stratum.misleads)
        first = [_reason(code, top, kind=kind.value)]
    elif code is ReasonCode.TOO_POOR_TO_CLEAR:
        first = [_reason(code, top)]
    elif code is ReasonCode.FRAGILE:
        trials: Param = [trial.title for trial in decision.flipped]
        first = [_reason(code, trials=trials)]
    return [*first, *_of_scores(analysis, decision, top)]


def _of_scores(analysis: Analysis, decision: Decision, top: Subject) -> list[Reason]:
    context = decision.context
    limits, question = decision.thresholds, context.question
    scores = sorted(
        ((top.models[id], model) for id, model in context.counted.items() if id in top.models),
        key=lambda pair: -pair[0].probability,
    )
    peak = _peak(top, question)
    fragile = decision.vetoed_by is ReasonCode.FRAGILE
    suspected = sigmoid(decision.logit or 0.0) > limits.suspect
    if decision.label.side is Side.FAKE or (fragile and suspected):
        passed = limits.high if decision.label is Label.FAKE else limits.suspect
        above = [
            _above(analysis, top, model, passed)
            for score, model in scores
            if score.probability > passed or len(scores) == 1
        ]
        return above or [_together(decision, top, peak, passed)]
    sides = {score.label.side for score, _ in scores}
    if decision.label is Label.INCONCLUSIVE and sides >= set(Side):
        (high, most), (low, least) = scores[0], scores[-1]
        params: dict[str, Param] = {
            "most": shown_name(most),
            "most_score": high.probability,
            "least": shown_name(least),
            "least_score": low.probability,
            "question": question.value,
            "confused_by": most.confused_by,
        }
        time = _peak(top, most.id)
        return [_reason(ReasonCode.MODELS_DISAGREE, top, time, most.id, **params)]
    return [_within(analysis, top, decision)]


def _above(analysis: Analysis, top: Subject, model: ModelResult, high: float) -> Reason:
    time = _peak(top, model.id)
    params: dict[str, Param] = {
        "title": shown_name(model), "finding": model.finding, "confused_by": model.confused_by,
    }  # fmt: skip
    if analysis.media.kind != "image" and time is not None:
        start, end = _stretch(top, model.id, time, high)
        if end > start:
            params |= {"start": start, "end": end}
    return _reason(ReasonCode.ABOVE_THRESHOLD, top, time, model.id, **params)


def _together(decision: Decision, top: Subject, peak: float | None, high: float) -> Reason:
    """Return the reason from models that exceed the threshold only together, strongest first."""
    parts = [c for c in decision.contributions if c.kind == "model" and c.logit > 0]
    parts.sort(key=lambda part: -part.logit)
    context = decision.context
    models: Param = [shown_name(context.counted[part.id]) for part in parts]
    return _reason(ReasonCode.TOGETHER_ABOVE, top, peak, models=models, high=high)


def _within(analysis: Analysis, top: Subject, decision: Decision) -> Reason:
    question, thresholds = decision.context.question, decision.thresholds
    under = label_of(sigmoid(decision.logit or 0.0), thresholds).side is Side.REAL
    code = ReasonCode.BELOW_THRESHOLD if under else ReasonCode.BETWEEN_THRESHOLDS
    missing: dict[str, Param] = {"one_threshold": True} if not thresholds.can_clear else {}
    if thresholds.never_decide:
        missing["never"] = True
    return _reason(
        code,
        top,
        _peak(top, question),
        None,
        kind=analysis.media.kind,
        which=code.value,
        highest=max((s for _, s in _curve(top, question)), default=0.0),
        high=thresholds.suspect,
        **missing,
    )


def _curve(subject: Subject, of: str | Question) -> list[tuple[float, float]]:
    """Return (time, score) of one model, or of a question, wherever there is a score."""
    points = [
        (look.start, look.answers.get(of) if isinstance(of, Question) else look.scores.get(of))
        for look in subject.looks
    ]
    return [(t, s) for t, s in points if s is not None]


def _peak(subject: Subject, of: str | Question) -> float | None:
    curve = _curve(subject, of)
    return max(curve, key=lambda p: p[1])[0] if curve else None


def _stretch(subject: Subject, model: str, peak: float, above: float) -> tuple[float, float]:
    curve = _curve(subject, model)
    middle = next(i for i, (t, _) in enumerate(curve) if t == peak)
    first = last = middle
    while first > 0 and curve[first - 1][1] > above:
        first -= 1
    while last + 1 < len(curve) and curve[last + 1][1] > above:
        last += 1
    ends = {look.start: look.end for look in subject.looks}
    return curve[first][0], ends[curve[last][0]]


def pulling(decision: Decision) -> int:
    """Return the number of models that agree with the answer's side."""
    side = 1 if (decision.logit or 0.0) > 0 else -1
    return sum(c.kind == "model" and c.logit * side > 0 for c in decision.contributions)


def unjudged(
    analysis: Analysis,
    subjects: Sequence[Subject],
    contexts: Mapping[Question, Context],
    judged: bool,
) -> Reason | None:
    """Return why the file has no verdict, if so; `subjects`: most suspicious first."""
    media = analysis.media
    faces_first = sorted(subjects, key=lambda subject: subject.modality is not Modality.FACE)
    top = next(iter(faces_first), None)
    if analysis.partial:
        return _reason(ReasonCode.CANCELED)
    if (slow := media.too_slow) is not None:
        seconds: dict[str, Param] = {
            "slow": round(slow.slow_seconds), "seconds": round(slow.seconds)
        }  # fmt: skip
        return Reason(code=ReasonCode.TOO_SLOW, params=seconds)
    if media.kind == "audio":
        return None if judged else _unheard(analysis, contexts)
    if media.too_narrow and not judged:
        return _reason(ReasonCode.PICTURE_TOO_SMALL, width=media.width, height=media.height)
    if top is None or (top.modality is not Modality.FACE and not judged):
        return _reason(
            ReasonCode.NO_FACE,
            kind=media.kind,
            looked=len(analysis.timestamps),
            scored=any(subject.modality is Modality.FULL_FRAME for subject in subjects),
            min_face=analysis.settings.min_face,
        )
    if media.kind == "video" and (media.duration or 0.0) < MIN_DURATION:
        return _reason(ReasonCode.CLIP_TOO_SHORT, seconds=media.duration or 0.0, least=MIN_DURATION)
    if judged:
        return None
    code = top.reason or ReasonCode.NO_MODEL
    if code is ReasonCode.NO_MODEL:
        if silent := _silent(contexts, NotCounted.UNCALIBRATED):
            return _reason(ReasonCode.NO_OPERATING_POINT, top, titles=silent)
        if silent := _silent(contexts, NotCounted.NO_SKILL):
            return _reason(ReasonCode.NO_SKILL, top, titles=silent)
        return _reason(code, top)
    faces = [f for subject in analysis.judged for f in subject.frames]
    return _reason(
        code,
        top,
        which=code.value,
        bad=sum(1 for f in faces if f.quality.problem is not None),
        faces=len(faces),
        width=round(max((f.quality.width for f in faces), default=0.0)),
        min_face=analysis.settings.min_face,
    )


def _unheard(analysis: Analysis, contexts: Mapping[Question, Context]) -> Reason:
    heard = voice.heard_of(analysis)
    if heard and (code := voice.unscorable(heard)):
        return Reason(code=code, params=voice.params(heard))
    if silent := _silent(contexts, NotCounted.UNCALIBRATED):
        return _reason(ReasonCode.NO_OPERATING_POINT, titles=silent, question=OF_SOUND[0].value)
    return _reason(ReasonCode.NO_MODEL, question=OF_SOUND[0].value)


def _silent(contexts: Mapping[Question, Context], why: NotCounted) -> list[str]:
    models = [m for context in contexts.values() for m in context.models.values()]
    return [
        shown_name(m) for m in models if m.scored and not m.error and m.not_counted_because == why
    ]


def caveats(
    analysis: Analysis,
    decisions: Mapping[Question, Decision],
    file: FileVerdict,
    evidence: Sequence[Evidence],
    robustness: Robustness | None,
) -> list[Caveat]:
    """Return the limits of this verdict, then those of this file."""
    lead = decisions[file.leading] if file.leading else None
    frozen = [Caveat(code=CaveatCode.FROZEN)] if analysis.media.frozen else []
    if lead is None:
        return [Caveat(code=CaveatCode.NOT_JUDGED), *frozen]
    out = frozen

    def add(code: CaveatCode, **params: Param) -> None:
        out.append(Caveat(code=code, params=params))

    if file.label.side is Side.FAKE:
        add(CaveatCode.WHO_AND_WHY, question=lead.context.question.value)
    if lead.context.question.spec.out_of_scope:
        add(CaveatCode.OUT_OF_SCOPE, question=lead.context.question.value)
    doubtful = [item for item in evidence if item.rating != "good"]
    for item in sorted(doubtful, key=lambda item: item.rating != "poor")[:1]:
        add(CaveatCode.POOR_MATERIAL, item=item.code, **item.params)
    unlike = CaveatCode.UNMEASURED_MATERIAL
    out += [Caveat(code=unlike, params={"kind": stratum.value}) for stratum in lead.unlike]
    if file.label.side is Side.REAL:
        add(CaveatCode.NOT_GENUINE)
    out += _several(lead, accused=file.label.side is Side.FAKE)
    if lead.context.basis is Basis.PUBLISHED:
        voters = [lead.context.counted[id] for id in lead.context.published]
        titles: Param = [shown_name(model) for model in voters]
        sources: Param = [m.operating_point_source for m in voters if m.operating_point_source]
        add(CaveatCode.PUBLISHED_POINT, titles=titles, sources=sources)
    elif lead.context.basis is Basis.SUBSET:
        add(CaveatCode.SUBSET)
    if lead.context.thresholds.never_decide and lead.context.basis is Basis.MEASURED:
        add(CaveatCode.NEVER_DECIDES, right=RIGHT, question=lead.context.question.value)
    elif (
        not lead.context.thresholds.can_clear
        and lead.context.basis not in (Basis.PUBLISHED, Basis.NONE)
        and file.label is Label.INCONCLUSIVE
    ):
        add(CaveatCode.NO_SIGN_WITHHELD, right=RIGHT)
    if (gap := widest_gap(analysis)) > WIDE_GAP:
        add(CaveatCode.SAMPLING_GAP, gap=round(gap))
    for question in file.open:
        add(CaveatCode.STAYS_OPEN, question=question.value)
    out += _unasked(analysis, [q for q, d in decisions.items() if not d.evaluated])
    tried = robustness if robustness and robustness.question is file.leading else None
    if tried and tried.fragile and file.label.side is not None:
        add(CaveatCode.COPIES, trials=[trial.title for trial in tried.flipped])
    return out


def _several(lead: Decision, *, accused: bool) -> list[Caveat]:
    """Return the caveat of several people: raised thresholds, and a possible mix-up of people."""
    alone, raised = lead.context.thresholds.suspect, lead.thresholds.suspect
    limits: dict[str, Param] = {"high": raised, "alone": alone} if raised > alone else {}
    if len(lead.seen) < 2 or not (accused or limits):
        return []
    params: dict[str, Param] = {"people": len(lead.seen), "accused": accused, **limits}
    params["voices"] = lead.context.question.of_sound
    return [Caveat(code=CaveatCode.WHICH_PERSON, params=params)]


def why_unanswered(analysis: Analysis, question: Question) -> ReasonCode | None:
    """Return why the models of a question had nothing to score; None if that is not the cause."""
    if question.of_sound:
        heard = voice.heard_of(analysis)
        return voice.unscorable(heard) if heard else None
    asked = [model for model in analysis.models if model.question is question]
    if question.subject is not Modality.FACE or not asked or any(m.scored for m in asked):
        return None
    people = analysis.people
    return people[0].reason if people else ReasonCode.NO_FACE


def _unasked(analysis: Analysis, questions: Sequence[Question]) -> list[Caveat]:
    """Return the unanswered questions; those about faces as one if there is no usable face."""
    looks = [look for person in analysis.people for look in person.looks]
    faceless = analysis.media.kind != "audio" and not any(look.usable for look in looks)
    of_faces = [q for q in questions if q.subject is Modality.FACE] if faceless else []
    together = [Caveat(code=CaveatCode.FACES_UNJUDGED)] if of_faces else []
    return together + [
        Caveat(code=CaveatCode.NOT_ASKED, params={"question": q.value})
        for q in questions
        if q not in of_faces
    ]


def other_open(lead: Decision, decisions: Mapping[Question, Decision]) -> Reason:
    """Return the question that withholds "no sign" from the whole file."""
    unsure = next(q for q, d in decisions.items() if d is not lead and keeps_open(d, lead))
    return _reason(ReasonCode.OTHER_QUESTION_OPEN, open=unsure.value)
