"""Bars of the contributions to the combined log odds."""

import streamlit as st

from dashboard import labels
from dashboard.components import controls, verdict
from dashboard.components.markup import show
from dashboard.result.linked import ResultViewState
from detector.presentation import pulls
from detector.schema.analysis import Analysis
from detector.sentences import _, say


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the bars, each model's with a link to its strongest moment."""
    chart = pulls.chart(analysis)
    if chart is None:
        return
    *parts, combined = chart.rows
    end, moves = chart.high, analysis.media.kind != "image"
    show(verdict.sides(say(pulls.TITLE), *pulls.directions(analysis), bare=not moves))
    with st.container(key="pulls", gap=None):
        for place, row in enumerate(parts):
            time = row.time if moves else None
            with st.container(
                horizontal=True, wrap=False, vertical_alignment="center", gap=None,
                key=f"pull-{'bare' if time is None else 'to'}-{row.id or place}",
            ):  # fmt: skip
                show(verdict.pull(row, end, bare=not moves))
                if time is not None:
                    controls.button(
                        labels.clock(time, tenths=False),
                        "play_arrow",
                        linked.widget(f"pull.{row.id}"),
                        linked.looking_at(row.id, time, analysis.verdict.subject),
                        kind="tertiary",
                        help=_("Go to its strongest moment"),
                    )
    show(
        *(verdict.pulls_nothing(name, why) for name, why in pulls.silent(analysis)),
        verdict.pull(combined, end, bare=not moves),
        verdict.trace(" ".join(pulls.traces(analysis))),
    )
