"""Fit the limits of the five answers to error rates that hold on left-out sources. Numbers only.

A left-out logit is that of a file scored by a model fitted on other sources. Sources have equal
weight within a label, and both labels have equal weight: a precision is that of as many fakes as
genuine files from such sources. A band begins at the lowest limit that satisfies its requirement
with one more error, and whose lower bound holds in the bootstrap over sources; where no limit does,
the band is omitted.

A table of left-out logits has a row a file: `label`, `source`, `about` (the questions that a fake
concerns), and the logit of each question in a column, NaN where the file was not judged.

Each question has limits of its own towards fake. Towards real a file is cleared by all questions
about one subject together, so they share their limits: on the highest of their likelihoods.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from detector.evaluation.labels import hash_of
from detector.schema.analysis import Label, Modality, Question
from detector.schema.verdict import BandRate, Tally, Thresholds
from lab.evaluation.ensemble_fit import covered
from lab.evaluation.tables import markdown

Array = np.ndarray

DRAWS = 500  # of the sources, for bounds
LOWER = 10.0  # percentile of the draws that a bound is
GRID = 300  # limits that are tried at most
FOLDS = 10  # of whole sources, for what to expect elsewhere
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


class _Shares:
    """Shares of genuine files and of fakes above each candidate limit (`_shares`)."""

    def __init__(self, logits: pd.Series[float], rows: pd.DataFrame) -> None:
        rows, logits = rows[logits.notna()], logits.dropna().to_numpy()
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

    def widest(self, requirement: Requirement, end: int | None, upward: bool) -> int | None:
        """Return the index of the limit that begins the widest band up to the limit `end` (None: to
        the end of the scale) and satisfies a requirement with one more error; None without one."""
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
        outside = np.arange(len(self.edges))
        if end is not None:
            holds &= outside < end if upward else outside > end
        found = np.flatnonzero(holds)
        return int(found[0] if upward else found[-1]) if len(found) else None

    @staticmethod
    def _within(above: Array, end: int | None, upward: bool) -> Array:
        """Return the share between each limit and `end`, over all sources or in each draw."""
        if upward:
            return np.asarray(above - (0.0 if end is None else above[..., end, None]))
        return np.asarray((1.0 if end is None else above[..., end, None]) - above)

    def limits(self, upward: bool, requirements: Requirements) -> tuple[float, float]:
        """Return the limits of the sure and the probable band of one side; infinite without."""
        none = np.inf if upward else -np.inf
        if self.sources[0 if upward else 1] < FEWEST[upward]:
            return none, none
        first, second = (requirements[label] for label in (_FAKE if upward else _REAL))
        outer = self.widest(first, None, upward) if first else None
        inner = self.widest(second, outer, upward) if second else None
        edge = none if outer is None else float(self.edges[outer])
        return edge, edge if inner is None else float(self.edges[inner])


_FAKE, _REAL = (Label.FAKE, Label.PROBABLY_FAKE), (Label.REAL, Label.PROBABLY_REAL)
REQUIREMENTS = {
    Label.FAKE: SURE,
    Label.PROBABLY_FAKE: PROBABLE,
    Label.PROBABLY_REAL: PROBABLE,
    Label.REAL: SURE,
}
Requirements = Mapping[Label, Requirement | None]
TIGHTER = tuple(n / 20 for n in range(20, 0, -1))
"""Shares of the allowed errors, tried in turn."""


class FittedBands(NamedTuple):
    """Limits, and their error rates on left-out sources."""

    limits: dict[Question, BandLimits]
    rates: list[BandRate]
    """Rates over files that every question of the medium scored, each by limits fitted without its
    source."""


def fit(rows: pd.DataFrame, questions: Sequence[Question]) -> FittedBands:
    """Fit the limits of one medium's questions.

    A requirement holds for a file's combined answer and for unseen sources, although two questions
    raise more false alarms than one and limits are chosen on the files that they are evaluated on.
    It is tightened until both the answers by these limits with one more error and the cross-fitted
    answers satisfy it; where none does, the band is omitted."""
    seen = rows[list(questions)].notna().all(axis=1).to_numpy()
    every, parts = _AllShares.of(rows, questions), _parts(rows, questions)
    tries = dict.fromkeys(REQUIREMENTS, 0)
    while True:
        requirements = {
            label: requirement.tightened(TIGHTER[tries[label]])
            if tries[label] < len(TIGHTER)
            else None
            for label, requirement in REQUIREMENTS.items()
        }
        limits = every.limits(requirements)
        given = np.full(len(seen), Label.INCONCLUSIVE, dtype=object)
        for own, others in parts:
            given[own] = answers(rows[own], others.limits(requirements))
        here, elsewhere = (rates(one[seen], rows[seen]) for one in (answers(rows, limits), given))
        broken = {
            *(band.label for band in here if not REQUIREMENTS[band.label].satisfied(band, more=1)),
            *(band.label for band in elsewhere if not REQUIREMENTS[band.label].satisfied(band)),
        }
        if not broken:
            return FittedBands(limits, elsewhere)
        for label in broken:
            tries[label] += 1


class _AllShares(NamedTuple):
    """Shares of the highest logit over all questions, and of the files of each question."""

    together: _Shares
    each: dict[Question, _Shares]

    @classmethod
    def of(cls, rows: pd.DataFrame, questions: Sequence[Question]) -> _AllShares:
        each = {}
        for question in questions:
            own = rows[covered(rows, question)]
            each[question] = _Shares(own[question], own)
        return cls(_Shares(rows[list(questions)].max(axis=1, skipna=False), rows), each)

    def limits(self, requirements: Requirements) -> dict[Question, BandLimits]:
        low, probably_low = self.together.limits(False, requirements)
        out = {}
        for question, shares in self.each.items():
            high, probably_high = shares.limits(True, requirements)
            edges = min(low, probably_high), min(probably_low, probably_high)
            out[question] = BandLimits(*edges, probably_high, high)
        return out


def _parts(rows: pd.DataFrame, questions: Sequence[Question]) -> list[tuple[Array, _AllShares]]:
    """Return the mask of each fold of sources, bool [files], with the shares of the others."""
    fold = np.array([int(hash_of(str(name)), 16) % FOLDS for name in rows["source"]])
    parts = [fold == n for n in range(FOLDS)]
    return [
        (own, _AllShares.of(rows[~own], questions)) for own in parts if own.any() and not own.all()
    ]


def answers(logits: pd.DataFrame, limits: Mapping[Question, BandLimits]) -> Array:
    """Return the label of each file by its most confident question, as the policy combines them."""
    ranks = []
    for group in by_subject(limits):
        own = [_ranks(logits[q].to_numpy(), limits[q]) for q in group]
        asked = logits[group].notna().any(axis=1)
        ranks.append(np.where(asked, np.max(own, axis=0), Label.NOT_APPLICABLE.suspicion))
    by_rank = {label.suspicion: label for label in Label}
    return np.array([by_rank[rank] for rank in np.max(ranks, axis=0).tolist()], dtype=object)


def by_subject(questions: Iterable[Question]) -> list[list[Question]]:
    """Group questions by subject: a face, the whole picture, a voice."""
    groups: dict[Modality, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.subject, []).append(question)
    return list(groups.values())


def _ranks(logits: Array, edge: BandLimits) -> Array:
    """Return the suspicion of one question's answers; unscored files are inconclusive."""
    x = logits
    at = [x < edge.low, x < edge.probably_low, x > edge.high, x > edge.probably_high]
    order = (Label.REAL, Label.PROBABLY_REAL, Label.FAKE, Label.PROBABLY_FAKE)
    return np.select(at, [label.suspicion for label in order], Label.INCONCLUSIVE.suspicion)


# --- error rates ----------------------------------------------------------------------------------


def rates(given: Array, rows: pd.DataFrame) -> list[BandRate]:
    """Return the precision of each answer, sources weighted equally."""
    labels, sources, out = rows["label"].to_numpy(int), rows["source"].to_numpy(str), []
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
    rates of the file's answers on left-out sources (`given`), and the question's own error rates at
    the outer limits."""

    def edge(x: float, up: bool) -> float:
        p = float(expit(x)) * 1000
        return float(np.ceil(p) if up else np.floor(p)) / 1000

    low, probably_low = edge(limits.low, False), edge(limits.probably_low, False)
    probably_high, high = edge(limits.probably_high, True), edge(limits.high, True)
    seen = np.isfinite(logits)
    real, fake = (expit(logits[seen & (labels == label)]) for label in (0, 1))
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
    """Return the rise of a limit, in logits, for each log of the number of people that keeps the
    false alarm rate: the mean excess of genuine scores over their 80th percentile, the scale of an
    exponential tail. 0 for too few files."""
    real = np.sort(originals[np.isfinite(originals)])
    if len(real) < 20:
        return 0.0
    start = np.quantile(real, 0.8)
    return round(float((real[real > start] - start).mean()), 3)
