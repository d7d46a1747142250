"""The History page: filters, the list, and the preview of one record."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import (
    blocks,
    collection,
    controls,
    page_header,
    record_cells,
    status_cards,
    typography,
)
from dashboard.components.collection import ListPage
from dashboard.components.status_cards import Action, Card
from dashboard.pages import refused_in
from dashboard.pages.history import filters, library, listing, state
from dashboard.pages.history.filters import PAGE, HistoryFilter
from dashboard.record_export import RecordExport
from detector import paths
from detector.models.registry import list_models
from detector.presentation import evaluation
from detector.presentation.verdict import unjudged
from detector.schema.analysis import Label
from detector.sentences import _, in_english, numeral
from service import feedback
from service.records import sql
from service.records.export import ExportRow
from service.records.model import MAX_PAGE_SIZE, Page, Query, Record, message_of
from service.records.store import RecordScope
from service.storage.uploads import records_retention, retention


def draw() -> None:
    """Draw the page."""
    if st.session_state.pop(state.LEAVE, False):
        url_state.go_to("analyze")
    if state.tab() == state.LIBRARY:
        library.draw()
    else:
        _analyses()


def _analyses() -> None:
    scope = session.record_scope()
    store, owner = scope.store, scope.owner
    top = st.container()
    typography.flash(state.NOTICE)
    if store is session.application().jobs.store:
        _damaged()
    _offer_guest_analyses()
    facets = store.facets(owner)
    titles = labels.plain_names(list_models())
    chosen, place = filters.draw(facets, titles)
    page, found = _search(chosen)
    total = sum(page.counts.values())
    record_cells.verdicts(place, page.counts, filters.VERDICT, total)
    linked = st.query_params.get("r")
    one = store.get(owner, linked) if linked else None
    ids = {record.id for record in [*found.items, *filter(None, [one])]}
    pictures = store.thumbnails(owner, ids)
    rows = [listing.row_of(record, pictures.get(record.id)) for record in found.items]
    table = listing.listed(rows)
    key = f"history-table-{chosen.key}-{found.number}"
    marked_rows, last, by_mark = table.selected(key, rows)
    marked = [row.item for row in marked_rows]
    several = len(marked) > 1 and by_mark
    with top:
        _title(chosen, page, marked)
        state.draw_tabs()
    if not page.total and not chosen.filtered:
        status_cards.show(_nothing())
        return
    if not page.total:
        typography.notice(_("Nothing matches."))
        controls.button(_("Clear the filters"), "filter_alt_off", on_click=filters.clear)
        return
    shown = listing.row_of(one, pictures.get(one.id)) if one else rows[0]
    if last is not None and not several:
        shown = last
    with st.container(key=f"history-{'one' if linked else 'all'}"):
        left, right = st.columns([955, 365], gap=20)
        with left, st.container(border=True, key="card-history", height="content"):
            table.draw(key, rows)
            with controls.apart("history-foot"):
                found.draw()
        with right, st.container(key="history-preview"):
            if several:
                listing.draw_several(marked)
            else:
                listing.draw_preview(shown, pictures.get(shown.item.id), titles, facets)
    _outcomes()
    _retention()


def _damaged() -> None:
    """Draw the note about damaged records that were moved aside, while their file exists."""
    if names := sql.damaged(paths.data()):
        text = _(
            "The records of this server were damaged when it started. They are set aside as "
            "{names} in the data folder, and what was kept until then is missing here. Put a good "
            "copy in their place, or delete that file to take this line away."
        )
        typography.alert(text.format(names=labels.listed(names)))


def _outcomes() -> None:
    """Draw how often the verdicts were right on confirmed files, if there are any."""
    records = feedback.confirmed(session.record_scope())
    if records:
        with st.expander(_("How often it was right"), icon=":material/gavel:"):
            blocks.draw(evaluation.confirmed(feedback.by_month(records)))


def _search(filter: HistoryFilter) -> tuple[Page, ListPage[Record]]:
    """Return the matches of the filter, and the chosen page; other filters begin on the first."""
    scope = session.record_scope()
    answer = Page(records=(), total=0, counts={})

    def fetch(offset: int) -> tuple[Sequence[Record], int]:
        nonlocal answer
        query = filter.query.model_copy(update={"offset": offset})
        answer = scope.store.search(scope.owner, query)
        return answer.records, answer.total

    found = collection.page(f"history-page-{filter.key}", PAGE, fetch)
    return answer, found


def _title(filter: HistoryFilter, page: Page, marked: Sequence[Record]) -> None:
    days = labels.hours(records_retention().total_seconds() / 3600)
    count = (
        labels.count(page.total, "analysis found", "analyses found")
        if filter.filtered
        else labels.count(page.total, "analysis", "analyses")
    )
    with page_header.row(_("History"), [count, _("kept for {time}").format(time=days)]):
        if page.total:
            with st.popover(_("Export"), icon=":material/download:", width="content"):
                _export(filter, page, marked)
        controls.button(_("New analysis"), "add", "history-new", _leave)


def _export(filter: HistoryFilter, page: Page, marked: Sequence[Record]) -> None:
    scope = session.record_scope()
    files = RecordExport(scope, partial(read, scope, list(marked) or filter.query))
    count = len(marked) or min(page.total, MAX_RECORDS)
    if marked:
        which = labels.count(count, "marked analysis", "marked analyses")
    elif filter.filtered:
        which = labels.count(count, "matching analysis", "matching analyses")
    else:
        which = labels.count(count, "kept analysis", "kept analyses")
    text = _("{analyses}, without media.").format(analyses=which)
    if not marked and page.total > count:
        text += " " + _("Only the first {number}.").format(number=numeral(MAX_RECORDS))
    typography.caption(text)
    for form, label, make in (
        ("csv", _("CSV, a row each"), files.as_csv),
        ("json", _("JSON, whole results"), files.as_json),
        ("zip", _("ZIP, both with pictures"), files.as_zip),
    ):
        name = f"unmask-history.{form}"
        controls.download(label, make, name, f"export-{form}", width="stretch")


def _retention() -> None:
    """Draw the size of the records, and how long they are stored."""
    used = session.application().usage(session.request_context())
    files = labels.hours(retention().total_seconds() / 3600)
    with st.container(horizontal=True, vertical_alignment="center", key="history-kept"):
        text = _(
            "{size} in all, with files. Files are deleted {time} after they were uploaded; "
            "results, notes and links stay longer."
        ).format(size=labels.size(used.bytes), time=files)
        typography.caption(text, width="content")
        st.page_link(url_state.page("settings"), label=_("How long"), icon=":material/settings:")


def _nothing() -> Card:
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
        actions=(Action(_("Analyze a file"), "upload_file", _leave, primary=True),),
    )


def _leave() -> None:
    st.session_state[state.LEAVE] = True


# --- what a guest analyzed ------------------------------------------------------------------------


def _offer_guest_analyses() -> None:
    """Draw the offer to move a guest's analyses; never automatically, since another person may have
    used the browser."""
    if st.session_state.get(state.NOT_NOW):
        return
    number = session.application().count_guest_analyses(session.request_context())
    if not number:
        return

    def not_now() -> None:
        st.session_state[state.NOT_NOW] = True

    with st.container(border=True, key="history-guest"):
        text = _(
            "{analyses} from before you signed in, made in this browser by you or whoever used it. "
            "Once kept, only your account opens what was made, and links to it end."
        ).format(analyses=labels.count(number, "analysis", "analyses"))
        typography.paragraph(text)
        with st.container(horizontal=True):
            label = _("Keep what you analyzed as a guest")
            controls.button(label, "move_to_inbox", "history-guest-keep", _claim)
            controls.button(_("Not now"), "", "history-guest-leave", not_now, kind="tertiary")


def _claim() -> None:
    with refused_in(state.NOTICE):
        number = session.application().claim_guest_analyses(session.request_context())
        st.session_state[state.NOTICE] = labels.count(
            number, "analysis is in your account now.", "analyses are in your account now."
        )


MAX_RECORDS = 2000
"""records of an export; a result is some 100 kB"""


def read(scope: RecordScope, what: Sequence[Record] | Query) -> list[ExportRow]:
    """Return records, or all that match a query, as stored now, at most `MAX_RECORDS`."""
    store, owner = scope.store, scope.owner
    if not isinstance(what, Query):
        current = (store.get(owner, record.id) for record in what)
        found = [record for record in current if record is not None]
    else:
        found = []
        while len(found) < MAX_RECORDS:
            page = what.model_copy(update={"offset": len(found), "limit": MAX_PAGE_SIZE})
            more = store.search(owner, page).records
            found += more
            if len(more) < MAX_PAGE_SIZE:
                break
    return [ExportRow(one.name, one, _unjudged(scope, one)) for one in found[:MAX_RECORDS]]


def _unjudged(scope: RecordScope, record: Record) -> str:
    """Return why there is no result or no verdict: only those are read whole."""
    if record.fault is not None:
        return str(message_of(record.fault))
    if record.result is None or record.result.verdict is not Label.NOT_APPLICABLE:
        return ""
    analysis = scope.store.analysis(scope.owner, record.id)
    return in_english(unjudged, analysis.verdict) if analysis is not None else ""
