"""Records as files: a table, everything as JSON, or a ZIP of both with the pictures. No media.

Made when it is asked for, in a thread of its own: no Streamlit call below.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dashboard.result.downloads import file_name
from detector.messages import states
from detector.schema.analysis import Analysis
from service.error_reports import message_of
from service.records.export import Remark, as_entry, as_table
from service.records.model import MAX_PAGE_SIZE, Query, Record
from service.records.store import Store

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
            said = states.headline(result.verdict, result.question, result.lean, proof=result.proof)
            return Remark(headline=said)
        return Remark.of(analysis.verdict, "", result.proof)

    def _analysis(self, record: Record) -> Analysis | None:
        return self.store.analysis(self.owner, record.id)


def _json(tree: object) -> bytes:
    return (json.dumps(tree, indent=1, ensure_ascii=False) + "\n").encode()
