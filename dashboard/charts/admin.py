"""The figures of the operator's page, as plotly figures: functions of numbers and a palette."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import plotly.graph_objects as go

from dashboard import labels
from dashboard.charts import BARE, PLAIN
from dashboard.theme import AXIS, SANS, Palette
from detector.schema.analysis import Label

HEIGHT = 200
ORDER = (Label.NOT_APPLICABLE, Label.REAL, Label.INCONCLUSIVE, Label.FAKE)


def verdicts(days: Mapping[date, Mapping[Label, int]], palette: Palette) -> go.Figure:
    """Return a column a day, of how many results there are of each verdict, with their number over
    it. Every second day is named, by its number: that has room on a phone too."""
    names = [labels.day(day, year=False) for day in days]
    totals = [sum(counts.values()) for counts in days.values()]
    bars: list[go.Bar | go.Scatter] = [
        go.Bar(
            x=names,
            y=[counts.get(label, 0) for counts in days.values()],
            marker={"color": palette.state(label).fill, "line": {"width": 0}},
            hovertemplate=f"%{{x}}: %{{y}} · {labels.STATES[label].short}<extra></extra>",
        )
        for label in ORDER
    ]
    font = {"family": SANS, "size": AXIS, "color": palette.muted}
    bars.append(
        go.Scatter(
            x=names,
            y=totals,
            mode="text",
            text=[f"{total:,}" if total else "" for total in totals],
            textposition="top center",
            textfont=font,
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    named = list(days)[len(days) % 2 == 0 :: 2]
    ticks = {
        "tickvals": [labels.day(day, year=False) for day in named],
        "ticktext": [f"{day.day}" for day in named],
        "tickangle": 0,
    }
    return go.Figure(
        bars,
        {
            **BARE,
            "barmode": "stack",
            "bargap": 0.15,
            "height": HEIGHT,
            "margin": {"l": 8, "r": 8, "t": 22, "b": 26},
            "showlegend": False,
            "xaxis": {**PLAIN, "type": "category", "tickfont": font, **ticks},
            "yaxis": {**PLAIN, "showticklabels": False, "rangemode": "tozero", "tickformat": "d"},
        },
    )
