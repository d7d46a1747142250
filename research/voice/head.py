"""The layers that are learned: logistic regression on labels and on pairs of a group."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from detector.models.families.timbre import NARROW
from research.voice.clips import Clip

PAIRS = 6
"""Of a group, an original and a fake of it, drawn at random."""


@dataclass(frozen=True)
class HeadRecipe:
    """How the layers are learned.

    Attributes
    ----------
    wide, narrow : tuple of str
        Versions of each clip that the layer for sound learns from, and that for telephones.
    decay : float
        Times the squared weights (of statistics brought to spread 1).
    ranking : float
        Of the ranking loss on pairs.
    """

    wide: tuple[str, ...] = ("0", "MP3 32 kbit/s")
    narrow: tuple[str, ...] = ("8 kHz telephone",)
    decay: float = 0.1
    ranking: float = 1.0


@dataclass(frozen=True)
class Head:
    """logit = weights · statistics + bias."""

    weights: np.ndarray
    bias: float

    def __call__(self, statistics: np.ndarray) -> np.ndarray:
        logits: np.ndarray = statistics @ self.weights + self.bias
        return logits


@dataclass(frozen=True)
class Heads:
    """Both layers."""

    wide: Head
    narrow: Head

    def __call__(self, read: np.ndarray) -> np.ndarray:
        """Return logits of statistics with the level of the upper half behind them."""
        statistics, level = read[:, :-1], read[:, -1]
        return np.where(level < NARROW, self.narrow(statistics), self.wide(statistics))


def fit_both(clips: Sequence[Clip], versions: Mapping[str, np.ndarray], plan: HeadRecipe) -> Heads:
    """Learn both layers.

    Parameters
    ----------
    versions : mapping of float [clips, statistics and the level of the upper half]
        By name.
    """

    def learn(names: Sequence[str]) -> Head:
        return fit(clips, [versions[name][:, :-1] for name in names], plan)

    return Heads(learn(plan.wide), learn(plan.narrow))


def shares(clips: Sequence[Clip]) -> np.ndarray:
    """Return how much each clip counts: a repository by the root of how much it holds, both labels
    alike."""
    held = Counter((clip.repository, clip.fake) for clip in clips)
    counts = np.array([held[clip.repository, clip.fake] ** -0.5 for clip in clips])
    fake = np.array([clip.fake for clip in clips])
    for label in (fake, ~fake):
        counts[label] /= counts[label].sum()
    return counts


def pairs(clips: Sequence[Clip], seed: int = 0) -> np.ndarray:
    """Return (original, fake) of each group that holds both: int [n, 2]."""
    chance = np.random.default_rng(seed)
    groups: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for i, clip in enumerate(clips):
        groups[clip.group][clip.fake].append(i)
    drawn: list[tuple[int, int]] = []
    for originals, fakes in groups.values():
        couples = [(real, fake) for real in originals for fake in fakes]
        chance.shuffle(couples)
        drawn += couples[:PAIRS]
    return np.array(drawn, int).reshape(-1, 2)


def fit(clips: Sequence[Clip], versions: Sequence[np.ndarray], plan: HeadRecipe) -> Head:
    """Learn one layer.

    Parameters
    ----------
    clips : sequence of Clip
    versions : sequence of float [clips, statistics]
        Of each version of them.
    """
    x = np.concatenate(list(versions))
    mean, spread = x.mean(0), x.std(0) + 1e-4
    count = len(versions)
    offsets = np.arange(count)[:, None, None] * len(clips)
    inputs = torch.tensor((x - mean) / spread, dtype=torch.float32)
    labels = torch.tensor(np.tile([clip.fake for clip in clips], count), dtype=torch.float32)
    weight = torch.tensor(np.tile(shares(clips), count), dtype=torch.float32)
    couples = torch.tensor((pairs(clips)[None] + offsets).reshape(-1, 2))
    theta = torch.zeros(inputs.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=80, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logits = inputs @ theta[:-1] + theta[-1]
        each = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        loss = (weight * each).sum() / weight.sum() + plan.decay * theta[:-1].square().sum()
        if len(couples):
            behind = logits[couples[:, 0]] - logits[couples[:, 1]]
            loss = loss + plan.ranking * F.softplus(behind).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    found = theta.detach().double().numpy()
    weights = found[:-1] / spread
    return Head(weights, float(found[-1] - weights @ mean))
