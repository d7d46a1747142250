"""Export of records: rows of a table, and JSON entries with the whole result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from detector.presentation import summary
from detector.schema.analysis import Analysis
from detector.sentences import in_english
from detector.spreadsheets import to_csv
from service.records.model import Record
from service.records.seals import origin

COLUMNS = (
    "file", "sha256", "state", "verdict", "question", "likelihood", "kind", "duration_s", "people",
    "models", "version", "origin", "analyzed", "brought", "confirmed", "tags", "note",
    "reason", "headline", "likelihood_low", "likelihood_high",
)  # fmt: skip


class ExportRow(NamedTuple):
    """A file of an export: its name, its record unless it was refused, and why it has no result or
    could not be judged."""

    name: str
    record: Record | None
    reason: str


def as_table(exported: Iterable[ExportRow]) -> str:
    """Return one row a file. Likelihoods are 0..1 and not rounded, times in UTC. The reason of a
    refused file is also in the column of notes."""
    rows: list[Iterable[object]] = [COLUMNS]
    for name, record, reason in exported:
        row: dict[str, object] = {"file": name, "reason": reason}
        if record is None:
            row |= {"state": "refused", "note": reason}
        else:
            row |= {
                "sha256": record.sha256,
                "state": record.state.value,
                "brought": record.created.isoformat(),
                "confirmed": record.confirmed.value,
                "tags": "; ".join(record.tags),
                "note": record.note,
            }
        if record is not None and (result := record.result) is not None:
            likely, seconds = result.probability, result.duration
            low, high = result.interval or ("", "")
            row |= {
                "headline": in_english(summary.headline, result),
                "likelihood_low": low,
                "likelihood_high": high,
                "verdict": result.verdict.value,
                "question": result.question.value if result.question else "",
                "likelihood": "" if likely is None else max(f"{likely:.4f}", str(likely), key=len),
                "kind": result.kind,
                "duration_s": "" if seconds is None else f"{seconds:.3f}",
                "people": result.subject_count,
                "models": "; ".join(result.models),
                "version": result.version,
                "origin": origin(result.seal, record.owner).value,
                "analyzed": result.analyzed.isoformat(),
            }
        rows.append([row.get(column, "") for column in COLUMNS])
    return to_csv(rows)


def as_entry(record: Record, analysis: Analysis | None) -> dict[str, object]:
    """Return one record with its whole result, as JSON; `analysis` is null where there is none."""
    fields = record.model_dump(
        mode="json",
        include={"created", "name", "sha256", "size", "source", "state", "note", "tags",
                 "confirmed"},
    )  # fmt: skip
    made = origin(analysis.seal, record.owner).value if analysis else None
    tree = analysis.model_dump(mode="json") if analysis else None
    return {**fields, "origin": made, "analysis": tree}
