"""What is compared, kept in the address: clips, models, person, moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import series
from detector.schema.analysis import Analysis, ModelResult, Subject
from service.tasks.jobs import Job

MOST_MODELS = 6


@dataclass(frozen=True)
class Chosen:
    """A clip and what is looked at in it.

    Attributes
    ----------
    models : list of ModelResult
        The compared ones, in the manifest's order.
    track : Subject or None
        The person; None where nobody was scored.
    time : float
        The moment, s; one that was looked at.
    """

    job: Job
    analysis: Analysis
    models: list[ModelResult]
    track: Subject | None
    time: float


def read(job: Job) -> Chosen:
    """What the address asks for of this clip; what it leaves open is chosen here."""
    analysis = job.analysis
    assert analysis is not None
    scored = able(analysis)
    asked = [id for id in st.query_params.get("m", "").split(",") if id]
    models = [m for m in scored if m.id in asked] or scored[:3]
    tracks = [t for t in analysis.judged if t.models]
    track = next((t for t in tracks if t.id == st.query_params.get("p")), None)
    track = track or (tracks[0] if tracks else None)
    return Chosen(job, analysis, models[:MOST_MODELS], track, _moment(analysis, track))


def able(analysis: Analysis) -> list[ModelResult]:
    """The models that gave a score."""
    return [m for m in analysis.models if m.scored]


def go(time: float) -> None:
    """Move to a moment."""
    st.query_params["t"] = f"{time:.2f}"


def choose(name: str, value: str | Sequence[str]) -> None:
    """Put a choice into the address."""
    st.query_params[name] = value if isinstance(value, str) else ",".join(value)


def _moment(analysis: Analysis, track: Subject | None) -> float:
    """The looked-at moment nearest to the address's, else that of the highest score."""
    moments = [f.time for f in track.frames] if track else list(analysis.moments)
    if not moments:
        return 0.0
    try:
        wanted = float(st.query_params.get("t", ""))
    except ValueError:
        line = series.lane(analysis, track).scored if track else []
        return max(line, key=lambda p: p[1])[0] if line else moments[0]
    return min(moments, key=lambda t: abs(t - wanted))
