"""Exports of records as files, made in a thread without Streamlit calls."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dashboard.result.downloads import file_name
from detector.report import ReportDetails
from detector.schema.analysis import Analysis
from service import exports
from service.records.export import ExportRow, as_entry, as_table
from service.records.seals import origin
from service.records.store import RecordScope

MAX_REPORTS = 100
"""in one ZIP: each is drawn from its file"""


@dataclass(frozen=True)
class RecordExport:
    """An export; `read` returns its rows as stored when a file is made."""

    scope: RecordScope
    read: Callable[[], Sequence[ExportRow]]

    def as_csv(self) -> bytes:
        """Return one row a file; one without a verdict states the reason."""
        return as_table(self.read()).encode()

    def as_json(self) -> bytes:
        """Return whole results as JSON."""
        entries = [entry for row in self.read() if (entry := self._entry(row))]
        return _json({"exported": datetime.now(UTC).isoformat(), "analyses": entries})

    def as_jsonl(self) -> bytes:
        """Return one whole result a line; `error` states why there is none."""
        lines = []
        for row in self.read():
            judged = row.record is not None and row.record.result is not None
            entry = {"name": row.name, **self._entry(row)}
            entry["error"] = "" if judged else str(row.reason)
            lines.append(json.dumps(entry, ensure_ascii=False))
        return "".join(f"{line}\n" for line in lines).encode()

    def as_zip(self) -> bytes:
        """Return a ZIP with the table, whole results and pictures."""

        def files(rows: Sequence[ExportRow]) -> Iterator[tuple[str, str | bytes]]:
            for number, row in enumerate(rows, 1):
                stem = file_name(row.name, "json").removesuffix(".unmask.json")
                yield f"results/{number:04} {stem}.json", _json(self._entry(row))
                id = row.record.id if row.record is not None else ""
                if picture := self.scope.store.thumbnails(self.scope.owner, [id]).get(id):
                    yield f"pictures/{number:04} {stem}.webp", picture

        return self._archive("analyses.csv", files)

    def as_reports(self, path: Callable[[str], Path]) -> bytes:
        """Return a ZIP with the table and a PDF for each of the first `MAX_REPORTS` results; `path`
        maps a record's id to its file."""

        def files(rows: Sequence[ExportRow]) -> Iterator[tuple[str, str | bytes]]:
            number = 0
            for name, record, _reason in rows:
                analysis = self._analysis(record.id) if record is not None else None
                if record is None or analysis is None or number >= MAX_REPORTS:
                    continue
                number += 1
                made, details = origin(analysis.seal, record.owner), ReportDetails()
                pdf = exports.report(
                    "pdf", path(record.id), analysis, made, notes=record.note, details=details
                )
                yield f"reports/{number:03} {file_name(name, 'pdf')}", pdf

        return self._archive("batch.csv", files)

    def _archive(
        self, table: str, files: Callable[[Sequence[ExportRow]], Iterator[tuple[str, str | bytes]]]
    ) -> bytes:
        buffer, rows = io.BytesIO(), self.read()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(table, as_table(rows))
            for name, content in files(rows):
                archive.writestr(name, content)
        return buffer.getvalue()

    def _entry(self, row: ExportRow) -> dict[str, Any]:
        """Return a row's result as JSON; nothing for a refused file."""
        if row.record is None:
            return {}
        record = row.record.model_copy(update={"name": row.name})
        return as_entry(record, self._analysis(record.id))

    def _analysis(self, id: str) -> Analysis | None:
        return self.scope.store.analysis(self.scope.owner, id)


def _json(tree: object) -> bytes:
    return (json.dumps(tree, indent=1, ensure_ascii=False) + "\n").encode()
