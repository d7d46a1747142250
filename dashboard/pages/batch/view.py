"""The Batch page: drop zone, and a table with the files and their results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import PurePath

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import (
    blocks,
    cards,
    collection,
    controls,
    page_header,
    record_cells,
    style,
    tables,
    typography,
)
from dashboard.components.markup import Text, show
from dashboard.components.record_cells import ListedRecord
from dashboard.pages import put_into_address, refused_in
from dashboard.pages.batch import listing
from dashboard.pages.records import draw_actions
from dashboard.record_export import RecordExport
from dashboard.result import verdict_card
from detector import links
from detector.batch import is_container
from detector.network.addresses import MAX_URL
from detector.presentation import summary
from detector.schema.analysis import Settings
from detector.sentences import _
from service import limits
from service.batch_files import HEAD, IncomingFile, RefusedFile, passed_over, sort_out
from service.batches import MAX_FILES, BatchRow, BatchState, file_count
from service.context import Principal
from service.records.batches import MAX_NAME
from service.records.model import Record
from service.records.store import RecordScope
from service.records.tables import Batch

FRAGMENT_SECONDS = 1.0
LATEST = 8
"""earlier batches that are offered"""
UPLOADS = "batch-uploads"
"""How often something was uploaded: each time the uploader is replaced."""
NOTICE = "batch-said"
"""The outcome of the last action, said once."""
LINKS = "batch-links"
_OVER = "batch-over"
"""Rows of files that are over, by batch: they are not looked up again."""
_ORDER = "batch-order"
"""The order of the table's rows while something is marked in it."""
_LIVE = (BatchState.RUNNING, BatchState.PAUSING)


def draw() -> None:
    """Draw the page."""
    batch = _batch()
    rows = _rows(batch, fresh=True) if batch is not None else []
    now = _state(batch, rows) if batch is not None else None
    _title(batch, now)
    typography.flash(NOTICE)
    if batch is None and st.query_params.get("b"):
        typography.notice(_("This batch is not here any more. Its analyses may be in History."))
    _add_files(batch)
    if batch is None or now is None:
        _latest()
        return
    _bar(batch, now, rows)
    st.fragment(_files, run_every=FRAGMENT_SECONDS if now in _LIVE else None)(batch.id, now)


def _state(batch: Batch, rows: Sequence[BatchRow]) -> BatchState:
    return session.application().batch_runs.state(session.current_user(), batch, rows)


def _title(batch: Batch | None, now: BatchState | None) -> None:
    facts = [_("Many files at once; leave the page whenever you like")]
    if batch is not None:
        facts = [f"“{batch.name}”"] if batch.name else []
        facts.append(labels.count(file_count(batch), "file", "files"))
        facts.append(_("started {time}").format(time=record_cells.when(batch.created)))
    with page_header.row(_("Batch"), facts):
        if batch is None:
            return
        runs = session.application().batch_runs
        stop = partial(_act, runs.stop, batch)
        label = _("Rename") if batch.name else _("Name it")
        if controls.button(label, "edit", "batch-name", kind="tertiary"):
            st.dialog(_("Name of the batch"))(_rename)(batch)
        if now in _LIVE:
            controls.button(_("Stop here"), "stop", "batch-stop", stop, kind="tertiary")
        controls.button(_("New batch"), "add", "batch-new", partial(put_into_address, "b", None))
        if now is BatchState.RUNNING:
            pause = partial(runs.pause, session.current_user(), batch)
            controls.button(_("Pause"), "pause", "batch-pause", pause, kind="primary")
        elif now is BatchState.PAUSING:
            controls.button(_("Pausing"), "pause", "batch-pausing", disabled=True)


def _rename(batch: Batch) -> None:
    name = st.text_input(
        _("Name"), batch.name, max_chars=MAX_NAME, key=f"batch-name-{batch.id}",
        placeholder=_("Forwards, week 47"),
    )  # fmt: skip
    if controls.button(_("Save"), "check", "batch-named", kind="primary"):
        session.application().batches.rename(session.record_scope().owner, batch.id, name)
        st.rerun()


def _latest() -> None:
    """Draw links to earlier batches by their date."""
    scope = session.record_scope()
    batches = session.application().batches.latest(scope.owner, LATEST)
    if not batches:
        typography.caption(
            _(
                "Each file gets a row at once. A file that can’t be read says so in its row, and "
                "the others go on. The batch has an address: come back to it, also after a restart."
            )
        )
        return
    with st.container(border=True, key="card-batches"):
        typography.title(_("Earlier batches"))
        for one in batches:
            number, began = labels.count(file_count(one), "file", "files"), one.created
            facts = (record_cells.when(began), number) if one.name else (number,)
            with collection.line(
                f"batch-row-{one.id}", one.name or record_cells.when(began), *facts
            ):
                run = partial(put_into_address, "b", one.id)
                controls.button(_("Open"), "arrow_forward", f"batch-open-{one.id}", run)


def _batch() -> Batch | None:
    """Return the batch in the address if it belongs to the person."""
    id = st.query_params.get("b")
    scope = session.record_scope()
    return session.application().batches.get(scope.owner, id) if id else None


def _rows(batch: Batch, *, fresh: bool = False) -> list[BatchRow]:
    """Return the present rows of a batch; `fresh` as in `BatchService.rows`."""
    known = st.session_state.get(_OVER)
    if known is None or known[0] != batch.id:
        known = st.session_state[_OVER] = (batch.id, {})
    service, scope = session.application().batch_runs, session.record_scope()
    return service.rows(scope, batch, known[1], fresh=fresh)


def _look_again() -> None:
    """Repeat the lookups of all files."""
    st.session_state.pop(_OVER, None)


def _held(key: str, order: Sequence[int] | None) -> list[int] | None:
    """Return the table's row order, fixed while rows are marked (`order` is not None)."""
    held = st.session_state.get(_ORDER)
    if order is None:
        st.session_state.pop(_ORDER, None)
        return None
    if held is None or held[0] != key:
        held = st.session_state[_ORDER] = (key, list(order))
    listed: list[int] = held[1]
    return listed


# --- where it stands ------------------------------------------------------------------------------


def _bar(batch: Batch, now: BatchState, rows: Sequence[BatchRow]) -> None:
    """Draw a line on the state of the batch, if it needs one, and its buttons."""
    with st.container(key="batch-bar"):
        if now is BatchState.INTERRUPTED:
            with _line("restart_alt", *listing.interrupted(rows), "batch-interrupted"):
                _resume_or_stop(batch)
        elif now is BatchState.PAUSED:
            with _line("pause_circle", *listing.paused(rows), "batch-paused"):
                _resume_or_stop(batch)
        elif now is BatchState.DONE and rows:
            task = session.application().batch_runs.task(session.current_user(), batch)
            said = listing.finished(rows, batch.created, task)
            _line("done_all", *said, "batch-done")
        if (known := listing.known_words(rows)) is not None and now not in _LIVE:
            with _line("content_copy", *known, "batch-known"):
                run = partial(_again, batch, listing.known(rows))
                controls.button(_("Analyze again"), "refresh", "batch-known-again", run)


def _line(symbol: str, head: str, text: str, key: str) -> st.delta_generator.DeltaGenerator:
    """Draw a head with its text, and return the place for buttons at the end of the line."""
    with st.container(border=True, key=f"card-{key}"), controls.apart():
        cards.step(symbol, head, text)
        return st.container(horizontal=True, vertical_alignment="center", width="content")


def _resume_or_stop(batch: Batch) -> None:
    runs = session.application().batch_runs
    go, stop = partial(_act, runs.resume, batch), partial(_act, runs.stop, batch)
    controls.button(_("Go on"), "play_arrow", "batch-go-on", go, kind="primary")
    controls.button(_("Stop here"), "", "batch-stop", stop, kind="tertiary")


def _act(act: Callable[[Principal, RecordScope, Batch], object], batch: Batch) -> None:
    with refused_in(NOTICE):
        act(session.current_user(), session.record_scope(), batch)


# --- what changes by itself -----------------------------------------------------------------------


def _files(id: str, drawn: BatchState) -> None:
    """Draw the bar and the table; rerun the page when the batch's state changes."""
    batch = _batch()
    if batch is None or batch.id != id:
        return
    rows = _rows(batch)
    now = _state(batch, rows)
    if now is not drawn:
        st.rerun()
    if rows and now is not BatchState.DONE:
        with st.container(border=True, key="card-batch-summary"):
            task = session.application().batch_runs.task(session.current_user(), batch)
            share = listing.done(rows) / max(1, len(listing.files_of(rows)))
            st.progress(share, listing.progress(rows, now, task))
    _table(batch, rows)


def _table(batch: Batch, rows: Sequence[BatchRow]) -> None:
    text, shown, order = _filters(rows)
    key = f"batch-table-{batch.id}-{shown}-{order}-{hash(text)}"
    now = listing.ordered(rows, order)
    places = list(_held(key, now if _marks(key) else None) or now)
    places += [i for i in range(len(rows)) if i not in set(places)]  # what came since
    found = listing.matching([rows[i] for i in places if i < len(rows)], text, shown)
    if not found:
        typography.notice(_("Nothing matches."))
        return
    page = collection.page(
        f"{key}-page", listing.PAGE, lambda start: (found[start : start + listing.PAGE], len(found))
    )
    scope = session.record_scope()
    pictures = scope.store.thumbnails(
        scope.owner, {row.record.id for row in page.items if row.record is not None and row.over}
    )
    listed = [listing.row_of(row, pictures.get(row.item.analysis or "")) for row in page.items]
    table = listing.listed(listed, lambda row: _first(batch, [row]), key)
    marked, pressed, _by_mark = table.selected(key, listed)
    chosen = [row.item for row in marked]
    left, right = st.columns([915, 325], gap=20)
    with left, st.container(border=True, key="card-batch", height="content"):
        _marked(batch, chosen)
        table.draw(key, listed)
        with controls.apart("batch-foot"):
            page.draw()
            with st.container(horizontal=True, width="content"):
                table.draw_select()
                _export(chosen or found)
    with right, st.container(key="batch-preview"):
        _preview(batch, pressed or listed[0], pictures)


def _marks(key: str) -> bool:
    event = st.session_state.get(key)
    return bool(event and (event["selection"]["rows"] or event["selection"]["cells"]))


def _filters(rows: Sequence[BatchRow]) -> tuple[str, str, str]:
    """Draw the search, the groups with their counts, and the order; return the choice."""
    counts = Counter(row.label for row in rows)
    with st.container(horizontal=True, vertical_alignment="center", key="batch-toolbar"):
        text = controls.search(_("File name or link"), "batch-search", 220)
        place = st.container(width="stretch")
        shown = record_cells.verdicts(place, counts, "batch-shown", len(rows))
        order = controls.select(
            _("Order"), listing.ORDERS, "batch-order-by", label_visibility="collapsed", width=200,
        )  # fmt: skip
    return text, shown, order


# --- files are brought ----------------------------------------------------------------------------


MAX_LINKS = 20
"""that are fetched while a person waits"""


def _add_files(batch: Batch | None) -> None:
    """Draw the drop zone; a fresh uploader after each copy to disk frees the memory."""
    limit = limits.megabytes(session.current_user(), int(st.get_option("server.maxUploadSize")))
    turn = st.session_state.get(UPLOADS, 0)
    with st.container(horizontal=True, vertical_alignment="center", key="batch-drop"):
        with st.container(key="drop", width="stretch"):
            style.drop_zone(
                _("Drop files or a ZIP"),
                _("Choose files"),
                _(
                    "videos, pictures, sounds, the pictures of a PDF, DOCX or PPTX · up to {limit} "
                    "MB each, {most} files · each file is checked when it arrives"
                ).format(limit=limit, most=MAX_FILES),
                _("We couldn’t take this file. The limit here is {limit} MB.").format(limit=limit),
            )
            files = st.file_uploader(
                _("Files"),
                key=f"batch-upload-{turn}",
                accept_multiple_files=True,
                label_visibility="collapsed",
            )
            typography.caption(controls.paste_hint())
        with st.container(width="content"):
            if controls.button(_("A whole folder"), "folder_open", "batch-folder"):
                st.dialog(_("A whole folder"))(_folder)(batch)
            if links.allowed() and controls.button(_("Paste links"), "link", "batch-paste"):
                st.dialog(_("Paste links"))(_paste)(batch)
    if files:
        _take([IncomingFile(file, file.name, file.size) for file in files], batch)


def _folder(batch: Batch | None) -> None:
    """Draw the upload of a folder tree of the person's computer."""
    text = _("Videos, pictures and sounds in it are taken, {most} at most; all else is counted.")
    typography.caption(text.format(most=MAX_FILES))
    found = st.file_uploader(
        _("Folder"),
        accept_multiple_files="directory",
        key=f"batch-folder-{st.session_state.get(UPLOADS, 0)}",
    )
    media, passed = sort_out([IncomingFile(file, file.name, file.size) for file in found])
    if media:
        name = PurePath(media[0].name).parts[0] if len(PurePath(media[0].name).parts) > 1 else ""
        left_out = [passed_over(name or _("Folder"), passed)] if passed else []
        _take([*media, *left_out], batch)
    elif passed:
        text = _("There is no video, picture or sound in this folder: {files}.")
        typography.alert(text.format(files=summary.passed_over(passed)))


def _take(files: Sequence[IncomingFile | RefusedFile], batch: Batch | None) -> None:
    st.session_state[UPLOADS] = st.session_state.get(UPLOADS, 0) + 1
    with st.spinner(_("Taking the files in …")):
        _add(files, batch, _name(files))
    st.rerun()


def _paste(batch: Batch | None) -> None:
    """Draw the field for links, one a line, which are fetched while the person waits."""
    text = st.text_area(
        _("Addresses of videos and pictures, one a line"),
        placeholder="https://",
        max_chars=MAX_LINKS * MAX_URL,
        key=LINKS,
        help=_("The file itself, not the page it is shown on. Its server sees that we ask."),
    )
    urls = [line.strip() for line in (text or "").splitlines() if line.strip()]
    if len(urls) > MAX_LINKS:
        typography.alert(_("At most {number} links at a time.").format(number=MAX_LINKS))
    elif controls.button(_("Fetch"), "link", "batch-fetch", kind="primary") and urls:
        with st.spinner(_("Fetching the files …")):
            _add(urls, batch)
        st.rerun()


def _name(files: Sequence[IncomingFile | RefusedFile]) -> str:
    """Return the name of a new batch: that of its single archive, if it has one."""
    if len(files) != 1 or isinstance(files[0], RefusedFile):
        return ""
    head = files[0].source.read(HEAD)
    files[0].source.seek(0)
    return PurePath(files[0].name).stem if is_container(head) else ""


def _add(
    files: Iterable[IncomingFile | RefusedFile | str], batch: Batch | None, name: str = ""
) -> None:
    app, context = session.application(), session.request_context()
    with refused_in(NOTICE):
        id = batch.id if batch else None
        scope = app.scope(context)
        brought = app.batch_runs.add(context, scope, files, Settings(), id=id, name=name)
        put_into_address("b", brought.id)


# --- the chosen row -------------------------------------------------------------------------------


def _preview(batch: Batch, shown: ListedRecord[BatchRow], pictures: Mapping[str, bytes]) -> None:
    """Draw the card of a file."""
    row = shown.item
    with record_cells.preview(shown, "batch"):
        typography.caption(_("The chosen row"))
        record_cells.moment(shown, pictures.get(row.item.analysis or ""))
        scope = session.record_scope()
        analysis = (
            scope.store.analysis(scope.owner, row.record.id)
            if row.record is not None and row.verdict is not None
            else None
        )
        parts: list[Text] = [typography.name(shown.name), shown.chip]
        if analysis is not None:
            parts += verdict_card.preview(analysis)
        elif shown.note:
            parts.append(typography.outcome(shown.note))
        if (place := listing.place(row)) != shown.name:
            parts.append(typography.small_print(place))
        if row.item.known and row.record is not None:
            before = _("The same content was here before, as {file}.").format(file=row.record.name)
            parts.append(typography.small_print(before))
        show(cards.preview(*parts), tables.facts(map(blocks.pair, listing.facts(row, analysis))))
        if row.waits:
            run = partial(_first, batch, [row])
            controls.button(_("Do it first"), "keep", "batch-first-shown", run)
        if row.record is not None and controls.button(
            _("Open the evidence"), "arrow_forward", "batch-evidence"
        ):
            url_state.go_to("analyze", a=row.record.id)


# --- what can be done with marked rows ------------------------------------------------------------


def _marked(batch: Batch, marked: Sequence[BatchRow]) -> None:
    """Draw the actions on marked rows."""
    if not marked:
        return
    records = [row.record for row in marked if row.record is not None]
    over = [row for row in marked if row.over and row.kept]
    with controls.apart("batch-marked"):
        text = _("{number} selected").format(number=len(marked))
        typography.paragraph(text, width="content")
        with st.container(horizontal=True, width="content"):
            run = partial(_again, batch, over)
            text = _("Analyze again")
            controls.button(text, "refresh", "batch-again", run, kind="tertiary", disabled=not over)
            if waiting := [row for row in marked if row.waits]:
                run = partial(_first, batch, waiting)
                controls.button(_("Do it first"), "keep", "batch-first", run, kind="tertiary")
            draw_actions(records, partial(_delete, records), "tertiary")
            if any(record.result for record in records):
                _reports(marked, "batch-marked-reports", small=True)


def _first(batch: Batch, rows: Sequence[BatchRow]) -> None:
    """Move waiting files before all others of their batch."""
    ids = [row.record.id for row in rows if row.record is not None]
    with refused_in(NOTICE):
        session.application().batch_runs.prioritize(session.record_scope(), batch, ids)


def _again(batch: Batch, rows: Sequence[BatchRow]) -> None:
    """Analyze files again."""
    app, context = session.application(), session.request_context()
    ids = [row.record.id for row in rows if row.record is not None]
    with refused_in(NOTICE):
        app.batch_runs.retry(context, app.scope(context), batch, ids)
    _look_again()


def _delete(records: Sequence[Record]) -> None:
    app, context, batch = session.application(), session.request_context(), _batch()
    deleted = app.delete(context, *(record.id for record in records))
    if batch is not None:
        app.batches.remove(context.principal.id, batch.id, set(deleted))
    _look_again()


def _export(rows: Sequence[BatchRow]) -> None:
    """Draw the downloads of some rows."""
    files = _exported(rows)
    for label, make, form, symbol in (
        ("CSV", files.as_csv, "csv", "table"),
        ("JSONL", files.as_jsonl, "jsonl", "data_object"),
    ):
        name, key = f"unmask-batch.{form}", f"batch-{form}"
        controls.download(label, make, name, key, symbol=symbol)
    _reports(rows, "batch-zip")


def _reports(rows: Sequence[BatchRow], key: str, *, small: bool = False) -> None:
    """Draw the download of a ZIP of reports."""
    label, symbol = (_("Reports"), "description") if small else (_("Reports, ZIP"), "folder_zip")
    make = partial(_exported(rows).as_reports, session.application().jobs.uploads.path)
    kind = "tertiary" if small else "secondary"
    controls.download(label, make, "unmask-batch.zip", key, symbol=symbol, type=kind)


def _exported(rows: Sequence[BatchRow]) -> RecordExport:
    return RecordExport(session.record_scope(), partial(listing.exported, rows))
