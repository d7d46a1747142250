"""Fit the limits of the five answers to error rates that hold on left-out sources and whole sets.
Numbers only.

A left-out logit is the likelihood of a file by models, maps and a formula fitted to other sources.
Sources have equal weight within a label, and both labels have equal weight: a precision is that of
as many fakes as genuine files from such sources. A band begins at the lowest limit that satisfies
its requirement with one more error, whose lower bound holds in the bootstrap over sources, and that
keeps `SETS` in each set that was left out as a whole; where no limit does, the band is omitted.

Of the pairs of limits of one side, that is taken which answers most of the files that it is right
about, where a sure answer counts more (`SURER`).

A table of files has a row each: `label` and `source`. A set is a mask of its files. A set with
fewer than `ANSWERS` answers in a band, or with too few files of the other label to tell the allowed
share of errors (rule of three: 60 for 95 %, 15 for 80 %), can't say whether the promise is kept:
such sets are pooled. A set of one label is taken with all files of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from detector.evaluation.labels import hash_of
from detector.schema.analysis import Label
from detector.schema.verdict import BandRate, Tally, Thresholds
from lab.evaluation.tables import markdown

Array = np.ndarray
Sets = Mapping[str, Array]
"""Masks of the files of each set, bool [files]."""

DRAWS = 500  # of the sources, for bounds
LOWER = 10.0  # percentile of the draws that a bound is
GRID = 300  # limits that are tried at most
FOLDS = 10  # of whole sources, for what to expect elsewhere
ANSWERS = 10
SURER = 0.2  # what a sure answer counts beyond a probable one
PAIRS = 40  # outer limits that are tried with an inner one
FEWEST = {True: 5, False: 20}
"""Minimum number of sources of the other label for an answer towards fake (True) or real: fewer
can't contradict it. Each generator leaves different traces, so clearing a file needs many."""


class Requirement(NamedTuple):
    """Requirement on a band for left-out sources: its precision, the lower 90 % bound of it, and
    the share of files of the other label that may get this answer."""

    right: float
    bound: float
    wrong: float

    def tightened(self, share: float) -> Requirement:
        """Return a requirement that allows this share of the errors."""
        return Requirement(1 - (1 - self.right) * share, self.bound, self.wrong * share)

    def satisfied(self, band: BandRate, more: int = 0) -> bool:
        """Return True if the rates of a band satisfy it with `more` additional errors."""
        wrong = (band.wrong.count + more) / (band.wrong.files + more)
        return band.right >= self.right and band.low >= self.bound and wrong <= self.wrong


SURE, PROBABLE = Requirement(0.95, 0.90, 0.01), Requirement(0.82, 0.75, 0.05)


class BandLimits(NamedTuple):
    """Limits of the bands, logits: below `low` REAL, below `probably_low` PROBABLY_REAL, above
    `probably_high` PROBABLY_FAKE, above `high` FAKE; infinite without such a band."""

    low: float = -np.inf
    probably_low: float = -np.inf
    probably_high: float = np.inf
    high: float = np.inf


def _shares(hits: Array, labels: Array, sources: Array) -> tuple[Array, Array]:
    """Return the share of hits, bool [files, n], of genuine files and of fakes, sources weighted
    equally: over all sources, and then in each draw of the bootstrap, float [1 + DRAWS, n]."""
    names, which = np.unique(sources, return_inverse=True)
    even = np.full(len(names), 1 / max(1, len(names)))
    drawn = np.random.default_rng(0).multinomial(len(names), even, DRAWS)
    drawn = np.vstack([np.ones(len(names), int), drawn])
    found = []
    for label in (0, 1):
        own = labels == label
        by_source = pd.DataFrame(hits[own]).groupby(which[own]).mean()
        count = drawn[:, by_source.index]
        found.append(count @ by_source.to_numpy() / np.maximum(count.sum(1, keepdims=True), 1))
    return found[0], found[1]


_FAKE, _REAL = (Label.FAKE, Label.PROBABLY_FAKE), (Label.REAL, Label.PROBABLY_REAL)
REQUIREMENTS = {
    Label.FAKE: SURE,
    Label.PROBABLY_FAKE: PROBABLE,
    Label.PROBABLY_REAL: PROBABLE,
    Label.REAL: SURE,
}
SETS = {
    Label.FAKE: 0.95, Label.PROBABLY_FAKE: 0.80, Label.PROBABLY_REAL: 0.80, Label.REAL: 0.95,
}  # fmt: skip
"""Precision in each set, its files weighted alike within a label, to the percent that is shown."""
Requirements = Mapping[Label, Requirement | None]
TIGHTER = tuple(n / 20 for n in range(20, 0, -1))
"""Shares of the allowed errors, tried in turn."""


class _Shares:
    """Shares of genuine files and of fakes above each candidate limit (`_shares`); `apart`:
    likelihoods of the files with their whole set left out."""

    def __init__(self, logits: Array, apart: Array, rows: pd.DataFrame, sets: Sets) -> None:
        labels, sources = rows["label"].to_numpy(int), rows["source"].to_numpy(str)
        self.files = np.bincount(labels, minlength=2)
        every = np.unique(logits)
        middle = (every[1:] + every[:-1]) / 2
        if len(middle) > GRID:
            middle = np.quantile(middle, np.linspace(0, 1, GRID), method="nearest")
        self.edges = np.unique(middle)
        self.sources = [len(set(sources[labels == label].tolist())) for label in (0, 1)]
        above = logits[:, None] > self.edges
        self.above = _shares(above, labels, sources)
        self.of_files = [above[labels == label].mean(0) for label in (0, 1)]
        over = apart[:, None] > self.edges
        self.over = [
            [over[both & (labels == label)].sum(0) for label in (0, 1)]
            for both in (completed(mask, labels) for mask in sets.values())
        ]
        self.size = [
            [int((completed(mask, labels) & (labels == label)).sum()) for label in (0, 1)]
            for mask in sets.values()
        ]

    def holding(self, label: Label, requirement: Requirement, end: int | None) -> Array:
        """Return the indices of the limits that begin a band up to the limit `end` (None: to the
        end of the scale) which satisfies a requirement with one more error, the widest first."""
        upward = label in _FAKE
        fake, real = (self._within(self.above[label], end, upward) for label in (1, 0))
        good, bad = (fake, real) if upward else (real, fake)
        bad[0] += 1 / max(1, self.files[0 if upward else 1])
        kept = np.divide(good, good + bad, out=np.ones_like(good), where=good + bad > 0)
        place = int(LOWER / 100 * DRAWS)
        holds = (kept[0] >= requirement.right) & (
            np.partition(kept[1:], place, 0)[place] >= requirement.bound
        )
        other = 0 if upward else 1
        wrong = self._within(self.of_files[other], end, upward) + 1 / max(1, self.files[other])
        holds &= wrong <= requirement.wrong
        holds &= self._in_sets(label, end) >= SETS[label] - 0.005
        outside = np.arange(len(self.edges))
        if end is not None:
            holds &= outside < end if upward else outside > end
        found = np.flatnonzero(holds)
        return found if upward else found[::-1]

    def _in_sets(self, label: Label, end: int | None) -> Array:
        """Return the lowest precision of a band in any set, by the limit that begins it."""
        upward, meant = label in _FAKE, 1 if label in _FAKE else 0
        lowest = np.ones(len(self.edges))
        pooled, sizes = np.zeros((2, len(self.edges))), np.zeros((2, len(self.edges)))
        for over, size in zip(self.over, self.size, strict=True):
            inside = [
                self._count(count, total, end, upward)
                for count, total in zip(over, size, strict=True)
            ]
            told = size[1 - meant] * (1 - SETS[label]) >= 3 - 1e-9
            enough = (inside[0] + inside[1] >= ANSWERS) & told
            lowest = np.where(enough, np.minimum(lowest, _right(inside, size, upward)), lowest)
            for label_ in (0, 1):
                pooled[label_] += np.where(enough, 0, inside[label_])
                sizes[label_] += np.where(enough, 0, size[label_])
        enough = pooled.sum(0) >= ANSWERS
        return np.where(enough, np.minimum(lowest, _right(pooled, sizes, upward)), lowest)

    @staticmethod
    def _count(above: Array, total: int, end: int | None, upward: bool) -> Array:
        if upward:
            return np.asarray(above - (0 if end is None else above[end]))
        return np.asarray((total if end is None else above[end]) - above)

    @staticmethod
    def _within(above: Array, end: int | None, upward: bool) -> Array:
        """Return the share between each limit and `end`, over all sources or in each draw."""
        if upward:
            return np.asarray(above - (0.0 if end is None else above[..., end, None]))
        return np.asarray((1.0 if end is None else above[..., end, None]) - above)

    def side(self, upward: bool, requirements: Requirements) -> tuple[float, float]:
        """Return the limits of the sure and the probable band of one side; infinite without."""
        none = np.inf if upward else -np.inf
        if self.sources[0 if upward else 1] < FEWEST[upward]:
            return none, none
        sure_label, probable = _FAKE if upward else _REAL
        first, second = requirements[sure_label], requirements[probable]
        outer = self.holding(sure_label, first, None).tolist() if first else []
        tried = outer[:: max(1, len(outer) // PAIRS)]
        pairs: list[tuple[float, int | None, int | None]] = []
        for end in tried or [None]:
            inner = self.holding(probable, second, end) if second else np.array([], int)
            start = next(iter(inner.tolist()), end)
            if start is not None:
                every, sure = (self._answered(upward, limit) for limit in (start, end))
                pairs.append((every + SURER * sure, end, start))
        if not pairs:
            return none, none
        _worth, end, start = max(pairs, key=lambda pair: pair[0])  # of equal ones the widest sure
        edge = none if end is None else float(self.edges[end])
        return edge, edge if start is None else float(self.edges[start])

    def _answered(self, upward: bool, limit: int | None) -> float:
        """Return the share of the files of its label that a side answers from a limit on."""
        if limit is None:
            return 0.0
        above = float(self.of_files[1 if upward else 0][limit])
        return above if upward else 1 - above

    def limits(self, requirements: Requirements) -> BandLimits:
        """Return the limits of all bands."""
        low, probably_low = self.side(False, requirements)
        high, probably_high = self.side(True, requirements)
        return BandLimits(
            min(low, probably_high), min(probably_low, probably_high), probably_high, high
        )


def _right(inside: Sequence[Array] | Array, size: Sequence[float] | Array, upward: bool) -> Array:
    """Return the precision by the number of genuine files and fakes with an answer, of so many."""
    shares = [inside[label] / np.maximum(size[label], 1) for label in (0, 1)]
    good, every = shares[1 if upward else 0], shares[0] + shares[1]
    return np.divide(good, every, out=np.ones_like(every, dtype=float), where=every > 0)


def completed(mask: Array, labels: Array) -> Array:
    """Return the mask of a set, with all files of a label that it lacks."""
    missing = [label for label in (0, 1) if not (labels[mask] == label).any()]
    return np.asarray(mask | np.isin(labels, missing))


class FittedBands(NamedTuple):
    """Limits, and their error rates on left-out sources."""

    limits: BandLimits
    rates: list[BandRate]
    """Rates of the files, each by limits fitted without its source."""


def fit(rows: pd.DataFrame, logits: Array, apart: Array, sets: Sets) -> FittedBands:
    """Fit the limits of one kind of file to left-out likelihoods: `logits` without a file's source,
    `apart` without its set.

    A requirement holds for unseen sources, although limits are chosen on the files that they are
    evaluated on. It is tightened until both the answers by these limits with one more error and the
    cross-fitted answers satisfy it; where none does, the band is omitted."""
    every, parts = _Shares(logits, apart, rows, sets), _parts(rows, logits, apart, sets)
    tries = dict.fromkeys(REQUIREMENTS, 0)
    while True:
        requirements = {
            label: requirement.tightened(TIGHTER[tries[label]])
            if tries[label] < len(TIGHTER)
            else None
            for label, requirement in REQUIREMENTS.items()
        }
        limits = every.limits(requirements)
        given = np.full(len(rows), Label.INCONCLUSIVE, dtype=object)
        for own, others in parts:
            given[own] = answers(logits[own], others.limits(requirements))
        here, elsewhere = rates(answers(logits, limits), rows), rates(given, rows)
        broken = {
            *(band.label for band in here if not REQUIREMENTS[band.label].satisfied(band, more=1)),
            *(band.label for band in elsewhere if not REQUIREMENTS[band.label].satisfied(band)),
        }
        if not broken:
            return FittedBands(limits, elsewhere)
        for label in broken:
            tries[label] += 1


def _parts(
    rows: pd.DataFrame, logits: Array, apart: Array, sets: Sets
) -> list[tuple[Array, _Shares]]:
    """Return the mask of each fold of sources, bool [files], with the shares of the others."""
    fold = np.array([int(hash_of(str(name)), 16) % FOLDS for name in rows["source"]])
    parts = []
    for n in range(FOLDS):
        own = fold == n
        if own.any() and rows["label"][~own].nunique() == 2:
            rest = {name: mask[~own] for name, mask in sets.items() if mask[~own].any()}
            parts.append((own, _Shares(logits[~own], apart[~own], rows[~own], rest)))
    return parts


def answers(logits: Array, limits: BandLimits) -> Array:
    """Return the label of each file."""
    x = logits
    at = [x < limits.low, x < limits.probably_low, x > limits.high, x > limits.probably_high]
    order = (Label.REAL, Label.PROBABLY_REAL, Label.FAKE, Label.PROBABLY_FAKE)
    ranks = np.select(at, [label.suspicion for label in order], Label.INCONCLUSIVE.suspicion)
    by_rank = {label.suspicion: label for label in Label}
    return np.array([by_rank[rank] for rank in ranks.tolist()], dtype=object)


# --- error rates ----------------------------------------------------------------------------------


def rates(given: Array, rows: pd.DataFrame, *, by_file: bool = False) -> list[BandRate]:
    """Return the precision of each answer, sources weighted equally, or `by_file` files."""
    labels, sources, out = rows["label"].to_numpy(int), rows["source"].to_numpy(str), []
    if by_file:
        sources = np.arange(len(rows)).astype(str)
    for label in (Label.FAKE, Label.PROBABLY_FAKE, Label.PROBABLY_REAL, Label.REAL):
        meant = 1 if label.side == "fake" else 0
        own, good = given == label, labels == meant
        if not own.any():
            continue
        of_label = _shares(own[:, None], labels, sources)
        right, wrong = of_label[meant][:, 0], of_label[1 - meant][:, 0]
        some = right + wrong > 0
        share = right[some] / (right + wrong)[some]
        bound = np.percentile(share[1:], LOWER)
        out.append(
            BandRate(
                label=label,
                right=round(float(share[0]), 3),
                low=round(float(bound), 3),
                share=round(float(own[good].mean()), 3),
                wrong=Tally(count=int(own[~good].sum()), files=int((~good).sum())),
            )
        )
    return out


def table(given: Sequence[BandRate]) -> str:
    """Return answers as a Markdown table."""
    heads = "answer", "right (lower 90 % bound)", "of those it is right about", "of the others"
    rows = [
        (b.label, f"{b.right:.0%} ({b.low:.0%})", f"{b.share:.0%}",
         f"{b.wrong.count} of {b.wrong.files}")
        for b in given
    ]  # fmt: skip
    return markdown(heads, rows)


def thresholds(
    limits: BandLimits, given: Sequence[BandRate], logits: Array, labels: Array, data: str
) -> Thresholds:
    """Return limits as the manifest states them, rounded outwards to a tenth of a percent, with the
    rates of the answers on left-out sources (`given`), and the error rates at the outer limits."""

    def edge(x: float, up: bool) -> float:
        p = float(expit(x)) * 1000
        return float(np.ceil(p) if up else np.floor(p)) / 1000

    low, probably_low = edge(limits.low, False), edge(limits.probably_low, False)
    probably_high, high = edge(limits.probably_high, True), edge(limits.high, True)
    real, fake = (expit(logits[labels == label]) for label in (0, 1))
    alarms = Tally(count=int((real > high).sum()), files=len(real))
    missed = Tally(count=int((fake < low).sum()), files=len(fake))
    return Thresholds(
        low=low,
        high=high,
        probably_low=probably_low if probably_low > low else None,
        probably_high=probably_high if probably_high < high else None,
        bands=list(given),
        false_positive_rate=round(alarms.count / alarms.files, 4),
        false_negative_rate=round(missed.count / missed.files, 4),
        false_positives=alarms,
        false_negatives=missed,
        data=data,
    )


def tail_slope(originals: Array) -> float:
    """Return what each log of the number of people takes off the likelihood, in logits, so that
    false alarms stay as rare: the mean excess of genuine scores over their 80th percentile, the
    scale of an exponential tail. 0 for too few files."""
    real = np.sort(originals[np.isfinite(originals)])
    if len(real) < 20:
        return 0.0
    start = np.quantile(real, 0.8)
    return round(float((real[real > start] - start).mean()), 3)
