"""Refit the linear head on features of networks that never saw the source they describe.

A head that is trained with its network fits features that the network has memorized. On features of
sources left out it learns what still tells fakes from originals there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.special import logsumexp

FOLDS = 4
"""of whole sources; each has a network that was tuned without it"""

SHARE = 0.7
"""of the refitted head in the sum; the rest is the tuned one"""
RIDGE = 1e-4
"""weight of the data against the ridge, on standardized features; 3e-5 to 1e-3 differ by 0.01 of
AUC"""
CLASSES = 3


def fit(features: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights [3, F] and offsets [3] of a multinomial logistic regression, all classes
    weighing alike, for features [N, F] as they are."""
    from scipy.optimize import minimize

    mean, std = features.mean(0), features.std(0) + 1e-4
    x = np.c_[(features - mean) / std, np.ones(len(features))].astype(np.float64)
    counts = np.bincount(classes, minlength=CLASSES)
    rows = len(classes) / (CLASSES * counts[classes])
    wanted = np.eye(CLASSES)[classes]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(CLASSES, -1)
        z = x @ w.T
        logs = z - logsumexp(z, axis=1, keepdims=True)
        slope = RIDGE * (rows[:, None] * (np.exp(logs) - wanted)).T @ x
        slope[:, :-1] += w[:, :-1]
        value = -RIDGE * (rows * logs[np.arange(len(z)), classes]).sum()
        return value + (w[:, :-1] ** 2).sum() / 2, slope.ravel()

    start = np.zeros(CLASSES * x.shape[1])
    w = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 400}).x
    w = w.reshape(CLASSES, -1)
    weights = w[:, :-1] / std
    return weights, w[:, -1] - weights @ mean


def fake(logits: np.ndarray) -> np.ndarray:
    """Return log odds of fake, altered or generated: logits [N, 3] -> [N]."""
    odds: np.ndarray = logsumexp(logits[:, 1:], 1) - logits[:, 0]
    return odds


def refit(table: Path, tuned: Path, out: Path) -> np.ndarray:
    """Write every network with its new head, and return the left-out logits [N, 3].

    Parameters
    ----------
    table : Path
        `features` [N, F], `logits` [N, 3], `classes` [N] and `folds` [N] of clips, each by the
        network of its fold.
    tuned, out : Path
        Folders of networks.
    """
    z = np.load(table)
    features, logits = z["features"].astype(np.float32), z["logits"]
    heads = {
        f"fold-{n}": fit(features[z["folds"] != n], z["classes"][z["folds"] != n])
        for n in range(FOLDS)
    }
    heads["all"] = fit(features, z["classes"])
    again = np.zeros_like(logits)
    for n in range(FOLDS):
        weights, offsets = heads[f"fold-{n}"]
        own = z["folds"] == n
        again[own] = features[own] @ weights.T + offsets
    scale = SHARE * fake(logits).std() / fake(again).std()
    out.mkdir(parents=True, exist_ok=True)
    for name, (weights, offsets) in heads.items():
        state = load_file(tuned / f"{name}.safetensors")
        before = (1 - SHARE) * float(state["scale"].float().exp())
        state["head.weight"] = before * state["head.weight"].float() + _tensor(scale * weights)
        state["head.bias"] = (1 - SHARE) * state["head.bias"].float() + _tensor(scale * offsets)
        state["scale"] = torch.zeros(())
        save_file(state, out / f"{name}.safetensors")
    mixed: np.ndarray = (1 - SHARE) * logits + scale * again
    return mixed


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
