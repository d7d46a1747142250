"""Fit Platt maps, ensemble weights and odds to scores. Numbers only.

Originals and fakes have equal weight: probabilities hold for a prior of 0.5.
"""

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from detector.errors import InputError
from detector.evaluation.metrics import draw
from detector.schema.analysis import OddsPoint
from detector.sentences import _

Array = np.ndarray

PRIOR = 0.5
"""Of the squared log of the scale: avoids certainty from few, well separated clips."""
EXACT = {"gtol": 1e-9}  # So that fits do not depend on where they began
EVEN_PRIOR = 1.0  # nats for each unit of squared distance of a weight from an even one
LEAST_WEIGHT = 0.02  # of a model's evidence; less is none


def balanced(labels: Array) -> Array:
    """Return clip weights with equal sums for both labels; the total is the count."""
    return len(labels) / 2 / np.where(labels == 1, labels.sum(), (1 - labels).sum())


def softened(labels: Array) -> Array:
    """Return Platt's soft targets, which depend on the number of clips of a label."""
    positive, negative = labels.sum(), (1 - labels).sum()
    return np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))


def platt(logits: Array, labels: Array) -> tuple[float, float]:
    """Fit scale > 0 and offset that calibrate logits (Platt 1999), with soft targets, equally
    weighted labels and a weak prior on the scale. Raise InputError for a single label."""
    x, y = np.asarray(logits, float), np.asarray(labels, float)
    if not y.sum() or not (1 - y).sum():
        raise InputError(_("Calibration needs both originals and fakes."))
    target, weight = softened(y), balanced(y)
    spread, center = max(float(x.std()), 1e-6), float(x.mean())
    z = (x - center) / spread

    def loss(theta: Array) -> tuple[float, Array]:
        # Of the log of the scale, which keeps the scale positive whatever the data.
        scale = np.exp(theta[0])
        value, error = weighted_loss(scale * z + theta[1], target, weight)
        slope = np.array([scale * (error * z).sum() + PRIOR * theta[0], error.sum()])
        return value + PRIOR * theta[0] ** 2 / 2, slope

    log_scale, offset = minimize(loss, np.zeros(2), jac=True, method="BFGS", options=EXACT).x
    scale = float(np.exp(log_scale))
    return scale / spread, float(offset - scale * center / spread)


def weighted_loss(z: Array, target: Array, weight: Array) -> tuple[float, Array]:
    """Return the weighted cross-entropy of logits with soft targets, and its gradient."""
    value = (weight * (np.logaddexp(0, z) - target * z)).sum()
    return float(value), weight * (expit(z) - target)


def fit_evidence(logits: Array, labels: Array) -> tuple[Array, float]:
    """Fit the weights of models' calibrated logits (float [clips, models]; 0 without a score) in
    the evidence: return weights, float [models], and the intercept.

    Logistic regression with non-negative weights and a weak prior on equal ones: independent models
    that agree are surer than each, and redundant ones are not counted twice."""
    x, y = np.asarray(logits, float), np.asarray(labels, float)
    count = x.shape[1]
    target, weight = softened(y), balanced(y)

    def loss(theta: Array) -> tuple[float, Array]:
        off = theta[:-1] - 1 / count
        value, error = weighted_loss(x @ theta[:-1] + theta[-1], target, weight)
        slope = np.append(x.T @ error + 2 * EVEN_PRIOR * off, error.sum())
        return value + EVEN_PRIOR * float((off**2).sum()), slope

    begin = np.append(np.full(count, 1 / count), 0.0)
    bounds = [*((0.0, None) for _ in range(count)), (None, None)]
    best = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds)
    weights: Array = np.where(best.x[:-1] < LEAST_WEIGHT, 0.0, best.x[:-1])
    return weights, float(best.x[-1])


POINTS = 11  # of the table, at even quantiles of the scores
NEAR = 60  # nearest clips of a point
ROUNDS = 500  # of the bootstrap over sources


def odds_table(logits: Array, labels: Array, sources: Array) -> list[OddsPoint]:
    """Return the odds of one question by held-out logit, ascending; empty for a single label or too
    few clips.

    Each point is the share of fakes among the nearest clips, labels weighted equally, made monotone
    by isotonic regression (Barlow 1972), with its 95 % interval from resampling whole sources."""
    seen = np.isfinite(logits)
    x, y, names = logits[seen], labels[seen], sources[seen]
    if len(x) < NEAR or len(set(y.tolist())) < 2:
        return []
    at = np.unique(np.round(np.quantile(x, np.linspace(0.02, 0.98, POINTS)), 3))
    (shares,) = _shares(x, y, at, np.ones((1, len(x)), int))
    low, high = np.percentile(_shares(x, y, at, draw(names, ROUNDS)), [2.5, 97.5], 0)
    columns = (at, shares, np.minimum(low, shares), np.maximum(high, shares))
    return [
        OddsPoint(**dict(zip(("logit", "share", "low", "high"), row, strict=True)), clips=NEAR)
        for row in np.round(columns, 3).T.tolist()
    ]


def _shares(x: Array, y: Array, at: Array, drawn: Array) -> Array:
    """Return the monotone share of fakes among the nearest clips of each point, labels weighted
    equally: float [draws, points]. `drawn` counts each clip, int [draws, clips]."""
    drawn = drawn[drawn[:, y == 0].any(1) & drawn[:, y == 1].any(1)]
    one, shares = 1.0 / drawn.sum(1), []
    for point in at:
        near = np.argsort(np.abs(x - point), kind="stable")
        taken = np.diff(np.minimum(drawn[:, near].cumsum(1), NEAR), axis=1, prepend=0)
        real, fake = (
            taken[:, y[near] == label].sum(1) / 2 / drawn[:, y == label].sum(1) for label in (0, 1)
        )
        # One more clip of either label avoids certainty from few (Laplace).
        shares.append((fake + one / 2) / (fake + real + one))
    return np.array([isotonic_regression(row).x for row in np.array(shares).T])
