"""The Models page: toolbar, cards or table, and the ways to add one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import labels, session
from dashboard.components import page_header, typography, upsell_banner
from dashboard.components.markup import rich
from dashboard.i18n import LazyDict, _, ngettext, say
from dashboard.pages.models import card, import_model, progress, selfcheck
from dashboard.pages.models.card import Shown
from detector.models import inventory, memory
from detector.models.inventory import Status

PAGE = 12
"""Cards before "Show more"."""
ALL = "all"
QUESTIONS: LazyDict[str, str] = LazyDict(
    lambda: {
        ALL: _("All"),
        card.FACES: _("Altered faces"),
        card.WHOLE: _("Made as a whole"),
        card.VOICE: _("Voice"),
    }
)
STATES: LazyDict[str, str] = LazyDict(
    lambda: {
        "ready": _("Ready"),
        "recommended": _("Recommended"),
        "absent": _("Not downloaded"),
        "own": _("Yours"),
    }
)
VIEWS: LazyDict[str, str] = LazyDict(lambda: {"cards": _("Cards"), "table": _("Table")})


def draw() -> None:
    """Draw the page."""
    states = inventory.inventory()
    _title(states)
    _said()
    selfcheck.draw()
    _offer()
    shown, table = _toolbar(states)
    if not shown:
        none = _("Nothing matches. Clear the filters to see every model.")
        typography.caption(none)
    elif table:
        _table(shown)
    else:
        _cards(shown)
    whose = _(
        "Our figures come from <code>unmask evaluate</code>. Published figures stand on each "
        "model’s card with their source, and are not ours."
    )
    typography.caption(rich(whose))


def _title(states: Sequence[Status]) -> None:
    ready = [s for s in states if s.ready]
    size = sum(file.size or 0 for s in ready for file in s.spec.files)
    default = labels.listed([s.spec.title for s in states if s.spec.default])
    used = labels.size(sum(s.memory for s in states))
    room = labels.size(memory.budget("cpu"))
    facts = [
        _("{number} of {total} ready").format(number=len(ready), total=len(states)),
        _("{size} on this disk").format(size=labels.size(size)),
        _("{used} of {room} in memory").format(used=used, room=room),
        _("default set: {models}").format(models=default),
    ]
    with page_header.row(_("Models"), facts):
        if not session.current_user().may_administer:
            return
        if st.button(_("Check all files"), icon=":material/verified:", key="check-files"):
            _check()
        if st.button(_("Self-check"), icon=":material/fact_check:", key="self-check"):
            selfcheck.start()
        with st.popover(_("Add a model"), icon=":material/add:", width="content"):
            import_model.draw()


def _check() -> None:
    """Put in place what was laid into the weights folder, read every byte of what is here, and say
    what is wrong."""
    with st.spinner(_("Reading every file")):
        came = inventory.take_in()
        found = inventory.verify()
    downloads = session.application().downloads
    for spec in came:
        downloads.dismiss(spec.id, session.current_user())  # that nothing came holds no more
    wrong = {id: why for id, why in found.items() if why}
    said = (
        "; ".join(f"{id}: {why}" for id, why in wrong.items())
        if wrong
        else ngettext(
            "The files of {number} model are what they should be.",
            "The files of {number} models are what they should be.",
            len(found),
        ).format(number=len(found))
    )
    if came:
        names = labels.listed([spec.title for spec in came])
        said = _("Found in the weights folder: {models}.").format(models=names) + " " + said
    st.session_state["models-said"] = said
    st.rerun()


def _said() -> None:
    """The outcome of the last action, once."""
    if text := st.session_state.pop("models-said", ""):
        typography.notice(text)
    repo = st.session_state.get("models-coming")
    downloads, user = session.application().downloads, session.current_user()
    running = downloads.find(repo, user) if repo else None
    if running is None:
        return
    if running.active:
        progress.draw(running, lambda one: f"{one.subject}: {labels.size(one.done)}")
        return
    st.session_state.pop("models-coming")
    hint = f" {say(running.hint)}" if running.hint else ""
    added = _("{model} was added.").format(model=running.subject)
    said = say(running.error) + hint if running.error else added
    typography.notice(said)
    downloads.dismiss(running.subject, user)


def _offer() -> None:
    wanted = upsell_banner.standing()
    if wanted is None:
        return
    with st.container(border=True, key="card-offer"):
        text = rich(
            _(
                "<b>The bundled models are small.</b> {model} is the strongest open one as "
                "published: {why} License: {license}."
            ),
            model=upsell_banner.named(wanted),
            why=wanted.recommended,
            license=wanted.spec.license_weights,
        )
        typography.paragraph(text)
        with st.container(horizontal=True):
            if st.button(_("Download it"), type="primary", icon=":material/download:", key="offer"):
                card.fetch(wanted.spec.id)
                st.rerun()
            st.button(_("Not now"), type="tertiary", key="offer-no", on_click=upsell_banner.decline)


def _toolbar(states: Sequence[Status]) -> tuple[list[Shown], bool]:
    """Filters; returns what passes them, and whether a table was asked for."""
    counts = {task: sum(1 for s in states if task in (ALL, s.spec.task)) for task in QUESTIONS}
    tasks = [task for task, count in counts.items() if count]
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        key="models-toolbar",
    ):
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            question = st.segmented_control(
                _("Question"),
                tasks,
                default=ALL,
                required=True,
                format_func=lambda task: f"{QUESTIONS[task]} {counts[task]}",
                label_visibility="collapsed",
                key="models-question",
            )
            wanted = st.segmented_control(
                _("State"),
                list(STATES),
                format_func=STATES.__getitem__,
                label_visibility="collapsed",
                key="models-state",
            )
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            text = st.text_input(
                _("Find a model"),
                placeholder=_("Find a model"),
                icon=":material/search:",
                label_visibility="collapsed",
                width=240,
                key="models-find",
            )
            view = st.segmented_control(
                _("View"),
                list(VIEWS),
                default="cards",
                required=True,
                format_func=VIEWS.__getitem__,
                label_visibility="collapsed",
                key="models-view",
            )
    speed, measured = session.application().jobs.speed, session.application().self_checks
    passed = [
        Shown(status, measured.seconds(status.spec.id) or speed.rate(status.spec.id))
        for status in sorted(states, key=_order)
        if _passes(status, question or ALL, wanted, text)
    ]
    return passed, view == "table"


def _order(status: Status) -> tuple[bool, bool, bool]:
    """What can be used first, then what is recommended, then what one click brings; within, as the
    manifest has it."""
    return (not status.ready, not status.recommended, status.state == "manual")


def _passes(status: Status, task: str, wanted: str | None, text: str) -> bool:
    spec = status.spec
    if task not in (ALL, spec.task):
        return False
    if wanted == "ready" and not status.ready:
        return False
    if wanted == "recommended" and not status.recommended:
        return False
    if wanted == "absent" and status.ready:
        return False
    if wanted == "own" and not spec.own:
        return False
    held = f"{spec.id} {spec.title} {spec.summary} {spec.source} {spec.license_weights}".lower()
    return all(word in held for word in text.lower().split())


def _cards(shown: Sequence[Shown]) -> None:
    most = st.session_state.get("models-most", PAGE)
    grid = st.grid("auto", min_column_width=340, gap="medium")
    for one in shown[:most]:
        with grid:
            card.draw(one)
    if len(shown) > most:
        more = min(PAGE, len(shown) - most)
        label = _("Show {number} more of {total}").format(number=more, total=len(shown))
        if st.button(label, key="models-more"):
            st.session_state["models-most"] = most + PAGE
            st.rerun()


def _table(shown: Sequence[Shown]) -> None:
    downloads, user = session.application().downloads, session.current_user()
    rows = []
    for one in shown:
        spec, ours = one.spec, card.overall(one.spec)
        size = card.published_size(spec)
        rows.append(
            {
                _("Model"): spec.title,
                _("Id"): spec.id,
                _("State"): card.state(one.status, downloads.find(spec.id, user))[1],
                _("Looks for"): card.QUESTIONS[spec.task],
                _("AUC, ours"): card.interval(ours) if ours else "–",
                _("Size"): labels.size(size) if size else "–",
                _("License"): spec.license_weights,
                _("Label order"): spec.label_order,
            }
        )
    st.dataframe(rows, hide_index=True, width="stretch", height=min(36 * len(rows) + 40, 900))
