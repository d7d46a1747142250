"""The title row: the file's name, the facts in a line, and what can be done with the result."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import address, backend, titles, words
from dashboard.jobs import Busy
from dashboard.result import downloads
from dashboard.result.linked import Linked, whole
from dashboard.result.question import asked
from dashboard.words import NBSP
from detector.errors import InputError
from detector.results import Analysis, Question, Thresholds

if TYPE_CHECKING:
    from dashboard.result import Record


def draw(record: Record, analysis: Analysis, linked: Linked) -> None:
    """Draw the row, and below it that the answer is an earlier one, where it is."""
    name = record.name
    with titles.row(name, facts(analysis, kept=record.again is not None)):
        if not linked.read_only:
            _actions(analysis, linked)
        st.download_button(
            "Report",
            downloads.maker("pdf", record.path, analysis, linked.wishes),
            file_name=downloads.file_name(name, "pdf"),
            mime="application/pdf",
            icon=":material/picture_as_pdf:",
            type="primary",
            on_click="ignore",
            key=linked.widget("report"),
        )

    if record.again is not None and not linked.read_only:
        _kept(record, analysis, linked)


def _actions(analysis: Analysis, linked: Linked) -> None:
    if st.button("New analysis", icon=":material/add:", key=linked.widget("new")):
        address.leave()
        st.rerun()
    if st.button("Compare", icon=":material/compare:", key=linked.widget("compare")):
        st.switch_page("pages/compare.py", query_params={"a": linked.key})
    with st.popover("Thresholds and models", icon=":material/tune:"):
        _settings(analysis, linked)


def _kept(record: Record, analysis: Analysis, linked: Linked) -> None:
    """Nothing was computed for this file today."""
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="kept-answer"
    ):  # fmt: skip
        st.html(
            "<p class='um-caption'>You had this very file analyzed before, with the same models "
            f"and settings. This is the answer of {local(analysis.created)}.</p>",
            width="content",
        )
        if record.path.is_file() and st.button(
            "Analyze again", icon=":material/refresh:", type="tertiary", key=linked.widget("again")
        ):
            try:
                backend.again(record.key, analysis.settings)
            except (Busy, InputError) as error:
                st.toast(f"{error.message} {error.hint}", icon=":material/schedule:")
            else:
                st.rerun()


def facts(analysis: Analysis, *, kept: bool = False) -> list[str]:
    """00:14.2, 1280×720, analyzed 20 Nov 2026, 10:42, 3 models, took 38 s."""
    ran = sum(1 for model in analysis.models if model.scored)
    parts = [
        *titles.facts(analysis.media),
        f"{'kept from' if kept else 'analyzed'} {local(analysis.created)}",
        words.count(ran, "model", "models"),
        f"took {words.took(seconds)}" if (seconds := total(analysis)) is not None else None,
    ]
    return [part for part in parts if part]


def total(analysis: Analysis) -> float | None:
    """How long the whole run took, s. Its stages overlap, so they don't add up to it."""
    return analysis.timings.get("total")


def local(moment: datetime) -> str:
    """A moment in the person's time zone: "20 Nov 2026, 10:42"."""
    offset = st.context.timezone_offset
    if offset is not None:
        moment = moment.astimezone(timezone(timedelta(minutes=-offset)))
        zone = ""
    else:
        zone = f"{NBSP}UTC"
        moment = moment.astimezone(UTC)
    return f"{moment.day}{NBSP}{moment:%b}{NBSP}{moment:%Y, %H:%M}{zone}"


def _settings(analysis: Analysis, linked: Linked) -> None:
    """The popover: two thresholds and what they mean, and which models count."""
    questions = asked(analysis) or [Question.MANIPULATION]
    for question in questions:
        limits = analysis.verdict.answers[question].thresholds
        name = f", {words.QUESTIONS[question].short.lower()}" if len(questions) > 1 else ""
        st.slider(
            f"Thresholds{name}, %",
            min_value=0,
            max_value=100,
            value=whole(limits),
            key=linked.widget(f"thresholds.{question.value}"),
            on_change=linked.choose_thresholds,
            args=(question,),
            help="The verdict is drawn again at once; no model runs.",
        )
        st.html(meaning(limits, words.QUESTIONS[question].fake_short))
    if any(linked.usual(q).own for q in questions) or linked.ours:
        st.toggle(
            "Use the threshold from my own clips",
            value=not linked.ours,
            key=linked.widget("own"),
            on_change=linked.choose_ours,
        )
    able = [m for m in linked.original.models if m.scored and not m.error]
    counted = [m.id for m in analysis.models if m.counted]
    st.pills(
        "Models that count",
        [m.id for m in able],
        format_func={m.id: m.title for m in able}.__getitem__,
        selection_mode="multi",
        default=counted,
        key=linked.widget("models"),
        on_change=linked.choose_models,
    )
    left_out = [m for m in linked.original.models if m not in able]
    for model in left_out:
        why = model.not_counted_because or model.error or "it gave no score"
        st.caption(f"{words.plain_markdown(model.title)}: {words.plain_markdown(why)}")
    st.button(
        "Reset",
        icon=":material/restart_alt:",
        disabled=not linked.changed and not linked.ours,
        on_click=linked.reset,
        key=linked.widget("reset"),
    )


def meaning(limits: Thresholds, says: str) -> str:
    """HTML of what the two values do, with the rates that were measured for them."""
    low, high = words.percent(limits.low), words.percent(limits.high)
    over = f"<b>Above {high}</b>: {says}."
    under = f"<b>Below {low}</b>: no sign found. Between: inconclusive."
    if limits.custom:
        rates = "How often your values err was not measured."
    elif limits.own:
        rate = words.percent(limits.false_positive_rate or 0.0)
        rates = (
            f"At most {rate} of untouched clips like yours land above {high} "
            f"(by {words.escape(limits.data)})."
        )
    else:
        parts = []
        if limits.false_positive_rate is not None:
            parts.append(
                f"{words.percent(limits.false_positive_rate)} of untouched clips land above {high}"
            )
        if limits.false_negative_rate is not None:
            parts.append(
                f"{words.percent(limits.false_negative_rate)} of manipulated ones below {low}"
            )
        rates = f"{' and '.join(parts)}." if parts else ""
        if rates and limits.data:
            rates = f"{rates[:-1]} (measured on {words.escape(limits.data)})."
    return f"<div class='um-caption'><p>{over}</p><p>{under}</p><p>{rates}</p></div>"
