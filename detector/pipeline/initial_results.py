"""Initial results of an analysis: its models without a score, its ensembles, its id."""

import hashlib
import platform
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from detector import runtime
from detector._version import __version__
from detector.decision.conformal import ThresholdStore
from detector.decision.context import deciding, voters
from detector.models import registry
from detector.models.base import ModelSpec
from detector.pipeline import skill
from detector.schema.analysis import (
    Analysis,
    Ensemble,
    Label,
    Media,
    ModelResult,
    Question,
    Settings,
    Software,
    Subject,
    Verdict,
)


@lru_cache
def software(device: str) -> Software:
    """Return the versions of the software that computes on `device` in this process."""
    return Software(
        version=__version__,
        commit=_commit(Path(__file__).parents[2] / ".git"),
        python=platform.python_version(),
        torch=metadata.version("torch"),
        device=device,
        backend=runtime.backend(device),
    )


def _commit(git: Path) -> str | None:
    """Return the checkout's commit, without running git; None outside a checkout."""
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head[:12]
        return (git / head[5:]).read_text().strip()[:12]
    except OSError:
        return None


STATED = (
    "id", "title", "plain", "kind", "modality", "task", "calibration", "alone", "label_order",
    "operating_point", "operating_point_source", "weight", "finding", "confused_by", "moments",
    "auc",
)  # fmt: skip
"""Fields that a result copies from the catalog."""


def result(spec: ModelSpec) -> ModelResult:
    """Return an empty result. Several weight files are identified by the hash of their hashes."""
    together = hashlib.sha256("".join(f.sha256 or "" for f in spec.files).encode()).hexdigest()
    weights = spec.files[0].sha256 if len(spec.files) == 1 else together
    stated = {name: getattr(spec, name) for name in STATED}
    return ModelResult(weights_sha256=weights, skill=skill.stored(spec), **stated)


def ensembles(
    results: Iterable[ModelResult], own: ThresholdStore, asked: Sequence[Question]
) -> dict[Question, Ensemble]:
    """Return the ensemble of each question, with the person's own threshold for its models."""
    known, results = registry.manifest().ensembles, list(results)
    out = {}
    for q in asked:
        models = [r for r in results if r.question is q]
        voting = voters(models)
        models = [r for r in models if r.id in voting]
        sets = ({r.id: r.identity for r in some} for some in (models, deciding(models)))
        threshold = next(filter(None, (own.threshold(q, ids) for ids in sets)), None)
        out[q] = known.get(q, Ensemble()).model_copy(update={"own": threshold})
    return out


def undecided(
    media: Media,
    settings: Settings,
    models: list[ModelResult],
    together: dict[Question, Ensemble],
    subjects: list[Subject],
    device: str,
    **known: Any,
) -> Analysis:
    """Return an Analysis to be decided (`detector.decision.decide`); `known`: further fields."""
    thresholds = next(iter(together.values())).thresholds
    return Analysis(
        media=media,
        settings=settings,
        verdict=Verdict(label=Label.NOT_APPLICABLE, thresholds=thresholds),
        ensembles=together,
        models=models,
        subjects=subjects,
        software=software(device),
        **known,
    )


def analysis_id(sha256: str, settings: Settings, specs: Sequence[ModelSpec]) -> str:
    """Return a hash of the media, settings, program and all requested models' weights."""
    parts = [sha256, settings.model_dump_json(), __version__]
    parts += [f"{r.id}:{r.weights_sha256}" for r in map(result, specs)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def id_of(sha256: str, settings: Settings) -> str:
    """Return the `id` of this content's analysis; raise UsageError for an unknown model."""
    return analysis_id(sha256, settings, registry.choose(settings.models))
