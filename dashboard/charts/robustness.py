"""The robustness chart: a row a change, a dot at the likelihood after it."""

import plotly.graph_objects as go

from dashboard import labels, series
from dashboard.charts import scatter, score_layout
from dashboard.i18n import _
from dashboard.theme import Palette
from detector.schema.analysis import PerturbationResult, Robustness, Thresholds

ROW = 30
"""Height of a row, px."""


def rows(tried: Robustness) -> list[PerturbationResult]:
    """Return the unchanged part, then every change."""
    return [tried.unchanged, *tried.trials]


def figure(tried: Robustness, thresholds: Thresholds, palette: Palette) -> go.Figure:
    """Return a dot a trial over the thresholds, under the name of each."""
    shown = rows(tried)
    base = tried.unchanged.probability
    scored = [(i, t.title, t.probability) for i, t in enumerate(shown) if t.probability is not None]
    states = [palette.state(series.label_at(p, thresholds)) for _place, _title, p in scored]
    stroke = {"color": palette.edge, "width": 1.5}
    moved = [
        scatter([base, score], [place, place], line=stroke)
        for place, _title, score in scored
        if place and base is not None
    ]
    outline = [s.ink if s == palette.inconclusive else s.fill for s in states]
    dots = scatter(
        [score for _place, _title, score in scored],
        [place for place, _title, _score in scored],
        hover="%{customdata}",
        mode="markers",
        marker={
            "size": 12,
            "opacity": 1,
            "color": [s.fill for s in states],
            "line": {"width": 2, "color": outline},
        },
        customdata=[f"{labels.escape(title)} · {labels.percent(p)}" for _place, title, p in scored],
        cliponaxis=False,
    )
    layout = score_layout(len(shown), ROW, thresholds, palette)
    layout["yaxis"] |= {
        "tickvals": list(range(len(shown))),
        "ticktext": [labels.escape(name(trial)) for trial in shown],
        "showticklabels": True,
        "automargin": True,
    }
    return go.Figure([*moved, dots], layout)


def name(trial: PerturbationResult) -> str:
    """ "blur, level 2" -> "Blur, level 2"; "h264 CRF 32" stays."""
    return trial.title if trial.title[1:2].isdigit() else labels.capital(trial.title)


def finding(tried: Robustness) -> str:
    """Return the chart in one sentence, for its text alternative."""
    none = _("no likelihood")
    parts = [
        f"{t.title}: {none if t.probability is None else labels.percent(t.probability)}"
        for t in rows(tried)
    ]
    return f"{'; '.join(parts)}."
