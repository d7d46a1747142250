"""Records as files: a table, everything as JSON, or a ZIP of both with the pictures. No media.

Made when it is asked for, in a thread of its own: no Streamlit call below.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dashboard.result.downloads import file_name
from detector.schema.analysis import Analysis
from service.records.model import MAX_PAGE_SIZE, Query, Record
from service.records.store import Store

MOST = 2000
"""records of an export; a result is some 100 kB"""
MIME = {"csv": "text/csv", "json": "application/json", "zip": "application/zip"}
COLUMNS = (
    "file", "sha256", "state", "verdict", "question", "likelihood", "kind", "duration_s", "people",
    "models", "version", "analyzed", "brought", "confirmed", "tags", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What is exported: some records, or all that a query finds."""

    store: Store
    owner: str
    what: Sequence[Record] | Query

    def records(self) -> list[Record]:
        """The records as they are now, at most `MOST`."""
        if not isinstance(self.what, Query):
            found = (self.store.get(self.owner, one.id) for one in self.what)
            return [one for one in found if one is not None]
        out: list[Record] = []
        while len(out) < MOST:
            page = self.what.model_copy(update={"offset": len(out), "limit": MAX_PAGE_SIZE})
            more = self.store.search(self.owner, page).records
            out += more
            if len(more) < MAX_PAGE_SIZE:
                break
        return out[:MOST]

    def maker(self, form: str) -> Callable[[], bytes]:
        """What makes the file in one form when it is called."""
        return {"csv": self.as_csv, "json": self.as_json, "zip": self.as_zip}[form]

    def as_csv(self) -> bytes:
        return table(self.records()).encode()

    def as_json(self) -> bytes:
        entries = [entry(one, analysis) for one, analysis in self._whole()]
        return _json({"exported": datetime.now(UTC).isoformat(), "analyses": entries})

    def as_zip(self) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            records = []
            for number, (one, analysis) in enumerate(self._whole(), 1):
                records.append(one)
                stem = f"{number:04} {file_name(one.name, 'json').removesuffix('.unmask.json')}"
                archive.writestr(f"results/{stem}.json", _json(entry(one, analysis)))
                if picture := self.store.thumbnails(self.owner, [one.id]).get(one.id):
                    archive.writestr(f"pictures/{stem}.webp", picture)
            archive.writestr("analyses.csv", table(records))
        return buffer.getvalue()

    def _whole(self) -> Iterator[tuple[Record, Analysis | None]]:
        for one in self.records():
            yield one, self.store.analysis(self.owner, one.id)


def table(records: Sequence[Record]) -> str:
    """A row a record. Likelihoods are 0..1, times in UTC."""
    out = io.StringIO()
    rows = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for one in records:
        result = one.result
        row: dict[str, object] = {
            "file": one.name,
            "sha256": one.sha256,
            "state": one.state.value,
            "brought": one.created.isoformat(),
            "confirmed": one.confirmed.value,
            "tags": "; ".join(one.tags),
            "note": one.note,
        }
        if result is not None:
            likely = result.probability
            row |= {
                "verdict": result.verdict.value,
                "question": result.question.value if result.question else "",
                "likelihood": "" if likely is None else f"{likely:.4f}",
                "kind": result.kind,
                "duration_s": "" if result.duration is None else f"{result.duration:.3f}",
                "people": result.people,
                "models": "; ".join(result.models),
                "version": result.version,
                "analyzed": result.analyzed.isoformat(),
            }
        rows.writerow({name: _inert(value) for name, value in row.items()})
    return out.getvalue()


def _inert(value: object) -> object:
    """Text from outside that a spreadsheet would run as a formula is made text."""
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value


def entry(record: Record, analysis: Analysis | None) -> dict[str, object]:
    """One record with its whole result, as JSON; `analysis` is null where there is none."""
    kept = record.model_dump(
        mode="json",
        include={"created", "name", "sha256", "size", "source", "state", "note", "tags",
                 "confirmed"},
    )  # fmt: skip
    return {**kept, "analysis": analysis.exported() if analysis else None}


def _json(tree: object) -> bytes:
    return (json.dumps(tree, indent=1, ensure_ascii=False) + "\n").encode()
