"""Figures of one face's frequencies beside those of untouched faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import plotly.graph_objects as go

from dashboard.charts import PLAIN, Part, layout
from dashboard.i18n import _
from dashboard.theme import AXIS, Palette

HEIGHT = 200
"""px"""


class Beside(Protocol):
    """Where the middle 90 % of untouched faces lie, and their median."""

    @property
    def low(self) -> np.ndarray: ...
    @property
    def middle(self) -> np.ndarray: ...
    @property
    def high(self) -> np.ndarray: ...


def frequency_figure(
    values: Sequence[float] | np.ndarray, beside: Beside | None, palette: Palette
) -> go.Figure:
    """A face's energy from coarse to fine over the band of untouched faces.

    Parameters
    ----------
    values : dB, evenly spaced from coarse to fine
    beside : figures as many as `values`, or None where there are none to compare with
    """
    places = list(range(len(values)))
    traces: list[Part] = []
    said: list[Part] = []
    if beside is not None:
        traces.append(
            {
                "type": "scatter", "x": [*places, *reversed(places)],
                "y": [*beside.high, *beside.low[::-1]], "fill": "toself",
                "fillcolor": palette.sunken, "mode": "lines",
                "line": {"color": palette.line, "width": 1}, "hoverinfo": "skip",
            }
        )  # fmt: skip
        said.append({"x": places[-1] * 0.98, "y": 1, "xanchor": "right",
                     "text": _("untouched, middle 90 %")})  # fmt: skip
    traces.append(
        {
            "type": "scatter", "x": places, "y": list(values), "mode": "lines",
            "line": {"color": palette.text, "width": 2},
            "hovertemplate": "%{y:.0f} dB<extra></extra>",
        }
    )  # fmt: skip
    said += [
        {"x": 0, "y": 0, "xanchor": "left", "text": _("coarse")},
        {"x": places[-1], "y": 0, "xanchor": "right", "text": _("fine detail")},
    ]
    small = {"size": AXIS, "color": palette.muted}
    words = {"yref": "paper", "yanchor": "top", "showarrow": False, "font": small}
    return go.Figure(
        traces,
        layout(
            palette,
            HEIGHT,
            annotations=[{**one, **words} for one in said],
            xaxis={**PLAIN, "visible": False, "range": [0, places[-1]]},
            yaxis={
                **PLAIN, "showticklabels": False, "showline": True, "linecolor": palette.edge,
                "title": {"text": _("energy, log"), "standoff": 2, "font": small},
            },
            margin={"l": 22, "r": 4, "t": 4, "b": 20, "pad": 0},
            dragmode=False,
            hovermode="x",
        ),
    )  # fmt: skip


def apart(values: np.ndarray, beside: Beside | None, fine: slice) -> str:
    """The figure in a few words: how the fine end stands beside untouched faces."""
    if beside is None:
        return _("there is no reference to compare with")
    outside = values[fine] - np.clip(values[fine], beside.low[fine], beside.high[fine])
    mean = float(outside.mean())
    if mean < -0.5:
        return _("fine detail is weaker than in untouched faces")
    if mean > 0.5:
        return _("fine detail is stronger than in untouched faces")
    return _("fine detail is as in untouched faces")
