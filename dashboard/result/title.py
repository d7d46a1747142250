"""The title row: the file's name, the facts in a line, and what can be done with the result."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import streamlit as st

from dashboard import address, titles, words
from dashboard.result import downloads
from dashboard.result.linked import Linked, whole
from dashboard.words import NBSP
from detector.results import Analysis, Thresholds


def draw(analysis: Analysis, linked: Linked, name: str) -> None:
    """Draw the row."""
    with titles.row(name, facts(analysis)):
        if st.button("New analysis", icon=":material/add:", key=linked.widget("new")):
            address.leave()
            st.rerun()
        with st.popover("Thresholds and models", icon=":material/tune:"):
            _settings(analysis, linked)
        st.download_button(
            "Download JSON",
            downloads.as_json(analysis),
            file_name=downloads.file_name(name, "json"),
            mime="application/json",
            icon=":material/download:",
            type="primary",
            on_click="ignore",
            key=linked.widget("json"),
        )


def facts(analysis: Analysis) -> list[str]:
    """00:14.2, 1280×720, analyzed 20 Nov 2026, 10:42, 3 models, took 38 s."""
    ran = sum(1 for model in analysis.models if model.scored)
    parts = [
        *titles.facts(analysis.media),
        f"analyzed {local(analysis.created)}",
        words.count(ran, "model"),
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
    own = linked.original.ensemble.thresholds
    st.slider(
        "Thresholds, %",
        min_value=1,
        max_value=99,
        value=whole(linked.thresholds or own),
        key=linked.widget("thresholds"),
        on_change=linked.choose_thresholds,
        help="The verdict is drawn again at once; no model runs.",
    )
    st.html(meaning(analysis.verdict.thresholds))
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
        disabled=not linked.changed,
        on_click=linked.reset,
        key=linked.widget("reset"),
    )


def meaning(limits: Thresholds) -> str:
    """HTML of what the two values do, with the rates that were measured for them."""
    low, high = words.percent(limits.low), words.percent(limits.high)
    over = f"<b>Above {high}</b>: likely manipulated."
    under = f"<b>Below {low}</b>: no sign found. Between: inconclusive."
    if limits.custom:
        rates = "How often your values err was not measured."
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
