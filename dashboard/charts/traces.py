"""Figures of one face's frequencies beside those of untouched faces."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.charts import PLAIN, layout, scatter
from dashboard.i18n import _
from dashboard.theme import AXIS, Palette
from detector.signals.reference import CurveRange

HEIGHT = 200
"""px"""


def frequency_figure(
    values: Sequence[float] | np.ndarray, reference: CurveRange | None, palette: Palette
) -> go.Figure:
    """Return a face's energy, dB, coarse to fine, over `reference` ranges where there are any."""
    places = list(range(len(values)))
    last = places[-1]
    small = {"size": AXIS, "color": palette.muted}
    font = {"yref": "paper", "yanchor": "top", "showarrow": False, "font": small}
    notes = [
        {"x": 0, "y": 0, "xanchor": "left", "text": _("coarse"), **font},
        {"x": last, "y": 0, "xanchor": "right", "text": _("fine detail"), **font},
    ]
    stroke = {"color": palette.text, "width": 2}
    traces = [scatter(places, list(values), hover="%{y:.0f} dB", line=stroke)]
    if reference is not None:
        outline = [*places, *reversed(places)], [*reference.high, *reference.low[::-1]]
        edge = {"color": palette.line, "width": 1}
        band = scatter(*outline, fill="toself", fillcolor=palette.sunken, line=edge)
        traces.insert(0, band)
        text = _("untouched, middle 90 %")
        notes.insert(0, {"x": last * 0.98, "y": 1, "xanchor": "right", "text": text, **font})
    title = {"text": _("energy, log"), "standoff": 2, "font": small}
    return go.Figure(
        traces,
        layout(
            palette,
            HEIGHT,
            annotations=notes,
            xaxis={**PLAIN, "visible": False, "range": [0, last]},
            yaxis={
                **PLAIN, "showticklabels": False, "showline": True, "linecolor": palette.edge,
                "title": title,
            },
            margin={"l": 22, "r": 4, "t": 4, "b": 20, "pad": 0},
            hovermode="x",
        ),
    )  # fmt: skip


def finding(values: np.ndarray, reference: CurveRange | None, fine: slice) -> str:
    """Return the figure in a few words: how the fine end stands beside untouched faces."""
    if reference is None:
        return _("there is no reference to compare with")
    outside = values[fine] - np.clip(values[fine], reference.low[fine], reference.high[fine])
    mean = float(outside.mean())
    if mean < -0.5:
        return _("fine detail is weaker than in untouched faces")
    if mean > 0.5:
        return _("fine detail is stronger than in untouched faces")
    return _("fine detail is as in untouched faces")
