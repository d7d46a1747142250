"""From logits to a verdict: calibration, fusion, thresholds, abstention with reasons.

Numbers only: no media, no networks. `decide` may be called as often as a slider moves, on an
analysis of this run or of last year's.

Method. Each model's raw logit goes through its own Platt map (Platt 1999). A person's logit is the
mean over frames (or windows) per model, then the weighted mean over the counted models, then the
ensemble's own Platt map where exactly the models it was fitted with are counted. The file's verdict
is that of the most suspicious person.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from detector import evidence
from detector.results import (
    Analysis,
    FaceFrame,
    Label,
    ModelResult,
    ModelScore,
    Reason,
    ReasonCode,
    Thresholds,
    Track,
    Verdict,
)


def sigmoid(logit: float) -> float:
    """Probability of a logit, without overflow."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    z = math.exp(logit)
    return z / (1.0 + z)


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
    thresholds: Thresholds | None = None,
    models: Collection[str] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Analysis:
    """Fill every score, label and the verdict from the logits an analysis holds.

    Parameters
    ----------
    analysis : Analysis
        With logits in `Track.faces` and `Track.windows`. Not changed.
    thresholds : Thresholds, optional
        Instead of the ensemble's own.
    models : collection of str, optional
        Ids to count. Default: all that are calibrated, did not fail and have a weight. Naming a
        model here counts it even when it is uncalibrated; one that failed is never counted.
    weights : mapping of str to float, optional
        Ensemble weights by model id, instead of the manifest's.

    Returns
    -------
    Analysis
        A new one. Tracks are ordered most suspicious first.
    """
    out = analysis.model_copy(deep=True)
    limits = thresholds or out.ensemble.thresholds
    for model in out.models:
        _count(model, models, weights, limits.custom)
    counted = {m.id: m for m in out.models if m.counted}
    fusion = _Fusion(out, counted)
    for track in out.tracks:
        _score_track(track, out, fusion, limits)
    out.tracks.sort(key=lambda t: (-(t.probability if t.probability is not None else -1), t.id))
    top = out.tracks[0] if out.tracks else None
    for model in out.models:
        score = top.models.get(model.id) if top else None
        model.logit = score.logit if score else None
        model.probability = score.probability if score else None
        model.label = score.label if score else None
    out.evidence = evidence.evidence(out, top)
    out.verdict = _verdict(out, top, limits)
    return out


def _count(
    model: ModelResult,
    chosen: Collection[str] | None,
    weights: Mapping[str, float] | None,
    custom: bool,
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
    elif chosen is None and model.calibration is None:
        why = "uncalibrated"
    elif model.weight <= 0:
        why = "its weight is 0"
    model.counted = why is None
    model.not_counted_because = why


class _Fusion:
    """Weights and the final Platt map of the counted models."""

    def __init__(self, analysis: Analysis, counted: Mapping[str, ModelResult]) -> None:
        self.models = {m.id: m for m in analysis.models}
        self.weights = {id: m.weight for id, m in counted.items()}
        fitted = set(analysis.ensemble.models) == set(counted)
        self.final = analysis.ensemble.calibration if fitted else None

    def calibrate(self, id: str, logit: float) -> float:
        calibration = self.models[id].calibration
        return calibration.scale * logit + calibration.offset if calibration else logit

    def fuse(self, logits: Mapping[str, float]) -> float | None:
        """Weighted mean of calibrated logits of the counted models among them, or None."""
        total = sum(self.weights[id] for id in logits if id in self.weights)
        if total <= 0:
            return None
        mean = sum(self.weights[id] * x for id, x in logits.items() if id in self.weights) / total
        if self.final and all(id in logits for id in self.weights):
            mean = self.final.scale * mean + self.final.offset
        return mean


def _score_track(track: Track, analysis: Analysis, fusion: _Fusion, limits: Thresholds) -> None:
    """Fill the scores of one person, frame by frame and over the clip."""
    raw: dict[str, list[float]] = {}
    for face in track.faces:
        face.scores = {id: sigmoid(fusion.calibrate(id, x)) for id, x in face.logits.items()}
        for id, x in face.logits.items():
            raw.setdefault(id, []).append(x)
    for window in track.windows:
        window.score = sigmoid(fusion.calibrate(window.model, window.logit))
        raw.setdefault(window.model, []).append(window.logit)
    over_time = _windows_over_time(track, fusion)
    for face in track.faces:
        face.score = None
        if face.quality.problem is not None:
            face.scores = {}
            continue
        logits = {id: fusion.calibrate(id, x) for id, x in face.logits.items()}
        for id, line in over_time.items():
            logits[id] = line[face.index]
            face.scores[id] = sigmoid(line[face.index])
        fused = fusion.fuse(logits) if face.logits or not _frame_models(fusion) else None
        if fused is not None:
            face.score = sigmoid(fused)

    means = {id: float(np.mean(values)) for id, values in raw.items()}
    track.models = {}
    for id, mean in means.items():
        probability = sigmoid(fusion.calibrate(id, mean))
        track.models[id] = ModelScore(
            logit=mean, probability=probability, label=label_of(probability, limits)
        )
    fused = fusion.fuse({id: fusion.calibrate(id, mean) for id, mean in means.items()})
    track.probability = None if fused is None else sigmoid(fused)
    track.reason = None
    if track.probability is None:
        track.label = Label.NOT_APPLICABLE
        track.reason = _why_unjudged(track.faces)
    else:
        track.label = label_of(track.probability, limits)
        scored = sum(1 for face in track.faces if face.score is not None)
        median = float(np.median([f.quality.width for f in track.faces]))
        if analysis.media.kind == "video" and scored < evidence.MIN_FRAMES:
            track.label, track.reason = Label.INCONCLUSIVE, ReasonCode.TOO_FEW_FRAMES
        elif median < evidence.POOR_WIDTH:
            track.label, track.reason = Label.INCONCLUSIVE, ReasonCode.LOW_QUALITY


def _frame_models(fusion: _Fusion) -> bool:
    return any(fusion.models[id].kind != "clip" for id in fusion.weights)


def _windows_over_time(track: Track, fusion: _Fusion) -> dict[str, dict[int, float]]:
    """Calibrated logit of each clip model at each looked-at moment: linear between the centres of
    its windows, level before the first and after the last."""
    by_model: dict[str, list[tuple[float, float]]] = {}
    for w in track.windows:
        by_model.setdefault(w.model, []).append(((w.start + w.end) / 2, w.logit))
    lines: dict[str, dict[int, float]] = {}
    for id, points in by_model.items():
        points.sort()
        centers, logits = zip(*points, strict=True)
        lines[id] = {
            face.index: float(
                np.interp(face.time, centers, [fusion.calibrate(id, x) for x in logits])
            )
            for face in track.faces
        }
    return lines


def _why_unjudged(faces: Sequence[FaceFrame]) -> ReasonCode:
    """The commonest problem among a person's faces."""
    problems = Counter(f.quality.problem for f in faces if f.quality.problem)
    return problems.most_common(1)[0][0] if problems else ReasonCode.NO_MODEL


def _verdict(analysis: Analysis, top: Track | None, limits: Thresholds) -> Verdict:
    counted = [m for m in analysis.models if m.counted]
    verdict = Verdict(label=Label.NOT_APPLICABLE, thresholds=limits, counted=len(counted))
    verdict.limits = evidence.limits(analysis, top)
    unjudged = evidence.unjudged(analysis, top)
    if unjudged:
        verdict.reasons = [unjudged]
        return verdict
    assert top is not None and top.probability is not None
    verdict.track = top.id
    verdict.probability = top.probability
    verdict.label = top.label
    if len(counted) < analysis.ensemble.min_models:
        verdict.label = Label.INCONCLUSIVE
        need = analysis.ensemble.min_models
        verdict.reasons = [
            Reason(
                code=ReasonCode.TOO_FEW_MODELS,
                text=f"{len(counted)} of the {need} models that a verdict needs gave a score",
            )
        ]
    side = label_of(top.probability, limits)
    on_side = [m for m in counted if m.id in top.models and top.models[m.id].label == side]
    verdict.agree = len(on_side)
    verdict.reasons += evidence.reasons(analysis, top, limits, counted)
    verdict.reasons = verdict.reasons[:3]
    return verdict
