"""Confirmed ground truth: how often verdicts were right, and export as a labelled set (`unmask
export-labels`).

Confirmed files are no random sample: the shares do not apply to other files.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from detector import paths
from detector.errors import InputError
from detector.schema.analysis import Side
from detector.sentences import _
from detector.spreadsheets import to_csv
from service.records.model import MAX_PAGE_SIZE, Confirmed, Query, Record
from service.records.store import RecordScope
from service.storage.uploads import Uploads

COLUMNS = ("file", "label", "kind", "group", "source")  # as `detector.evaluation.labels` reads it
_CALLED = {Side.FAKE: Confirmed.FAKE, Side.REAL: Confirmed.REAL}  # Other verdicts leave it open


@dataclass(frozen=True)
class LabelSet:
    """Result of an export of confirmed files as a labelled set."""

    real: int
    fake: int
    gone: int  # Their media is not kept any more
    contradicted: int  # The same file was confirmed as both


def confirmed(scope: RecordScope) -> list[Record]:
    """Return a person's records with confirmed ground truth."""
    out: list[Record] = []
    while True:
        query = Query(
            confirmed=frozenset({Confirmed.FAKE, Confirmed.REAL}),
            offset=len(out),
            limit=MAX_PAGE_SIZE,
        )
        page = scope.store.search(scope.owner, query).records
        out += page
        if len(page) < MAX_PAGE_SIZE:
            return out


def by_month(records: Iterable[Record]) -> dict[datetime, tuple[int, int, int]]:
    """Return how many verdicts were right, wrong and open, by the first day of their month; records
    without a result don't count."""
    months: dict[datetime, Counter[bool | None]] = {}
    for record in records:
        if record.result is not None:
            side, made = record.result.verdict.side, record.result.analyzed
            start = made.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            right = None if side is None else _CALLED[side] is record.confirmed
            months.setdefault(start, Counter())[right] += 1
    return {
        month: (counts[True], counts[False], counts[None])
        for month, counts in sorted(months.items())
    }


def write_labels(records: Sequence[Record], uploads: Uploads, folder: Path) -> LabelSet:
    """Write the files that still exist with their labels into a folder: `labels.csv`, `real` and
    `fake`; each file once, under its hash. Raise InputError if there is a labels.csv already."""
    if (folder / "labels.csv").exists():
        text = _("There is a labels.csv in {folder} already.").format(folder=folder)
        raise InputError(text, hint=_("Name another folder."))
    says: dict[str, set[Confirmed]] = {}
    for record in records:
        says.setdefault(record.sha256, set()).add(record.confirmed)
    rows: dict[str, tuple[str, ...]] = {}
    gone: set[str] = set()
    for record in records:
        path, hash = uploads.path(record.id), record.sha256
        if not hash or len(says[hash]) > 1 or hash in rows:
            continue
        if not path.is_file():
            gone.add(hash)
            continue
        name = f"{record.confirmed}/{hash[:32]}{path.suffix}"
        (folder / record.confirmed).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
        still = record.result is not None and record.result.kind == "image"
        kind = "image" if still else "video"
        rows[hash] = (name, record.confirmed, kind, hash[:16], "confirmed")
    folder.mkdir(parents=True, exist_ok=True)
    paths.write(folder / "labels.csv", to_csv([COLUMNS, *rows.values()]))
    counts = Counter(label for _file, label, *_rest in rows.values())
    return LabelSet(
        real=counts[Confirmed.REAL],
        fake=counts[Confirmed.FAKE],
        gone=len(gone - rows.keys()),
        contradicted=sum(len(labels) > 1 for labels in says.values()),
    )
