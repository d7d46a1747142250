"""Reasons and caveats of an answer: codes with parameters, strongest first."""

from collections.abc import Iterable, Mapping, Sequence

from detector.decision import voice
from detector.decision.context import Context
from detector.decision.material import MIN_DURATION, POOR_WIDTH, WIDE_GAP, widest_gap
from detector.decision.numbers import label_of, sigmoid
from detector.decision.policy import Decision, FileFit, evidence_of, unlike_subject
from detector.schema.analysis import (
    OF_SOUND,
    Analysis,
    Basis,
    Caveat,
    CaveatCode,
    Evidence,
    FileKind,
    Label,
    Modality,
    ModelResult,
    ModelScore,
    Question,
    Reason,
    ReasonCode,
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
UNLIKE = (
    ReasonCode.PIXELATED,
    ReasonCode.GRAPHIC,
    ReasonCode.FALSE_COLORS,
    ReasonCode.VIEWS,
    ReasonCode.UNLIKE_TESTED,
)
"""why nothing like a subject was in the tests (`material.unlike`)"""
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
    """Return at most three reasons for the verdict, strongest first, each with its time."""
    found = _measured(analysis, decision)
    if decision.label is not Label.INCONCLUSIVE or not (alarm := decision.alarm):
        return found[:MOST]
    model = next(m for m in analysis.models if m.id == alarm.id)
    reason = _reason(
        ReasonCode.UNMEASURED_ABOVE,
        alarm.subject,
        _peak(alarm.subject, model.id),
        model.id,
        title=shown_name(model),
        asked=alarm.question.value,
    )
    first = decision.vetoed_by is ReasonCode.UNMEASURED_ABOVE
    return [reason, *found][:MOST] if first else [*found[: MOST - 1], reason]


def _measured(analysis: Analysis, decision: Decision) -> list[Reason]:
    top, code = decision.subject, decision.vetoed_by
    if code is ReasonCode.TOO_FEW_FRAMES:
        scored = sum(bool(f.answers) for f in top.frames)
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
            "high": decision.fit.thresholds.high,
        }  # fmt: skip
        above = ReasonCode.PART_ABOVE
        first = [Reason(code=above, params=stretch, time=part.peak, subject=part.person)]
    elif code is ReasonCode.TOO_FEW_MODELS:
        few = (c for c in decision.contexts.values() if len(c.counted) < c.min_models)
        counted, needed = len(decision.counted), len(decision.counted) + len(decision.silent)
        if (context := next(few, None)) is not None:
            counted, needed = len(context.counted), context.min_models
        first = [_reason(code, counted=counted, needed=needed)]
    elif code in UNLIKE and (other := unlike_subject(decision)):
        odd = decision.people[other].subject
        first = [_reason(code, odd, modality=odd.modality.value)]
    elif code is ReasonCode.PERSON_OPEN:
        first = [_reason(code, top, subject=top.id, modality=top.modality.value)]
    elif code is ReasonCode.TOO_POOR_TO_CLEAR:
        first = [_reason(code, top)]
    elif code is ReasonCode.FRAGILE:
        trials: Param = [trial.title for trial in decision.flipped]
        first = [_reason(code, trials=trials)]
    return [*first, *_of_scores(analysis, decision, top)]


def _of_scores(analysis: Analysis, decision: Decision, top: Subject) -> list[Reason]:
    limits, models = decision.fit.thresholds, decision.counted
    known = known_models(decision, top)
    scores = sorted(
        ((known[id], model) for id, model in models.items() if id in known),
        key=lambda pair: -pair[0].probability,
    )
    fragile = decision.vetoed_by is ReasonCode.FRAGILE
    suspected = sigmoid(decision.logit) > limits.suspect
    if decision.label.side is Side.FAKE or (fragile and suspected):
        passed = limits.high if decision.label is Label.FAKE else limits.suspect
        above = [
            _above(analysis, decision, model, passed)
            for score, model in scores
            if score.probability > passed or len(scores) == 1
        ]
        return above or [_together(decision, top, _highest(decision, top), passed)]
    sides = {label_of(score.probability, limits).side for score, _ in scores}
    if decision.label is Label.INCONCLUSIVE and sides >= set(Side):
        (high, most), (low, least) = scores[0], scores[-1]
        params: dict[str, Param] = {
            "most": shown_name(most),
            "most_score": high.probability,
            "least": shown_name(least),
            "least_score": low.probability,
            "question": most.question.value if most.question else "",
            "confused_by": most.confused_by,
        }
        time = _peak(_holder(decision, most.id), most.id)
        return [_reason(ReasonCode.MODELS_DISAGREE, top, time, most.id, **params)]
    return [_within(analysis, top, decision)]


def known_models(decision: Decision, top: Subject) -> dict[str, ModelScore]:
    """Return the scores of the models about a subject, and of those about the whole picture that
    count for it."""
    own = {part.question for part in decision.parts if part.subject == top.id}
    found = dict(top.models)
    if Question.PICTURE in own:
        for judged in decision.people.values():
            found |= judged.subject.models if judged.subject.modality is Modality.PICTURE else {}
    return found


def _holder(decision: Decision, model: str) -> Subject:
    """Return the subject that a model scored: the one in front, else the whole picture."""
    subjects = [decision.subject, *(p.subject for p in decision.people.values())]
    return next((s for s in subjects if model in s.models), decision.subject)


def _highest(decision: Decision, subject: Subject) -> float | None:
    """Return the time of a subject's highest likelihood."""
    known = [(p, -time) for time, p in _likelihoods(decision, subject)]
    return -max(known)[1] if known else None


def _likelihoods(decision: Decision, subject: Subject) -> list[tuple[float, float]]:
    """Return (time, likelihood) of a subject wherever it was scored."""
    every = zip(subject.looks, decision.looks[subject.id], strict=True)
    return [(look.start, p) for look, p in every if p is not None]


def _above(analysis: Analysis, decision: Decision, model: ModelResult, high: float) -> Reason:
    holder = _holder(decision, model.id)
    time = _peak(holder, model.id)
    params: dict[str, Param] = {
        "title": shown_name(model), "finding": model.finding, "confused_by": model.confused_by,
    }  # fmt: skip
    if analysis.media.kind != "image" and time is not None:
        start, end = _stretch(holder, model.id, time, high)
        if end > start:
            params |= {"start": start, "end": end}
    return _reason(ReasonCode.ABOVE_THRESHOLD, decision.subject, time, model.id, **params)


def _together(decision: Decision, top: Subject, peak: float | None, high: float) -> Reason:
    """Return the reason from models that exceed the threshold only together, strongest first."""
    logits = dict[str, float]()
    for part in decision.parts:
        for one in evidence_of(decision, part).contributions:
            if one.kind == "model" and one.logit > logits.get(one.id, 0.0):
                logits[one.id] = one.logit
    ids = sorted(logits, key=lambda id: -logits[id])
    models: Param = [shown_name(decision.counted[id]) for id in ids]
    return _reason(ReasonCode.TOGETHER_ABOVE, top, peak, models=models, high=high)


def _within(analysis: Analysis, top: Subject, decision: Decision) -> Reason:
    thresholds = decision.fit.thresholds
    under = label_of(sigmoid(decision.logit), thresholds).side is Side.REAL
    code = ReasonCode.BELOW_THRESHOLD if under else ReasonCode.BETWEEN_THRESHOLDS
    missing: dict[str, Param] = {"one_threshold": True} if not thresholds.can_clear else {}
    if thresholds.never_decide:
        missing["never"] = True
    return _reason(
        code,
        top,
        _highest(decision, top),
        None,
        kind=analysis.media.kind,
        which=code.value,
        highest=max((p for _, p in _likelihoods(decision, top)), default=0.0),
        high=thresholds.suspect,
        **missing,
    )


def _curve(subject: Subject, model: str) -> list[tuple[float, float]]:
    """Return (time, score) of one model wherever there is a score."""
    points = [(look.start, look.scores.get(model)) for look in subject.looks]
    return [(t, s) for t, s in points if s is not None]


def _peak(subject: Subject, model: str) -> float | None:
    curve = _curve(subject, model)
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


def unjudged(
    analysis: Analysis,
    subjects: Sequence[Subject],
    contexts: Mapping[Question, Context],
    found: Decision | None,
) -> Reason | None:
    """Return why the file has no verdict, if so; `subjects`: most suspicious first."""
    media, judged = analysis.media, found is not None
    faces_first = sorted(subjects, key=lambda subject: subject.modality is not Modality.FACE)
    top = next(iter(faces_first), None)
    if analysis.partial:
        return _reason(ReasonCode.CANCELED)
    if (slow := media.too_slow) is not None:
        seconds: dict[str, Param] = {
            "slow": round(slow.slow_seconds), "seconds": round(slow.seconds)
        }  # fmt: skip
        return Reason(code=ReasonCode.TOO_SLOW, params=seconds)
    if (odd := _unlike(subjects, found)) is not None:
        return _reason(odd.reason or ReasonCode.UNLIKE_TESTED, odd, modality=odd.modality.value)
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


def _unlike(subjects: Sequence[Subject], found: Decision | None) -> Subject | None:
    """Return a subject that is unlike all that was tested, if that leaves the file unjudged: none
    of its kind is judged, and no other kind before it. Where there are faces they come first, then
    the picture, then voices, which alone may accuse a file whose picture is not judged."""
    if found and found.label.side is Side.FAKE and found.question.of_sound:
        return None
    for modality in (Modality.FACE, Modality.PICTURE, Modality.VOICE):
        some = [s for s in subjects if s.modality is modality]
        if any(subject.probability is not None for subject in some):
            return None
        if odd := [subject for subject in some if subject.reason in UNLIKE]:
            return odd[0]
    return None


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
    decision: Decision | None,
    contexts: Mapping[Question, Context],
    evidence: Sequence[Evidence],
) -> list[Caveat]:
    """Return the limits of this verdict, then those of this file."""
    frozen = [Caveat(code=CaveatCode.FROZEN)] if analysis.media.frozen else []
    if decision is None:
        return [Caveat(code=CaveatCode.NOT_JUDGED), *frozen]
    out, side, fit = frozen, decision.label.side, decision.fit

    def add(code: CaveatCode, **params: Param) -> None:
        out.append(Caveat(code=code, params=params))

    if side is Side.FAKE:
        add(CaveatCode.WHO_AND_WHY, question=decision.question.value)
    if decision.question.spec.out_of_scope:
        add(CaveatCode.OUT_OF_SCOPE, question=decision.question.value)
    doubtful = [item for item in evidence if item.rating != "good"]
    for item in sorted(doubtful, key=lambda item: item.rating != "poor")[:1]:
        add(CaveatCode.POOR_MATERIAL, item=item.code, **item.params)
    unlike = CaveatCode.UNMEASURED_MATERIAL
    out += [Caveat(code=unlike, params={"kind": stratum.value}) for stratum in decision.strata]
    if side is Side.REAL:
        add(CaveatCode.NOT_GENUINE)
    if side is Side.REAL and fit.kind is FileKind.STILL:
        add(CaveatCode.SWAP_NOT_EXCLUDED)
    subjects = {part.subject for part in decision.parts}
    if side is Side.FAKE and len(subjects) > 1:
        voices = decision.question.of_sound
        add(CaveatCode.WHICH_PERSON, people=len(subjects), voices=voices)
    if fit.basis is Basis.PUBLISHED:
        voters = [c.counted[id] for c in decision.contexts.values() for id in c.published]
        titles: Param = [shown_name(model) for model in voters]
        sources: Param = [m.operating_point_source for m in voters if m.operating_point_source]
        add(CaveatCode.PUBLISHED_POINT, titles=titles, sources=sources)
    elif fit.basis is Basis.SUBSET:
        add(CaveatCode.SUBSET)
    if fit.thresholds.never_decide and fit.basis is Basis.MEASURED:
        add(CaveatCode.NEVER_DECIDES, right=RIGHT, question=decision.question.value)
    elif (
        not fit.thresholds.can_clear
        and fit.basis not in (Basis.PUBLISHED, Basis.NONE)
        and decision.label is Label.INCONCLUSIVE
    ):
        add(CaveatCode.NO_SIGN_WITHHELD, right=RIGHT)
    if (gap := widest_gap(analysis)) > WIDE_GAP:
        add(CaveatCode.SAMPLING_GAP, gap=round(gap))
    out += _short_part(analysis, decision.contexts, side)
    out += _unasked(analysis, [q for q in contexts if q not in decision.contexts], fit)
    if side is not None and (tried := analysis.robustness) and tried.fragile:
        add(CaveatCode.COPIES, trials=[trial.title for trial in tried.flipped])
    return out


def _short_part(analysis: Analysis, asked: Iterable[Question], side: Side | None) -> list[Caveat]:
    """Return the caveat of a cloned part that is lost in the mean of a longer recording."""
    heard = voice.heard_of(analysis)
    if side is Side.FAKE or not any(question.of_sound for question in asked):
        return []
    if heard is None or (part := voice.short_part(heard)) >= heard.speech_seconds:
        return []
    params: dict[str, Param] = {"part": round(part), "seconds": round(heard.speech_seconds)}
    return [Caveat(code=CaveatCode.SHORT_PART, params=params)]


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


def _unasked(analysis: Analysis, questions: Sequence[Question], fit: FileFit) -> list[Caveat]:
    """Return the questions that are no part of the likelihood; those about faces as one if no face
    could be judged."""
    faceless = analysis.media.kind != "audio" and fit.kind in (FileKind.PICTURE, FileKind.SOUND)
    of_faces = [q for q in questions if q.subject is Modality.FACE] if faceless else []
    together = [Caveat(code=CaveatCode.FACES_UNJUDGED)] if of_faces else []
    return together + [
        Caveat(code=CaveatCode.NOT_ASKED, params={"question": q.value})
        for q in questions
        if q not in of_faces and fit.weights[q] > 0
    ]
