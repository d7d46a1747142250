"""Linear layers over features of frozen networks: their fit, and their figures on sources left out.

The networks have seen none of the labelled files, so a source is left out by fitting the layer
without it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from detector.errors import InputError
from detector.evaluation.labels import Item, Labelled
from detector.sentences import _
from lab.evaluation import groups, left_out
from lab.evaluation.fitting import weighted_loss

Array = np.ndarray


def require_both_labels(recipe: str, items: Iterable[Labelled]) -> None:
    """Raise InputError unless there are originals and fakes."""
    if len({item.label for item in items}) < 2:
        text = _("The recipe {name} needs originals and fakes.")
        raise InputError(text.format(name=repr(recipe)))


def source_weights(clips: Sequence[Labelled]) -> Array:
    """Return what each clip weighs: within a label a source weighs by the root of its number of
    clips, so that one page's fifty fakes are not half of all. They sum to 1, each label to 0.5."""
    count = Counter((clip.label, clip.source) for clip in clips)
    each = np.array([1 / np.sqrt(count[clip.label, clip.source]) for clip in clips])
    labels = np.array([clip.label for clip in clips])
    for label in (0, 1):
        each[labels == label] /= 2 * each[labels == label].sum()
    return each


class LinearHead(NamedTuple):
    """logit = values · weights + bias."""

    weights: Array
    bias: float

    def __call__(self, values: Array) -> Array:
        """Return the logit of each row."""
        return np.asarray(values @ self.weights + self.bias)


def fit_rows(
    clips: Sequence[Labelled],
    versions: Sequence[Array],
    decay: float,
    couples: Array | None = None,
    ranking: float = 0.0,
    targets: Array | None = None,
) -> LinearHead:
    """Fit a layer to several versions of the same rows, float [rows, features] each. Versions weigh
    alike; features are standardized over all of them.

    `couples`, int [n, 2], are rows of an original and a fake of it, and `ranking` is what all of
    them weigh beside cross-entropy. `targets`, float [rows]: P(fake) in place of the label."""
    wanted = np.array([float(clip.label) for clip in clips]) if targets is None else targets
    mean, spread = (of(np.concatenate(versions), 0) for of in (np.mean, np.std))
    spread = spread + 1e-4
    scaled = (np.stack(versions) - mean) / spread
    x = scaled.reshape(-1, scaled.shape[-1]).astype(np.float64)
    first, second = (np.zeros((0, 2), int) if couples is None else couples).T
    apart = (scaled[:, second] - scaled[:, first]).reshape(-1, x.shape[1]).astype(np.float64)
    theta = logistic(
        x,
        np.tile(wanted, len(versions)),
        np.tile(source_weights(clips), len(versions)) / len(versions),
        apart,
        np.full(len(apart), ranking / max(1, len(apart))),
        decay,
    )
    weights = theta[:-1] / spread
    return LinearHead(weights, float(theta[-1] - weights @ mean))


def logistic(
    x: Array, target: Array, weight: Array, apart: Array, share: Array, decay: float
) -> Array:
    """Fit a logistic regression with a ranking loss: float [features + 1], the offset last.
    scikit-learn's has neither soft targets nor pairs, on which the offset has no effect.

    `x`, `target`, `weight`: float [N, features], [N], [N], rows, the probability each should get
    and what it weighs. `apart`, `share`: float [pairs, features], [pairs], a fake less its original
    and what each pair weighs. `decay` is of the squared weights."""

    def loss(theta: Array) -> tuple[float, Array]:
        value, error = weighted_loss(x @ theta[:-1] + theta[-1], target, weight)
        ranking, order = weighted_loss(apart @ theta[:-1], np.ones(len(apart)), share)
        slope = x.T @ error + apart.T @ order + 2 * decay * theta[:-1]
        value += ranking + decay * float((theta[:-1] ** 2).sum())
        return value, np.append(slope, error.sum())

    return minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x


# --- folds ----------------------------------------------------------------------------------------


class Split(NamedTuple):
    """A fold: which rows teach, and which files are left out."""

    fold: str
    taught: Sequence[int]
    out: Callable[[Item], bool]

    def held(self, items: Sequence[Item]) -> list[int]:
        """Return which of some files are left out."""
        return [i for i, item in enumerate(items) if self.out(item)]


def by_source(items: Sequence[Item], folds: Iterable[str]) -> Iterator[Split]:
    """Yield a split for each fold of sources."""
    own = {item.source: groups.fold_of(item, groups.SOURCES) for item in items}
    for fold in folds:

        def out(item: Item, fold: str = fold) -> bool:
            return own[item.source] == fold

        yield Split(fold, [i for i, item in enumerate(items) if not out(item)], out)


def by_fold(items: Sequence[Item], folds: Iterable[str]) -> Iterator[Split]:
    """Yield a split for each fold of sources or of kinds, without a person in common."""
    place = {item.name: number for number, item in enumerate(items)}
    for fold in folds:
        taught, held = groups.leave_out(items, fold)
        names = frozenset(item.name for item in held)

        def out(item: Item, names: frozenset[str] = names) -> bool:
            return item.name in names

        yield Split(fold, [place[item.name] for item in taught], out)


Versions = Mapping[str, tuple[Sequence[Item], Array]]
"""Files and a row of values for each, by version."""
Head = Callable[[Array], Array]  # values -> logits


def judged(split: Split, versions: Versions, head: Head) -> pd.DataFrame:
    """Return the logits of what a fold leaves out, by a head that was learned without it."""
    parts = []
    for version, (items, values) in versions.items():
        own = split.held(items)
        logits = head(values[own]) if own else np.empty(0)
        parts.append(left_out.rows_of([items[i] for i in own], logits, split.fold, version))
    return pd.concat(parts)


def judge(
    splits: Iterable[Split], versions: Versions, fit: Callable[[Sequence[int]], Head]
) -> pd.DataFrame:
    """Return the logits of all that is left out, by heads that `fit` learns from the other rows."""
    none = left_out.rows_of([], np.empty(0), "", "")
    parts = [
        judged(split, versions, fit(split.taught))
        for split in splits
        if any(split.held(items) for items, _ in versions.values())
    ]
    return pd.concat(parts, ignore_index=True) if parts else none


Learn = Callable[[Sequence[Item], Sequence[Array]], LinearHead]


@dataclass(frozen=True)
class FrozenLayer:
    """A linear layer over features of files; `learn` fits it to some of the rows.

    `taught` are versions of the rows that it learns from, float [rows, features] each. Raise
    InputError without originals or fakes."""

    recipe: str
    items: Sequence[Item]  # of each row
    taught: Sequence[Array]
    learn: Learn

    def __post_init__(self) -> None:
        require_both_labels(self.recipe, self.items)

    def fit(self, rows: Sequence[int] | None = None) -> LinearHead:
        """Return the layer that some rows teach, by default all."""
        chosen = range(len(self.items)) if rows is None else rows
        return self.learn([self.items[i] for i in chosen], [x[chosen] for x in self.taught])

    def judge(self, splits: Iterable[Split], versions: Versions) -> pd.DataFrame:
        """Return the logits of all that is left out."""
        return judge(splits, versions, self.fit)
