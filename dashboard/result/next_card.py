"""What to do next: at most three actions, each with why and how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import labels, session
from dashboard.components import cards, typography, upsell_banner
from dashboard.components.chips import bullets
from dashboard.components.markup import show
from dashboard.i18n import _, advice, speech
from dashboard.result import closer
from dashboard.result.linked import ResultViewState
from detector.decision.next_steps import OWN_CLIPS, ActionCode, Facts, NextStep, next_steps
from detector.errors import InputError
from detector.messages import actions
from detector.schema.analysis import Analysis
from service.records.model import Confirmed, Query, RecordsError
from service.tasks.jobs import QueueFull

if TYPE_CHECKING:
    from dashboard.result.record import ResultRecord

ICONS = {
    ActionCode.LOOK_CLOSER: "zoom_in",
    ActionCode.COMPARE_ORIGINAL: "compare",
    ActionCode.ASK_ORIGINAL: "photo_camera",
    ActionCode.ADD_MODEL: "download",
    ActionCode.OWN_THRESHOLD: "tune",
    ActionCode.CHECK_ORIGIN: "travel_explore",
}


def draw(record: ResultRecord, analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the card; nothing where there is nothing to do."""
    found = next_steps(analysis, facts(record, linked))
    if not found:
        return
    with st.container(border=True, key="card-next", gap="small"):
        cards.head(_("What to do next"), _("most useful first"))
        for column, action in zip(st.columns(len(found)), found, strict=True):
            with column, st.container(key=f"next-{action.code.value}", gap=None):
                _draw_action(action, record, linked)


def facts(record: ResultRecord, linked: ResultViewState) -> Facts:
    """What is known around this result."""
    if linked.read_only:
        return Facts(may_run=False)
    analysis = linked.original
    wanted = upsell_banner.standing()
    settings = closer.settings(analysis) if record.path.is_file() else None
    return Facts(
        closer=settings.frames if settings else 0,
        closer_seconds=closer.seconds(analysis) if settings else None,
        strong=wanted.spec.title if wanted else "",
        strong_bytes=wanted.download if wanted else None,
        untouched=_untouched(),
    )


def _untouched() -> int:
    """How many clips of their history the person confirmed to be untouched; as far as it matters.
    None where an account's project does not answer."""
    try:
        wanted = Query(confirmed=frozenset({Confirmed.REAL}), limit=1)
        scope = session.record_scope()
        return min(scope.store.search(scope.owner, wanted).total, 10 * OWN_CLIPS)
    except RecordsError:
        return 0


def _draw_action(action: NextStep, record: ResultRecord, linked: ResultViewState) -> None:
    said = actions.step(action, speech())
    cards.step(ICONS[action.code], said.head, labels.unbroken(said.why))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if action.code in _ADVICE:
            with st.popover(said.button, type="tertiary", icon=":material/arrow_forward:"):
                _ADVICE[action.code](record)
        elif st.button(
            said.button,
            type="tertiary",
            icon=":material/arrow_forward:",
            key=linked.widget(f"next.{action.code.value}"),
        ):
            _GO[action.code](record, linked)
        if said.cost:
            typography.remark(labels.unbroken(said.cost))


# --- advice ---------------------------------------------------------------------------------------


def _how_to_ask(record: ResultRecord) -> None:
    what, message = actions.how_to_ask(record.name, speech())
    typography.know(what)
    st.code(message, language=None, wrap_lines=True)


def _how_to_check(record: ResultRecord) -> None:
    show(bullets(actions.how_to_check(speech()), "um-know", ordered=True))


_ADVICE: dict[ActionCode, Callable[[ResultRecord], None]] = {
    ActionCode.ASK_ORIGINAL: _how_to_ask,
    ActionCode.CHECK_ORIGIN: _how_to_check,
}


# --- where a button leads -------------------------------------------------------------------------


def _look(record: ResultRecord, linked: ResultViewState) -> None:
    settings = closer.settings(linked.original)
    if settings is None:
        return
    try:
        session.application().rerun(session.request_context(), record.key, settings)
    except (QueueFull, InputError) as error:
        st.toast(advice(error), icon=":material/schedule:")
    else:
        st.rerun()


def _to_compare(record: ResultRecord, linked: ResultViewState) -> None:
    st.switch_page("pages/compare.py", query_params={"a": record.key, "w": "clips"})


def _to_models(record: ResultRecord, linked: ResultViewState) -> None:
    st.switch_page("pages/models.py")


def _to_settings(record: ResultRecord, linked: ResultViewState) -> None:
    st.switch_page("pages/settings.py")


_GO: dict[ActionCode, Callable[[ResultRecord, ResultViewState], None]] = {
    ActionCode.LOOK_CLOSER: _look,
    ActionCode.COMPARE_ORIGINAL: _to_compare,
    ActionCode.ADD_MODEL: _to_models,
    ActionCode.OWN_THRESHOLD: _to_settings,
}
