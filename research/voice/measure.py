"""How well clips are told apart that nothing was learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detector.evaluation import metrics
from research.voice.clips import Clip, decode

FEWEST = 3
"""Fakes of a system, and clips of a language, that a figure is given of."""


@dataclass(frozen=True)
class Scores:
    """Logits of clips that were left out.

    Attributes
    ----------
    clips : tuple of Clip
    folds : int [clips]
    logits : float [clips]
    """

    clips: tuple[Clip, ...]
    folds: np.ndarray
    logits: np.ndarray

    @property
    def fake(self) -> np.ndarray:
        """Bool [clips]."""
        return np.array([clip.fake for clip in self.clips])

    @property
    def sources(self) -> np.ndarray:
        """Repository of each, which is resampled as a whole."""
        return np.array([clip.repository for clip in self.clips])

    def of(self, chosen: np.ndarray) -> Scores:
        """Return some of the clips."""
        clips = tuple(clip for clip, keep in zip(self.clips, chosen, strict=True) if keep)
        return Scores(clips, self.folds[chosen], self.logits[chosen])

    def interval(self, figure: Callable[[np.ndarray, np.ndarray], float]) -> metrics.Interval:
        """Return a figure with its 95 % interval from resampling repositories."""
        return metrics.bootstrap(figure, self.logits, self.fake, self.sources)


def won(scores: Scores) -> tuple[float, int]:
    """Return the share of (original, fake) of a group in which the fake scores higher (of equals
    half), the mean over groups, and how many groups there are."""
    groups: dict[str, tuple[list[float], list[float]]] = {}
    for clip, logit in zip(scores.clips, scores.logits.tolist(), strict=True):
        groups.setdefault(clip.group, ([], []))[clip.fake].append(logit)
    shares = [
        float(np.mean(np.sign(np.array(fakes)[:, None] - np.array(originals)) / 2 + 0.5))
        for originals, fakes in groups.values()
        if originals and fakes
    ]
    return (float(np.mean(shares)), len(shares)) if shares else (float("nan"), 0)


def line(name: str, scores: Scores) -> str:
    """Return a row of a table: AUC, equal error rate, pairs won, fakes found at 5 % alarms."""
    auc, error = scores.interval(metrics.auc), scores.interval(metrics.equal_error)
    found = metrics.tpr_at(scores.logits, scores.fake, 0.05)
    pairs, groups = won(scores)
    return (
        f"| {name} | {scores.fake.sum()} / {(~scores.fake).sum()} | {auc} | {error} "
        f"| {pairs:.3f} ({groups}) | {found:.2f} |"
    )


def by_system(scores: Scores) -> list[str]:
    """Return a row a system: its fakes against all originals of its fold, hardest first."""
    rows: list[tuple[float, str]] = []
    for method in sorted({clip.method for clip in scores.clips} - {""}):
        own = np.array([clip.method == method for clip in scores.clips])
        folds = np.isin(scores.folds, scores.folds[own])
        part = scores.of(own | (folds & ~scores.fake))
        if own.sum() >= FEWEST:
            auc = metrics.auc(part.logits, part.fake)
            rows.append((auc, f"| {method} | {own.sum()} | {auc:.2f} |"))
    return [row for _, row in sorted(rows)]


def trivial(clips: Sequence[Clip]) -> dict[str, np.ndarray]:
    """Return what needs no detector: loudness, bandwidth, silence and length of each clip."""
    found: dict[str, list[float]] = {"loudness": [], "bandwidth": [], "silence": [], "length": []}
    for clip in clips:
        x = decode(str(clip.path))
        power = np.abs(np.fft.rfft(x)) ** 2
        share = np.cumsum(power) / max(power.sum(), 1e-12)
        frames = x[: len(x) // 320 * 320].reshape(-1, 320).std(1)
        found["loudness"].append(float(np.log(x.std() + 1e-9)))
        found["bandwidth"].append(float(np.searchsorted(share, 0.995) / len(x)))
        found["silence"].append(float(np.mean(frames < 0.1 * (frames.max() + 1e-9))))
        found["length"].append(float(len(x)))
    return {name: np.array(values) for name, values in found.items()}
