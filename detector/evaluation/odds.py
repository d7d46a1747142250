"""What a score meant on labelled clips: of those with such a score, how many were manipulated.

Every logit is held out: of a clip scored by what was fitted on other groups of sources. Originals
and fakes weigh alike, so the odds are for as many manipulated clips as untouched ones.
"""

import numpy as np
from scipy.optimize import isotonic_regression

from detector.evaluation.metrics import resample
from detector.schema.analysis import OddsPoint

Array = np.ndarray

POINTS = 11  # of the table, at even quantiles of the scores
NEAR = 60  # clips that a point is made of at least: the nearest ones
ROUNDS = 500  # of the bootstrap over sources


def table(logits: Array, labels: Array, sources: Array) -> list[OddsPoint]:
    """Return the odds of one question by held-out logit, ascending; empty where a label is missing
    or clips are too few.

    At each point the share of fakes among the nearest clips, labels weighted alike, monotone
    (isotonic regression, Barlow 1972), with the 95 % interval from resampling whole sources."""
    seen = np.isfinite(logits)
    x, y, names = logits[seen], labels[seen], sources[seen]
    if len(x) < NEAR or len(set(y.tolist())) < 2:
        return []
    at = np.unique(np.round(np.quantile(x, np.linspace(0.02, 0.98, POINTS)), 3))
    shares = _shares(x, y, at)
    drawn = [rows for rows in resample(names, ROUNDS) if len(np.unique(y[rows])) == 2]
    low, high = np.percentile([_shares(x[rows], y[rows], at) for rows in drawn], [2.5, 97.5], 0)
    columns = (at, shares, np.minimum(low, shares), np.maximum(high, shares))
    return [
        OddsPoint(**dict(zip(("logit", "share", "low", "high"), row, strict=True)), clips=NEAR)
        for row in np.round(columns, 3).T.tolist()
    ]


def _shares(x: Array, y: Array, at: Array) -> Array:
    """Share of fakes among the nearest clips of each point, labels weighted alike, monotone."""
    weight = np.where(y == 1, 0.5 / (y == 1).sum(), 0.5 / (y == 0).sum())
    near = np.argsort(np.abs(x[None, :] - at[:, None]), axis=1, kind="stable")[:, :NEAR]
    # A clip of either label more keeps few from giving certainty (Laplace).
    one = 1.0 / len(x)
    fake = (weight[near] * (y[near] == 1)).sum(1) + one / 2
    every = weight[near].sum(1) + one
    shares: Array = isotonic_regression(fake / every).x
    return shares
