"""The figures of an evaluation, as plotly figures: pure functions of numbers and a palette."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.i18n import _
from dashboard.theme import AXIS, SANS, Palette
from detector.evaluation.curves import Roc
from detector.evaluation.report import Bar
from detector.schema.analysis import Thresholds

SECOND, FOURTH = "#8C5A87", "#56B4E9"
DASHES = ("solid", "dash", "dot", "dashdot")
HEIGHT = 340
BINS = 20


def roc(curves: Mapping[str, Roc], colors: Palette) -> go.Figure:
    """ROC curves by name; the first has its band."""
    figure = _empty(_("Originals called fake"), _("Fakes found"), colors)
    for number, (name, curve) in enumerate(curves.items()):
        color = _color(number, colors)
        if number == 0 and curve.grid.size:
            figure.add_scatter(
                x=[*curve.grid, *curve.grid[::-1]],
                y=[*curve.high, *curve.low[::-1]],
                fill="toself",
                fillcolor=_faded(color, 0.16),
                line={"width": 0},
                hoverinfo="skip",
            )
        figure.add_scatter(
            x=curve.fpr,
            y=curve.tpr,
            mode="lines",
            line={"color": color, "width": 2.2, "dash": DASHES[number % 4]},
            hovertemplate=_hover(
                _("{name}: {found} found at {alarms} false alarms").format(
                    name=name, found="%{y:.0%}", alarms="%{x:.0%}"
                )
            ),
        )
    _diagonal(figure, colors)
    return figure


def precision(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], share: float, colors: Palette
) -> go.Figure:
    """Precision against recall; `share` of fakes is what guessing reaches."""
    figure = _empty(_("Fakes found (recall)"), _("Of what is called fake, is fake"), colors)
    for number, (name, (recall, right)) in enumerate(curves.items()):
        figure.add_scatter(
            x=recall,
            y=right,
            mode="lines",
            line={
                "color": _color(number, colors),
                "width": 2.2,
                "dash": DASHES[number % 4],
                "shape": "vh",
            },
            hovertemplate=_hover(
                _("{name}: {right} right at {found} found").format(
                    name=name, right="%{y:.0%}", found="%{x:.0%}"
                )
            ),
        )
    figure.add_hline(y=share, line={"color": colors.edge, "width": 1, "dash": "dot"})
    return figure


def reliability(bars: Sequence[Bar], colors: Palette) -> go.Figure:
    """What was said against what was so, with intervals."""
    figure = _empty(_("Said: likely manipulated"), _("Seen: share of fakes"), colors)
    filled = [bar for bar in bars if bar.seen.of]
    figure.add_scatter(
        x=[bar.said for bar in filled],
        y=[bar.seen.value for bar in filled],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [bar.seen.high - bar.seen.value for bar in filled],
            "arrayminus": [bar.seen.value - bar.seen.low for bar in filled],
            "color": colors.muted,
            "thickness": 1,
            "width": 3,
        },
        mode="markers",
        marker={"size": 9, "color": colors.accent},
        text=[
            _("{number} of {total}").format(number=bar.seen.count, total=bar.seen.of)
            for bar in filled
        ],
        hovertemplate=_hover(
            _("said {said}, seen {seen} ({files})").format(
                said="%{x:.0%}", seen="%{y:.0%}", files="%{text}"
            )
        ),
    )
    _diagonal(figure, colors)
    return figure


def histogram(
    real: Sequence[float], fake: Sequence[float], thresholds: Thresholds, colors: Palette
) -> go.Figure:
    """How the scores of originals (up) and fakes (down) lie, with the thresholds."""
    edges = np.linspace(0, 1, BINS + 1)
    up, down = np.histogram(real, edges)[0], np.histogram(fake, edges)[0]
    most = int(max([*up, *down, 1]))
    figure = _empty(_("Likelihood of manipulation"), _("Files"), colors)
    middles = (edges[:-1] + edges[1:]) / 2
    originals, fakes = _("{number} originals at {percent}"), _("{number} fakes at {percent}")
    for mark, hover, counts, sign, fill in (
        (f"○ {_('originals')}", originals, up, 1, colors.real.fill),
        (f"▲ {_('fakes')}", fakes, down, -1, colors.fake.fill),
    ):
        figure.add_bar(
            x=middles,
            y=sign * counts,
            width=1 / BINS * 0.9,
            marker={"color": fill},
            customdata=counts,
            hovertemplate=_hover(hover.format(number="%{customdata}", percent="%{x:.0%}")),
        )
        figure.add_annotation(
            x=0.99,
            y=sign * most * 0.94,
            text=mark,
            showarrow=False,
            xanchor="right",
            font={"size": AXIS, "color": colors.text, "family": SANS},
        )
    for value in (thresholds.low, thresholds.high):
        figure.add_vline(x=value, line={"color": colors.edge, "width": 1, "dash": "dot"})
    figure.update_layout(barmode="overlay")
    figure.update_yaxes(range=[-most * 1.1, most * 1.1])
    figure.update_yaxes(tickvals=[-most, 0, most], ticktext=[str(most), "0", str(most)])
    return figure


def key(names: Sequence[str], colors: Palette) -> list[tuple[str, str, str]]:
    """Return what each line of a figure is: its dash, its color, its name."""
    rows = [(DASHES[n % 4], _color(n, colors), name) for n, name in enumerate(names)]
    return [*rows, ("dot", colors.edge, _("guessing"))]


def _hover(text: str) -> str:
    """Without the name of the trace, which plotly would put beside it."""
    return f"{text}<extra></extra>"


def _empty(across: str, up: str, colors: Palette) -> go.Figure:
    figure = go.Figure()
    axis = {
        "range": [0, 1],
        "tickformat": ".0%",
        "showgrid": False,
        "zeroline": False,
        "linecolor": colors.edge,
        "tickfont": {"size": AXIS, "color": colors.muted, "family": SANS},
        "title_font": {"size": AXIS, "color": colors.muted, "family": SANS},
        "fixedrange": True,
        "tickvals": [0, 0.25, 0.5, 0.75, 1],
    }
    figure.update_layout(
        template="none",
        height=HEIGHT,
        margin={"l": 52, "r": 24, "t": 14, "b": 42},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        hovermode="closest",
        dragmode=False,
        xaxis={**axis, "title_text": across},
        yaxis={**axis, "title_text": up},
    )
    return figure


def _diagonal(figure: go.Figure, colors: Palette) -> None:
    figure.add_shape(
        type="line",
        x0=0,
        y0=0,
        x1=1,
        y1=1,
        line={"color": colors.edge, "width": 1, "dash": "dot"},
        layer="below",
    )


def _color(number: int, colors: Palette) -> str:
    """Of curves that are no scores; told apart by dash and label too."""
    return (colors.accent, SECOND, colors.muted, FOURTH)[number % 4]


def _faded(color: str, alpha: float) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
