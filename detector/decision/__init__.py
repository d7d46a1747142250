"""Decision from logits to a verdict: numbers in, codes with parameters out; no sentences or files.

Method. Each question (fake face, generated head, generated picture, cloned voice) is decided by
itself. A model's raw logit goes through its own Platt map (`context`). A person's logit is the
starting point plus the weighted sum over the counted models of their means over time (`people`).
The most suspicious person decides, by thresholds for the number of people, and ordered rules veto
labels (`policy`). One rule then combines the questions (`policy.combine_questions`). `decide` is
pure and fast enough to follow a slider.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from detector.decision import policy, reasons, session
from detector.decision.context import Choice, Context
from detector.decision.material import evidence
from detector.decision.numbers import label_of, logit, sigmoid
from detector.decision.people import ScoredSubject, background, judge
from detector.decision.policy import Decision, FileVerdict
from detector.schema.analysis import (
    OF_SOUND,
    Analysis,
    Answer,
    Basis,
    CustomEnsemble,
    FrameSegment,
    Label,
    ModelResult,
    Question,
    Reason,
    ReasonCode,
    Segment,
    Side,
    Subject,
    SubjectAnswer,
    Thresholds,
    Verdict,
)
from detector.schema.ensemble import NotCounted

AnySegment = TypeVar("AnySegment", bound=Segment)

__all__ = ["decide", "label_of", "logit", "sigmoid"]


def decide(
    analysis: Analysis,
    *,
    thresholds: Thresholds | Mapping[Question, Thresholds] | None = None,
    models: Collection[str] | None = None,
    ensemble: CustomEnsemble | None = None,
    unmeasured: bool = False,
) -> Analysis:
    """Compute every score, label and the verdict from the logits of an analysis.

    The verdict on a live session is that on its last seconds (`session.WINDOW`).

    Parameters
    ----------
    analysis : Analysis
        With logits in the segments of its subjects. Not changed.
    thresholds : Thresholds, or a mapping by question, optional
        Default: those of the ensembles.
    models : collection of str, optional
        Ids to count. Default: all that did not fail and are calibrated, have an operating point or
        belong to the person's own threshold. A model named here counts even without an operating
        point; a failed one never counts, and one without a calibration only where no calibrated
        model of its question does.
    ensemble : CustomEnsemble, optional
        An ensemble of the person's own. Default: that of the analysis' settings. `models` takes
        precedence over its own.
    unmeasured : bool
        Count models without a calibration beside calibrated ones too, as setting an own threshold
        does.

    Returns
    -------
    Analysis
        A new one, which shares unchanged parts with the given one. Subjects are in order, the most
        suspicious first.
    """
    if isinstance(thresholds, Thresholds):
        thresholds = dict.fromkeys(Question, thresholds)
    limits = thresholds or {}
    choice = Choice(models, unmeasured=unmeasured)
    if own := ensemble or analysis.settings.ensemble:
        chosen = own.models if models is None else models
        choice = Choice(chosen, own.weights, None, own.min_models, own.aggregation, unmeasured)
    choices = {q: replace(choice, thresholds=limits.get(q)) for q in analysis.media.questions}
    whole, now = _decide(analysis, choices), session.newest(analysis)
    return whole if now is analysis else session.merged(whole, _decide(now, choices))


def _decide(analysis: Analysis, choices: Mapping[Question, Choice]) -> Analysis:
    contexts = {q: Context(analysis, q, choice) for q, choice in choices.items()}
    judged, beside = analysis.judged, background(analysis)
    people = {s.id: judge(s, analysis, contexts, beside) for s in judged}
    robustness = policy.relabel(analysis.robustness, contexts)
    decisions = {
        q: policy.decide_question(analysis, context, people, robustness)
        for q, context in contexts.items()
    }
    file = policy.combine_questions(decisions)
    lead = decisions[file.leading] if file.leading else None
    first = lead.top.subject.id if lead and lead.top else None
    finished = policy.order(
        [_finished(people[subject.id], decisions, file.leading) for subject in judged], first
    )
    why_not = reasons.unjudged(analysis, finished, contexts, judged=lead is not None)
    if why_not is not None:
        decisions = {
            q: Decision(c, Label.NOT_APPLICABLE, {}, c.thresholds) for q, c in contexts.items()
        }
        file = FileVerdict(None, Label.NOT_APPLICABLE)
    if analysis.media.too_slow is not None:
        none = {"label": Label.NOT_APPLICABLE, "reason": ReasonCode.TOO_SLOW}
        finished = [subject.model_copy(update=none) for subject in finished]
    top = finished[0] if finished else None
    shared = [] if beside is None else [_unanswered(judge(beside, analysis, contexts))]
    material = evidence(analysis, top)
    verdict = _verdict(analysis, decisions, file, why_not)
    verdict.caveats = reasons.caveats(analysis, decisions, file, material, robustness)
    return analysis.model_copy(
        update={
            "models": [_model(m, contexts, finished) for m in analysis.models],
            "subjects": [*finished, *shared],
            "evidence": material,
            "robustness": robustness,
            "verdict": verdict,
        }
    )


def _unanswered(judged: ScoredSubject) -> Subject:
    """Return the full frame beside faces with its scores, but without answers of its own."""
    frames = [frame.model_copy(update={"answers": {}}) for frame in judged.subject.frames]
    update: dict[str, object] = {"question": None, "probability": None, "reason": None}
    update |= {"frames": frames, "label": Label.NOT_APPLICABLE}
    return judged.subject.model_copy(update=update)


def _finished(
    judged: ScoredSubject, decisions: Mapping[Question, Decision], leading: Question | None
) -> Subject:
    """Return a subject with an answer to each question, the file's own question first."""
    subject, answers = judged.subject, {}
    for question, decision in decisions.items():
        if not decision.evaluated or question not in subject.questions:
            continue
        opinion = decision.opinions.get(subject.id)
        if opinion is None:
            answers[question] = SubjectAnswer(reason=_why_unjudged(subject.frames))
            continue
        label, why = opinion.label, opinion.abstains
        # A person's label is no more certain than that of the file that rests on it.
        first = decision.top is not None and decision.top.subject.id == subject.id
        if why or (first and decision.label is Label.INCONCLUSIVE):
            label = Label.INCONCLUSIVE
        p = sigmoid(opinion.logit)
        answers[question] = SubjectAnswer(probability=p, label=label, reason=why)
    judged_for = [q for q, answer in answers.items() if answer.probability is not None]
    shown = leading if leading in judged_for else next(iter(judged_for or answers), None)
    answer = answers[shown] if shown else SubjectAnswer(reason=_why_unjudged(subject.frames))
    return subject.model_copy(
        update={
            "frames": [_with_score(frame, shown) for frame in subject.frames],
            "spans": [_with_score(span, shown) for span in subject.spans],
            "answers": answers,
            "question": shown,
            "probability": answer.probability,
            "label": answer.label,
            "reason": answer.reason,
        }
    )


def _with_score(segment: AnySegment, question: Question | None) -> AnySegment:
    score = segment.answers.get(question) if question else None
    return segment if score is None else segment.model_copy(update={"score": score})


def _why_unjudged(frames: Sequence[FrameSegment]) -> ReasonCode:
    problems = Counter(f.quality.problem for f in frames if f.quality.problem)
    return problems.most_common(1)[0][0] if problems else ReasonCode.NO_MODEL


def _model(
    model: ModelResult, contexts: Mapping[Question, Context], subjects: Sequence[Subject]
) -> ModelResult:
    if model.question is None or model.question not in contexts:
        why = NotCounted.NO_SOUND if model.question in OF_SOUND else NotCounted.NO_PICTURE
        update: dict[str, object] = {"counted": False, "not_counted_because": why}
    else:
        decided = contexts[model.question].models[model.id]
        update = {"counted": decided.counted, "not_counted_because": decided.not_counted_because}
    top = next((s for s in subjects if model.question in s.questions), None)
    score = top.models.get(model.id) if top else None
    update |= {name: getattr(score, name, None) for name in ("logit", "probability", "label")}
    return model.model_copy(update=update)


def _answer(analysis: Analysis, decision: Decision, open: bool) -> Answer:
    context = decision.context
    return Answer(
        label=decision.label,
        probability=None if decision.logit is None else sigmoid(decision.logit),
        thresholds=decision.thresholds,
        basis=context.basis,
        evaluated=decision.evaluated,
        undecided_secondary=open,
        vetoed_by=decision.vetoed_by,
        subject=decision.top.subject.id if decision.top else None,
        subject_count=len(decision.seen),
        reasons=reasons.reasons(analysis, decision),
        contributions=list(decision.contributions),
        odds=decision.odds,
        auc=context.ensemble.auc if context.basis is Basis.MEASURED else None,
        agreeing_models=reasons.pulling(decision),
        counted=len(context.counted),
    )


def _verdict(
    analysis: Analysis,
    decisions: Mapping[Question, Decision],
    file: FileVerdict,
    why_not: Reason | None,
) -> Verdict:
    answers = {q: _answer(analysis, d, q in file.open) for q, d in decisions.items()}
    lead = answers[file.leading] if file.leading else None
    if lead is None:
        return Verdict(
            label=Label.NOT_APPLICABLE,
            answers=answers,
            thresholds=analysis.verdict.thresholds,
            reasons=[why_not] if why_not else [],
        )
    assert file.leading
    first = [reasons.other_open(decisions[file.leading], decisions)] if file.vetoed_by else []
    beside = [a for q, a in answers.items() if q is not file.leading]
    others = [a for a in beside if a.label.side is Side.FAKE]
    together = [*first, *(r for answer in (lead, *others) for r in answer.reasons)]
    return Verdict(
        label=file.label,
        probability=lead.probability,
        question=file.leading,
        answers=answers,
        thresholds=lead.thresholds,
        subject=lead.subject,
        reasons=together[: reasons.MOST],
        agreeing_models=lead.agreeing_models,
        counted=lead.counted,
    )
