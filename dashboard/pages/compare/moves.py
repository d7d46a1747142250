"""How a face moves in a copy and in its original, where that is what they share."""

from itertools import pairwise

import plotly.graph_objects as go
import streamlit as st

from dashboard import charts, labels
from dashboard.components import cards, figures
from dashboard.i18n import _, speech
from dashboard.theme import Palette
from detector.messages import comparison as words
from detector.messages.format import time_ticks
from detector.schema.comparison import Comparison, MovementTrace, SharedMovement

HEIGHT = 130
"""px of each of the two lanes"""


def draw(comparison: Comparison, palette: Palette) -> None:
    """Draw the card; nothing where the finding is another."""
    shared = comparison.movement
    if shared is None:
        return
    copy, original = words.called(comparison, speech())
    with st.container(border=True, key="card-near-moves"):
        cards.introduced(
            _("How the face moves"),
            _("Along the way it moves most, each by its own strength. Solid: {copy}, dashed: "
              "{original} at the same moment.").format(copy=copy, original=original),
        )  # fmt: skip
        alt = _("How the head and its features move in both: correlation {head:.2f} and "
                "{features:.2f}")  # fmt: skip
        head, features = (trace.correlation for trace in shared.traces)
        figures.chart(
            figure(shared, palette, (copy, original)),
            "near-moves-chart",
            alt.format(head=head, features=features),
        )


def figure(
    shared: SharedMovement, palette: Palette, called: tuple[str, str] | None = None
) -> go.Figure:
    """Return a lane of the head and one of the features, both files in each."""
    copy, original = called or (_("the copy"), _("the original"))
    names = {"head": _("Head"), "features": _("Features")}
    end = shared.start + shared.step * max(len(t.of_copy) for t in shared.traces)
    ticks, texts = time_ticks(end)
    layout = charts.layout(
        palette,
        HEIGHT * len(shared.traces) + 40,
        margin={"l": 74, "r": 10, "t": 8, "b": 28},
        xaxis={
            **charts.PLAIN, "range": [shared.start, end], "anchor": f"y{len(shared.traces)}",
            "tickvals": ticks, "ticktext": texts,
        },
        **_lanes(shared, names),
    )  # fmt: skip
    lines = [
        line
        for number, trace in enumerate(shared.traces, 1)
        for line in _lines(shared, trace, number, (names[trace.what], copy, original), palette)
    ]
    return go.Figure(lines, layout)


def _lanes(shared: SharedMovement, names: dict[str, str]) -> dict[str, dict[str, object]]:
    """Return an axis for each lane, the first one on top."""
    count = len(shared.traces)
    edges = [1 - i / count for i in range(count + 1)]
    return {
        f"yaxis{number}": {
            **charts.PLAIN, "domain": [low + 0.03, high], "range": [-3.2, 3.2], "tickvals": [0],
            "ticktext": [names[trace.what]], "zeroline": False, "fixedrange": True,
        }
        for number, (trace, (high, low)) in enumerate(
            zip(shared.traces, pairwise(edges), strict=True), 1
        )
    }  # fmt: skip


def _lines(
    shared: SharedMovement,
    trace: MovementTrace,
    number: int,
    names: tuple[str, str, str],
    palette: Palette,
) -> list[dict[str, object]]:
    name, copy, original = names[0], *map(labels.escape, names[1:])
    drawn = (
        (trace.of_original, palette.accent, "dash", 2.0, original),
        (trace.of_copy, palette.text, "solid", 1.6, copy),
    )
    times = [round(shared.start + shared.step * i, 3) for i in range(len(trace.of_copy))]
    return [
        charts.scatter(
            times,
            values,
            hover=f"{name}, {which}: %{{x:.2f}} s",
            yaxis=f"y{number}",
            line={"color": color, "width": width, "dash": dash},
        )
        for values, color, dash, width, which in drawn
    ]
