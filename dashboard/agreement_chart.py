"""The agreement chart: a row a model, a dot a person, over the ensemble's thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from dashboard import series, words
from dashboard.charts import Part, rule, score_layout
from dashboard.language import _
from dashboard.theme import AXIS, Palette
from detector.results import Analysis, Thresholds

ROW = 48
"""Height of a model's row, px."""


@dataclass(frozen=True)
class AgreementRow:
    """One row: a model, or all of them together.

    Attributes
    ----------
    note : str
        Under the name: "calibrated", "uncalibrated", "mean of 3".
    scores : dict of str to float
        By person.
    counted : bool
        An uncounted model's scores are hollow diamonds.
    instead : str
        Stands in the row of a model that gave no score.
    """

    name: str
    note: str
    scores: dict[str, float]
    counted: bool = True
    instead: str = ""
    bold: bool = False


def agreement_rows(analysis: Analysis) -> list[AgreementRow]:
    """All models together, then each model in the manifest's order."""
    counted = [m for m in analysis.models if m.counted]
    together = {t.id: t.probability for t in analysis.tracks if t.probability is not None}
    mean = _("mean of {number}").format(number=len(counted))
    rows = [AgreementRow(_("All models"), mean, together, bold=True)]
    for model in analysis.models:
        scores = {t.id: t.models[model.id].probability for t in analysis.tracks
                  if model.id in t.models}  # fmt: skip
        note = _("calibrated") if model.calibration else _("uncalibrated")
        instead = ""
        if not model.counted:
            why = model.not_counted_because or ""
            instead = "" if scores else _("no score, not counted")
            note = why or _("not counted")
            if scores and why and "not counted" not in why:
                note = _("{why}, not counted").format(why=why)
        rows.append(AgreementRow(model.title, note, scores, model.counted, instead))
    return rows


def agreement_figure(
    rows: Sequence[AgreementRow],
    *,
    people: Mapping[str, str],
    thresholds: Thresholds,
    palette: Palette,
) -> go.Figure:
    """A dot a person in a row a model, over the ensemble's thresholds.

    Names stand beside the figure, `ROW` px apart under `charts.HEAD`, so that they never are cut.
    `people` are the persons' names by id, most suspicious first: its dot is filled, the others' are
    open.
    """
    traces: list[Part] = []
    for place, row in enumerate(rows):
        values = list(row.scores.values())
        if len(values) > 1:
            traces.append(
                {
                    "type": "scatter", "x": [min(values), max(values)], "y": [place, place],
                    "mode": "lines", "line": {"color": palette.edge, "width": 1},
                    "hoverinfo": "skip",
                }
            )  # fmt: skip
    for order, person in reversed(list(enumerate(people))):
        shown = [(i, row) for i, row in enumerate(rows) if person in row.scores]
        marks = [_mark(row.scores[person], row, order == 0, thresholds, palette)
                 for place, row in shown]  # fmt: skip
        traces.append(
            {
                "type": "scatter",
                "x": [row.scores[person] for place, row in shown],
                "y": [place for place, row in shown],
                "mode": "markers+text",
                "marker": {
                    "size": 12,
                    "opacity": 1,
                    "symbol": [m.symbol for m in marks],
                    "color": [m.fill for m in marks],
                    "line": {"width": 2, "color": [m.line for m in marks]},
                },
                "text": [_dot_text(row, person, list(people)) for place, row in shown],
                "textposition": "top center",
                "textfont": {"size": AXIS, "color": palette.text if order == 0 else palette.muted},
                "customdata": [
                    _hover(row, people[person], row.scores[person]) for place, row in shown
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
                "cliponaxis": False,
                "name": people[person],
            }
        )
    layout = score_layout(len(rows), ROW, thresholds, palette)
    layout["shapes"] += [
        rule(palette.line, xref="paper", x0=0, x1=1, y0=i - 0.5, y1=i - 0.5)
        for i in range(1, len(rows))
    ]
    layout["annotations"] = [
        {
            "x": 0.5, "xref": "paper", "y": i, "text": row.instead, "showarrow": False,
            "font": {"size": AXIS, "color": palette.muted}, "bgcolor": palette.surface,
        }
        for i, row in enumerate(rows)
        if row.instead
    ]  # fmt: skip
    return go.Figure(traces, layout)


@dataclass(frozen=True)
class _Mark:
    symbol: str
    fill: str
    line: str


def _mark(
    score: float, row: AgreementRow, filled: bool, thresholds: Thresholds, palette: Palette
) -> _Mark:
    """An amber mark gets an outline in amber ink, because amber alone is too pale."""
    state = palette.state(series.label_at(score, thresholds))
    if not row.counted:
        return _Mark("diamond", palette.surface, palette.muted)
    amber = state == palette.inconclusive
    line = state.ink if amber else state.fill
    return _Mark("circle", state.fill if filled else palette.surface, line)


def _hover(row: AgreementRow, who: str, score: float) -> str:
    percent = words.percent(score)
    said = percent if row.counted else _("{percent}, not counted").format(percent=percent)
    return f"{words.escape(row.name)} · {who} · {said}"


def _dot_text(row: AgreementRow, person: str, people: Sequence[str]) -> str:
    """The number over a dot, unless that of a more suspicious person stands within reach."""
    score = row.scores[person]
    for other in people[: people.index(person)]:
        if other in row.scores and abs(row.scores[other] - score) < 0.12:
            return ""
    number = str(words.whole_percent(score))
    if len(people) > 2:
        number = f"{person}{words.NBSP}{number}"
    return f"<b>{number}</b>" if person == people[0] else number


def agreement_finding(
    rows: Sequence[AgreementRow], people: Mapping[str, str], thresholds: Thresholds
) -> str:
    """The chart in one sentence, for its text alternative; `people`: everybody's name by id."""
    parts = []
    for row in rows:
        if row.instead:
            parts.append(f"{row.name}: {row.instead}")
        elif row.scores:
            said = ", ".join(f"{people[p]} {words.percent(s)}" for p, s in row.scores.items())
            if not row.counted:
                said = _("{said} (not counted)").format(said=said)
            parts.append(f"{row.name}: {said}")
    low, high = words.whole_percent(thresholds.low), words.whole_percent(thresholds.high)
    limits = _("Thresholds at {low} and {high}.").format(low=low, high=high)
    return f"{'. '.join(parts)}. {limits}"
