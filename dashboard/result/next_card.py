"""What to do next: at most three actions, each with why and how long it takes."""

from collections.abc import Callable

import streamlit as st

from dashboard import session, url_state
from dashboard.components import cards, controls, status_cards, typography, upsell_banner
from dashboard.components.chips import bullets
from dashboard.components.markup import show
from dashboard.result import find_original
from dashboard.result.known import KnownMatch, leads, open_comparison
from dashboard.result.linked import ResultViewState
from detector.decision.next_steps import (
    OWN_CLIPS,
    ActionCode,
    Facts,
    NextStep,
    SameFootage,
    closer_look,
    next_steps,
)
from detector.pipeline import estimate
from detector.presentation import actions
from detector.presentation.models import plain
from detector.schema.analysis import Analysis
from detector.sentences import say
from service.records.model import Confirmed, Query, RecordsError
from service.tasks.jobs import Job


def draw(analysis: Analysis, linked: ResultViewState, match: KnownMatch | None = None) -> None:
    """Draw the card; nothing where there is nothing to do."""
    match = match or KnownMatch()
    steps = next_steps(analysis, facts(linked, match))
    if not steps:
        return
    with st.container(border=True, key="card-next", height="stretch", gap="small"):
        cards.head(say(actions.TITLE))
        for step in steps:
            with st.container(key=f"next-{step.code.value}", gap=None):
                _draw_step(step, linked, match)


def facts(linked: ResultViewState, match: KnownMatch) -> Facts:
    """Return the facts that next steps depend on."""
    if not linked.changeable:
        return Facts(may_run=False)
    offered = upsell_banner.standing()
    there = linked.path.is_file()
    seconds = estimate(linked.original) if there else None
    return Facts(
        closer=closer_look(linked.original) if seconds is not None else 0,
        closer_seconds=seconds,
        strong=plain(offered.spec) if offered else "",
        strong_bytes=offered.download if offered else None,
        untouched=_untouched(),
        same=_same(linked, match),
        searched=match.missed.searched,
        file_there=there,
    )


def _same(linked: ResultViewState, match: KnownMatch) -> SameFootage | None:
    if not match.name or not match.may_open:
        return None
    told = match.comparison is not None or leads(linked.record, match)
    return SameFootage(match.name, is_original=match.is_original, compared=told)


def _untouched() -> int:
    """Return the number of confirmed untouched clips in the person's history; None if their project
    does not answer."""
    try:
        query = Query(confirmed=frozenset({Confirmed.REAL}), limit=1)
        scope = session.record_scope()
        return min(scope.store.search(scope.owner, query).total, 10 * OWN_CLIPS)
    except RecordsError:
        return 0


def _draw_step(step: NextStep, linked: ResultViewState, match: KnownMatch) -> None:
    words = actions.step(step)
    cards.step(status_cards.ICONS[step.code], words.head, words.why)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if step.code not in _GO and not step.settings:
            with st.popover(words.button, type="tertiary", icon=controls.icon("arrow_forward")):
                _advise(step.code, linked)
        elif controls.button(
            words.button, "arrow_forward", linked.widget(f"next.{step.code.value}"), kind="tertiary"
        ):
            if step.settings:
                linked.rerun(linked.original.settings.model_copy(update=step.settings))
            else:
                _GO[step.code](linked, match)
        if words.cost:
            typography.caption(words.cost, width="content")


def _advise(code: ActionCode, linked: ResultViewState) -> None:
    """Draw the instructions of an advised action."""
    sound = linked.original.media.kind == "audio"
    if code is ActionCode.ASK_ORIGINAL:
        what, message = actions.how_to_ask(linked.record.name, sound=sound)
        typography.know(typography.text(what))
        st.code(message, language=None, wrap_lines=True)
        return
    show(bullets(actions.how_to(code, sound=sound), "um-know", ordered=True))
    if code is ActionCode.CHECK_ORIGIN:
        find_original.button(linked, "next")


# --- where a button leads -------------------------------------------------------------------------


def _film(linked: ResultViewState, _match: KnownMatch) -> None:
    settings = linked.original.settings
    if key := status_cards.analyze_film(linked.path, linked.record.name, settings):
        url_state.go_to("analyze", a=key)


def _compare(linked: ResultViewState, match: KnownMatch) -> None:
    if _same(linked, match) is not None and isinstance(linked.record, Job):
        open_comparison(linked.record, match)
    else:
        url_state.go_to("compare", a=linked.key, w="clips")


_GO: dict[ActionCode, Callable[[ResultViewState, KnownMatch], None]] = {
    ActionCode.FILM: _film,
    ActionCode.COMPARE_ORIGINAL: _compare,
    ActionCode.ADD_MODEL: lambda linked, match: url_state.go_to("models"),
    ActionCode.OWN_THRESHOLD: lambda linked, match: url_state.go_to("settings"),
}
