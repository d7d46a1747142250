"""Who says what: the agreement chart, and the table of the models."""

from __future__ import annotations

import streamlit as st

from dashboard import agreement_chart, charts, words
from dashboard.agreement_chart import AgreementRow
from dashboard.language import Table, _, ngettext
from dashboard.result.linked import Linked
from dashboard.theme import Palette
from detector.results import Analysis, ModelResult, Thresholds

PEOPLE = 4
"""drawn in the chart; more would hide one another."""


def draw(analysis: Analysis, linked: Linked, palette: Palette) -> None:
    """Draw the card with the chart."""
    rows = agreement_chart.agreement_rows(analysis)
    everyone = {t.id: words.who(t) for t in analysis.tracks}
    judged = {t.id: everyone[t.id] for t in analysis.tracks if t.probability is not None}
    people = dict(list(judged.items())[:PEOPLE])
    limits = analysis.verdict.thresholds
    with st.container(border=True, key="card-agreement", gap=None):
        st.html(
            f"<div class='um-cardhead'><h2 class='um-h2'>{_('Model agreement')}</h2>"
            f"{_legend(list(people))}</div>"
        )
        with st.container(key="agreement"):
            names, plot = st.columns([36, 64], gap=None, wrap=False)
            with names:
                st.html(row_names(rows))
            with plot:
                st.plotly_chart(
                    agreement_chart.agreement_figure(
                        rows, people=people, thresholds=limits, palette=palette
                    ),
                    theme=None,
                    config=charts.CONFIG,
                    key=linked.widget("agreement"),
                    alt=agreement_chart.agreement_finding(rows, everyone, limits),
                )
        more = len(judged) - len(people)
        said = [note(analysis)]
        if more:
            also = _("The {number} most suspicious people; {more} more are in the CSV.")
            said.append(also.format(number=PEOPLE, more=more))
        st.html(f"<p class='um-caption'>{' '.join(said)}</p>")


def _legend(people: list[str]) -> str:
    """Which dot is whom; nothing to tell with one person."""
    if len(people) < 2:
        return ""
    marks = "".join(
        f"<span><i class='{'filled' if i == 0 else 'open'}'></i>{words.escape(p)}</span>"
        for i, p in enumerate(people[:2])
    )
    if len(people) > 2:
        more = _("and {people}, open").format(people=words.escape(words.listed(people[2:])))
        marks += f"<span>{more}</span>"
    return f"<div class='um-legend'>{marks}</div>"


def row_names(rows: list[AgreementRow]) -> str:
    """HTML of the names beside the chart, at the heights of its rows."""
    cells = "".join(
        f"<div style='height:{agreement_chart.ROW}px'><span class='{'all' if row.bold else ''}'>"
        f"{words.escape(row.name)}</span><small>{words.escape(row.note)}</small></div>"
        for row in rows
    )
    return f"<div class='um-rows' style='padding-top:{charts.HEAD}px'>{cells}</div>"


def note(analysis: Analysis) -> str:
    """What the dotted lines are, and whose word doesn't count."""
    parts = [_dotted(analysis.verdict.thresholds)]
    out = [m.title for m in analysis.models if not m.counted and m.scored]
    if out:
        diamonds = ngettext(
            "Diamonds: {models} is not counted.", "Diamonds: {models} are not counted.", len(out)
        )
        parts.append(diamonds.format(models=words.escape(words.listed(out))))
    return " ".join(parts)


def _dotted(limits: Thresholds) -> str:
    if limits.custom:
        return _("Dotted lines: your thresholds.")
    if limits.own:
        text = _("Dotted lines: thresholds, the upper one from {data}.")
    elif limits.data:
        text = _("Dotted lines: thresholds of the ensemble ({data}).")
    else:
        text = _("Dotted lines: thresholds of the ensemble.")
    return f"{text.format(data=words.escape(limits.data))} {words.alarms(limits)}".strip()


COLUMNS: Table[str, tuple[str, bool]] = Table(
    lambda: {
        "model": (_("Model"), False),
        "score": (_("Score"), True),
        "reading": (_("Reading"), False),
        "scored": (_("Scored"), True),
        "time": (_("Time"), True),
        "weight": (_("Weight"), True),
        "calibrated": (_("Calibrated on"), False),
    }
)
"""Of the table: the name, and whether it holds numbers."""


def table(analysis: Analysis) -> str:
    """HTML of the per-model table; on a phone each model is a block of lines."""
    head = "".join(
        f"<th scope='col'{' class=n' if right else ''}>{name}</th>"
        for name, right in COLUMNS.values()
    )
    still = analysis.media.kind == "image"
    body = "".join(_row(model, still) for model in analysis.models)
    who = ""
    if analysis.verdict.track and len(analysis.tracks) > 1:
        text = _("Scores are those of Person {person}, the most suspicious.")
        text = text.format(person=words.escape(analysis.verdict.track))
        who = f"<p class='um-caption'>{text}</p>"
    return (
        f"<table class='um-table'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{who}"
    )


def _row(model: ModelResult, still: bool) -> str:
    if model.label is not None and model.probability is not None:
        state = words.state(model.label, model.question)
        reading = (
            f"<span class='um-ink {state.slug}'><span class='um-icon' aria-hidden='true'>"
            f"{state.icon}</span>{state.short}</span>"
        )
        score = words.percent(model.probability)
    else:
        reading, score = _("no score"), "–"
    if not model.counted:
        why = model.not_counted_because or _("not counted")
        reading += f"<small>{_('not counted: {why}').format(why=words.escape(why))}</small>"
    looks = words.looks(model.scored, "image" if still else model.kind)
    calibration = model.calibration
    cells = {
        "score": score,
        "reading": reading,
        "scored": looks if model.scored else "–",
        "time": words.took(model.seconds) if model.seconds is not None else "–",
        "weight": f"{model.weight:g}" if model.counted else "–",
        "calibrated": words.escape(calibration.data) if calibration else _("uncalibrated"),
    }
    tds = ""
    for column, value in cells.items():
        name, right = COLUMNS[column]
        tds += (
            f"<td data-label='{words.escape(name)}'{' class=n' if right else ''}>"
            f"<div>{value}</div></td>"
        )
    return f"<tr><th scope='row'>{words.escape(model.title)}</th>{tds}</tr>"
