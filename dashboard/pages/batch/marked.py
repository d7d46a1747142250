"""What can be done with the rows that are marked, or with all that are shown."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import controls, typography
from dashboard.i18n import _, advice, speech
from dashboard.pages.batch import state
from dashboard.pages.batch.export import BatchExport
from detector.errors import UnmaskError
from service.batches import BatchRow
from service.records.batches import Batch
from service.records.model import Record


def tried(work: Callable[[], object]) -> None:
    """Do something, and keep what is wrong with it for the next time the page is drawn."""
    try:
        work()
    except UnmaskError as error:
        st.session_state[state.NOTICE] = advice(error)


def head(batch: Batch, marked: Sequence[BatchRow]) -> None:
    """Draw what can be done with the rows that are marked."""
    if not marked:
        return
    records = [row.record for row in marked if row.record is not None]
    judged = [record for record in records if record.result is not None]
    over = [row for row in marked if row.over and row.kept]
    with controls.apart("batch-marked"):
        text = _("{number} selected").format(number=len(marked))
        typography.paragraph(text, width="content")
        with st.container(horizontal=True, width="content"):
            run = partial(again, batch, over)
            text = _("Analyze again")
            controls.button(text, "refresh", "batch-again", run, kind="tertiary", disabled=not over)
            if waiting := [row for row in marked if row.waits]:
                run = partial(first, batch, waiting)
                controls.button(_("Do it first"), "keep", "batch-first", run, kind="tertiary")
            able = len(judged) == len(marked) == 2
            if controls.button(
                _("Compare"), "compare", "batch-compare", kind="tertiary", disabled=not able
            ):
                url_state.go_to("compare", a=judged[0].id, b=judged[1].id)
            if judged:
                reports(marked, "batch-marked-reports", small=True)
            if controls.button(
                _("Delete"), "delete", "batch-delete", kind="tertiary", disabled=not records
            ):
                st.dialog(_("Delete"))(_confirm)(records)


def first(batch: Batch, rows: Sequence[BatchRow]) -> None:
    """Put files that wait before all others of their batch."""
    ids = [row.record.id for row in rows if row.record is not None]
    service = session.application().batch_runs
    tried(lambda: service.first(session.record_scope(), batch, ids))


def again(batch: Batch, rows: Sequence[BatchRow]) -> None:
    """Analyze files once more."""
    app, context = session.application(), session.request_context()
    ids = [row.record.id for row in rows if row.record is not None]
    tried(lambda: app.batch_runs.again(context, app.scope(context), batch, ids))
    state.look_again()


def _confirm(records: Sequence[Record]) -> None:
    number = labels.count(len(records), "analysis", "analyses")
    question = _("Delete {analyses} with their frames? This can’t be undone.")
    names, run = [record.name for record in records], partial(_delete, records)
    question = question.format(analyses=number)
    controls.confirm(question, names, "", run, label=_("Delete"), key="batch-deleted")


def _delete(records: Sequence[Record]) -> None:
    app, context, batch = session.application(), session.request_context(), state.batch()
    deleted = app.delete(context, *(record.id for record in records))
    if batch is not None:
        app.batches.remove(context.principal.id, batch.id, set(deleted))
    state.look_again()


def export(rows: Sequence[BatchRow]) -> None:
    """Draw the ways to take some rows away."""
    files = _files(rows)
    for label, make, form, symbol in (
        ("CSV", files.as_csv, "csv", "table"),
        ("JSONL", files.as_jsonl, "jsonl", "data_object"),
    ):
        name, key = f"unmask-batch.{form}", f"batch-{form}"
        controls.download(label, make, name, key, symbol=symbol)
    reports(rows, "batch-zip")


def reports(rows: Sequence[BatchRow], key: str, *, small: bool = False) -> None:
    """Draw the button that hands out a ZIP of reports."""
    label, symbol = (_("Reports"), "description") if small else (_("Reports, ZIP"), "folder_zip")
    make, kind = _files(rows).as_reports, "tertiary" if small else "secondary"
    controls.download(label, make, "unmask-batch.zip", key, symbol=symbol, type=kind)


def _files(rows: Sequence[BatchRow]) -> BatchExport:
    uploads = session.application().jobs.uploads
    return BatchExport(session.record_scope(), uploads, list(rows), speech())
