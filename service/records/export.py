"""Records as others read them: rows of a table, and entries of JSON with the whole result."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import NamedTuple

from detector.messages import states
from detector.presentation.verdict import unjudged
from detector.schema.analysis import Analysis, Proof, Verdict
from detector.sentences import in_english
from detector.spreadsheets import inert
from service.records.model import Record
from service.records.seals import origin

COLUMNS = (
    "file", "sha256", "state", "verdict", "question", "likelihood", "kind", "duration_s", "people",
    "models", "version", "origin", "analyzed", "brought", "confirmed", "tags", "note",
    "reason", "headline", "likelihood_low", "likelihood_high",
)  # fmt: skip


class Remark(NamedTuple):
    """What a row says beside its verdict."""

    reason: str = ""  # Why there is no result, or the file could not be judged

    headline: str = ""  # As on the result's page, in English
    likelihood_low: float | str = ""
    likelihood_high: float | str = ""  # 95 % interval of the likelihood, 0..1

    @classmethod
    def of(cls, verdict: Verdict | None, error: str, proof: Proof | None = None) -> Remark:
        """Return the text about a file, by its verdict or its error."""
        if verdict is None:
            return cls(reason=str(error))
        headline = states.headline(verdict.label, verdict.question, proof=proof)
        return cls(in_english(unjudged, verdict), headline, *(verdict.interval or ("", "")))


class ExportRow(NamedTuple):
    """A file of an export: the name it came with, its record unless it became none, the note
    beside its verdict."""

    name: str
    record: Record | None
    remark: Remark


def as_table(exported: Iterable[ExportRow]) -> str:
    """Return a row a file. Likelihoods are 0..1 and not rounded, times in UTC. Why a file became no
    record is in the column of notes, too, where it stood first."""
    out = io.StringIO()
    rows = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    rows.writeheader()
    for name, record, remark in exported:
        row: dict[str, object] = {"file": name, **remark._asdict()}
        if record is None:
            row |= {"state": "refused", "note": remark.reason}
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
            row |= {
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
        rows.writerow({name: inert(value) for name, value in row.items()})
    return out.getvalue()


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
