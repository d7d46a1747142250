"""Initial results of an analysis: its models without a score, its ensembles, its id."""

import hashlib
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from detector import runtime
from detector._version import __version__
from detector.decision import likelihood
from detector.decision.conformal import ThresholdStore
from detector.decision.context import voting
from detector.models import registry
from detector.models.base import ModelSpec
from detector.pipeline import skill
from detector.schema.analysis import (
    Analysis,
    Ensemble,
    FileKind,
    Label,
    Likelihood,
    Media,
    ModelResult,
    OwnThreshold,
    Question,
    Settings,
    Software,
    Subject,
    Thresholds,
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


@dataclass(frozen=True)
class Rules:
    """How the models of a file are put together, and by which limits."""

    ensembles: dict[Question, Ensemble]
    likelihoods: dict[FileKind, Likelihood]
    own: OwnThreshold | None = None

    def limits(self, kind: FileKind) -> Thresholds:
        """Return the limits of a kind of file."""
        return self.likelihoods.get(kind, Likelihood()).thresholds


def rules(
    results: Iterable[ModelResult],
    own: ThresholdStore,
    asked: Sequence[Question],
    *,
    live: bool = False,
) -> Rules:
    """Return the ensembles of the questions, the likelihood of each kind of file, and the person's
    own threshold for these models."""
    known, results = registry.manifest(), list(results)
    sets = ({r.id: r.identity for r in some} for some in (results, voting(results)))
    return Rules(
        {q: known.ensembles.get(q, Ensemble()) for q in asked},
        known.likelihoods,
        next(filter(None, (own.threshold(ids, live=live) for ids in sets)), None),
    )


def undecided(
    media: Media,
    settings: Settings,
    models: list[ModelResult],
    together: Rules,
    subjects: list[Subject],
    device: str,
    **known: Any,
) -> Analysis:
    """Return an Analysis to be decided (`detector.decision.decide`); `known`: further fields."""
    kind = likelihood.kind_of(still=media.still, faces=media.kind != "audio", pictures=False)
    return Analysis(
        media=media,
        settings=settings,
        verdict=Verdict(label=Label.NOT_APPLICABLE, thresholds=together.limits(kind)),
        ensembles=together.ensembles,
        likelihoods=together.likelihoods,
        own=together.own,
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
