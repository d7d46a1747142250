"""The results of a batch as a table, a row a file, for spreadsheets."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detector.batch.journal import Journal, Line, write_whole
from detector.schema.codes import Label
from detector.spreadsheets import inert

COLUMNS = (
    "file", "page", "label", "question", "probability", "lean", "kind", "duration", "subjects",
    "sha256", "id", "error", "message", "original", "finding",
    "headline",
)  # fmt: skip


class Table:
    """`results.csv`, kept up with the journal."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self._path, self._journal = path, journal
        self.rewrite()

    def add(self, line: Line) -> None:
        """Add a row. OSError when the disk refuses."""
        with self._path.open("a", encoding="utf-8", newline="") as out:
            out.write(_text([_row(line)]))

    def rewrite(self) -> None:
        """Write the table anew, whole: a kill may have cut off its last row."""
        rows = (_row(line) for line in self._journal.lines())
        write_whole(self._path, _text([COLUMNS, *rows]).encode())


def _text(rows: Iterable[Iterable[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode("utf-8", "replace").decode()


def _row(line: Line) -> list[object]:
    error, analysis = line.get("error") or {}, line.get("analysis") or {}
    verdict, about = analysis.get("verdict", {}), analysis.get("media", {})
    comparison = analysis.get("comparison") or {"original_media": {}}
    row = [
        line["file"], line.get("page"), verdict.get("label"), verdict.get("question"),
        verdict.get("probability"), verdict.get("lean"), about.get("kind"), about.get("duration"),
        len(analysis["subjects"]) if analysis else None, about.get("sha256"), line.get("id"),
        error.get("code"), error.get("message") or _unjudged(verdict),
        comparison["original_media"].get("name"), comparison.get("finding"),
        analysis.get("headline"),
    ]  # fmt: skip
    return [inert(value) for value in row]


def _unjudged(verdict: dict[str, Any]) -> str | None:
    """Return why a file that was read got no verdict."""
    reasons = verdict.get("reasons") or [{}]
    return reasons[0].get("text") if verdict.get("label") == Label.NOT_APPLICABLE else None
