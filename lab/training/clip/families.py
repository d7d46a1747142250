"""Train the classifier of families of methods (recipe `families`): multinomial logistic regression
on the features of *CLIP, generated head*, averaged over a clip.

It is trained on fakes alone, of the five families with dozens of clips, each as it is and as the
copy of `generated`. A source weighs as the root of its number of clips. A family may be named if,
on left-out sources, the lower bound of its precision at `LIMIT` is 70 %. For figures on fakes of
other families, each family is also left out of the fit, and genuine clips are scored.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from detector.evaluation import metrics
from detector.evaluation.labels import Item, family, read_labels
from detector.signals.measures.family import FAMILIES, LIMIT
from lab.training.clip import generated
from lab.training.crossfit import Rows, by_fold
from lab.training.fit import TrainingOptions, begin_run

JOINED = {"avatar": "talking head", "reenactment": "talking head"}
"""An animated face, driven by sound or by video."""
GENUINE, NONE = "genuine", "none of these"


class FamilyRecipe(generated.GeneratedRecipe):
    """Settings of the layer's fit."""

    inverse_decay: float = 3e-4


def train(
    plan: FamilyRecipe, data: Path, run: TrainingOptions, *, folds: Sequence[str] = ()
) -> Path:
    """Fit the layer to the labelled clips of a CSV; return `run.out`/model.safetensors. Raise
    InputError, UsageError.

    `folds` of sources are left out in turn: the number of clips and the precision of each named
    family go to `run.out`/families.csv."""
    begin_run(plan, run)
    clips = [item for item in read_labels(data) if item.kind == "video"]
    rows = generated.read_features(clips, plan, run)
    owner = rows[2]
    shown = np.unique(owner)
    items = [clips[i] for i in shown]
    versions = [np.stack([x[owner == i].mean(0, np.float32) for i in shown]) for x in rows[:2]]
    kinds = np.array([_kind(item) for item in items])
    if folds:
        _write(run.out / "families.csv", plan, items, kinds, versions, folds)
    weights, bias = _fit(plan, items, kinds, versions, FAMILIES, range(len(items)))
    target = run.out / "model.safetensors"
    tensors = {"weight": weights.astype(np.float16, order="C"), "bias": bias.astype(np.float32)}
    save_file({name: torch.from_numpy(value) for name, value in tensors.items()}, target)
    return target


def _kind(item: Item) -> str:
    if not item.label:
        return GENUINE
    name = family(item.method)
    name = JOINED.get(name, name)
    return name if name in FAMILIES else NONE


def _fit(
    plan: FamilyRecipe,
    items: Sequence[Item],
    kinds: np.ndarray,
    versions: Sequence[np.ndarray],
    families: Sequence[str],
    taught: Rows,
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights, float [families, features], and offsets."""
    rows = [i for i in taught if kinds[i] in families]
    each = [(items[i].source, kinds[i]) for i in rows]
    count = Counter(each)
    share = np.array([count[one] ** -0.5 for one in each])
    x = np.concatenate([version[rows] for version in versions])
    mean, spread = x.mean(0), x.std(0) + 1e-4
    y = np.tile([families.index(kind) for kind in kinds[rows]], len(versions))
    model = LogisticRegression(C=plan.inverse_decay, max_iter=300, tol=1e-3)
    model.fit((x - mean) / spread, y, np.tile(share / share.mean(), len(versions)))
    weights = model.coef_ / spread
    return weights, model.intercept_ - weights @ mean


def _write(
    path: Path,
    plan: FamilyRecipe,
    items: Sequence[Item],
    kinds: np.ndarray,
    versions: Sequence[np.ndarray],
    folds: Sequence[str],
) -> None:
    """Write the number of clips that are named as a family, by kind of clip, and the precision with
    a 95 % interval from resampling sources: with all families in training, then without each."""
    splits = [*by_fold(items, folds)]
    sources = np.array([item.source for item in items])
    rows: list[dict[str, object]] = []
    for without in ("", *FAMILIES):
        families = [name for name in FAMILIES if name != without]
        logits = np.zeros((len(versions), len(items), len(families)))
        for split in splits:
            weights, bias = _fit(plan, items, kinds, versions, families, split.taught)
            logits[:, split.held] = [version[split.held] @ weights.T + bias for version in versions]
        for version, of in zip(("as it is", "copy"), softmax(logits, 2), strict=True):
            for number, name in enumerate(families):
                named = of[:, number] >= LIMIT
                fakes = named & (kinds != GENUINE)
                share = metrics.Interval(float("nan"))
                if fakes.any():
                    share = metrics.mean_interval(kinds[fakes] == name, sources[fakes])
                about = {"without": without, "version": version, "named": name}
                right = {"right": share.value, "low": share.low, "high": share.high}
                counts = {"clips": fakes.sum(), "sources": len(set(sources[fakes]))}
                of_kinds = {
                    f"of {kind}": f"{(named & (kinds == kind)).sum()}/{(kinds == kind).sum()}"
                    for kind in (*FAMILIES, NONE, GENUINE)
                }
                rows.append(about | counts | right | of_kinds)
    pd.DataFrame(rows).to_csv(path, index=False, float_format="%.3f", lineterminator="\n")
