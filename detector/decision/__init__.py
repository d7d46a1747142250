"""Decision from logits to a verdict: numbers in, codes with parameters out; no sentences or files.

Each model's raw logit goes through its own Platt map (`context`) and is averaged over time; the
models of a question are added for each person (`people`). One formula makes one likelihood of these
parts (`likelihood`), its band is the label, and a few vetoes may lower that (`policy`). `decide` is
pure and fast enough to follow a slider.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from detector.decision import policy, reasons, session
from detector.decision.context import PUBLISHED_LIMITS, Choice, Context, own_threshold
from detector.decision.likelihood import shares
from detector.decision.material import evidence
from detector.decision.numbers import label_of, logit, sigmoid
from detector.decision.people import ScoredSubject, background, judge
from detector.decision.policy import Decision
from detector.schema.analysis import (
    OF_SOUND,
    Analysis,
    Answer,
    Basis,
    CustomEnsemble,
    FileKind,
    Label,
    Likelihood,
    Modality,
    ModelResult,
    ModelScore,
    Question,
    Reason,
    ReasonCode,
    Subject,
    SubjectAnswer,
    Thresholds,
    Verdict,
)
from detector.schema.ensemble import NotCounted

__all__ = ["decide", "label_of", "logit", "sigmoid"]


def decide(
    analysis: Analysis,
    *,
    thresholds: Thresholds | None = None,
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
    thresholds : Thresholds, optional
        Default: those of this kind of file and these models.
    models : collection of str, optional
        Ids to count. Default: all that did not fail and are calibrated, have an operating point or
        belong to the person's own threshold. A model named here counts even without an operating
        point; a failed one never counts, and one without a calibration only where no calibrated
        model does.
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
    choice = Choice(models, unmeasured=unmeasured)
    if own := ensemble or analysis.settings.ensemble:
        chosen = own.models if models is None else models
        choice = Choice(chosen, own.weights, None, own.min_models, own.aggregation, unmeasured)
    choice = replace(choice, thresholds=thresholds)
    whole, now = _decide(analysis, choice), session.newest(analysis)
    return whole if now is analysis else session.merged(whole, _decide(now, choice))


def _decide(analysis: Analysis, choice: Choice) -> Analysis:
    own = own_threshold(analysis, choice)
    contexts = {q: Context(analysis, q, choice, own) for q in analysis.media.questions}
    beside = background(analysis)
    judged = [s for s in analysis.subjects if s is not beside]
    people = {s.id: judge(s, analysis, contexts, beside) for s in judged}
    found = policy.decide_file(analysis, contexts, people)
    if analysis.robustness and found:
        tried = policy.relabel(analysis.robustness, found.fit.thresholds)
        analysis = analysis.model_copy(update={"robustness": tried})
    leading = found.top if found else None
    finished = [_finished(people[subject.id], found, contexts) for subject in judged]
    finished = policy.order(finished, leading)
    why_not = reasons.unjudged(analysis, finished, contexts, found)
    if why_not is not None:
        found = None
    if analysis.media.too_slow is not None:
        none = {"label": Label.NOT_APPLICABLE, "reason": ReasonCode.TOO_SLOW}
        finished = [subject.model_copy(update=none) for subject in finished]
    top = finished[0] if finished else None
    shared = [] if beside is None else [_finished(judge(beside, analysis, contexts), None, {})]
    material = evidence(analysis, top)
    verdict = _verdict(analysis, found, contexts, why_not)
    verdict.caveats = reasons.caveats(analysis, found, contexts, material)
    return analysis.model_copy(
        update={
            "models": [_model(m, contexts, found, finished) for m in analysis.models],
            "subjects": [*finished, *shared],
            "evidence": material,
            "verdict": verdict,
        }
    )


def _finished(
    judged: ScoredSubject, found: Decision | None, contexts: Mapping[Question, Context]
) -> Subject:
    """Return a subject with its likelihood, and the part of each question in it."""
    subject, answers = judged.subject, dict[Question, SubjectAnswer]()
    for question, context in contexts.items():
        if question in subject.questions and context.counted:
            opinion = judged.opinions.get(question)
            why = opinion.abstains if opinion else _why_unjudged(judged)
            p = sigmoid(opinion.logit) if opinion else None
            answers[question] = SubjectAnswer(probability=p, reason=why)
    if found is None or subject.id not in found.alone:
        unscored = not judged.opinions and subject.modality is not Modality.FULL_FRAME
        looks = [look.model_copy(update={"score": None}) for look in subject.looks]
        return subject.model_copy(
            update={
                "frames" if subject.frames else "spans": looks,
                "answers": answers,
                "question": next(iter(answers), None),
                "probability": None,
                "label": Label.NOT_APPLICABLE,
                "reason": _why_unjudged(judged) if unscored else None,
            }
        )
    parts = [part for part in found.parts if part.subject == subject.id]
    asked = parts[0].question if parts else max(judged.opinions, key=lambda q: _of(judged, q))
    looks = [
        look.model_copy(update={"score": score})
        for look, score in zip(subject.looks, found.looks[subject.id], strict=True)
    ]
    return subject.model_copy(
        update={
            "frames" if subject.frames else "spans": looks,
            "models": {id: _labeled(id, m, found, contexts) for id, m in subject.models.items()},
            "answers": answers,
            "question": asked,
            "probability": found.alone[subject.id],
            "label": policy.label_of_subject(subject.id, found),
            "reason": policy.abstains(judged),
        }
    )


def _of(judged: ScoredSubject, question: Question) -> float:
    return judged.opinions[question].logit


def _labeled(
    id: str, score: ModelScore, found: Decision, contexts: Mapping[Question, Context]
) -> ModelScore:
    """Return a model's score with the label of its own likelihood."""
    witness = any(id in context.witnesses for context in contexts.values())
    limits = PUBLISHED_LIMITS if witness else found.fit.thresholds
    if any(id in context.skilless for context in contexts.values()):
        limits = Thresholds(low=0, high=1)
    return score.model_copy(update={"label": label_of(score.probability, limits)})


def _why_unjudged(judged: ScoredSubject) -> ReasonCode:
    if judged.unlike:
        return judged.unlike
    problems = Counter(f.quality.problem for f in judged.subject.frames if f.quality.problem)
    return problems.most_common(1)[0][0] if problems else ReasonCode.NO_MODEL


def _model(
    model: ModelResult,
    contexts: Mapping[Question, Context],
    found: Decision | None,
    subjects: Sequence[Subject],
) -> ModelResult:
    if model.question is None or model.question not in contexts:
        why = NotCounted.NO_SOUND if model.question in OF_SOUND else NotCounted.NO_PICTURE
        update: dict[str, object] = {"counted": False, "not_counted_because": why}
    else:
        decided = contexts[model.question].models[model.id]
        update = {"counted": decided.counted, "not_counted_because": decided.not_counted_because}
        if decided.counted and found and not found.fit.weights[model.question]:
            update = {"counted": False, "not_counted_because": NotCounted.ADDS_NOTHING}
    top = next((s for s in subjects if model.question in s.questions), None)
    score = top.models.get(model.id) if top else None
    update |= {name: getattr(score, name, None) for name in ("logit", "probability", "label")}
    return model.model_copy(update=update)


def _verdict(
    analysis: Analysis,
    found: Decision | None,
    contexts: Mapping[Question, Context],
    why_not: Reason | None,
) -> Verdict:
    answers = {q: _answer(context, found) for q, context in contexts.items()}
    if found is None:
        return Verdict(
            label=Label.NOT_APPLICABLE,
            answers=answers,
            thresholds=analysis.verdict.thresholds,
            basis=Basis.NONE,
            reasons=[why_not] if why_not else [],
        )
    fit = found.fit
    shipped = analysis.likelihoods.get(fit.kind, Likelihood())
    return Verdict(
        label=found.label,
        probability=sigmoid(found.logit),
        kind=fit.kind,
        thresholds=fit.thresholds,
        basis=fit.basis,
        question=found.question,
        subject=_shown(found),
        answers=answers,
        vetoed_by=found.vetoed_by,
        reasons=reasons.reasons(analysis, found),
        contributions=policy.contributions(found),
        odds=found.odds,
        auc=shipped.auc if fit.basis is Basis.MEASURED else None,
        agreeing_models=policy.pulling(found),
        counted=len(found.counted),
    )


def _shown(found: Decision) -> str:
    """Return the subject of the verdict: the whole picture where that leads in a still."""
    still = found.fit.kind is FileKind.STILL and found.question is Question.PICTURE
    pictures = (id for id, p in found.people.items() if p.subject.modality is Modality.PICTURE)
    picture = next(pictures, None)
    return picture if still and picture and not found.vetoed_by else found.top


def _answer(context: Context, found: Decision | None) -> Answer:
    """Return the part of one question in the likelihood."""
    question, counted = context.question, len(context.counted)
    auc = context.ensemble.auc if context.usual else None
    if found is None:
        return Answer(label=Label.NOT_APPLICABLE, evaluated=counted > 0, counted=counted)
    opinions = {
        id: judged.opinions[question]
        for id, judged in found.people.items()
        if question in judged.opinions
    }
    every = zip(found.parts, shares(found.parts), strict=True)
    share = sum(share for part, share in every if part.question is question)
    is_part = question in found.contexts
    heard = {id: o for id, o in opinions.items() if not o.abstains} or opinions
    top = max(heard, key=lambda id: (heard[id].logit, id), default=None)
    return Answer(
        label=policy.label_of_question(question, share, found) if is_part else Label.NOT_APPLICABLE,
        share=min(1.0, share) if is_part else None,
        probability=sigmoid(opinions[top].logit) if top else None,
        evaluated=counted > 0 and found.fit.weights[question] > 0,
        reason=opinions[top].abstains if top and not is_part else None,
        subject=top,
        subject_count=len(heard),
        auc=auc,
        counted=counted,
    )
