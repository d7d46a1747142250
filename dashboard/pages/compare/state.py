"""State of the Compare page in the address, so that a link reopens it."""

from dataclasses import dataclass

import streamlit as st

from detector.presentation import agreement
from detector.schema.analysis import Analysis, ModelResult, Subject
from service.tasks.jobs import Job

MAX_MODELS = 6


@dataclass(frozen=True)
class Selection:
    """A clip and what is compared in it.

    Attributes
    ----------
    models : list of ModelResult
        The compared ones, in the manifest's order.
    track : Subject or None
        The person; None where no person was scored.
    time : float
        The moment, s; that of a sampled frame.
    """

    job: Job
    analysis: Analysis
    models: list[ModelResult]
    track: Subject | None
    time: float


def read(job: Job) -> Selection:
    """Return the selection in the address, with defaults for missing parts."""
    analysis = job.analysis
    assert analysis is not None
    tracks = [t for t in analysis.judged if t.models]
    track = next((t for t in tracks if t.id == st.query_params.get("p")), None)
    track = track or (tracks[0] if tracks else None)
    scored = able(analysis, track)
    chosen = asked(), analysis.settings.models or []
    shown = ([m for m in scored if m.id in ids] for ids in chosen)
    models = next(filter(None, shown), None) or at_first(scored)
    models = models[:MAX_MODELS]
    return Selection(job, analysis, models, track, _time(analysis, track, models))


def asked() -> list[str]:
    """Return the ids of the chosen models in the address."""
    return [id for id in st.query_params.get("m", "").split(",") if id]


def able(analysis: Analysis, track: Subject | None = None) -> list[ModelResult]:
    """Return the models with a score, of a subject those that judge it: models of voices stand
    beside models of voices only."""
    return [m for m in analysis.models if m.scored and (track is None or m.id in track.models)]


def at_first(scored: list[ModelResult]) -> list[ModelResult]:
    """Return the default selection: all models with a score, up to the maximum; those that count go
    first."""
    most = sorted(scored, key=lambda model: not model.heard)[:MAX_MODELS]
    return [model for model in scored if model in most]


def go(time: float) -> None:
    """Go to a moment."""
    st.query_params["t"] = f"{time:.2f}"


def _time(analysis: Analysis, track: Subject | None, models: list[ModelResult]) -> float:
    """Return the sampled time nearest to the address's, else that of the highest score of those
    that the most models scored."""
    times = list(analysis.timestamps)
    if track is not None:
        times = [f.time for f in track.frames] or [span.center for span in track.spans]
    if not times:
        return 0.0
    try:
        target = float(st.query_params.get("t", ""))
    except ValueError:
        lines = agreement.lines(analysis, track, models) if track else []
        scores = zip(lines[0].lane.times, agreement.highest(lines), strict=True) if lines else ()
        scored = [(time, score) for time, score in scores if score is not None]
        return max(scored, key=lambda p: p[1])[0] if scored else times[0]
    return min(times, key=lambda t: abs(t - target))
