"""Fit the regressions that decide comparisons, on trials that `bench.comparison` measured.

    python -m bench.fit_comparison results.jsonl [--out detector/comparison/decision.json]

Scores for the thresholds are of trials whose footage was left out (`GroupKFold` by the original's
group). A threshold lies above every left-out trial in which it would accuse wrongly.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from detector.comparison.decide import PERSISTS

SAME, FACE = LogisticRegression(C=10.0, max_iter=5000), LogisticRegression(C=1.0, max_iter=5000)
SAME_MARGIN, FACE_MARGIN = 0.25, 1.0
"""of log odds, over the highest left-out negative"""
FOLDS = 5


def differs(trial: dict[str, Any]) -> bool | None:
    """Return whether a trial's face was changed; None where that is not known."""
    if trial["truth"] in ("none", "caption"):
        return False
    one = len({face["person"] for face in trial["faces"]}) == 1
    return True if trial["truth"] in ("face", "mouth", "region") and one else None


def fit_same(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Fit whether both files are the same recording; generated heads are neither."""
    used = [t for t in trials if t["truth"] != "whole"]
    names = list(used[0]["same"])
    x = np.array([[t["same"][name] for name in names] for t in used])
    y = np.array([t["truth"] != "other" for t in used])
    groups = [t["group"] for t in used]
    scores = cross_val_predict(
        SAME, x, y, groups=groups, cv=GroupKFold(FOLDS), method="decision_function"
    )
    model = SAME.fit(x, y)
    certain = round(float(scores[~y].max()) + SAME_MARGIN, 3)
    print(f"same: {y.sum()} of one recording, {(~y).sum()} not; left out at {certain:.2f}: "
          f"{(scores[y] < certain).sum()} refused")  # fmt: skip
    return _table(names, model) | {"likely": round(min(0.0, certain), 3), "certain": certain}


def fit_face(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Fit what differs of a face at one moment, and how often it has to."""
    used = [(t, label) for t in trials if t["faces"] and (label := differs(t)) is not None]
    rows = [(t, face, label) for t, label in used for face in t["faces"]]
    names = list(rows[0][1]["features"])
    x = np.array([[face["features"][name] for name in names] for _, face, _ in rows])
    y = np.array([label for _, _, label in rows])
    weights = np.array([1 / len(t["faces"]) for t, _, _ in rows])
    groups = [t["group"] for t, _, _ in rows]
    odds = np.zeros(len(y))
    for train, test in GroupKFold(FOLDS).split(x, y, groups):
        odds[test] = FACE.fit(x[train], y[train], weights[train]).decision_function(x[test])
    people: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, (t, face, _) in enumerate(rows):
        people[t["key"], face["person"]].append(index)

    def highest(indices: list[int]) -> float:
        """Return the threshold at which a person just differs."""
        needed = int(np.ceil(max(min(2, len(indices)), PERSISTS * len(indices))))
        return float(np.sort(odds[indices])[-needed])

    same = [i for i in people.values() if not y[i[0]]]
    others = [i for i in people.values() if y[i[0]]]
    threshold = max(0.0, max(map(highest, same)) + FACE_MARGIN)
    told = sum(highest(i) >= threshold for i in others)
    print(f"face: {len(same)} unchanged, {len(others)} changed; left out at {threshold:.2f}: "
          f"{told} detected")  # fmt: skip
    return _table(names, FACE.fit(x, y, weights)) | {"moment": round(threshold, 3)}


def _table(names: list[str], model: LogisticRegression) -> dict[str, Any]:
    return {
        "weights": {
            name: round(float(w), 3) for name, w in zip(names, model.coef_[0], strict=True)
        },
        "bias": round(float(model.intercept_[0]), 3),
    }


def main() -> None:
    """Fit both, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("detector/comparison/decision.json"))
    args = parser.parse_args()
    lines = [json.loads(line) for path in args.results for line in path.open(encoding="utf-8")]
    trials = [line for line in lines if line.get("same")]
    models = {"same": fit_same(trials), "face": fit_face(trials)}
    args.out.write_text(json.dumps(models, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
