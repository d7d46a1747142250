"""From logits to a verdict: numbers in, codes with parameters out; no sentences, files, networks.

Method. Questions are kept apart to the end: was a face altered, and was the whole picture made by a
machine. For each (`context`) a model's raw logit goes through its own Platt map, a person's logit
is the starting point plus the weighted sum over the counted models of their means over time, held
back by what is doubtful about the material (`people`). The file pools its people, and ordered rules
lower what may not stand (`policy`). The questions then stand beside each other: the strongest one
that decided is in front. `decide` may be called as often as a slider moves, on an analysis of this
run or of last year's; it changes nothing in place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from detector.decision import policy, reasons
from detector.decision.context import Choice, Context
from detector.decision.material import evidence
from detector.decision.numbers import logit, sigmoid
from detector.decision.people import Judged, judge
from detector.decision.policy import Decision, Front
from detector.decision.thresholds import label_of
from detector.schema.analysis import (
    Analysis,
    Answer,
    CustomEnsemble,
    FaceFrame,
    Label,
    ModelResult,
    PersonAnswer,
    Question,
    Reason,
    ReasonCode,
    Thresholds,
    Track,
    Verdict,
)

__all__ = ["decide", "label_of", "logit", "sigmoid"]


def decide(
    analysis: Analysis,
    *,
    thresholds: Thresholds | Mapping[Question, Thresholds] | None = None,
    models: Collection[str] | None = None,
    weights: Mapping[str, float] | None = None,
    mix: CustomEnsemble | None = None,
) -> Analysis:
    """Fill every score, label and the verdict from the logits an analysis holds.

    Parameters
    ----------
    analysis : Analysis
        With logits in `Track.faces` and `Track.windows`. Not changed.
    thresholds : Thresholds, or one for each of some questions, optional
        Instead of the ensembles' own.
    models : collection of str, optional
        Ids to count. Default: all that are calibrated or have an operating point (or that the
        person's own threshold was made for) and did not fail. Naming a model here counts it even
        when nobody set a point for it; one that failed is never counted.
    weights : mapping of str to float, optional
        How many times its usual evidence a model counts, by id; 1 where nothing is said.
    mix : CustomEnsemble, optional
        An ensemble of the person's own. Default: the one that was asked for with the analysis.
        `models` and `weights` go before what it says of them.

    Returns
    -------
    Analysis
        A new one, which shares with the given one what it does not change. Tracks are ordered most
        suspicious first.
    """
    limits = dict.fromkeys(Question, thresholds) if isinstance(thresholds, Thresholds) else (
        dict(thresholds or {})
    )  # fmt: skip
    mix = mix or analysis.settings.mix
    contexts = {
        q: Context(analysis, q, Choice.of(mix, models, weights, limits.get(q))) for q in Question
    }
    how = mix.aggregation if mix else "mean"
    people = {track.id: judge(track, analysis, contexts, how) for track in analysis.tracks}
    robustness = policy.retried(analysis.robustness, contexts)
    decisions = {
        q: policy.decide_question(analysis, context, people, robustness)
        for q, context in contexts.items()
    }
    said = policy.front(decisions)
    lead = decisions[said.leading] if said.leading else None
    first = lead.top.track.id if lead and lead.top else None
    tracks = policy.order(
        [_finished(people[track.id], decisions, said.leading) for track in analysis.tracks], first
    )
    why_not = reasons.unjudged(analysis, tracks, contexts, judged=lead is not None)
    if why_not is not None:
        decisions = {
            q: Decision(context, Label.NOT_APPLICABLE, {}) for q, context in contexts.items()
        }
        said = Front(None, Label.NOT_APPLICABLE)
    top = tracks[0] if tracks else None
    material = evidence(analysis, top)
    verdict = _verdict(analysis, decisions, said, why_not).model_copy(
        update={"caveats": reasons.caveats(analysis, decisions, said, material, robustness)}
    )
    return analysis.model_copy(
        update={
            "models": [_model(m, contexts, top) for m in analysis.models],
            "tracks": tracks,
            "evidence": material,
            "robustness": robustness,
            "verdict": verdict,
        }
    )


def _finished(
    judged: Judged, decisions: Mapping[Question, Decision], leading: Question | None
) -> Track:
    """A person with an answer to each question; in front the one that is in front for the file."""
    track, answers = judged.track, {}
    for question, decision in decisions.items():
        if not decision.asked:
            continue
        opinion = judged.opinions.get(question)
        if opinion is None:
            answers[question] = PersonAnswer(reason=_why_unjudged(track.faces))
            continue
        label, why = opinion.label, opinion.abstains
        if opinion.abstains:
            label = Label.INCONCLUSIVE
        elif track.id in decision.several:
            label, why = Label.INCONCLUSIVE, ReasonCode.SEVERAL_PEOPLE
        elif opinion.uncertain:
            why = ReasonCode.UNCERTAIN
        answers[question] = PersonAnswer(
            probability=sigmoid(opinion.logit), label=label, reason=why, doubt=opinion.doubt
        )
    judged_for = [q for q, answer in answers.items() if answer.probability is not None]
    shown = leading if leading in judged_for else next(iter(judged_for or answers), None)
    if shown is None:
        why = _why_unjudged(track.faces)
        return track.model_copy(
            update={
                "answers": {}, "question": None, "probability": None,
                "label": Label.NOT_APPLICABLE, "reason": why,
            }
        )  # fmt: skip
    answer = answers[shown]
    faces = [
        face.model_copy(update={"score": face.answers.get(shown)})
        if shown in face.answers
        else face
        for face in track.faces
    ]
    return track.model_copy(
        update={
            "faces": faces,
            "answers": answers,
            "question": shown,
            "probability": answer.probability,
            "label": answer.label,
            "reason": answer.reason,
        }
    )


def _why_unjudged(faces: Sequence[FaceFrame]) -> ReasonCode:
    """The commonest problem among a person's faces."""
    problems = Counter(f.quality.problem for f in faces if f.quality.problem)
    return problems.most_common(1)[0][0] if problems else ReasonCode.NO_MODEL


def _model(
    model: ModelResult, contexts: Mapping[Question, Context], top: Track | None
) -> ModelResult:
    """A model with its word on the person in front."""
    if model.question is None:
        update: dict[str, object] = {
            "counted": False, "not_counted_because": "it judges no faces",
        }  # fmt: skip
    else:
        decided = contexts[model.question].models[model.id]
        update = {
            "counted": decided.counted,
            "not_counted_because": decided.not_counted_because,
        }
    score = top.models.get(model.id) if top else None
    update |= {
        "logit": score.logit if score else None,
        "probability": score.probability if score else None,
        "label": score.label if score else None,
    }
    return model.model_copy(update=update)


def _answer(analysis: Analysis, decision: Decision, open: bool) -> Answer:
    context = decision.context
    return Answer(
        label=decision.label,
        probability=None if decision.logit is None else sigmoid(decision.logit),
        thresholds=context.thresholds,
        basis=context.basis,
        asked=decision.asked,
        stays_open=open,
        lowered_by=decision.lowered_by,
        track=decision.top.track.id if decision.top else None,
        people=len(decision.seen),
        reasons=reasons.reasons(analysis, decision),
        contributions=list(decision.contributions),
        lean=decision.lean,
        odds=decision.odds,
        agree=reasons.pulling(decision),
        counted=len(context.counted),
    )


def _verdict(
    analysis: Analysis,
    decisions: Mapping[Question, Decision],
    said: Front,
    why_not: Reason | None,
) -> Verdict:
    """The answers beside each other, and the one in front."""
    answers = {q: _answer(analysis, d, q in said.open) for q, d in decisions.items()}
    lead = answers[said.leading] if said.leading else None
    if lead is None:
        return Verdict(
            label=Label.NOT_APPLICABLE,
            answers=answers,
            thresholds=analysis.verdict.thresholds,
            reasons=[why_not] if why_not else [],
        )
    first = [reasons.other_open(said, decisions)] if said.lowered_by else []
    others = [a for q, a in answers.items() if q is not said.leading and a.label is Label.FAKE]
    together = [*first, *(r for answer in (lead, *others) for r in answer.reasons)]
    return Verdict(
        label=said.label,
        probability=lead.probability,
        question=said.leading,
        lean=lead.lean if said.label is Label.INCONCLUSIVE else None,
        answers=answers,
        thresholds=lead.thresholds,
        track=lead.track,
        reasons=together[: reasons.MOST],
        agree=lead.agree,
        counted=lead.counted,
    )
