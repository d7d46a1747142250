"""A batch as files: a table, a result a line, or the reports of all.

Made when it is asked for, in a thread of its own: no Streamlit call below.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.result.downloads import file_name
from detector.messages import ENGLISH, Speech
from detector.report import ReportDetails
from service import exports
from service.batches import BatchRow
from service.records.export import Remark, as_entry, as_table
from service.records.model import Record
from service.records.seals import origin
from service.records.store import RecordScope
from service.storage.uploads import Uploads

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
