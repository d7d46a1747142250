"""From logits to a verdict: calibration, fusion, thresholds, abstention with reasons.

Numbers only: no media, no networks. `decide` may be called as often as a slider moves, on an
analysis of this run or of last year's.

Method. Two questions are kept apart to the end: was a face altered, and was the whole picture made
by a machine. For each, a model's raw logit goes through its own Platt map; a person's logit is the
mean over frames (or windows) per model, then the weighted mean over the counted models, then the
ensemble's Platt map where exactly the models it was fitted with are counted, then is held back by
what is doubtful about the material. The file's answer pools its people (`fusion.pooled`), the
verdict follows from the answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from detector import conformal, evidence, fusion
from detector.fusion import sigmoid
from detector.results import (
    Analysis,
    Answer,
    Ensemble,
    FaceFrame,
    Label,
    Mix,
    ModelResult,
    ModelScore,
    OwnThreshold,
    PersonAnswer,
    Question,
    Reason,
    ReasonCode,
    Robustness,
    Thresholds,
    Track,
    Verdict,
)

__all__ = ["decide", "label_of", "sigmoid"]

RANK = {Label.NOT_APPLICABLE: 0, Label.REAL: 1, Label.INCONCLUSIVE: 2, Label.FAKE: 3}
"""Which of two answers leads."""
ABSTAINED = (ReasonCode.TOO_FEW_FRAMES, ReasonCode.LOW_QUALITY)
"""A person is too poorly seen for a verdict, whatever the score."""


def label_of(probability: float, thresholds: Thresholds) -> Label:
    """REAL below `low`, FAKE above `high`, INCONCLUSIVE between and on them."""
    if probability > thresholds.high:
        return Label.FAKE
    if probability < thresholds.low:
        return Label.REAL
    return Label.INCONCLUSIVE


def decide(
    analysis: Analysis,
    *,
    thresholds: Thresholds | Mapping[Question, Thresholds] | None = None,
    models: Collection[str] | None = None,
    weights: Mapping[str, float] | None = None,
    mix: Mix | None = None,
) -> Analysis:
    """Fill every score, label and the verdict from the logits an analysis holds.

    Parameters
    ----------
    analysis : Analysis
        With logits in `Track.faces` and `Track.windows`. Not changed.
    thresholds : Thresholds, or one for each of some questions, optional
        Instead of the ensembles' own.
    models : collection of str, optional
        Ids to count. Default: all that are calibrated (or that the person's own threshold was made
        for), did not fail and have a weight. Naming a model here counts it even when it is
        uncalibrated; one that failed is never counted.
    weights : mapping of str to float, optional
        Ensemble weights by model id, instead of the manifest's.
    mix : Mix, optional
        An ensemble of the person's own. Default: the one that was asked for with the analysis.
        `models` and `weights` go before what it says of them.

    Returns
    -------
    Analysis
        A new one. Tracks are ordered most suspicious first.
    """
    out = analysis.model_copy(deep=True)
    if isinstance(thresholds, Thresholds):
        thresholds = dict.fromkeys(Question, thresholds)
    mix = mix or out.settings.mix
    if mix is not None:
        models = mix.models if models is None else models
        weights = {id: mix.weights.get(id, 1.0) for id in mix.models} | dict(weights or {})
    asked = {q: _Asked(out, q, models, weights, (thresholds or {}).get(q), mix) for q in Question}
    for model in out.models:
        if model.question is None:
            model.counted, model.not_counted_because = False, "it judges no faces"
    for track in out.tracks:
        _score_track(track, out, asked, mix.aggregation if mix else "mean")
    answers = {q: _answer(out, question) for q, question in asked.items()}
    for track in out.tracks:
        _lead(track)
    asking = [q for q in answers if answers[q].asked]
    leading = max(asking, key=lambda q: _suspicion(answers[q]), default=None)
    first = answers[leading].track if leading else None
    out.tracks.sort(key=lambda t: (t.id != first, *_by_suspicion(t)))
    top = out.tracks[0] if out.tracks else None
    for model in out.models:
        score = top.models.get(model.id) if top else None
        model.logit = score.logit if score else None
        model.probability = score.probability if score else None
        model.label = score.label if score else None
    out.evidence = evidence.evidence(out, top)
    out.verdict = _verdict(out, top, answers, leading)
    if out.robustness is not None:
        _lean(out.verdict, out.robustness)
    return out


class _Asked:
    """One question: which models are counted, their weights, maps and thresholds."""

    def __init__(
        self,
        analysis: Analysis,
        question: Question,
        chosen: Collection[str] | None,
        weights: Mapping[str, float] | None,
        custom: Thresholds | None,
        mix: Mix | None = None,
    ) -> None:
        self.question = question
        self.ensemble = analysis.ensembles.get(question) or Ensemble()
        self.models = {m.id: m for m in analysis.models if m.question is question}
        self.own = self._own(chosen) if weights is None else None  # a mix brings weights
        for model in self.models.values():
            self._count(model, chosen, weights)
        self.counted = {id: m for id, m in self.models.items() if m.counted}
        self.weights = {id: m.weight for id, m in self.counted.items()}
        self.min_models = mix.min_models if mix else self._least(analysis, chosen)
        # What the manifest's ensemble was fitted with holds for it alone.
        fitted = mix is None and set(self.ensemble.models) == set(self.counted)
        self.final = self.ensemble.calibration if fitted else None
        self.thresholds: Thresholds = custom or self._limits(fitted)

    def _own(self, chosen: Collection[str] | None) -> OwnThreshold | None:
        """The person's own threshold, if it holds: for exactly these models as they are,
        put together as the manifest says."""
        own = self.ensemble.own
        able = {
            id: model.identity
            for id, model in self.models.items()
            if not model.error and model.scored and model.weight > 0
            and (chosen is None or id in chosen)
        }  # fmt: skip
        return own if own is not None and own.models == able else None

    def _limits(self, fitted: bool) -> Thresholds:
        """The ensemble's thresholds, or the person's own `high`.

        The stated rates hold for the models they were measured with. What lies below `low` was
        learned on fakes, which a person's untouched clips are not: it stays ours, and without
        calibrated models there is none.
        """
        ours = self.ensemble.thresholds
        if self.own is None:
            return ours if fitted else Thresholds(low=ours.low, high=ours.high)
        high = sigmoid(self.own.high)
        calibrated = all(m.calibration for m in self.counted.values())
        return Thresholds(
            low=min(ours.low, high) if calibrated else 0.0,
            high=high,
            false_positive_rate=self.own.rate,
            data=f"your own {conformal.material(self.own)}, {self.own.created:%Y-%m-%d}",
            own=True,
        )

    def _least(self, analysis: Analysis, chosen: Collection[str] | None) -> int:
        """How many models a verdict needs.

        Who names fewer models than the ensemble needs is judged by those; a model that fails does
        not lower that. An own threshold holds for its very set, all of which gave a score.
        """
        if self.own is not None:
            return 1
        if chosen is None and analysis.settings.models is None:
            return self.ensemble.min_models
        promised = self.ensemble.own.models if self.ensemble.own else {}
        voters = [
            id
            for id, model in self.models.items()
            if model.weight > 0
            and model.label_order != "unverified"
            and (model.calibration or id in promised if chosen is None else id in chosen)
        ]
        return max(1, min(self.ensemble.min_models, len(voters)))

    def _count(
        self,
        model: ModelResult,
        chosen: Collection[str] | None,
        weights: Mapping[str, float] | None,
    ) -> None:
        """Decide whether a model takes part, and say why not."""
        if weights is not None and model.id in weights:
            model.weight = weights[model.id]
        why: str | None = None
        if model.error:
            why = model.error
        elif model.scored == 0:
            why = model.not_counted_because or "it gave no score"
        elif chosen is not None and model.id not in chosen:
            why = "switched off"
        elif model.label_order == "unverified":  # not even when it is named: it may be upside down
            why = "label order unverified"
        elif chosen is None and model.calibration is None and not self.own:
            why = "uncalibrated"
        elif model.weight <= 0:
            why = "its weight is 0"
        model.counted = why is None
        model.not_counted_because = why

    def calibrate(self, id: str, logit: float) -> float:
        return fusion.mapped(self.models[id].calibration, logit)

    def fuse(self, logits: Mapping[str, float]) -> float | None:
        """Calibrated logits of the counted models among them as one, or None without any."""
        fused = fusion.mean(logits, self.weights)
        if fused is not None and self.final and all(id in logits for id in self.weights):
            fused = fusion.mapped(self.final, fused)
        return fused


def _score_track(
    track: Track, analysis: Analysis, asked: Mapping[Question, _Asked], aggregation: str
) -> None:
    """Fill the scores of one person, frame by frame and over the clip, for each question."""
    track.models, track.answers = {}, {}
    for face in track.faces:
        face.scores, face.answers, face.score = {}, {}, None
    of = {id: question for question in asked.values() for id in question.models}
    raw: dict[str, list[float]] = {}
    lasts, stands = fusion.stands_for(analysis), dict[str, list[float]]()
    for face in track.faces:
        for id, x in face.logits.items():
            raw.setdefault(id, []).append(x)
            if lasts:
                stands.setdefault(id, []).append(lasts[face.index])
            if id in of and face.quality.problem is None:
                face.scores[id] = sigmoid(of[id].calibrate(id, x))
    for window in track.windows:
        raw.setdefault(window.model, []).append(window.logit)
        if window.model in of:
            window.score = sigmoid(of[window.model].calibrate(window.model, window.logit))
    moves = fusion.moves(track) if aggregation == "motion" else {}
    for id, values in raw.items():
        if id in of:
            mean = fusion.over_time(values, moves.get(id, ()), aggregation, stands.get(id, ()))
            probability = sigmoid(of[id].calibrate(id, mean))
            label = label_of(probability, of[id].thresholds)
            track.models[id] = ModelScore(logit=mean, probability=probability, label=label)
    for question in asked.values():
        if question.counted:
            _answer_person(track, analysis, question)


def _answer_person(track: Track, analysis: Analysis, question: _Asked) -> None:
    """One question for one person: the answer over the clip, and each frame's."""
    means = {
        id: question.calibrate(id, score.logit)
        for id, score in track.models.items()
        if id in question.counted
    }
    of = fusion.material(analysis, track)
    doubt = fusion.doubts(question.ensemble.doubt, of, means, question.weights)
    fused = question.fuse(means)
    for face, logit in _frames(track, question):
        face.answers[question.question] = sigmoid(fusion.held_back(logit, sum(doubt.values())))
    if fused is None:
        why = _why_unjudged(track.faces)
        track.answers[question.question] = PersonAnswer(reason=why)
        return
    probability = sigmoid(fusion.held_back(fused, sum(doubt.values())))
    answer = PersonAnswer(
        probability=probability, label=label_of(probability, question.thresholds), doubt=doubt
    )
    scored = sum(1 for face in track.faces if question.question in face.answers)
    width = float(np.median([f.quality.width for f in track.faces]))
    if analysis.media.kind == "video" and scored < evidence.MIN_FRAMES:
        answer.label, answer.reason = Label.INCONCLUSIVE, ReasonCode.TOO_FEW_FRAMES
    elif width < evidence.POOR_WIDTH:
        answer.label, answer.reason = Label.INCONCLUSIVE, ReasonCode.LOW_QUALITY
    elif answer.label is not label_of(sigmoid(fused), question.thresholds):
        answer.reason = ReasonCode.UNCERTAIN
    track.answers[question.question] = answer


def _frames(track: Track, question: _Asked) -> list[tuple[FaceFrame, float]]:
    """The scored faces, each with the logit of the counted models together."""
    over_time = _windows_over_time(track, question)
    frame_models = any(m.kind != "clip" for m in question.counted.values())
    out = []
    for face in track.faces:
        if face.quality.problem is not None:
            continue
        at_once = {id: x for id, x in face.logits.items() if id in question.models}
        logits = {id: question.calibrate(id, x) for id, x in at_once.items()}
        for id, line in over_time.items():
            logits[id] = line[face.index]
            face.scores[id] = sigmoid(line[face.index])
        fused = question.fuse(logits) if at_once or not frame_models else None
        if fused is not None:
            out.append((face, fused))
    return out


def _windows_over_time(track: Track, question: _Asked) -> dict[str, dict[int, float]]:
    """Calibrated logit of each clip model at each looked-at moment: linear between the centres of
    its windows, level before the first and after the last."""
    by_model: dict[str, list[tuple[float, float]]] = {}
    for w in track.windows:
        if w.model in question.models:
            by_model.setdefault(w.model, []).append(((w.start + w.end) / 2, w.logit))
    lines: dict[str, dict[int, float]] = {}
    for id, points in by_model.items():
        points.sort()
        centers, logits = zip(*points, strict=True)
        lines[id] = {
            face.index: float(
                np.interp(face.time, centers, [question.calibrate(id, x) for x in logits])
            )
            for face in track.faces
        }
    return lines


def _why_unjudged(faces: Sequence[FaceFrame]) -> ReasonCode:
    """The commonest problem among a person's faces."""
    problems = Counter(f.quality.problem for f in faces if f.quality.problem)
    return problems.most_common(1)[0][0] if problems else ReasonCode.NO_MODEL


def _answer(analysis: Analysis, question: _Asked) -> Answer:
    """One question for the file.

    People who are too poorly seen for a verdict are not pooled where there are others; but whoever
    is not below the lower threshold keeps the file from "no sign". A score that is over the upper
    one for one person, but not for the file, is what chance gives among several: that person is
    inconclusive.
    """
    q, limits = question.question, question.thresholds
    answer = Answer(
        label=Label.NOT_APPLICABLE,
        thresholds=limits,
        asked=bool(question.counted),
        counted=len(question.counted),
    )
    judged = [
        (track, person)
        for track in analysis.tracks
        if (person := track.answers.get(q)) is not None and person.probability is not None
    ]
    seen = [(t, p) for t, p in judged if p.reason not in ABSTAINED] or judged
    if analysis.partial or not seen:
        return answer
    top, best = max(seen, key=lambda pair: (pair[1].probability or 0.0, pair[0].id))
    assert best.probability is not None
    logits = [fusion.logit(p.probability or 0.0) for _, p in seen]
    pooled = fusion.pooled(logits, question.ensemble.caution)
    answer.track, answer.people, answer.probability = top.id, len(seen), sigmoid(pooled)
    answer.label = label_of(answer.probability, limits)
    if answer.label is not Label.FAKE:
        for _, person in seen:
            if person.label is Label.FAKE:
                person.label, person.reason = Label.INCONCLUSIVE, ReasonCode.SEVERAL_PEOPLE
    above = [(t, p) for t, p in judged if label_of(p.probability or 0.0, limits) is not Label.REAL]
    if answer.label is Label.REAL and above:
        answer.label = Label.INCONCLUSIVE
        top, best = max(above, key=lambda pair: (pair[1].probability or 0.0, pair[0].id))
        answer.track = top.id
    elif best.reason in ABSTAINED:
        answer.label = Label.INCONCLUSIVE
    if len(question.counted) < (need := question.min_models):
        answer.label = Label.INCONCLUSIVE
        text = f"{len(question.counted)} of the {need} models that a verdict needs gave a score"
        answer.reasons = [Reason(code=ReasonCode.TOO_FEW_MODELS, text=text)]
    side = label_of(answer.probability, limits)
    counted = list(question.counted.values())
    answer.agree = sum(1 for m in counted if m.id in top.models and top.models[m.id].label == side)
    answer.reasons += evidence.reasons(analysis, top, q, answer, counted)
    answer.reasons = answer.reasons[:3]
    return answer


def _lead(track: Track) -> None:
    """Make the most suspicious answer the person's own."""
    if not track.answers:
        track.question, track.probability = None, None
        track.label, track.reason = Label.NOT_APPLICABLE, _why_unjudged(track.faces)
        return
    track.question = max(track.answers, key=lambda q: _suspicion(track.answers[q]))
    answer = track.answers[track.question]
    track.probability, track.label = answer.probability, answer.label
    track.reason = answer.reason
    for face in track.faces:
        face.score = face.answers.get(track.question)


def _suspicion(answer: Answer | PersonAnswer) -> tuple[int, float]:
    """To sort answers by, the least suspicious first."""
    return RANK[answer.label], -1.0 if answer.probability is None else answer.probability


def _by_suspicion(track: Track) -> tuple[float, float, str]:
    rank, probability = _suspicion(PersonAnswer(probability=track.probability, label=track.label))
    return -rank, -probability, track.id


def _verdict(
    analysis: Analysis,
    top: Track | None,
    answers: Mapping[Question, Answer],
    leading: Question | None,
) -> Verdict:
    """The answers as one: FAKE if any says so, REAL only if every asked one does."""
    lead = answers[leading] if leading else None
    limits = lead.thresholds if lead else analysis.verdict.thresholds
    verdict = Verdict(label=Label.NOT_APPLICABLE, thresholds=limits, answers=dict(answers))
    verdict.counted = lead.counted if lead else 0
    unjudged = evidence.unjudged(analysis, top)
    if unjudged or leading is None or lead is None:
        for answer in answers.values():
            answer.label, answer.probability, answer.reasons = Label.NOT_APPLICABLE, None, []
        verdict.reasons = [unjudged] if unjudged else []
        verdict.limits = evidence.limits(analysis, verdict)
        return verdict
    asked = [answer for answer in answers.values() if answer.asked]
    labels = {answer.label for answer in asked}
    verdict.label = lead.label
    if lead.label is Label.REAL and labels != {Label.REAL}:
        verdict.label = Label.INCONCLUSIVE
    logits = [fusion.logit(a.probability) for a in asked if a.probability is not None]
    together = fusion.pooled(logits)
    if len(logits) == len(Question) and all(
        {m.id for m in analysis.models if m.counted and m.question is q} == set(ensemble.models)
        for q, ensemble in analysis.ensembles.items()
    ):
        together = fusion.mapped(analysis.combined, together)
    verdict.probability = sigmoid(together)
    verdict.question, verdict.track, verdict.agree = leading, lead.track, lead.agree
    others = [a for q, a in answers.items() if q is not leading and a.label is Label.FAKE]
    verdict.reasons = [r for answer in (lead, *others) for r in answer.reasons][:3]
    verdict.limits = evidence.limits(analysis, verdict)
    return verdict


def _lean(verdict: Verdict, tried: Robustness) -> None:
    """A verdict that turns around when the file is changed a little is none; one that only weakens
    says so."""
    limits = verdict.answers[tried.question].thresholds
    for trial in (tried.unchanged, *tried.trials):
        if limits.custom and trial.probability is not None:
            trial.label = label_of(trial.probability, limits)
    if verdict.question is not tried.question or verdict.label not in (Label.FAKE, Label.REAL):
        return
    turned = [t for t in tried.flipped if t.label in (Label.FAKE, Label.REAL)]
    if turned:
        verdict.label = Label.INCONCLUSIVE
        verdict.reasons = [evidence.turned(turned), *verdict.reasons][:3]
    elif tried.fragile:
        verdict.limits.append(evidence.weakened(tried.flipped))
