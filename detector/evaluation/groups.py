"""Groups of sources that are left out together: what a detector is worth where nobody trained.

Leaving out single clips, people or sources flatters: other clips of the same method, or footage of
the same kind, stay on the training side. A fold is a whole kind of manipulation and a kind of
untouched footage beside it (`folds.toml`). Sources are never parted.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TypeVar

from detector.errors import UsageError
from detector.evaluation.labels import hash_of

_FILE = Path(__file__).parent / "folds.toml"


class Sourced(Protocol):
    """What tells the fold of a file, or of its cached faces or its scores."""

    @property
    def source(self) -> str: ...


class WithPerson(Sourced, Protocol):
    """The same, and who is shown."""

    @property
    def person(self) -> str: ...


S = TypeVar("S", bound=WithPerson)


@functools.cache
def _table() -> dict[str, str]:
    """Source -> fold."""
    folds: dict[str, list[str]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {source: fold for fold, sources in folds.items() for source in sources}


def names() -> tuple[str, ...]:
    """All folds, in the order of the table."""
    return tuple(dict.fromkeys(_table().values()))


def fold_of(item: Sourced) -> str:
    """The fold in which a file is left out, one of `names()`.

    A source that the table does not name goes, as a whole, into the fold that a hash of its name
    says: an original is never parted from what was made of it.
    """
    known = _table().get(item.source)
    every = names()
    return known or every[int(hash_of(item.source), 16) % len(every)]


def known(item: Sourced) -> bool:
    """Whether the table names its source, so that its fold is no hash."""
    return item.source in _table()


def leave_out(items: Iterable[S], folds: str) -> tuple[list[S], list[S]]:
    """Files to learn from, and files of a fold, or of several with commas between them.

    Files of other folds that show somebody of these are in neither list.

    Raises
    ------
    UsageError
        There is no such fold.
    """
    out = set(folds.split(","))
    if unknown := sorted(out - set(names())):
        raise UsageError(f"There is no fold {unknown[0]!r}.", hint=f"Known: {', '.join(names())}.")
    every = list(items)
    held = [item for item in every if fold_of(item) in out]
    people = {item.person for item in held}
    rest = [item for item in every if fold_of(item) not in out and item.person not in people]
    return rest, held
