"""How far models agree: moment by moment, pair by pair, one against another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import charts, labels, series
from dashboard.components import cards, typography
from dashboard.components.cards import Mark
from dashboard.i18n import _
from dashboard.pages.compare import state
from dashboard.pages.compare.lanes import limits
from dashboard.pages.compare.state import Chosen
from dashboard.series import Lane
from dashboard.theme import AXIS, Palette
from detector.schema.analysis import Label, Thresholds

ROW = 26
"""px of a model in the strip."""
ORDER = (Label.REAL, Label.INCONCLUSIVE, Label.FAKE)


@dataclass(frozen=True)
class Pair:
    """Two models on the moments that both scored.

    Attributes
    ----------
    same, opposite : int
        Moments with the same reading; with one over and one under the thresholds.
    correlation : float or None
        Of their scores (Pearson); None with fewer than three moments or a flat line.
    """

    first: str
    second: str
    both: int
    same: int
    opposite: int
    correlation: float | None


@dataclass(frozen=True)
class Difference:
    """A stretch of time in which models part."""

    start: float
    end: float
    text: str


def readings(lane: Lane, asked: Thresholds) -> list[Label]:
    """The reading of each moment; NOT_APPLICABLE where there is no score."""
    return [series.label_at(value, asked) for value in lane.score]


def pairs(said: Mapping[str, Sequence[Label]], drawn: Mapping[str, Lane]) -> list[Pair]:
    """Every pair of models."""
    out = []
    for a, b in itertools.combinations(said, 2):
        both = [
            i
            for i, (x, y) in enumerate(zip(said[a], said[b], strict=True))
            if Label.NOT_APPLICABLE not in (x, y)
        ]
        same = sum(said[a][i] is said[b][i] for i in both)
        opposite = sum({said[a][i], said[b][i]} == {Label.FAKE, Label.REAL} for i in both)
        x = np.array([drawn[a].score[i] for i in both], float)
        y = np.array([drawn[b].score[i] for i in both], float)
        steady = len(both) < 3 or x.std() < 1e-6 or y.std() < 1e-6
        correlation = None if steady else float(np.corrcoef(x, y)[0, 1])
        out.append(Pair(a, b, len(both), same, opposite, correlation))
    return out


def differences(
    said: Mapping[str, Sequence[Label]], times: Sequence[float], titles: Mapping[str, str]
) -> list[Difference]:
    """Stretches in which one model is over and another under the thresholds, longest first; then
    those in which one is sure and another is not."""
    found: list[tuple[int, int, Difference]] = []
    for a, b in itertools.permutations(said, 2):
        for rank, other in ((0, Label.REAL), (1, Label.INCONCLUSIVE)):
            says = (
                _("{other} finds no sign where {model} says likely manipulated")
                if rank == 0
                else _("{other} stays inconclusive where {model} says likely manipulated")
            )
            apart = [x is Label.FAKE and y is other for x, y in zip(said[a], said[b], strict=True)]
            for on, group in itertools.groupby(enumerate(apart), key=lambda item: item[1]):
                members = [i for i, differs in group]
                if on:
                    text = says.format(other=titles[b], model=titles[a])
                    stretch = Difference(times[members[0]], times[members[-1]], text)
                    found.append((rank, -len(members), stretch))
    found.sort(key=lambda item: item[:2])
    return [difference for _, _, difference in found]


def strip(
    said: Mapping[str, Sequence[Label]],
    times: Sequence[float],
    time: float,
    titles: Mapping[str, str],
    palette: Palette,
) -> go.Figure:
    """A cell a model and moment, in the state's color with its glyph."""
    rows = list(said)[::-1]
    place = {label: i for i, label in enumerate(ORDER)}
    values = [[place.get(label) for label in said[id]] for id in rows]
    glyphs = [
        [labels.STATES[x].glyph if x is not Label.NOT_APPLICABLE else "" for x in said[id]]
        for id in rows
    ]
    colors = [palette.state(label).fill for label in ORDER]
    scale = [(edge, colors[i]) for i in range(3) for edge in (i / 3, (i + 1) / 3)]
    texts = [
        [
            _("{model} at {time}: {reading}").format(
                model=labels.escape(titles[id]),
                time=labels.clock(t),
                reading=labels.STATES[label].short,
            )
            for t, label in zip(times, said[id], strict=True)
        ]
        for id in rows
    ]
    cells = {
        "type": "heatmap",
        "x": list(range(len(times))),
        "y": [titles[id] for id in rows],
        "z": values,
        "zmin": -0.5,
        "zmax": 2.5,
        "colorscale": scale,
        "showscale": False,
        "text": glyphs,
        "texttemplate": "%{text}",
        "textfont": {"size": AXIS, "color": "#FFFFFF"},
        "customdata": texts,
        "hovertemplate": "%{customdata}<extra></extra>",
        "xgap": 2,
        "ygap": 3,
    }
    at = min(range(len(times)), key=lambda i: abs(times[i] - time))
    frame = {
        "type": "rect", "x0": at - 0.5, "x1": at + 0.5, "y0": -0.5, "y1": len(rows) - 0.5,
        "line": {"color": palette.accent, "width": 2},
    }  # fmt: skip
    step = max(1, len(times) // 5)  # as many as a phone has room for
    layout = charts.layout(
        palette,
        ROW * len(rows) + 34,
        shapes=[frame],
        xaxis={
            **charts.PLAIN,
            "tickvals": list(range(0, len(times), step)),
            "ticktext": [labels.clock(t, tenths=False) for t in times[::step]],
            "tickangle": 0,
        },
        yaxis={**charts.PLAIN, "automargin": True},
        margin={"l": 90, "r": 6, "t": 4, "b": 28},
        dragmode=False,
    )
    return go.Figure(cells, layout)


def scatter(
    a: tuple[str, Lane, Thresholds], b: tuple[str, Lane, Thresholds], palette: Palette
) -> go.Figure:
    """One model against another: a dot a moment, over both models' thresholds."""
    (name_a, lane_a, limits_a), (name_b, lane_b, limits_b) = a, b
    both = [
        (t, x, y)
        for t, x, y in zip(lane_a.times, lane_a.score, lane_b.score, strict=True)
        if x is not None and y is not None
    ]
    dots = {
        "type": "scatter",
        "x": [x for t, x, y in both],
        "y": [y for t, x, y in both],
        "mode": "markers",
        "marker": {"size": 8, "color": palette.accent, "opacity": 0.75},
        "text": [labels.clock(t) for t, x, y in both],
        "hovertemplate": f"%{{text}}: {labels.escape(name_a)} %{{x:.0%}}, "
        f"{labels.escape(name_b)} %{{y:.0%}}<extra></extra>",
    }
    edge = palette.edge
    layout = charts.layout(
        palette,
        300,
        shapes=[
            *(charts.rule(edge, "dot", x0=level, x1=level, y0=0, y1=1, yref="y domain")
              for level in (limits_a.low, limits_a.high)),
            *(charts.rule(edge, "dot", y0=level, y1=level, x0=0, x1=1, xref="x domain")
              for level in (limits_b.low, limits_b.high)),
        ],
        xaxis=_scores_of(name_a, limits_a, palette),
        yaxis=_scores_of(name_b, limits_b, palette),
        margin={"l": 52, "r": 10, "t": 8, "b": 40},
        dragmode=False,
    )  # fmt: skip
    return go.Figure(dots, layout)


def _scores_of(name: str, asked: Thresholds, palette: Palette) -> charts.Part:
    """The axis of a model."""
    values, texts = charts.score_ticks(asked)
    return {
        **charts.PLAIN, "range": [-0.02, 1.02], "tickvals": values, "ticktext": texts,
        "title": {"text": f"{labels.escape(name)}, %", "font": {"size": AXIS}},
        "linecolor": palette.edge,
    }  # fmt: skip


def draw(view: Chosen, drawn: dict[str, Lane], palette: Palette) -> None:
    """Draw the card."""
    titles = {m.id: labels.plain(m) for m in view.models}
    asked = {m.id: limits(view, m) for m in view.models}
    said = {id: readings(lane, asked[id]) for id, lane in drawn.items()}
    times = list(next(iter(drawn.values())).times)
    with st.container(border=True, key="card-agree"):
        keys = [
            Mark(cls=f"cell {state.slug}", words=f"{state.glyph} {state.short.lower()}")
            for state in (labels.STATES[x] for x in (Label.FAKE, Label.INCONCLUSIVE, Label.REAL))
        ]
        cards.wide_head(_("Agreement"), cards.legend(keys))
        whole = pairs(said, drawn)
        st.plotly_chart(
            strip(said, times, view.time, titles, palette),
            theme=None,
            config=charts.CONFIG,
            key="compare-strip",
            alt=_finding(whole, titles),
        )
        left, right = st.columns(2, gap="medium")
        same = _("Same reading")
        with left:
            st.dataframe(
                pd.DataFrame(
                    {
                        _("Pair"): labels.listed([titles[p.first], titles[p.second]]),
                        same: round(100 * p.same / p.both) if p.both else None,
                        _("Moments"): p.both,
                        _("Opposite"): p.opposite,
                        _("Correlation"): None
                        if p.correlation is None
                        else round(p.correlation, 2),
                    }
                    for p in whole
                ),
                hide_index=True,
                column_config={
                    same: st.column_config.ProgressColumn(
                        format="%d %%", min_value=0, max_value=100
                    )
                },
            )
            _differences(differences(said, times, titles))
        with right:
            _scatter(drawn, titles, asked, palette)


def _differences(found: Sequence[Difference]) -> None:
    typography.chapter(_("Where they differ"))
    if not found:
        nowhere = _("Nowhere: no model is sure where another is not.")
        typography.caption(nowhere)
    for number, one in enumerate(found[:4]):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", key=f"differ-{number}", wrap=False
        ):
            typography.paragraph(one.text, width="stretch")
            st.button(
                labels.clock(one.start),
                icon=":material/play_arrow:",
                type="tertiary",
                key=f"differ-go-{number}",
                on_click=state.go,
                args=(one.start,),
            )


def _scatter(
    drawn: Mapping[str, Lane],
    titles: Mapping[str, str],
    asked: Mapping[str, Thresholds],
    palette: Palette,
) -> None:
    ids = list(drawn)
    with st.container(horizontal=True):
        a = st.selectbox(_("Across"), ids, 0, format_func=titles.__getitem__, key="scatter-a")
        b = st.selectbox(_("Up"), ids, 1, format_func=titles.__getitem__, key="scatter-b")
    st.plotly_chart(
        scatter((titles[a], drawn[a], asked[a]), (titles[b], drawn[b], asked[b]), palette),
        theme=None,
        config=charts.CONFIG,
        key="compare-scatter",
        alt=_("{first} against {second}, a dot a moment").format(first=titles[a], second=titles[b]),
    )


def _finding(whole: Sequence[Pair], titles: Mapping[str, str]) -> str:
    return "; ".join(
        _("{models} read {same} of {both} moments alike").format(
            models=labels.listed([titles[p.first], titles[p.second]]), same=p.same, both=p.both
        )
        for p in whole
    )
