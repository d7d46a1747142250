"""What can be done with the rows that are marked, or with all that are shown."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import controls, typography
from dashboard.i18n import _, speech
from dashboard.pages import refused_in
from dashboard.pages.batch import state
from dashboard.result.downloads import file_name
from detector.messages import ENGLISH, Speech
from detector.report import ReportDetails
from service import exports
from service.batches import BatchRow
from service.records.batches import Batch
from service.records.export import Remark, as_entry, as_table
from service.records.model import Record
from service.records.seals import origin
from service.records.store import RecordScope
from service.storage.uploads import Uploads


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
    with refused_in(state.NOTICE):
        session.application().batch_runs.first(session.record_scope(), batch, ids)


def again(batch: Batch, rows: Sequence[BatchRow]) -> None:
    """Analyze files once more."""
    app, context = session.application(), session.request_context()
    ids = [row.record.id for row in rows if row.record is not None]
    with refused_in(state.NOTICE):
        app.batch_runs.again(context, app.scope(context), batch, ids)
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


# --- files of it, made in a thread: no Streamlit call ---------------------------------------------


MAX_REPORTS = 100
"""in one ZIP: each is drawn from its file"""


@dataclass(frozen=True)
class BatchExport:
    """What is exported: some rows, in their order."""

    scope: RecordScope
    uploads: Uploads
    rows: Sequence[BatchRow]
    speech: Speech = ENGLISH
    """the language of the reports"""

    def as_csv(self) -> bytes:
        """Return a row a file; one without a verdict says why."""
        records = [_named(row.record, row) for row in self.rows if row.record is not None]
        refused = [(row.item.name, row.error) for row in self.rows if row.record is None]
        said = {r.record.id: Remark.of(r.verdict, r.error, r.proof) for r in self.rows if r.record}
        return as_table(records, lambda record: said[record.id], refused).encode()

    def as_jsonl(self) -> bytes:
        """Return a result a line, as History exports it; `error` says why there is none."""
        lines = []
        for row in self.rows:
            entry: dict[str, object] = {"name": row.item.name}
            if row.record is not None:
                analysis = self.scope.store.analysis(self.scope.owner, row.record.id)
                entry = as_entry(_named(row.record, row), analysis)
            lines.append(json.dumps({**entry, "error": str(row.error)}, ensure_ascii=False))
        return "".join(f"{line}\n" for line in lines).encode()

    def as_reports(self) -> bytes:
        """Return a ZIP with the table and a PDF for each of the first `MAX_REPORTS` results."""
        buffer, number = io.BytesIO(), 0
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("batch.csv", self.as_csv())
            for row in self.rows:
                record, scope = row.record, self.scope
                analysis = scope.store.analysis(scope.owner, record.id) if record else None
                if record is None or analysis is None or number >= MAX_REPORTS:
                    continue
                number += 1
                pdf = exports.report(
                    "pdf",
                    self.uploads.path(record.id),
                    analysis,
                    origin(analysis.seal, record.owner),
                    notes=record.note,
                    details=ReportDetails(speech=self.speech),
                )
                archive.writestr(f"reports/{number:03} {file_name(row.item.name, 'pdf')}", pdf)
        return buffer.getvalue()


def _named(record: Record, row: BatchRow) -> Record:
    """Return a record under the name that its file came with: several may share it."""
    return record.model_copy(update={"name": row.item.name})
