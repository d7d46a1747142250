"""Fit linear layers to features of frozen networks, and evaluate them on left-out sources.

The networks were trained on none of the labelled files, so a source is left out by fitting the
layer without it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from detector.evaluation.labels import Item, Labelled
from lab.evaluation.fitting import weighted_loss
from lab.training.crossfit import Array, Head, Split, Versions, judge, require_both_labels

H = TypeVar("H", bound=Head)


def source_weights(clips: Sequence[Labelled]) -> Array:
    """Return the weight of each clip. A source weighs as the root of its number of clips, so that
    one page of fifty fakes does not dominate. Weights sum to 0.5 for each label."""
    labels, sources = (
        np.array([getattr(clip, name) for clip in clips]) for name in ("label", "source")
    )
    weights = np.zeros(len(clips))
    for label in (0, 1):
        own = labels == label
        _, which, counts = np.unique(sources[own], return_inverse=True, return_counts=True)
        each = counts[which] ** -0.5
        weights[own] = each / (2 * each.sum())
    return weights


@dataclass(frozen=True)
class LinearHead:
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
    """Fit a layer to versions of the same rows, float [rows, features] each, with equal weights;
    features are standardized over all versions.

    `couples`, int [n, 2], are rows of an original and a fake of it, and `ranking` is the weight of
    their ranking loss. `targets`, float [rows], are soft labels."""
    wanted = np.array([float(clip.label) for clip in clips]) if targets is None else targets
    mean, spread = (of(np.concatenate(versions), 0) for of in (np.mean, np.std))
    spread = spread + 1e-4
    scaled = (np.stack(versions) - mean) / spread
    x = scaled.reshape(-1, scaled.shape[-1]).astype(np.float64)
    first, second = (np.zeros((0, 2), int) if couples is None else couples).T
    differences = (scaled[:, second] - scaled[:, first]).reshape(-1, x.shape[1]).astype(np.float64)
    theta = logistic(
        x,
        np.tile(wanted, len(versions)),
        np.tile(source_weights(clips), len(versions)) / len(versions),
        differences,
        np.full(len(differences), ranking / max(1, len(differences))),
        decay,
    )
    weights = theta[:-1] / spread
    return LinearHead(weights, float(theta[-1] - weights @ mean))


def logistic(
    x: Array, target: Array, weight: Array, differences: Array, share: Array, decay: float
) -> Array:
    """Fit a ridge logistic regression with a ranking loss: float [features + 1], the intercept
    last. That of scikit-learn has neither soft targets nor a term without the intercept.

    `x`, `target`, `weight`: float [N, features], [N], [N], rows with their soft labels and weights.
    `differences`, `share`: float [pairs, features], [pairs], a fake minus its original, and the
    weight of the pair. `decay` multiplies the squared weights."""

    def loss(theta: Array) -> tuple[float, Array]:
        value, error = weighted_loss(x @ theta[:-1] + theta[-1], target, weight)
        ranking, order = weighted_loss(differences @ theta[:-1], np.ones(len(differences)), share)
        slope = x.T @ error + differences.T @ order + 2 * decay * theta[:-1]
        value += ranking + decay * float((theta[:-1] ** 2).sum())
        return value, np.append(slope, error.sum())

    return minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x


Learn = Callable[[Sequence[Item], Sequence[Array]], H]


@dataclass(frozen=True)
class FrozenLayer(Generic[H]):
    """Layer over frozen features of files, which `learn` fits to a subset of the rows.

    `taught` are the training versions of the rows, float [rows, features] each. Raise InputError
    without originals or fakes."""

    recipe: str
    items: Sequence[Item]  # of each row
    taught: Sequence[Array]
    learn: Learn[H]

    def __post_init__(self) -> None:
        require_both_labels(self.recipe, self.items)

    def fit(self, rows: Sequence[int] | None = None) -> H:
        """Fit the layer to some rows, by default all."""
        chosen = range(len(self.items)) if rows is None else rows
        return self.learn([self.items[i] for i in chosen], [x[chosen] for x in self.taught])

    def judge(self, splits: Iterable[Split], versions: Versions) -> pd.DataFrame:
        """Return cross-fitted logits of versions of files."""
        return judge(self.items, splits, versions, lambda split: self.fit(split.taught))
