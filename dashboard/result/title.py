"""Title row of a result: name, facts and actions."""

import streamlit as st

from dashboard import labels, url_state
from dashboard.components import controls, page_header, record_cells, typography
from dashboard.components.markup import show
from dashboard.result import downloads, sharing
from dashboard.result.linked import ResultViewState, in_percent
from detector.messages import states
from detector.presentation import answers
from detector.schema.analysis import Analysis
from detector.schema.ensemble import NotCounted
from detector.sentences import _


def draw(analysis: Analysis, linked: ResultViewState, *, paired: bool = False) -> None:
    """Draw the row, and a note if the answer was cached. A `paired` page makes the comparison its
    primary action."""
    name, cached = linked.record.name, linked.record.last_cache_hit is not None
    with page_header.row(name, facts(analysis, cached=cached)):
        if not linked.read_only:
            _actions(analysis, linked, paired=paired)
        make = downloads.maker("pdf", linked.path, analysis, linked.record.origin, linked.export)
        controls.download(
            _("Report"),
            make,
            downloads.file_name(name, "pdf"),
            linked.widget("report"),
            symbol="picture_as_pdf",
            type="secondary" if paired else "primary",
        )
    if cached and linked.changeable:
        _cached(analysis, linked)


def _actions(analysis: Analysis, linked: ResultViewState, *, paired: bool) -> None:
    if controls.button(_("New analysis"), "add", linked.widget("new")):
        url_state.leave()
        st.rerun()
    if not paired and controls.button(_("Compare"), "compare", linked.widget("compare")):
        url_state.go_to("compare", a=linked.key)
    if linked.changeable and controls.button(_("Share"), "link", linked.widget("share")):
        sharing.share(linked.key, linked.record.name)
    with st.popover(_("Thresholds and models"), icon=":material/tune:"):
        _settings(analysis, linked)


def _cached(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the note that the result was served from cache."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="kept-answer"):
        text = _("You've already analyzed this file with these settings. Result of {when}.").format(
            when=record_cells.local(analysis.created)
        )
        typography.caption(text, width="content")
        again = linked.widget("again")
        if linked.path.is_file() and controls.button(
            _("Analyze again"), "refresh", again, kind="tertiary"
        ):
            linked.rerun(analysis.settings)


def facts(analysis: Analysis, *, cached: bool = False) -> list[str]:
    """Return the facts in the title: 14 s, 1280×720, analyzed 20 Nov 2026, 10:42."""
    when = _("kept from {when}") if cached else _("analyzed {when}")
    return [
        *page_header.facts(analysis.media),
        when.format(when=record_cells.local(analysis.created)),
    ]


def _settings(analysis: Analysis, linked: ResultViewState) -> None:
    limits = analysis.verdict.thresholds
    st.slider(
        _("Thresholds, %"),
        min_value=0.0,
        max_value=100.0,
        value=in_percent(limits),
        step=0.1,
        format="localized",
        key=linked.widget("thresholds"),
        on_change=linked.choose_thresholds,
        help=_("The verdict is drawn again at once; no model runs."),
    )
    show(typography.small_paragraphs(*answers.meaning(limits, analysis.verdict.question)))
    if linked.usual.own or linked.ours:
        st.toggle(
            _("Use the threshold from my own clips"),
            value=not linked.ours,
            key=linked.widget("own"),
            on_change=linked.choose_ours,
        )
    able = [m for m in linked.original.models if m.scored and not m.error]
    heard = [m.id for m in analysis.models if m.heard]
    st.pills(
        _("Models"),
        [m.id for m in able],
        format_func={m.id: labels.plain(m) for m in able}.__getitem__,
        selection_mode="multi",
        default=heard,
        key=linked.widget("models"),
        on_change=linked.choose_models,
    )
    silent = [m for m in analysis.models if m.heard and not m.counted]
    for model in [*silent, *(m for m in linked.original.models if m not in able)]:
        why = states.not_counted(model.not_counted_because or model.error or NotCounted.NO_SCORE)
        st.caption(f"{labels.plain_markdown(labels.plain(model))}: {labels.plain_markdown(why)}")
    unchanged = not linked.changed and not linked.ours
    reset = linked.widget("reset")
    controls.button(_("Reset"), "restart_alt", reset, linked.reset, disabled=unchanged)
