"""The page: filters, the list, and one record beside it."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import controls, outcomes, page_header, status_cards, typography
from dashboard.components.collection import selected
from dashboard.components.status_cards import Action, Card
from dashboard.pages import refused_in
from dashboard.pages.history import filters, library, listing, state
from dashboard.pages.history.filters import PAGE, HistoryFilter
from dashboard.result.downloads import file_name
from detector import paths
from detector.messages import states
from detector.models.registry import list_models
from detector.schema.analysis import Analysis
from detector.sentences import _
from service import feedback
from service.records import sql
from service.records.export import Remark, as_entry, as_table
from service.records.model import MAX_PAGE_SIZE, Page, Query, Record, message_of
from service.records.store import Store
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
    filter, place = filters.draw(facets, titles)
    page, number = _search(filter)
    filters.verdicts(place, page.counts)
    key = f"history-table-{filter.key}-{number}"
    marked, last, by_mark = selected(key, page.records)
    several = len(marked) > 1 and by_mark
    with top:
        _title(filter, page, marked)
        state.draw_tabs()
    if not page.total and not filter.filtered:
        status_cards.show(_nothing())
        return
    if not page.total:
        typography.notice(_("Nothing matches."))
        controls.button(_("Clear the filters"), "filter_alt_off", on_click=filters.clear)
        return
    linked = st.query_params.get("r")
    shown = (store.get(owner, linked) if linked else None) or page.records[0]
    if last is not None and not several:
        shown = last
    pictures = store.thumbnails(owner, {record.id for record in [*page.records, shown]})
    with st.container(key=f"history-{'one' if linked else 'all'}"):
        left, right = st.columns([915, 405], gap=20)
        with left, st.container(border=True, key="card-history", height="content"):
            listing.draw_list(page.records, pictures, key)
            page_key = f"history-page-{filter.key}"
            with controls.apart("history-foot"):
                controls.pages(page_key, len(page.records), page.total, number=number, size=PAGE)
        with right, st.container(key="history-preview"):
            if several:
                listing.draw_several(marked)
            else:
                listing.draw_preview(shown, pictures.get(shown.id), titles, facets)
    _outcomes()
    _retention()


def _damaged() -> None:
    """Say that records were set aside, for as long as their file is there."""
    if names := sql.damaged(paths.data()):
        text = _(
            "The records of this server were damaged when it started. They are set aside as "
            "{names} in the data folder, and what was kept until then is missing here. Put a good "
            "copy in their place, or delete that file to take this line away."
        )
        typography.alert(text.format(names=labels.listed(names)))


def _outcomes() -> None:
    """Say how often the verdicts were right on files that were confirmed, if any were."""
    records = feedback.confirmed(session.record_scope())
    if records:
        with st.expander(_("How often it was right"), icon=":material/gavel:"):
            outcomes.draw(records)


def _search(filter: HistoryFilter) -> tuple[Page, int]:
    """Return the chosen page and its number; other filters begin on the first."""
    key = f"history-page-{filter.key}"
    number = int(st.session_state.get(key, 1))
    scope = session.record_scope()
    while True:
        start = (number - 1) * PAGE
        if filter.unjudged:
            page = filters.search_unjudged(scope.store, scope.owner, filter.query)
            page = page.model_copy(update={"records": page.records[start : start + PAGE]})
        else:
            query = filter.query.model_copy(update={"offset": start})
            page = scope.store.search(scope.owner, query)
        if page.records or number == 1:
            return page, number
        number = max(1, -(-page.total // PAGE))
        st.session_state[key] = number


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
    matching: Sequence[Record] | Query = filter.query
    if filter.unjudged:
        matching = filters.search_unjudged(scope.store, scope.owner, filter.query).records
    files = Export(scope.store, scope.owner, list(marked) or matching)
    count = len(marked) or min(page.total, MAX_RECORDS)
    if marked:
        which = labels.count(count, "marked analysis", "marked analyses")
    elif filter.filtered:
        which = labels.count(count, "matching analysis", "matching analyses")
    else:
        which = labels.count(count, "kept analysis", "kept analyses")
    text = _("{analyses}, without media.").format(analyses=which)
    if not marked and page.total > count:
        text += " " + _("Only the first {number}.").format(number=f"{MAX_RECORDS:,}")
    typography.caption(text)
    for form, label, make in (
        ("csv", _("CSV, a row each"), files.as_csv),
        ("json", _("JSON, whole results"), files.as_json),
        ("zip", _("ZIP, both with pictures"), files.as_zip),
    ):
        name = f"unmask-history.{form}"
        controls.download(label, make, name, f"export-{form}", width="stretch")


def _retention() -> None:
    """Say what all this takes, and how long it stays."""
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
    """Offer to move a guest's analyses; never unasked, another person may have used the browser."""
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


# --- records as files, made in a thread without a Streamlit call ----------------------------------


MAX_RECORDS = 2000
"""records of an export; a result is some 100 kB"""


@dataclass(frozen=True)
class Export:
    """What is exported: some records, or all that match a query."""

    store: Store
    owner: str
    what: Sequence[Record] | Query

    def records(self) -> list[Record]:
        """Return the records as they are now, at most `MAX_RECORDS`."""
        if not isinstance(self.what, Query):
            current = (self.store.get(self.owner, record.id) for record in self.what)
            return [record for record in current if record is not None]
        out: list[Record] = []
        while len(out) < MAX_RECORDS:
            page = self.what.model_copy(update={"offset": len(out), "limit": MAX_PAGE_SIZE})
            more = self.store.search(self.owner, page).records
            out += more
            if len(more) < MAX_PAGE_SIZE:
                break
        return out[:MAX_RECORDS]

    def as_csv(self) -> bytes:
        return as_table(self.records(), self._remark).encode()

    def as_json(self) -> bytes:
        entries = [as_entry(record, self._analysis(record)) for record in self.records()]
        return _json({"exported": datetime.now(UTC).isoformat(), "analyses": entries})

    def as_zip(self) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            records = self.records()
            for number, record in enumerate(records, 1):
                stem = f"{number:04} {file_name(record.name, 'json').removesuffix('.unmask.json')}"
                archive.writestr(
                    f"results/{stem}.json", _json(as_entry(record, self._analysis(record)))
                )
                if picture := self.store.thumbnails(self.owner, [record.id]).get(record.id):
                    archive.writestr(f"pictures/{stem}.webp", picture)
            archive.writestr("analyses.csv", as_table(records, self._remark))
        return buffer.getvalue()

    def _remark(self, record: Record) -> Remark:
        """Return the note beside the verdict; only judged or open records are read whole."""
        if record.fault is not None:
            return Remark(reason=str(message_of(record.fault)))
        result = record.result
        if result is None:
            return Remark()
        analysis = self._analysis(record)
        if analysis is None:
            said = states.headline(result.verdict, result.question, proof=result.proof)
            return Remark(headline=said)
        return Remark.of(analysis.verdict, "", result.proof)

    def _analysis(self, record: Record) -> Analysis | None:
        return self.store.analysis(self.owner, record.id)


def _json(tree: object) -> bytes:
    return (json.dumps(tree, indent=1, ensure_ascii=False) + "\n").encode()
