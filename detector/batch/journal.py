"""Durable journal of a batch: a line of JSON for each finished file, fsynced before the next.

The journal is the result (`results.jsonl`). Opening it removes a line that a kill cut off, and
lines that later ones replace.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from detector import paths
from detector.errors import UsageError
from detector.presentation import summary
from detector.presentation.verdict import headline, unjudged
from detector.schema.analysis import Analysis, Media, Modality, Verdict
from detector.schema.comparison import Comparison
from detector.schema.origin import Provenance
from detector.schema.passed_over import PassedOver
from detector.sentences import _, in_english
from detector.spreadsheets import to_csv

Line = dict[str, Any]
"""`file`, `page`, `id`, and `analysis` or `error`; with `retry` the failure was Unmask's own."""


@dataclass(frozen=True)
class Finished:
    """Position of a finished file's line."""

    id: str  # of the analysis: content, settings, program and weights; "" for an unreadable file
    start: int  # bytes
    length: int
    error: str = ""  # its code; "" for a result
    retry: bool = False  # whether to try the file again


class Journal:
    """Append-only lines with an index. Thread-safe. Raise UsageError for another file, OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._by_name: dict[str, Finished] = {}
        self._by_id: dict[str, Finished] = {}
        fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._file = os.fdopen(fd, "r+b", buffering=0)
        try:
            self._end = self._replay()
            self._file.truncate(self._end)
            paths.sync_folder(path.parent)
            self._compact()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Compact the journal to each file's newest line, and close it."""
        with self._lock:
            with suppress(OSError):  # a full disk: done at the next opening
                self._compact()
            self._file.close()

    def get(self, name: str) -> Finished | None:
        """Return the newest line of a file, by its name."""
        with self._lock:
            return self._by_name.get(name)

    def same(self, id: str) -> Finished | None:
        """Return a finished file with this analysis id, whatever its name."""
        with self._lock:
            return self._by_id.get(id)

    def line(self, finished: Finished) -> Line:
        """Read a line back."""
        with self._lock:
            self._file.seek(finished.start)
            data = self._file.read(finished.length)
        line: Line = json.loads(data)
        return line

    def lines(self) -> Iterator[Line]:
        """Yield the newest line of each file, in the order in which they finished."""
        with self._lock:
            newest = sorted(self._by_name.values(), key=lambda finished: finished.start)
        for finished in newest:
            yield self.line(finished)

    def add(self, line: Line) -> None:
        """Write a line durably, all or nothing; raise OSError."""
        data = json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            self._file.seek(self._end)
            try:
                written = 0
                while written < len(data):
                    written += self._file.write(data[written:]) or 0
                os.fsync(self._file.fileno())
            except OSError:
                self._file.truncate(self._end)
                raise
            self._note(line, self._end, len(data))
            self._end += len(data)

    def _replay(self) -> int:
        """Index the file; return the end of the last complete line."""
        self._file.seek(0)
        end = 0
        with open(self.path, "rb") as file:
            for data in file:
                line = _parsed(data)
                if line is None:
                    if data.endswith(b"\n") or (not end and data[:1] not in (b"{", b"\0")):
                        raise UsageError(
                            _("{path} is not the journal of a batch.").format(path=self.path),
                            hint=_("Choose another folder for the results."),
                        )
                    break
                self._note(line, end, len(data))
                end += len(data)
        return end

    def _note(self, line: Line, start: int, length: int) -> None:
        error = line.get("error") or {}
        retry = bool(line.get("retry"))
        finished = Finished(line.get("id") or "", start, length, error.get("code", ""), retry)
        self._by_name[line["file"]] = finished
        if finished.id and not retry:
            self._by_id[finished.id] = finished

    def _compact(self) -> None:
        """Rewrite the journal without replaced lines, if there are any."""
        kept = sorted(self._by_name.values(), key=lambda finished: finished.start)
        if sum(finished.length for finished in kept) == self._end:
            return
        fresh = self.path.with_name(f".{self.path.name}.part")
        try:
            with fresh.open("wb") as out:
                for finished in kept:
                    self._file.seek(finished.start)
                    out.write(self._file.read(finished.length))
                out.flush()
                os.fsync(out.fileno())
            self._file.close()
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)
        paths.sync_folder(self.path.parent)
        self._file = self.path.open("r+b", buffering=0)
        self._by_name.clear()
        self._by_id.clear()
        self._end = self._replay()


def _parsed(data: bytes) -> Line | None:
    """Parse a complete line without its analysis; None for anything else."""
    head, analysis, _rest = data.partition(b', "analysis": ')  # in no name: " is escaped there
    try:
        line = json.loads(head + b"}" if analysis else data) if data.endswith(b"\n") else None
    except ValueError:
        return None
    return line if isinstance(line, dict) and isinstance(line.get("file"), str) else None


COLUMNS = (
    "file", "page", "label", "question", "probability", "kind", "duration", "subjects",
    "sha256", "id", "error", "message", "original", "finding",
    "headline",
)  # fmt: skip


class _Counted(BaseModel):
    """A subject of a result, of which only the kind is read."""

    modality: Modality = Modality.FACE


class _Tabled(BaseModel):
    """The parts of an analysis for the table: reading them takes a tenth of the time of all."""

    media: Media
    verdict: Verdict
    subjects: list[_Counted]
    provenance: Provenance | None = None
    comparison: Comparison | None = None
    accusing_comparison, proof = Analysis.accusing_comparison, Analysis.proof
    unjudged_faces = Analysis.unjudged_faces


class Table:
    """`results.csv`, updated with the journal."""

    def __init__(
        self, path: Path, journal: Journal, passed_over: Sequence[PassedOver] = ()
    ) -> None:
        self._path, self._journal, self._passed_over = path, journal, passed_over
        self.rewrite()

    def add(self, line: Line) -> None:
        """Append a row; raise OSError."""
        with self._path.open("a", encoding="utf-8", newline="") as out:
            out.write(_text([_row(line)]))

    def pass_over(self, found: Sequence[PassedOver]) -> None:
        """Name the files that are passed over, after those with a result; raise OSError."""
        self._passed_over = found
        self.rewrite()

    def rewrite(self) -> None:
        """Rewrite the whole table: a kill may have cut off its last row."""
        rows = (_row(line) for line in self._journal.lines())
        passed = map(_passed_row, self._passed_over)
        paths.write(self._path, _text([COLUMNS, *rows, *passed]).encode())


def _text(rows: Iterable[Iterable[object]]) -> str:
    return to_csv(rows).encode("utf-8", "replace").decode()


def _passed_row(one: PassedOver) -> list[object]:
    why = in_english(summary.passed_over, [one])
    return [one.name, *[None] * 9, "passed_over", why, *[None] * 3]


def _row(line: Line) -> list[object]:
    name, id, error = (line["file"], line.get("page")), line.get("id"), line.get("error") or {}
    if not line.get("analysis"):
        return [*name, *[None] * 7, id, error.get("code"), error.get("message"), *[None] * 3]
    analysis = _Tabled.model_validate(line["analysis"])
    verdict, about, found = analysis.verdict, analysis.media, analysis.comparison
    return [
        *name, verdict.label, verdict.question, verdict.probability, about.kind, about.duration,
        len(analysis.subjects), about.sha256, id, None, in_english(unjudged, verdict) or None,
        found and found.original_media.name, found and found.finding,
        in_english(headline, cast(Analysis, analysis)),
    ]  # fmt: skip
