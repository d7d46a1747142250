"""Split files by folds of whole sources, and score each fold by what was trained on the others."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from detector.errors import InputError
from detector.evaluation.labels import Item, Labelled
from detector.sentences import _
from lab.evaluation import groups, left_out

Array = np.ndarray
Rows = Sequence[int] | Array
"""Places in a list of files."""
Head = Callable[[Array], Array]
"""Values, a row a file -> logits."""
Versions = Mapping[str, tuple[Rows, Array]]
"""By version: the files that have it, and a row of values for each of these."""


class Split(NamedTuple):
    """A fold: the rows to train on, and those that are left out."""

    fold: str
    taught: list[int]
    held: list[int]


def require_both_labels(recipe: str, items: Iterable[Labelled]) -> None:
    """Raise InputError unless there are originals and fakes."""
    if len({item.label for item in items}) < 2:
        text = _("The recipe {name} needs originals and fakes.")
        raise InputError(text.format(name=repr(recipe)))


def by_fold(items: Sequence[Item], folds: Iterable[str]) -> Iterator[Split]:
    """Yield a split for each fold of sources or of kinds, without a person on both sides."""
    for fold in folds:
        sides = ({item.name for item in some} for some in groups.leave_out(items, fold))
        taught, held = (
            [i for i, item in enumerate(items) if item.name in names] for names in sides
        )
        yield Split(fold, taught, held)


def apart(items: Sequence[Item], fold: str, held: Sequence[int], shared: str) -> Split:
    """Leave out files of a fold; train on no file with their `shared` field of `Item`, and on no
    fake of their methods."""
    out = [items[i] for i in held]
    known, methods = {getattr(i, shared) for i in out}, {i.method for i in out if i.label}
    taught = [
        i
        for i, item in enumerate(items)
        if getattr(item, shared) not in known and not (item.label and item.method in methods)
    ]
    return Split(fold, taught, [*held])


def judge(
    items: Sequence[Item],
    splits: Iterable[Split],
    versions: Versions,
    train: Callable[[Split], Head],
) -> pd.DataFrame:
    """Return cross-fitted logits of versions of files (`left_out.rows_of`): of each fold by what
    `train` makes of the other rows."""
    parts = []
    for split in splits:
        own = {name: np.isin(rows, split.held) for name, (rows, _values) in versions.items()}
        if not any(some.any() for some in own.values()):
            continue
        head = train(split)
        for name, (rows, values) in versions.items():
            held = [items[row] for row in np.asarray(rows)[own[name]]]
            logits = head(values[own[name]]) if held else np.empty(0)
            parts.append(left_out.rows_of(held, logits, split.fold, name))
    if not parts:
        return left_out.rows_of([], np.empty(0), "", "")
    return pd.concat(parts, ignore_index=True)
