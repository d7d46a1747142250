"""The records of a page as a table and cards, and one record beside them."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st
from markupsafe import Markup

import detector
from dashboard import labels, session, url_state
from dashboard.components import cards, collection, controls, origin, record_cells, typography
from dashboard.components.chips import bullets, chip
from dashboard.components.markup import Text, show
from dashboard.components.tables import code, facts
from dashboard.labels import BadgeColor, StateWords
from dashboard.pages import put_into_address, refused_in
from dashboard.pages.cases import view as cases
from dashboard.pages.history import state
from dashboard.pages.history.filters import CONFIRMED
from dashboard.result import downloads, sharing, verdict_card
from dashboard.result.linked import ExportOptions
from detector.messages import states
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
    record: Record, picture: bytes | None, titles: Mapping[str, str], facets: Facets
) -> None:
    """Draw the card. `titles` are the models' names by id."""
    scope = session.record_scope()
    analysis = scope.store.analysis(scope.owner, record.id) if record.result else None
    if analysis is not None:  # of those that are not known here any more as well
        titles = dict(titles) | {m.id: labels.plain(m) for m in analysis.models}
    with st.container(
        border=True, key=f"verdict-{state_words(record).slug}-kept", height="content"
    ):
        back = partial(put_into_address, "r", None)
        controls.button(_("All analyses"), "arrow_back", "history-back", back, kind="tertiary")
        if picture:
            st.image(picture, width="stretch", alt=_("A moment of {file}").format(file=record.name))
        if (made := seals.origin_of(record)) is not None:
            origin.draw(made)
        show(_head(record, analysis), facts(_facts(record, titles)))
        job = session.find_job(record.id)
        _older(record, analysis, job)
        _notes(record, facets)
        _actions(record, analysis, job)


def _head(record: Record, analysis: Analysis | None) -> Markup:
    parts: list[Text] = [typography.name(record.name), state_chip(record)]
    if record.confirmed is not Confirmed.OPEN:
        parts += [" ", chip(say(CONFIRMED[record.confirmed]), symbol="gavel")]
    if analysis is not None:
        parts += verdict_card.preview(analysis, with_scale=True)
    elif record.fault is not None:
        parts.append(typography.outcome(say(message_of(record.fault))))
    return cards.preview(*parts)


def _facts(record: Record, titles: Mapping[str, str]) -> list[tuple[str, Text]]:
    result = record.result
    rows: list[tuple[str, Text]] = []
    if result is not None:
        size = labels.clock(result.duration) if result.duration else record_cells.length(record)
        models = labels.listed([titles.get(id, id) for id in result.models])
        rows = [
            (_("Length"), size),
            (_("Models"), models or _("none gave a score")),
            (_("Analyzed"), record_cells.local(result.analyzed)),
        ]
    if record.last_cache_hit is not None:
        rows.append((_("Uploaded again"), record_cells.local(record.last_cache_hit)))
    if record.source == "live":
        rows.append((_("From"), _("a live session")))
    if record.sha256:
        short = f"{record.sha256[:4]} … {record.sha256[-4:]}"
        rows.append(("SHA-256", code(short, record.sha256)))
    return rows


def _older(record: Record, analysis: Analysis | None, job: Job | None) -> None:
    """Say that another version of the program found this, which is not to be compared."""
    if record.result is None or record.result.version == detector.__version__:
        return
    version = record.result.version or _("an earlier version")
    text = _("Scored by version {version}. Analyze again to compare fairly.")
    if analysis is None:
        text = _("Scored by version {version}, whose results can’t be shown any more.")
    text = text.format(version=version)
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
    """Keep what was written; a refusal is shown, and the input stays in its field."""
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
            st.dialog(_("Delete"))(_confirm)([record])


def draw_several(records: Sequence[Record]) -> None:
    """Draw the card of several marked records."""
    with st.container(border=True, key="card-marked", height="content"):
        head = _("{number} marked").format(number=len(records))
        names = bullets([record.name for record in records])
        show(typography.heading(head), names)
        able = len(records) == 2 and all(record.result for record in records)
        with st.container(horizontal=True, key="actions-marked"):
            if controls.button(
                _("Compare these two"),
                "compare",
                "compare-marked",
                disabled=not able,
                help=None if able else _("Mark two analyses that have a result."),
            ):
                first, second = records
                url_state.go_to("compare", a=first.id, b=second.id)
            results = [record.id for record in records if record.result]
            if results and controls.button(_("Add to a case"), "create_new_folder", "case-marked"):
                cases.add(results)
            if controls.button(_("Delete"), "delete", "delete-marked"):
                st.dialog(_("Delete"))(_confirm)(records)
        typography.caption(_("Export, above, takes these."))


def _confirm(records: Sequence[Record]) -> None:
    """Ask, then delete: rows, media and pictures."""
    number = labels.count(len(records), "analysis", "analyses")
    question = _("Delete these {analyses} and their frames? This can’t be undone.")
    if len(records) == 1:
        question = _("Delete this analysis and its frames? This can’t be undone.")
    after = _("Links to it stop working at once. Reports that were downloaded stay where they are.")
    names, run = [record.name for record in records], partial(_delete, records)
    question = question.format(analyses=number)
    controls.confirm(question, names, after, run, label=_("Delete"), key="deleted")


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


ROW = 56
"""px of a row"""
_RUNS = {
    State.QUEUED: ("schedule", _("Waiting")),
    State.RUNNING: ("progress_activity", _("Running")),
    State.FAILED: ("error", _("Failed")),
    State.CANCELED: ("close", _("Canceled")),
    State.INTERRUPTED: ("power_settings_new", _("Interrupted")),
    State.DONE: ("help", _("Not readable")),
}
"""Icon and word of a record without a result."""


def state_words(record: Record) -> StateWords:
    """Return how a record is shown: its verdict, or where its analysis stands."""
    if record.result is not None:
        return labels.state(record.result.verdict, record.result.question, record.result.proof)
    progress = record.state
    if progress is State.QUEUED:  # the store knows no more: the server that runs it does
        job = session.find_job(record.id)
        progress = job.state if job else State.INTERRUPTED
    icon, text = _RUNS[progress]
    text = say(text)
    return StateWords(icon, text, text, "–", "gray", "na")


def state_chip(record: Record, *, short: bool = False) -> Markup:
    """Return its state, as a chip; `short` where a name of another file has no room."""
    shown = state_words(record)
    proven = record.result is not None and record.result.proof is not None
    text = shown.short if short and proven else finding(record)
    return chip(text, shown.slug, shown.icon)


def finding(record: Record) -> str:
    """Return its state in words, or the finding that leads."""
    result = record.result
    if result is None or result.proof is None:
        return state_words(record).short
    return states.headline(result.verdict, result.question, proof=result.proof)


def _elsewhere(record: Record) -> str:
    return origin.short(seals.origin_of(record))


def _verdict(record: Record) -> str:
    return f"{state_words(record).glyph} {finding(record)}"


def _rows(records: Sequence[Record], pictures: Mapping[str, bytes]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {
            "picture": record_cells.picture(record, pictures.get(record.id)),
            "file": record.name,
            "verdict": [_verdict(record), *filter(None, [_elsewhere(record)])],
            **record_cells.measured(record),
            "analyzed": record_cells.when(record.touched),
        }
        for record in records
    ]
    if any(record.confirmed is not Confirmed.OPEN for record in records):
        for row, record in zip(rows, records, strict=True):
            found = record.confirmed is not Confirmed.OPEN
            row["found"] = say(CONFIRMED[record.confirmed]) if found else ""
    return rows


def draw_list(records: Sequence[Record], pictures: Mapping[str, bytes], key: str) -> None:
    """Draw the records; a card leads to its record's preview."""
    colors: dict[str, BadgeColor] = {f"– {say(text)}": "gray" for _icon, text in _RUNS.values()}
    colors |= {_verdict(record): state_words(record).color for record in records}
    colors |= {_elsewhere(record): "red" for record in records if _elsewhere(record)}

    def card(number: int, record: Record) -> None:
        show(_card(record, pictures.get(record.id)))
        go = partial(put_into_address, "r", record.id)
        controls.button(_("Show"), "", f"show-{record.id}", go, kind="tertiary")

    table = collection.TableSpec(
        rows=_rows(records, pictures),
        columns={
            **record_cells.columns(colors, 226),
            "analyzed": st.column_config.TextColumn(_("Analyzed"), width=96),
            "found": st.column_config.TextColumn(_("Found out")),
        },
        row_height=ROW,
        alt=_("Analyses; press a row to see it, mark rows to compare, export or delete them."),
    )
    collection.draw("history", key, records, table, card)


def _card(record: Record, picture: bytes | None) -> Markup:
    """Return a record in short."""
    result = record.result
    likely, ends = (result.probability, result.interval) if result else (None, None)
    parts = [
        _elsewhere(record),
        labels.percent(likely) if likely is not None else "",
        labels.confidence(ends) if ends else "",
        record_cells.length(record),
        record_cells.when(record.touched),
    ]
    return cards.tile(
        record_cells.picture(record, picture),
        typography.strong(record.name),
        state_chip(record, short=True),
        typography.small(" · ".join(filter(None, parts))),
    )
