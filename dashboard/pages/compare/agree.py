"""Agreement of models: moment by moment, pair by pair, one against another."""

from collections.abc import Collection, Sequence
from functools import partial

import plotly.graph_objects as go
import streamlit as st
from markupsafe import Markup

from dashboard import charts, labels
from dashboard.components import blocks, cards, controls, figures, typography
from dashboard.components.cards import Mark
from dashboard.components.markup import show
from dashboard.pages.compare import state
from dashboard.theme import AXIS, Palette
from detector.messages import states
from detector.presentation import agreement, looks
from detector.presentation.agreement import ModelLine, Pair
from detector.schema.analysis import Label, Question
from detector.sentences import _, say

ORDER = (Label.REAL, Label.INCONCLUSIVE, Label.FAKE)
SHORT = 10.0
"""s of a clip below which times have tenths."""


def strip(lines: Sequence[ModelLine], time: float, said: str) -> Markup:
    """Return a cell for each model and moment, in the state's color with its sign; `said` is its
    text for screen readers."""
    times = lines[0].lane.times
    at = min(range(len(times)), key=lambda i: abs(times[i] - time))

    def cell(line: ModelLine, place: int) -> tuple[str, str, str]:
        label = line.readings[place]
        hover = looks.at(line.model, times[place], states.state(label, line.question, short=True))
        tone = labels.look(label).slug if label in ORDER else ""
        return f"{tone} {'now' if place == at else ''}", _glyph(label), hover

    rows = [(line.name, [cell(line, place) for place in range(len(times))]) for line in lines]
    last, tenths = len(times) - 1, times[-1] < SHORT
    under = dict.fromkeys(labels.clock(times[last * n // 4], tenths=tenths) for n in range(5))
    return figures.cells(rows, under, said)


def scatter(a: ModelLine, b: ModelLine, palette: Palette) -> go.Figure:
    """Return one model against another: a dot for each moment, over both models' thresholds."""
    both = [
        (t, x, y)
        for t, x, y in zip(a.lane.times, a.lane.score, b.lane.score, strict=True)
        if x is not None and y is not None
    ]
    names = [labels.escape(line.name) for line in (a, b)]
    dots = charts.scatter(
        [x for t, x, y in both],
        [y for t, x, y in both],
        hover=f"%{{text}}: {names[0]} %{{x:.0%}}, {names[1]} %{{y:.0%}}",
        mode="markers",
        marker={"size": 8, "color": palette.accent, "opacity": 0.75},
        text=[labels.clock(t) for t, x, y in both],
    )
    across: charts.Part = {"x0": 0, "x1": 1, "xref": "x domain"}
    up: charts.Part = {"y0": 0, "y1": 1, "yref": "y domain"}
    layout = charts.layout(
        palette,
        300,
        shapes=[
            *(charts.rule(palette.edge, "dot", x0=x, x1=x, **up)
              for x in (a.limits.low, a.limits.high)),
            *(charts.rule(palette.edge, "dot", y0=y, y1=y, **across)
              for y in (b.limits.low, b.limits.high)),
        ],
        xaxis=_scores_of(a, palette),
        yaxis=_scores_of(b, palette),
        margin={"l": 52, "r": 10, "t": 8, "b": 40},
    )  # fmt: skip
    return go.Figure(dots, layout)


def _scores_of(line: ModelLine, palette: Palette) -> charts.Part:
    values, texts = charts.score_ticks(line.limits)
    title = labels.escape(agreement.axis(line))
    return {
        **charts.PLAIN, "range": [-0.02, 1.02], "tickvals": values, "ticktext": texts,
        "title": {"text": title, "font": {"size": AXIS}},
        "linecolor": palette.edge,
    }  # fmt: skip


def draw(lines: Sequence[ModelLine], time: float, palette: Palette) -> None:
    """Draw the card."""
    with st.container(border=True, key="card-agree"):
        cards.head(_("Agreement"), cards.legend(_keys({line.question for line in lines})))
        compared = agreement.pairs(lines)
        said = "; ".join(pair.said for pair in compared)
        show(strip(lines, time, said))
        left, right = st.columns(2, gap="medium")
        with left:
            blocks.draw(agreement.section(compared))
            if compared:
                _differences(lines, compared)
        with right:
            _scatter(lines, palette)


def _keys(questions: Collection[Question | None]) -> list[Mark]:
    """Return the legend of colors in the words of each shown question."""
    return [
        Mark(
            f"cell {labels.look(label).slug}",
            f"{_glyph(label)} {agreement.key(label, questions)}".strip(),
        )
        for label in reversed(ORDER)
    ]


def _glyph(label: Label) -> str:
    """Return the sign of a reading; empty for an undecided one, the most frequent."""
    return labels.look(label).glyph if label.side else ""


def _differences(lines: Sequence[ModelLine], compared: Sequence[Pair]) -> None:
    typography.chapter(say(agreement.WHERE))
    stretches = agreement.differences(lines)
    if not stretches:
        typography.caption(agreement.nowhere(compared))
    for number, stretch in enumerate(stretches[:4]):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", key=f"differ-{number}", wrap=False
        ):
            typography.paragraph(stretch.text, width="stretch")
            go_there, at = partial(state.go, stretch.start), labels.clock(stretch.start)
            controls.button(at, "play_arrow", f"differ-go-{number}", go_there, kind="tertiary")


def second(lines: Sequence[ModelLine]) -> int:
    """Return the model that is compared with the first by default: the next one of the same
    question."""
    first, *rest = lines
    return 1 + next((n for n, line in enumerate(rest) if line.question is first.question), 0)


def _scatter(lines: Sequence[ModelLine], palette: Palette) -> None:
    by_id = {line.model.id: line for line in lines}
    with st.container(horizontal=True):
        a, b = (
            by_id[
                st.selectbox(
                    label, list(by_id), place, key=key, format_func=lambda id: by_id[id].name
                )
            ]
            for label, place, key in (
                (_("Across"), 0, "scatter-a"),
                (_("Up"), second(lines), "scatter-b"),
            )
        )
    figures.chart(scatter(a, b, palette), "compare-scatter", agreement.against(a, b))
