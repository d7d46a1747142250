"""What a run found as an undecided `Analysis`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from detector.media import Shot
from detector.pipeline.coverage import coverage
from detector.pipeline.software import software
from detector.schema.analysis import (
    Analysis,
    Ensemble,
    Label,
    Media,
    ModelResult,
    Question,
    Settings,
    Subject,
    Verdict,
)
from detector.schema.origin import Provenance


@dataclass(frozen=True)
class Findings:
    """What the stages of a run found by now."""

    media: Media
    settings: Settings
    device: str
    subjects: list[Subject]
    results: list[ModelResult]
    ensembles: dict[Question, Ensemble]
    moments: list[float]
    shots: Sequence[Shot] | None
    provenance: Provenance | None
    timings: Mapping[str, float]


def assemble(found: Findings, *, partial: bool) -> Analysis:
    """Return what was found, undecided."""
    thresholds = found.ensembles[Question.MANIPULATION].thresholds
    return Analysis(
        id=_id(found),
        created=datetime.now(UTC),
        media=found.media.model_copy(deep=True),
        settings=found.settings,
        verdict=Verdict(label=Label.NOT_APPLICABLE, thresholds=thresholds),
        ensembles=found.ensembles,
        models=found.results,
        subjects=found.subjects,
        moments=found.moments,
        coverage=coverage(found.media, found.settings, found.moments, found.shots),
        provenance=found.provenance,
        timings={k: round(v, 3) for k, v in found.timings.items()},
        software=software(found.device),
        partial=partial,
    )


def _id(found: Findings) -> str:
    """Hash of the media, the settings, the program and the weights."""
    program = software(found.device).version
    parts = [found.media.sha256, found.settings.model_dump_json(), program]
    parts += [f"{r.id}:{r.weights_sha256}" for r in found.results]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
