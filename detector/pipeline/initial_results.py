"""What an analysis begins with: its models without a score, and how they are put together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from detector.conformal import ThresholdStore
from detector.decision.context import voters
from detector.models import registry
from detector.models.base import ModelSpec
from detector.schema.analysis import Ensemble, ModelResult, Question


def result(spec: ModelSpec) -> ModelResult:
    """An empty result. Several weight files are named by the hash of their hashes."""
    together = hashlib.sha256("".join(f.sha256 or "" for f in spec.files).encode()).hexdigest()
    return ModelResult(
        id=spec.id,
        title=spec.title,
        plain=spec.plain,
        kind=spec.kind,
        modality=spec.modality,
        task=spec.task,
        weights_sha256=spec.files[0].sha256 if len(spec.files) == 1 else together,
        calibration=spec.calibration,
        label_order=spec.label_order,
        operating_point=spec.operating_point,
        operating_point_source=spec.operating_point_source,
        weight=spec.weight,
        finding=spec.finding,
        confused_by=spec.confused_by,
    )


def ensembles(results: Iterable[ModelResult], own: ThresholdStore) -> dict[Question, Ensemble]:
    """The manifest's ensemble of each question, with the person's own threshold if it is for just
    these models."""
    known, results = registry.manifest().ensembles, list(results)
    made = {}
    for q in Question:
        asked = [r for r in results if r.question is q]
        models = {r.id: r.identity for r in asked if r.id in voters(asked)}
        update = {"own": own.threshold(q, models)}
        made[q] = known.get(q, Ensemble()).model_copy(update=update)
    return made
