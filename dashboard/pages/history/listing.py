"""Rows of a page of records, and the preview of one record."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st
from markupsafe import Markup

import detector
from dashboard import labels, session, url_state
from dashboard.components import blocks, cards, controls, origin, record_cells, typography
from dashboard.components.chips import bullets, chip
from dashboard.components.collection import Collection, ListColumn
from dashboard.components.markup import Text, show
from dashboard.components.record_cells import ListedRecord
from dashboard.components.tables import facts
from dashboard.pages import put_into_address, refused_in
from dashboard.pages.cases import view as cases
from dashboard.pages.history import state
from dashboard.pages.history.filters import CONFIRMED
from dashboard.pages.records import ask_to_delete, draw_actions
from dashboard.result import downloads, sharing, verdict_card
from dashboard.result.linked import ExportOptions
from detector.presentation import file, summary
from detector.presentation.origin import made
from detector.schema.analysis import Analysis
from detector.sentences import _, say
from service.records import seals
from service.records.model import (
    MAX_NOTE_LENGTH,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    Confirmed,
    Facets,
    Record,
    State,
    message_of,
)
from service.tasks.jobs import Job

_SHORT = {Confirmed.OPEN: _("Not yet"), Confirmed.FAKE: _("Fake"), Confirmed.REAL: _("Real")}


def draw_preview(
    row: ListedRecord[Record], picture: bytes | None, titles: Mapping[str, str], facets: Facets
) -> None:
    """Draw the preview. `titles` are the models' names by id."""
    record = row.item
    scope = session.record_scope()
    analysis = scope.store.analysis(scope.owner, record.id) if record.result else None
    if analysis is not None:  # of those that are not known here any more as well
        titles = dict(titles) | {m.id: labels.plain(m) for m in analysis.models}
    with record_cells.preview(row, "kept"):
        back = partial(put_into_address, "r", None)
        controls.button(_("All analyses"), "arrow_back", "history-back", back, kind="tertiary")
        record_cells.moment(row, picture)
        if (by := seals.origin_of(record)) is not None:
            origin.draw(by)
        show(_head(row, analysis), facts(_facts(record, titles)))
        job = session.find_job(record.id)
        _older(record, analysis, job)
        _notes(record, facets)
        _actions(record, analysis, job)


def _head(row: ListedRecord[Record], analysis: Analysis | None) -> Markup:
    record = row.item
    state_chip = chip(row.words, row.state.slug, row.state.icon)
    parts: list[Text] = [typography.name(row.name), state_chip]
    if record.confirmed is not Confirmed.OPEN:
        parts += [" ", chip(say(CONFIRMED[record.confirmed]), symbol="gavel")]
    if analysis is not None:
        parts += verdict_card.preview(analysis, with_scale=True)
    elif record.fault is not None:
        parts.append(typography.outcome(say(message_of(record.fault))))
    return cards.preview(*parts)


def _facts(record: Record, titles: Mapping[str, str]) -> list[tuple[str, Text]]:
    rows: list[tuple[str, Text]] = []
    if (result := record.result) is not None:
        rows = list(map(blocks.pair, summary.rows(result, titles)))
        rows.append((_("Analyzed"), record_cells.local(result.analyzed)))
    if record.last_cache_hit is not None:
        rows.append((_("Uploaded again"), record_cells.local(record.last_cache_hit)))
    if record.source == "live":
        rows.append((_("From"), _("a live session")))
    if record.sha256:
        rows.append(blocks.pair(file.hash_row(record.sha256)))
    return rows


def _older(record: Record, analysis: Analysis | None, job: Job | None) -> None:
    """Draw the note that an earlier version of the program found this."""
    if record.result is None or record.result.version == detector.__version__:
        return
    text = summary.outdated(record.result.version, shown=analysis is not None)
    if job is not None and job.has_media:
        typography.notice(text)

        def again() -> None:
            with refused_in(state.REFUSED):
                session.application().rerun(session.request_context(), record.id, record.settings)

        controls.button(_("Analyze again"), "refresh", f"again-{record.id}", again)
    else:
        lost = _("The file itself is not kept here any more: upload it again.")
        typography.notice(f"{text} {lost}")


# --- what a person wrote --------------------------------------------------------------------------


def _notes(record: Record, facets: Facets) -> None:
    if refused := st.session_state.pop(state.REFUSED, ""):
        typography.alert(refused)
    st.segmented_control(
        _("Confirmed"),
        list(_SHORT),
        default=record.confirmed,
        required=True,
        format_func=lambda found: say(_SHORT[found]),
        help=_("What you found out, whatever the models say."),
        key=f"found-{record.id}",
        on_change=_change,
        args=(record.id, "confirmed", f"found-{record.id}"),
    )
    st.text_area(
        _("Note"),
        record.note,
        max_chars=MAX_NOTE_LENGTH,
        height=90,
        placeholder=_("Where it came from, who was asked"),
        key=f"note-{record.id}",
        on_change=_change,
        args=(record.id, "note", f"note-{record.id}"),
    )
    st.multiselect(
        _("Tags"),
        list(dict.fromkeys([*record.tags, *facets.tags])),
        default=list(record.tags),
        accept_new_options=True,
        max_selections=MAX_TAGS,
        placeholder=_("Add a tag"),
        help=_("At most {most}, of {length} characters each.").format(
            most=MAX_TAGS, length=MAX_TAG_LENGTH
        ),
        key=f"tags-{record.id}",
        on_change=_change,
        args=(record.id, "tags", f"tags-{record.id}"),
    )


def _change(id: str, field: str, key: str) -> None:
    """Store the input; on an error it stays in its field."""
    with refused_in(state.REFUSED):
        scope = session.record_scope()
        scope.store.change(scope.owner, id, **{field: st.session_state[key]})


# --- what can be done -----------------------------------------------------------------------------


def _actions(record: Record, analysis: Analysis | None, job: Job | None) -> None:
    with st.container(horizontal=True, gap="xsmall", key="actions-kept"):
        if controls.button(_("Open"), "open_in_full", f"open-{record.id}", kind="primary"):
            url_state.go_to("analyze", a=record.id)
        if analysis is not None and job is not None:
            options = ExportOptions()
            options.notes = record.note
            controls.download(
                _("Report"),
                downloads.maker("pdf", job.path, analysis, job.origin, options),
                downloads.file_name(record.name, "pdf"),
                f"report-{record.id}",
                symbol="picture_as_pdf",
            )
            if controls.button(_("Share"), "link", f"share-{record.id}"):
                sharing.share(record.id, record.name)
            if controls.button(_("Add to a case"), "create_new_folder", f"case-{record.id}"):
                cases.add([record.id])
        if controls.button(_("Delete"), "delete", f"delete-{record.id}"):
            ask_to_delete([record], partial(_delete, [record]))


def draw_several(records: Sequence[Record]) -> None:
    """Draw the card of several marked records."""
    with st.container(border=True, key="card-marked", height="content"):
        head = _("{number} marked").format(number=len(records))
        names = bullets([record.name for record in records])
        show(typography.heading(head), names)
        with st.container(horizontal=True, key="actions-marked"):
            draw_actions(records, partial(_delete, records), "secondary")
        typography.caption(_("Export, above, takes these."))


def _delete(records: Sequence[Record]) -> None:
    ids = [record.id for record in records]
    number = len(session.application().delete(session.request_context(), *ids))
    put_into_address("r", None)
    st.session_state[state.NOTICE] = (
        _("{file} was deleted.").format(file=records[0].name)
        if number == 1
        else _("{analyses} were deleted.").format(
            analyses=labels.count(number, "analysis", "analyses")
        )
    )


# --- the records of a page ------------------------------------------------------------------------


def row_of(record: Record, picture: bytes | None) -> ListedRecord[Record]:
    """Return a record's row: its verdict, or the state of its analysis."""
    result, elsewhere = record.result, made(seals.origin_of(record) or "")[0]
    if result is not None:
        said = summary.answer(result.verdict, result.question, result.proof)
        look, short = labels.look(said.state), said.text
    else:
        progress = record.state
        if progress is State.QUEUED:  # the store knows no more: the server that runs it does
            job = session.find_job(record.id)
            progress = job.state if job else State.INTERRUPTED
        icon, text = record_cells.RUNS[progress]
        look, short = record_cells.unjudged(icon), say(text)
    proven = result is not None and result.proof is not None
    return ListedRecord(
        record,
        record.name,
        look,
        short,
        result,
        record_cells.picture(record, picture),
        summary.headline(result) if result is not None and proven else short,
        (elsewhere,) if elsewhere else (),
        record_cells.when(record.touched),
    )


def listed(rows: Sequence[ListedRecord[Record]]) -> Collection[ListedRecord[Record]]:
    """Return the layout of the list; a card opens its record's preview."""

    def show_it(number: int, row: ListedRecord[Record]) -> None:
        go = partial(put_into_address, "r", row.item.id)
        controls.button(_("Show"), "", f"show-{row.item.id}", go, kind="tertiary")

    def found(row: ListedRecord[Record]) -> str:
        confirmed = row.item.confirmed
        return "" if confirmed is Confirmed.OPEN else say(CONFIRMED[confirmed])

    columns = record_cells.columns(rows)
    columns["analyzed"] = ListColumn(_("Added"), lambda row: row.note, 106)
    if any(map(found, rows)):
        columns["found"] = ListColumn(_("Found out"), found, 100)
    return Collection(
        name="history",
        columns=columns,
        alt=_("Analyses; press a row to see it, mark rows to compare, export or delete them."),
        title=lambda row: row.name,
        card=lambda row: row.card,
        action=show_it,
        row_height=record_cells.ROW,
    )
