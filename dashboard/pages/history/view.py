"""The page: filters, the list, and one record beside it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import labels, session
from dashboard.components import page_header, status_cards, typography
from dashboard.components.status_cards import Action, Card
from dashboard.i18n import _
from dashboard.pages.history import dialogs, export, filters, guest, listing, preview
from dashboard.pages.history.filters import PAGE, HistoryFilter
from detector.models.registry import list_models
from service.records.model import Page, Record
from service.storage.uploads import records_retention, retention

_LEAVE = "history-leave"


def draw() -> None:
    """Draw the page."""
    if st.session_state.pop(_LEAVE, False):
        st.switch_page("pages/analyze.py")
    scope = session.record_scope()
    store, owner = scope.store, scope.owner
    top = st.container()
    if said := st.session_state.pop(dialogs.SAID, ""):
        typography.notice(said)
    guest.draw()
    facets = store.facets(owner)
    names = {spec.id: spec.title for spec in list_models()}
    wanted, place = filters.draw(facets, names)
    found, number = _search(wanted)
    filters.verdicts(place, found.counts)
    key = f"history-table-{wanted.key}-{number}"
    marked, looked = listing.selected(key, found.records)
    with top:
        _title(wanted, found, marked)
    if not found.total and not wanted.filtered:
        status_cards.show(_nothing())
        return
    if not found.total:
        typography.notice(_("Nothing matches."))
        st.button(_("Clear the filters"), icon=":material/filter_alt_off:", on_click=filters.clear)
        return
    asked_for = listing.shown()
    if looked is None and asked_for:
        looked = store.get(owner, asked_for)
    chosen = looked or (found.records[0] if found.records else None)
    ids = {one.id for one in [*found.records, *([chosen] if chosen else [])]}
    pictures = store.thumbnails(owner, ids)
    mode = "one" if asked_for else "all"
    with st.container(key=f"history-{mode}"):
        left, right = st.columns([915, 405], gap=20)
        with left, st.container(border=True, key="card-history", height="content"):
            with st.container(key="history-table"):
                listing.table(found.records, pictures, key)
            with st.container(key="history-cards"):
                listing.cards(found.records, pictures)
            _foot(wanted, found, number)
        with right, st.container(key="history-preview"):
            if len(marked) > 1:
                preview.several(marked)
            elif chosen is not None:
                preview.draw(chosen, pictures.get(chosen.id), names, facets)
    _kept()


def _search(wanted: HistoryFilter) -> tuple[Page, int]:
    """The page that was asked for, and its number. Other filters begin on the first; where the last
    page was deleted, the one before it is the last."""
    key = f"history-page-{wanted.key}"
    number = int(st.session_state.get(key, 1))
    while True:
        query = wanted.query.model_copy(update={"offset": (number - 1) * PAGE})
        scope = session.record_scope()
        found = scope.store.search(scope.owner, query)
        if found.records or number == 1:
            return found, number
        number = max(1, -(-found.total // PAGE))
        st.session_state[key] = number


def _title(wanted: HistoryFilter, found: Page, marked: Sequence[Record]) -> None:
    days = labels.hours(records_retention().total_seconds() / 3600)
    count = (
        labels.count(found.total, "analysis found", "analyses found")
        if wanted.filtered
        else labels.count(found.total, "analysis", "analyses")
    )
    with page_header.row(_("History"), [count, _("kept for {time}").format(time=days)]):
        if found.total:
            with st.popover(_("Export"), icon=":material/download:", width="content"):
                _export(wanted, found, marked)
        st.button(_("New analysis"), icon=":material/add:", key="history-new", on_click=_analyze)


def _export(wanted: HistoryFilter, found: Page, marked: Sequence[Record]) -> None:
    scope = session.record_scope()
    what = export.Wanted(scope.store, scope.owner, list(marked) or wanted.query)
    count = len(marked) or min(found.total, export.MOST)
    if marked:
        which = labels.count(count, "marked analysis", "marked analyses")
    elif wanted.filtered:
        which = labels.count(count, "matching analysis", "matching analyses")
    else:
        which = labels.count(count, "kept analysis", "kept analyses")
    text = _("{analyses}, without media.").format(analyses=which)
    if not marked and found.total > count:
        text += " " + _("Only the first {number}.").format(number=f"{export.MOST:,}")
    typography.caption(text)
    for form, label in (
        ("csv", _("CSV, a row each")),
        ("json", _("JSON, whole results")),
        ("zip", _("ZIP, both with pictures")),
    ):
        st.download_button(
            label,
            what.maker(form),
            file_name=f"unmask-history.{form}",
            mime=export.MIME[form],
            icon=":material/download:",
            on_click="ignore",
            key=f"export-{form}",
            width="stretch",
        )


def _foot(wanted: HistoryFilter, found: Page, number: int) -> None:
    first = (number - 1) * PAGE + 1
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center",
        key="history-foot",
    ):  # fmt: skip
        shown = _("{first} to {last} of {total}").format(
            first=first, last=first + len(found.records) - 1, total=found.total
        )
        typography.caption(shown, width="content")
        if found.total > PAGE:
            st.pagination(-(-found.total // PAGE), key=f"history-page-{wanted.key}")


def _kept() -> None:
    """What all this takes, and how long it stays."""
    used = session.application().usage(session.request_context())
    files = labels.hours(retention().total_seconds() / 3600)
    with st.container(horizontal=True, vertical_alignment="center", key="history-kept"):
        text = _(
            "{size} in all, with files. Files are deleted {time} after they were brought; results, "
            "notes and links stay longer."
        ).format(size=labels.size(used.bytes), time=files)
        typography.caption(text, width="content")
        st.page_link("pages/settings.py", label=_("How long"), icon=":material/settings:")


def _nothing() -> Card:
    """Nobody has analyzed anything yet, or it is gone already."""
    days = labels.hours(records_retention().total_seconds() / 3600)
    return Card(
        slug="empty-history",
        kicker=_("Empty history"),
        icon="inbox",
        head=_("Nothing here yet"),
        text=_("Analyses you run will be listed here, newest first."),
        points=(
            _("They are kept for {time}.").format(time=days),
            _("You can delete one or all at any time."),
        ),
        actions=(Action(_("Analyze a file"), "upload_file", _analyze, primary=True),),
    )


def _analyze() -> None:
    st.session_state[_LEAVE] = True
