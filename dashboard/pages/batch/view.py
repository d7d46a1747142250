"""The page: files are dropped, and a table of them fills in."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from dashboard import labels, session
from dashboard.components import cards, controls, page_header, record_cells, typography
from dashboard.i18n import _
from dashboard.pages.batch import bring, listing, marked, preview, state, summary
from service.batches import BatchRow, BatchState
from service.records.batches import MAX_NAME, Batch

FRAGMENT_SECONDS = 1.0
LATEST = 8
"""earlier batches that are offered"""
_LIVE = (BatchState.RUNNING, BatchState.PAUSING)


def draw() -> None:
    """Draw the page."""
    batch = state.batch()
    rows = state.rows(batch, fresh=True) if batch is not None else []
    now = _state(batch, rows) if batch is not None else None
    _title(batch, now)
    typography.flash(state.NOTICE)
    if batch is None and st.query_params.get("b"):
        typography.notice(_("This batch is not here any more. Its analyses may be in History."))
    bring.draw(batch)
    if batch is None or now is None:
        _latest()
        return
    _bar(batch, now, rows)
    st.fragment(_files, run_every=FRAGMENT_SECONDS if now in _LIVE else None)(batch.id, now)


def _state(batch: Batch, rows: Sequence[BatchRow]) -> BatchState:
    return session.application().batch_runs.state(session.current_user(), batch, rows)


def _title(batch: Batch | None, now: BatchState | None) -> None:
    facts = [_("many files at once; leave the page whenever you like")]
    if batch is not None:
        facts = [f"“{batch.name}”"] if batch.name else []
        facts.append(labels.count(len(batch.items), "file", "files"))
        facts.append(_("started {time}").format(time=record_cells.when(batch.created)))
    with page_header.row(_("Batch"), facts):
        if batch is None:
            return
        label = _("Rename") if batch.name else _("Name it")
        if controls.button(label, "edit", "batch-name", kind="tertiary"):
            st.dialog(_("Name of the batch"))(_rename)(batch)
        if now in _LIVE:
            stop = partial(_stop, batch)
            controls.button(_("Stop here"), "stop", "batch-stop", stop, kind="tertiary")
        controls.button(_("New batch"), "add", "batch-new", state.leave)
        if now is BatchState.RUNNING:
            pause = partial(_pause, batch)
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
    """Offer the batches of before, by when they were begun."""
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
            with controls.apart(f"batch-row-{one.id}"):
                number = labels.count(len(one.items), "file", "files")
                facts = filter(None, (one.name, record_cells.when(one.created), number))
                typography.paragraph(" · ".join(facts), width="content")
                run = partial(state.enter, one.id)
                controls.button(_("Open"), "arrow_forward", f"batch-open-{one.id}", run)


# --- where it stands ------------------------------------------------------------------------------


def _bar(batch: Batch, now: BatchState, rows: Sequence[BatchRow]) -> None:
    """Draw a line on where the batch stands, where that needs words, and what can be done."""
    with st.container(key="batch-bar"):
        if now is BatchState.INTERRUPTED:
            with _line("restart_alt", *summary.interrupted(rows), "batch-interrupted"):
                _go_on_or_stop(batch)
        elif now is BatchState.PAUSED:
            with _line("pause_circle", *summary.paused(rows), "batch-paused"):
                _go_on_or_stop(batch)
        elif now is BatchState.DONE and rows:
            task = session.application().batch_runs.task(session.current_user(), batch)
            said = summary.finished(rows, batch.created, task)
            with _line("done_all", *said, "batch-done"):
                if any(row.verdict is not None for row in rows):
                    marked.reports(rows, "batch-done-reports")
        if (known := summary.known(rows)) is not None and now not in _LIVE:
            with _line("content_copy", *known, "batch-known"):
                run = partial(marked.again, batch, listing.known(rows))
                controls.button(_("Analyze again"), "refresh", "batch-known-again", run)


def _line(symbol: str, head: str, text: str, key: str) -> st.delta_generator.DeltaGenerator:
    """Draw a head with its text, and return the place for buttons at the end of the line."""
    with st.container(border=True, key=f"card-{key}"), controls.apart():
        cards.step(symbol, head, text)
        return st.container(horizontal=True, vertical_alignment="center", width="content")


def _go_on_or_stop(batch: Batch) -> None:
    go, stop = partial(_go_on, batch), partial(_stop, batch)
    controls.button(_("Go on"), "play_arrow", "batch-go-on", go, kind="primary")
    controls.button(_("Stop here"), "", "batch-stop", stop, kind="tertiary")


def _pause(batch: Batch) -> None:
    session.application().batch_runs.pause(session.current_user(), batch)


def _go_on(batch: Batch) -> None:
    service, scope = session.application().batch_runs, session.record_scope()
    marked.tried(lambda: service.go_on(session.current_user(), scope, batch))


def _stop(batch: Batch) -> None:
    service, scope = session.application().batch_runs, session.record_scope()
    marked.tried(lambda: service.stop(session.current_user(), scope, batch))


# --- what changes by itself -----------------------------------------------------------------------


def _files(id: str, drawn: BatchState) -> None:
    """Draw the bar and the table; the whole page where the batch came to stand elsewhere."""
    batch = state.batch()
    if batch is None or batch.id != id:
        return
    rows = state.rows(batch)
    now = _state(batch, rows)
    if now is not drawn:
        st.rerun()
    with st.container(border=True, key="card-batch-summary"):
        task = session.application().batch_runs.task(session.current_user(), batch)
        st.progress(summary.share_done(rows), summary.progress(rows, now, task))
    _table(batch, rows)


def _table(batch: Batch, rows: Sequence[BatchRow]) -> None:
    text, shown, order = _filters(rows)
    key = f"batch-table-{batch.id}-{shown}-{order}-{hash(text)}"
    now = listing.ordered(rows, order)
    places = list(state.hold(key, now if _marks(key) else None) or now)
    places += [i for i in range(len(rows)) if i not in set(places)]  # what came since
    found = listing.matching([rows[i] for i in places if i < len(rows)], text, shown)
    if not found:
        typography.notice(_("Nothing matches."))
        return
    page = found[: listing.PAGE * st.session_state.get(_PAGES, 1)]
    chosen, pressed = listing.selected(key, page)
    scope = session.record_scope()
    pictures = scope.store.thumbnails(
        scope.owner, {row.record.id for row in page if row.record is not None and row.over}
    )
    selecting = bool(st.session_state.get(state.SELECT))
    left, right = st.columns([915, 325], gap=20)
    with left, st.container(border=True, key="card-batch", height="content"):
        head = st.container()
        with st.container(key="batch-table"):
            first = partial(_first, batch)
            listing.table(page, pictures, key, first)
        with st.container(key="batch-cards"):
            chosen += listing.cards(page, pictures, selecting=selecting)
        with head:
            marked.head(batch, chosen)
        _foot(found, page, chosen)
    with right, st.container(key="batch-preview"):
        preview.draw(batch, pressed or page[0], pictures)


_PAGES = "batch-pages"


def _first(batch: Batch, row: BatchRow) -> None:
    marked.first(batch, [row])


def _marks(key: str) -> bool:
    event = st.session_state.get(key)
    return bool(event and (event["selection"]["rows"] or event["selection"]["cells"]))


def _filters(rows: Sequence[BatchRow]) -> tuple[str, str, str]:
    """Draw the search, the groups with their numbers, and the order; return what is chosen."""
    groups = [listing.group(row) for row in rows]
    names = {
        listing.ALL: _("All {number}").format(number=len(rows)),
        **{
            label.value: f":{one.color}[:material/{one.icon}:] {groups.count(label)}"
            for label in labels.ORDER
            for one in [labels.STATES[label]]
        },
        listing.UNREAD: f":material/error: {groups.count(listing.UNREAD)}",
    }
    with st.container(horizontal=True, vertical_alignment="center", key="batch-toolbar"):
        text = controls.search(_("File name or link"), "batch-search", 220)
        shown = st.pills(
            _("Show"), list(names), default=listing.ALL, required=True,
            format_func=names.__getitem__, label_visibility="collapsed", wrap=True,
            key="batch-shown",
        )  # fmt: skip
        order = controls.select(
            _("Order"), listing.ORDERS, "batch-order-by", label_visibility="collapsed", width=200,
            required=True,
        )  # fmt: skip
    return text, shown or listing.ALL, order


def _foot(found: Sequence[BatchRow], page: Sequence[BatchRow], chosen: Sequence[BatchRow]) -> None:
    with controls.apart("batch-foot"):
        text = _("{first} to {last} of {total}")
        typography.caption(text.format(first=1, last=len(page), total=len(found)), width="content")
        with st.container(horizontal=True, width="content"):
            if len(found) > len(page):
                controls.button(_("Show more"), "expand_more", "batch-more", _more)
            with st.container(key="batch-select", width="content"):
                selecting = bool(st.session_state.get(state.SELECT))
                label = _("Done selecting") if selecting else _("Select")
                controls.button(label, "check_box", "batch-selecting", state.toggle_selecting)
            marked.export(chosen or found)


def _more() -> None:
    st.session_state[_PAGES] = st.session_state.get(_PAGES, 1) + 1
