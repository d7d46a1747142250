"""The robustness chart: a row a change, a dot where the score went, from the unchanged part's."""

from __future__ import annotations

import plotly.graph_objects as go

from dashboard import labels, series
from dashboard.charts import score_layout
from dashboard.i18n import _
from dashboard.theme import Palette
from detector.schema.analysis import PerturbationResult, Robustness, Thresholds

ROW = 30
"""Height of a row, px."""


def rows(tried: Robustness) -> list[PerturbationResult]:
    """The unchanged part, then every change."""
    return [tried.unchanged, *tried.trials]


def figure(tried: Robustness, thresholds: Thresholds, palette: Palette) -> go.Figure:
    """A dot a trial over the thresholds; names stand beside the figure, `ROW` px apart."""
    shown = rows(tried)
    base = tried.unchanged.probability
    scored = [(i, t, t.probability) for i, t in enumerate(shown) if t.probability is not None]
    states = [palette.state(series.label_at(p, thresholds)) for place, trial, p in scored]
    moved = [
        {
            "type": "scatter", "x": [base, score], "y": [place, place], "mode": "lines",
            "line": {"color": palette.edge, "width": 1.5}, "hoverinfo": "skip",
        }
        for place, trial, score in scored
        if place and base is not None
    ]  # fmt: skip
    dots = {
        "type": "scatter",
        "x": [score for place, trial, score in scored],
        "y": [place for place, trial, score in scored],
        "mode": "markers",
        "marker": {
            "size": 12,
            "opacity": 1,
            "color": [s.fill for s in states],
            "line": {
                "width": 2,
                "color": [s.ink if s == palette.inconclusive else s.fill for s in states],
            },
        },
        "customdata": [f"{labels.escape(t.title)} · {labels.percent(p)}" for place, t, p in scored],
        "hovertemplate": "%{customdata}<extra></extra>",
        "cliponaxis": False,
    }
    return go.Figure([*moved, dots], score_layout(len(shown), ROW, thresholds, palette))


def finding(tried: Robustness) -> str:
    """The chart in one sentence, for its text alternative."""
    parts = [
        f"{t.title}: {_('no score') if t.probability is None else labels.percent(t.probability)}"
        for t in rows(tried)
    ]
    return f"{'; '.join(parts)}."
