"""From raw logits to honest probabilities, ensemble weights and thresholds.

Everything is fitted on clip-level mean logits of files that no model was trained on, originals and
fakes weighted alike: a probability of 0.5 means "as likely one as the other if both are as
common".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from detector.errors import InputError
from detector.models import registry
from detector.results import Calibration, Ensemble, Record, Thresholds
from detector.training import metrics, scores
from detector.training.data import Item, read_labels
from detector.training.recipe import read_recipe
from detector.training.sample import split
from detector.training.scores import Scored

GRID = 10
"""Ensemble weights are tried in steps of 1 / GRID."""
PRIOR = 0.5
"""Of the squared log of the scale: keeps few, well separated clips from giving certainty."""


class Calibrated(Record):
    """What calibration gives; `to_toml` writes it as the manifest wants it."""

    models: dict[str, Calibration]
    weights: dict[str, float]
    ensemble: Ensemble
    notes: list[str] = []


def platt(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Scale and offset that make logits honest (Platt 1999), labels weighted alike.

    Minimizes cross-entropy with Platt's softened targets, and a weak prior on the scale.

    Returns
    -------
    scale > 0, offset : floats
        calibrated = scale * logit + offset.
    """
    x, y = np.asarray(logits, float), np.asarray(labels, float)
    positive, negative = y.sum(), (1 - y).sum()
    if not positive or not negative:
        raise InputError("Calibration needs both originals and fakes.")
    target = np.where(y == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    weight = np.where(y == 1, len(y) / (2 * positive), len(y) / (2 * negative))
    spread = max(float(x.std()), 1e-6)
    center = float(x.mean())
    z = (x - center) / spread
    log_scale, offset = 0.0, 0.0
    # Newton on (log scale, offset): the log keeps the scale positive whatever the data.
    for _ in range(100):
        scale = np.exp(log_scale)
        p = metrics.sigmoid(scale * z + offset)
        error = weight * (p - target)
        curve = weight * p * (1 - p)
        gradient = np.array([(error * z).sum() * scale + PRIOR * log_scale, error.sum()])
        hessian = np.array(
            [
                [(curve * z * z).sum() * scale**2 + PRIOR, (curve * z).sum() * scale],
                [(curve * z).sum() * scale, curve.sum() + 1e-9],
            ]
        )
        step = np.linalg.solve(hessian, gradient).clip(-0.5, 0.5)
        log_scale, offset = log_scale - step[0], offset - step[1]
        if np.abs(step).max() < 1e-9:
            break
    scale = float(np.exp(log_scale))
    return scale / spread, float(offset - scale * center / spread)


def choose_weights(logits: np.ndarray, labels: np.ndarray, sources: Sequence[str]) -> np.ndarray:
    """Ensemble weights, by leaving each source out in turn.

    Each weighting of the grid is fused, calibrated without a source and judged on that source by
    its cross-entropy. Of weightings within one hundredth of the best the most even is taken:
    a difference that small is chance, and an even weighting leans on no model's quirk.

    Parameters
    ----------
    logits : float [clips, models]
        Calibrated per model.
    """
    count = logits.shape[1]
    names = np.asarray(sources)
    grid = [
        np.array(parts, float) / GRID
        for parts in itertools.product(range(GRID + 1), repeat=count)
        if sum(parts) == GRID
    ]
    losses = np.array([_left_out(logits @ w, labels, names) for w in grid])
    evenness = np.array([((w - 1 / count) ** 2).sum() for w in grid])
    near = losses <= losses.min() + 0.01
    return grid[int(np.argmin(np.where(near, evenness, np.inf)))]


def choose_thresholds(
    probabilities: np.ndarray, labels: np.ndarray, *, false_alarm: float, missed: float
) -> tuple[float, float]:
    """`low` and `high`: at most `false_alarm` of originals above `high`, at most `missed` of fakes
    below `low`, and `low` never above `high`.

    Each stands halfway between the last score that may pass and the next.
    """
    real = np.sort(probabilities[labels == 0])[::-1]
    fake = np.sort(probabilities[labels == 1])
    above, below = int(false_alarm * len(real)), int(missed * len(fake))
    upper = real[above - 1] if above else 1.0
    lower = fake[below - 1] if below else 0.0
    high = (upper + real[above]) / 2
    low = (lower + fake[below]) / 2
    return float(min(low, high)), float(high)


def fit_scores(
    scored: Sequence[Scored],
    models: Sequence[str],
    data: str,
    *,
    false_alarm: float = 0.05,
    missed: float = 0.1,
) -> Calibrated:
    """Calibrate from scores.

    Parameters
    ----------
    scored : sequence of Scored
        Of files that no model was trained on.
    models : sequence of str
        The ensemble.
    data : str
        What the files are, in words.
    """
    judged = [s for s in scored if all(id in s.logits for id in models)]
    labels = np.array([s.label for s in judged])
    if len(set(labels.tolist())) < 2:
        raise InputError("Calibration needs originals and fakes that every model has scored.")
    raw = np.array([[s.logits[id] for id in models] for s in judged])
    sources = [s.source for s in judged]
    fitted: dict[str, Calibration] = {}
    columns = []
    for id, column in zip(models, raw.T, strict=True):
        scale, offset = platt(column, labels)
        fitted[id] = Calibration(scale=scale, offset=offset, data=data, clips=len(judged))
        columns.append(scale * column + offset)
    calibrated = np.stack(columns, 1)
    weights = choose_weights(calibrated, labels, sources)
    fused = calibrated @ weights
    scale, offset = platt(fused, labels)
    final = scale * fused + offset
    probabilities = metrics.sigmoid(final)
    low, high = choose_thresholds(probabilities, labels, false_alarm=false_alarm, missed=missed)
    counted = [id for id, weight in zip(models, weights, strict=True) if weight > 0]
    thresholds = Thresholds(
        low=round(low, 3),
        high=round(high, 3),
        false_positive_rate=round(float((probabilities[labels == 0] > high).mean()), 4),
        false_negative_rate=round(float((probabilities[labels == 1] < low).mean()), 4),
        data=data,
    )
    ensemble = Ensemble(
        models=counted,
        calibration=Calibration(scale=scale, offset=offset, data=data, clips=len(judged)),
        thresholds=thresholds,
        min_models=max(1, len(counted) - 1),
    )
    notes = [
        f"{id}: AUC {metrics.auc(column, labels):.3f}"
        for id, column in zip(models, columns, strict=True)
    ]
    notes.append(f"ensemble: AUC {metrics.auc(final, labels):.3f}")
    alarms = _alarms_elsewhere(final, labels, np.asarray(sources), false_alarm)
    notes.append(f"originals above a threshold set without their source: {alarms:.1%}")
    notes.append(f"ECE where it was fitted: {metrics.calibration_error(probabilities, labels):.3f}")
    return Calibrated(
        models=fitted,
        weights={id: round(float(w), 3) for id, w in zip(models, weights, strict=True)},
        ensemble=ensemble,
        notes=notes,
    )


def held_out_items(items: Sequence[Item], recipe: str | Path) -> list[Item]:
    """The clips of a training CSV that the recipe keeps out of training."""
    kept = split(items, read_recipe(recipe))
    return [item for item in items if item.kind == "video" and item.person in kept]


def calibrate(
    labels: Path,
    *,
    models: Sequence[str] = (),
    recipe: str | Path | None = None,
    data: str = "",
    frames: int = 32,
    device: str = "auto",
    store: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Calibrated:
    """Calibrate models and their ensemble on the clips of a labelled CSV.

    Parameters
    ----------
    models : sequence of str
        The ensemble. Default: the default one.
    recipe : str or Path, optional
        Take only what this recipe kept out of training. Default: all clips; then the CSV must hold
        none that was trained on.
    """
    models = models or [spec.id for spec in registry.choose()]
    items = [item for item in read_labels(labels) if item.kind == "video"]
    if recipe is not None:
        items = held_out_items(items, recipe)
    scored = scores.score_files(
        items, models=models, frames=frames, device=device, store=store, progress=progress
    )
    words = data or f"{len(items)} clips of {labels.name}"
    return fit_scores(scored, models, words)


def to_toml(result: Calibrated) -> dict[str, str]:
    """TOML of what was fitted: by model id, and "ensemble"."""
    out = {
        id: f"weight = {result.weights[id]:g}\n" + _calibration("models.calibration", fitted)
        for id, fitted in result.models.items()
    }
    ensemble, limits = result.ensemble, result.ensemble.thresholds
    names = ", ".join(f'"{id}"' for id in ensemble.models)
    assert ensemble.calibration is not None
    out["ensemble"] = (
        "".join(f"# {note}\n" for note in result.notes)
        + f"[ensemble]\nmodels = [{names}]\nmin_models = {ensemble.min_models}\n\n"
        + _calibration("ensemble.calibration", ensemble.calibration)
        + f"\n[ensemble.thresholds]\nlow = {limits.low:g}\nhigh = {limits.high:g}\n"
        f"false_positive_rate = {limits.false_positive_rate}\n"
        f"false_negative_rate = {limits.false_negative_rate}\n"
        f"data = {_quoted(limits.data)}\n"
    )
    return out


def _calibration(table: str, fitted: Calibration) -> str:
    return (
        f"[{table}]\nscale = {fitted.scale:.5g}\noffset = {fitted.offset:.5g}\n"
        f"data = {_quoted(fitted.data)}\nclips = {fitted.clips}\n"
    )


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _alarms_elsewhere(
    final: np.ndarray, labels: np.ndarray, sources: np.ndarray, false_alarm: float
) -> float:
    """Share of originals above a threshold that was set on the other sources: what to expect of
    material from elsewhere."""
    real = labels == 0
    above = np.zeros(len(final), bool)
    for name in np.unique(sources[real]):
        rest = np.sort(final[real & (sources != name)])[::-1]
        if not rest.size:
            return float("nan")
        own = real & (sources == name)
        above[own] = final[own] > rest[int(false_alarm * len(rest))]
    return float(above[real].mean())


def _left_out(fused: np.ndarray, labels: np.ndarray, sources: np.ndarray) -> float:
    """Cross-entropy on sources left out of the Platt fit, originals and fakes weighted alike."""
    loss = np.zeros(len(labels))
    for name in np.unique(sources):
        out = sources == name
        rest = labels[~out]
        if rest.min() == rest.max():
            return float("inf")
        scale, offset = platt(fused[~out], rest)
        margin = (scale * fused[out] + offset) * np.where(labels[out] == 1, 1, -1)
        loss[out] = np.logaddexp(0, -margin)
    return float(loss[labels == 1].mean() + loss[labels == 0].mean()) / 2
