"""The Models page: toolbar, cards or table, and the ways to add one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import auth, backend, offer, titles, words
from dashboard.downloads import downloads
from dashboard.shop import bring, card, check, progress
from dashboard.shop.card import Shown
from detector.models import inventory, memory
from detector.models.inventory import Status

PAGE = 12
"""Cards before "Show more"."""
QUESTIONS = {
    "All": None,
    "Altered faces": "face manipulation",
    "Made as a whole": "whole-image synthesis",
    "Voice": "voice",
}
STATES = ("Ready", "Recommended", "Not downloaded", "Yours")


def draw() -> None:
    """Draw the page."""
    states = inventory.inventory()
    _title(states)
    _said()
    check.draw()
    _offer()
    shown, table = _toolbar(states)
    if not shown:
        st.html('<p class="um-caption">Nothing matches. Clear the filters to see every model.</p>')
    elif table:
        _table(shown)
    else:
        _cards(shown)
    st.html(
        '<p class="um-caption">Our figures come from <code>unmask evaluate</code>. Published '
        "figures stand on each model’s card with their source, and are not ours.</p>"
    )


def _title(states: Sequence[Status]) -> None:
    ready = [s for s in states if s.ready]
    size = sum(file.size or 0 for s in ready for file in s.spec.files)
    default = words.listed([s.spec.title for s in states if s.spec.default])
    used = words.size(sum(s.memory for s in states))
    room = words.size(memory.budget("cpu"))
    facts = [
        f"{len(ready)} of {len(states)} ready",
        f"{words.size(size)} on this disk",
        f"{used} of {room} in memory",
        f"default set: {default}",
    ]
    with titles.row("Models", facts):
        if not auth.who().may_administer:
            return
        if st.button("Check all files", icon=":material/verified:", key="check-files"):
            _check()
        if st.button("Self-check", icon=":material/fact_check:", key="self-check"):
            check.start()
        with st.popover("Add a model", icon=":material/add:", width="content"):
            bring.draw()


def _check() -> None:
    """Read every byte of what is here, and say what is wrong."""
    with st.spinner("Reading every file"):
        found = inventory.verify()
    wrong = {id: why for id, why in found.items() if why}
    st.session_state["models-said"] = (
        "; ".join(f"{id}: {why}" for id, why in wrong.items())
        if wrong
        else f"The files of {len(found)} models are what they should be."
    )


def _said() -> None:
    """The outcome of the last action, once."""
    if text := st.session_state.pop("models-said", ""):
        st.html(f'<p class="um-said" role="status">{words.escape(text)}</p>')
    repo = st.session_state.get("models-coming")
    running = downloads.find(repo) if repo else None
    if running is None:
        return
    if running.active:
        progress.draw(running.id, lambda one: f"{one.id}: {words.size(one.done)}")
        return
    st.session_state.pop("models-coming")
    hint = f" {running.hint}" if running.hint else ""
    said = running.error + hint if running.error else f"{running.id} was added."
    st.html(f'<p class="um-said" role="status">{words.escape(said)}</p>')
    downloads.forget(running.id)


def _offer() -> None:
    wanted = offer.standing()
    if wanted is None:
        return
    with st.container(border=True, key="card-offer"):
        st.html(
            "<p><b>The bundled models are small.</b> "
            f"{words.escape(offer.named(wanted))} is the strongest open one as published: "
            f"{words.escape(wanted.recommended)} License: "
            f"{words.escape(wanted.spec.license_weights)}.</p>"
        )
        with st.container(horizontal=True):
            if st.button("Download it", type="primary", icon=":material/download:", key="offer"):
                card.fetch(wanted.spec.id)
                st.rerun()
            st.button("Not now", type="tertiary", key="offer-no", on_click=offer.decline)


def _toolbar(states: Sequence[Status]) -> tuple[list[Shown], bool]:
    """Filters; returns what passes them, and whether a table was asked for."""
    counts = {
        name: sum(1 for s in states if task is None or s.spec.task == task)
        for name, task in QUESTIONS.items()
    }
    names = [name for name, count in counts.items() if count]
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        key="models-toolbar",
    ):
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            question = st.segmented_control(
                "Question",
                names,
                default="All",
                required=True,
                format_func=lambda name: f"{name} {counts[name]}",
                label_visibility="collapsed",
                key="models-question",
            )
            wanted = st.segmented_control(
                "State", STATES, label_visibility="collapsed", key="models-state"
            )
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            text = st.text_input(
                "Find a model",
                placeholder="Find a model",
                icon=":material/search:",
                label_visibility="collapsed",
                width=240,
                key="models-find",
            )
            view = st.segmented_control(
                "View",
                ["Cards", "Table"],
                default="Cards",
                required=True,
                label_visibility="collapsed",
                key="models-view",
            )
    speed = backend.jobs().speed
    passed = [
        Shown(status, check.speed(status.spec.id) or speed.rate(status.spec.id))
        for status in sorted(states, key=_order)
        if _passes(status, QUESTIONS[question or "All"], wanted, text)
    ]
    return passed, view == "Table"


def _order(status: Status) -> tuple[bool, bool, bool]:
    """What can be used first, then what is recommended, then what one click brings; within, as the
    manifest has it."""
    return (not status.ready, not status.recommended, status.state == "manual")


def _passes(status: Status, task: str | None, wanted: str | None, text: str) -> bool:
    spec = status.spec
    if task is not None and spec.task != task:
        return False
    if wanted == "Ready" and not status.ready:
        return False
    if wanted == "Recommended" and not status.recommended:
        return False
    if wanted == "Not downloaded" and status.ready:
        return False
    if wanted == "Yours" and not spec.own:
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
        if st.button(f"Show {more} more of {len(shown)}", key="models-more"):
            st.session_state["models-most"] = most + PAGE
            st.rerun()


def _table(shown: Sequence[Shown]) -> None:
    rows = []
    for one in shown:
        spec, ours = one.spec, card.overall(one.spec)
        rows.append(
            {
                "Model": spec.title,
                "Id": spec.id,
                "State": card.state(one.status, downloads.find(spec.id))[1],
                "Looks for": card.QUESTIONS[spec.task],
                "AUC, ours": f"{ours.value:.2f} [{ours.low:.2f}, {ours.high:.2f}]" if ours else "–",
                "Size": words.size(sum(f.size or 0 for f in spec.files)),
                "License": spec.license_weights,
                "Label order": spec.label_order,
            }
        )
    st.dataframe(rows, hide_index=True, width="stretch", height=min(36 * len(rows) + 40, 900))
