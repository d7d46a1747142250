"""Who says what: the agreement chart, and the table of the models."""

from __future__ import annotations

import streamlit as st

from dashboard import agreement_chart, charts, words
from dashboard.agreement_chart import AgreementRow
from dashboard.result.linked import Linked
from dashboard.theme import Palette
from detector.results import Analysis, ModelResult

PEOPLE = 4
"""drawn in the chart; more would hide one another."""


def draw(analysis: Analysis, linked: Linked, palette: Palette) -> None:
    """Draw the card with the chart."""
    rows = agreement_chart.agreement_rows(analysis)
    judged = {t.id: t.who for t in analysis.tracks if t.probability is not None}
    everyone = {t.id: t.who for t in analysis.tracks}
    people = dict(list(judged.items())[:PEOPLE])
    limits = analysis.verdict.thresholds
    with st.container(border=True, key="card-agreement", gap=None):
        st.html(
            "<div class='um-cardhead'><h2 class='um-h2'>Model agreement</h2>"
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
        also = f" The {PEOPLE} most suspicious people; {more} more are in the CSV." if more else ""
        st.html(f"<p class='um-caption'>{note(analysis)}{also}</p>")


def _legend(people: list[str]) -> str:
    """Which dot is whom; nothing to tell with one person."""
    if len(people) < 2:
        return ""
    marks = "".join(
        f"<span><i class='{'filled' if i == 0 else 'open'}'></i>{words.escape(p)}</span>"
        for i, p in enumerate(people[:2])
    )
    more = f"<span>and {words.listed(people[2:])}, open</span>" if len(people) > 2 else ""
    return f"<div class='um-legend'>{marks}{more}</div>"


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
    limits = analysis.verdict.thresholds
    parts = []
    if limits.custom:
        parts.append("Dotted lines: your thresholds.")
    else:
        about = [words.escape(limits.data)] if limits.data else []
        if limits.false_positive_rate is not None:
            about.append(f"{words.percent(limits.false_positive_rate)} false alarms there")
        where = f" ({', '.join(about)})" if about else ""
        whose = ", the upper one from your own clips" if limits.own else " of the ensemble"
        parts.append(f"Dotted lines: thresholds{whose}{where}.")
    out = [m.title for m in analysis.models if not m.counted and m.scored]
    if out:
        verb = "is" if len(out) == 1 else "are"
        parts.append(f"Diamonds: {words.escape(words.listed(out))} {verb} not counted.")
    return " ".join(parts)


def table(analysis: Analysis) -> str:
    """HTML of the per-model table; on a phone each model is a block of lines."""
    head = "".join(
        f"<th scope='col'{' class=n' if right else ''}>{name}</th>"
        for name, right in (
            ("Model", False), ("Score", True), ("Reading", False), ("Scored", True),
            ("Time", True), ("Weight", True), ("Calibrated on", False),
        )
    )  # fmt: skip
    still = analysis.media.kind == "image"
    body = "".join(_row(model, still) for model in analysis.models)
    who = (
        f"<p class='um-caption'>Scores are those of Person {words.escape(analysis.verdict.track)},"
        " the most suspicious.</p>"
        if analysis.verdict.track and len(analysis.tracks) > 1
        else ""
    )
    return (
        f"<table class='um-table'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{who}"
    )


def brief(seconds: float) -> str:
    """A duration; "0.0 s" would look like an error."""
    return words.took(seconds) if seconds >= 0.05 else f"under 0.1{words.NBSP}s"


def _row(model: ModelResult, still: bool) -> str:
    if model.label is not None and model.probability is not None:
        state = words.state(model.label, model.question)
        reading = (
            f"<span class='um-ink {state.slug}'><span class='um-icon' aria-hidden='true'>"
            f"{state.icon}</span>{state.short}</span>"
        )
        score = words.percent(model.probability)
    else:
        reading, score = "no score", "–"
    if not model.counted:
        why = model.not_counted_because or "not counted"
        reading += f"<small>not counted: {words.escape(why)}</small>"
    calibrated = f"{words.escape(model.calibration.data)}" if model.calibration else "uncalibrated"
    cells = (
        ("Score", score, True),
        ("Reading", reading, False),
        (
            "Scored",
            words.looks(model.scored, "image" if still else model.kind) if model.scored else "–",
            True,
        ),
        ("Time", brief(model.seconds) if model.seconds is not None else "–", True),
        ("Weight", f"{model.weight:g}" if model.counted else "–", True),
        ("Calibrated on", calibrated, False),
    )
    tds = "".join(
        f"<td data-label='{label}'{' class=n' if right else ''}><div>{value}</div></td>"
        for label, value, right in cells
    )
    return f"<tr><th scope='row'>{words.escape(model.title)}</th>{tds}</tr>"
