"""The title row: the file's name, the facts in a line, and what can be done with the result."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import streamlit as st
from markupsafe import Markup

from dashboard import labels, session, url_state
from dashboard.components import page_header, typography
from dashboard.components.markup import Text, rich, show, tag
from dashboard.i18n import _, advice
from dashboard.labels import NBSP
from dashboard.result import downloads, pulls
from dashboard.result.linked import ResultViewState, whole
from dashboard.result.question import asked
from detector.errors import InputError
from detector.schema.analysis import Analysis, Question, Thresholds
from service.tasks.jobs import QueueFull

if TYPE_CHECKING:
    from dashboard.result.record import ResultRecord


def draw(record: ResultRecord, analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the row, and below it that the answer is an earlier one, where it is."""
    name = record.name
    with page_header.row(name, facts(analysis, kept=record.again is not None)):
        if not linked.read_only:
            _actions(analysis, linked)
        st.download_button(
            _("Report"),
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


def _actions(analysis: Analysis, linked: ResultViewState) -> None:
    if st.button(_("New analysis"), icon=":material/add:", key=linked.widget("new")):
        url_state.leave()
        st.rerun()
    if st.button(_("Compare"), icon=":material/compare:", key=linked.widget("compare")):
        st.switch_page("pages/compare.py", query_params={"a": linked.key})
    with st.popover(_("Thresholds and models"), icon=":material/tune:"):
        _settings(analysis, linked)


def _kept(record: ResultRecord, analysis: Analysis, linked: ResultViewState) -> None:
    """Nothing was computed for this file today."""
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="kept-answer"
    ):  # fmt: skip
        text = _(
            "You had this very file analyzed before, with the same models and settings. This is "
            "the answer of {when}."
        ).format(when=local(analysis.created))
        typography.caption(text, width="content")
        if record.path.is_file() and st.button(
            _("Analyze again"),
            icon=":material/refresh:",
            type="tertiary",
            key=linked.widget("again"),
        ):
            try:
                session.application().rerun(
                    session.request_context(), record.key, analysis.settings
                )
            except (QueueFull, InputError) as error:
                st.toast(advice(error), icon=":material/schedule:")
            else:
                st.rerun()


def facts(analysis: Analysis, *, kept: bool = False) -> list[str]:
    """00:14.2, 1280×720, analyzed 20 Nov 2026, 10:42, 3 models, took 38 s."""
    ran = sum(1 for model in analysis.models if model.scored)
    when = _("kept from {when}") if kept else _("analyzed {when}")
    parts = [
        *page_header.facts(analysis.media),
        when.format(when=local(analysis.created)),
        labels.count(ran, "model", "models"),
    ]
    if (seconds := total(analysis)) is not None:
        parts.append(_("took {time}").format(time=labels.took(seconds)))
    return parts


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
    return f"{labels.day(moment)}, {moment:%H:%M}{zone}"


def _settings(analysis: Analysis, linked: ResultViewState) -> None:
    """The popover: two thresholds and what they mean, and which models count."""
    questions = asked(analysis) or [Question.MANIPULATION]
    named = {
        Question.MANIPULATION: _("Thresholds, face, %"),
        Question.SYNTHESIS: _("Thresholds, whole picture, %"),
    }
    for question in questions:
        limits = analysis.verdict.answers[question].thresholds
        st.slider(
            named[question] if len(questions) > 1 else _("Thresholds, %"),
            min_value=0,
            max_value=100,
            value=whole(limits),
            key=linked.widget(f"thresholds.{question.value}"),
            on_change=linked.choose_thresholds,
            args=(question,),
            help=_("The verdict is drawn again at once; no model runs."),
        )
        show(meaning(limits, labels.QUESTIONS[question].fake_short))
    if any(linked.usual(q).own for q in questions) or linked.ours:
        st.toggle(
            _("Use the threshold from my own clips"),
            value=not linked.ours,
            key=linked.widget("own"),
            on_change=linked.choose_ours,
        )
    able = [m for m in linked.original.models if m.scored and not m.error]
    counted = [m.id for m in analysis.models if m.counted]
    st.pills(
        _("Models that count"),
        [m.id for m in able],
        format_func={m.id: labels.plain(m) for m in able}.__getitem__,
        selection_mode="multi",
        default=counted,
        key=linked.widget("models"),
        on_change=linked.choose_models,
    )
    left_out = [m for m in linked.original.models if m not in able]
    for model in left_out:
        why = pulls.not_counted(model) if model.not_counted_because else model.error
        why = why or _("it gave no score")
        st.caption(f"{labels.plain_markdown(labels.plain(model))}: {labels.plain_markdown(why)}")
    st.button(
        _("Reset"),
        icon=":material/restart_alt:",
        disabled=not linked.changed and not linked.ours,
        on_click=linked.reset,
        key=linked.widget("reset"),
    )


def meaning(limits: Thresholds, says: str) -> Markup:
    """Return what the two values do; how often they err stands behind "How we know"."""
    low, high = labels.percent(limits.low), labels.percent(limits.high)
    parts: list[Text] = [rich(_("<b>Above {high}</b>: {says}."), high=high, says=says)]
    parts.append(
        rich(_("<b>Below {low}</b>: no sign found. Between: inconclusive."), low=low)
        if limits.no_sign
        else _("Below: inconclusive; these models never say “no sign”.")
    )
    if limits.custom:
        parts.append(_("How often your values err was not measured."))
    return tag("div", *(tag("p", part) for part in parts), cls="um-caption")
