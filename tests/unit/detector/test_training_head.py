"""The head that is refitted on features of sources left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression

from detector.training.clip import head


def made(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    classes = rng.choice(3, count, p=[0.5, 0.3, 0.2])
    features = rng.normal(size=(count, 6)) * [1, 2, 0.1, 1, 1, 3]
    features[:, 0] += classes
    return features.astype(np.float32), classes


def test_it_is_a_multinomial_logistic_regression() -> None:
    features, classes = made()
    weights, offsets = head.fit(features, classes)
    mean, std = features.mean(0), features.std(0) + 1e-4
    other = LogisticRegression(C=head.RIDGE, class_weight="balanced", max_iter=1000)
    other.fit((features - mean) / std, classes)
    ours, theirs = features @ weights.T + offsets, other.decision_function((features - mean) / std)
    np.testing.assert_allclose(ours - ours.mean(1, keepdims=True), theirs, atol=2e-3)


def test_no_fold_is_judged_by_its_own_sources(tmp_path: Path) -> None:
    """A fold whose labels are turned around changes its own logits in nothing."""
    features, classes = made()
    folds = np.arange(len(classes)) % head.FOLDS
    state = {
        "head.weight": torch.zeros(3, 6),
        "head.bias": torch.zeros(3),
        "scale": torch.zeros(()),
    }
    for name in (*(f"fold-{n}" for n in range(head.FOLDS)), "all"):
        save_file(state, tmp_path / f"{name}.safetensors")
    logits = np.random.default_rng(1).normal(size=(len(classes), 3))
    found = []
    for labels in (classes, np.where(folds == 1, 2 - classes, classes)):
        table = tmp_path / "table.npz"
        np.savez(table, features=features, logits=logits, classes=labels, folds=folds)
        head.refit(table, tmp_path, tmp_path / "out")
        found.append(load_file(tmp_path / "out" / "fold-1.safetensors")["head.weight"])
    before, after = (np.asarray(w / w.norm()) for w in found)
    np.testing.assert_allclose(before, after, atol=1e-6)
