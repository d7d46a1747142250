"""What there is to learn from: labelled files in a CSV, and splits that share nobody.

The CSV has a header with `file` (relative to the CSV's folder), `label` (real or fake) and, where
known, `kind` (image or video), `method`, `group`, `source` and `person`. Files of one group show
the same footage: an original and what was made of it. A person who appears in several groups is
kept on one side of every split only if the column `person` names them.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from detector.errors import InputError

_TAKE = re.compile(r"[_-]\d+$")
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


@dataclass(frozen=True)
class Item:
    """One labelled file.

    Attributes
    ----------
    file : Path
        Absolute.
    name : str
        As the CSV has it.
    label : int
        1 manipulated, 0 untouched.
    kind : str
        "image" or "video".
    method : str
        How it was made; "none" for untouched.
    group : str
        Files of one group show the same footage. Never empty: a file without a group is its own.
    source : str
        Where it was collected.
    named : str
        Who is shown, where the CSV says it; empty otherwise.
    """

    file: Path
    name: str
    label: int
    kind: str
    method: str
    group: str
    source: str
    named: str = ""

    @property
    def person(self) -> str:
        """Who is shown, as the CSV has it, or the group without the number of the take: several
        takes of a person never part."""
        return f"{self.source}:{self.named or _TAKE.sub('', self.group)}"


class Labelled(Protocol):
    """What a split and a pairing ask of a file, or of its cached faces."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def person(self) -> str: ...


def read_labels(path: Path) -> list[Item]:
    """Read a labelled CSV.

    Raises
    ------
    InputError
        If the file can't be read, a column is missing or a label is neither real nor fake.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The labels {path} can't be read: {error}") from error
    if not rows or not {"file", "label"} <= set(rows[0]):
        raise InputError(
            f"The labels {path} have no rows with the columns file and label.",
            hint="The first line names the columns, for example: file,label,group,source,method",
        )
    items = []
    for number, row in enumerate(rows, start=2):
        label = (row["label"] or "").strip().lower()
        if label not in ("real", "fake"):
            raise InputError(f"Line {number} of {path}: the label is {label!r}, not real or fake.")
        name = row["file"] or ""
        suffix = Path(name).suffix.lower()
        items.append(
            Item(
                file=path.parent / name,
                name=name,
                label=int(label == "fake"),
                kind=row.get("kind") or ("image" if suffix in _PICTURES else "video"),
                method=row.get("method") or ("unknown" if label == "fake" else "none"),
                group=row.get("group") or name,
                source=row.get("source") or "unknown",
                named=row.get("person") or "",
            )
        )
    return items


def held_out(items: Iterable[Labelled], share: float, seed: int = 0) -> set[str]:
    """Persons (`Item.person`) to keep out of training.

    Drawn source by source, so that every source with several persons is on both sides, in the order
    of a hash of their names, so that it depends on no order of files.

    Parameters
    ----------
    share : float
        0..1, of the persons of each source.
    """
    by_source: dict[str, set[str]] = {}
    for item in items:
        by_source.setdefault(item.source, set()).add(item.person)
    kept: set[str] = set()
    for persons in by_source.values():
        order = sorted(persons, key=lambda person: _hash(f"{seed}/{person}"))
        kept.update(order[: round(share * len(order))] if len(order) > 1 else [])
    return kept


def pairs(items: Sequence[Labelled]) -> list[tuple[int, int]]:
    """Indices (original, fake of it) within groups, fakes in order of appearance."""
    originals: dict[tuple[str, str], int] = {}
    for index, item in enumerate(items):
        if item.label == 0:
            originals.setdefault((item.source, item.group), index)
    found = []
    for index, item in enumerate(items):
        original = originals.get((item.source, item.group))
        if item.label == 1 and original is not None:
            found.append((original, index))
    return found


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
