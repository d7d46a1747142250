"""Train the sequence models (recipe `sequences`): heads over cached CLIP features of consecutive
frames.

The trunk was trained on none of the labelled files, so a source is left out by training the heads
without it. The baselines are linear layers on the mean over the frames, which ignore their order.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from detector.evaluation import metrics
from detector.evaluation.labels import Item
from detector.models.families.sequence_heads import (
    HEADS,
    ConvLstm,
    FrameSequence,
    RealAutoencoder,
    SequenceHead,
)
from detector.schema.analysis import Question
from lab.evaluation.tables import markdown
from lab.training import results
from lab.training.clip.feed import GENERATED, class_of
from lab.training.crossfit import Head, Rows, Split, by_fold, judge
from lab.training.fit import TrainingOptions, begin_run, fit, save_halves
from lab.training.linear import FrozenLayer, fit_rows, source_weights
from lab.training.recipe import TrainingSchedule
from lab.training.sequences import windows
from lab.training.sequences.windows import Window

BASELINES = {"face": "mean of the frames, face", "around": "mean of the frames, surroundings"}
"""Baselines without the order of the frames, by field of `Window`."""
RIDGE = 1e-4  # of the joint weights of baselines and a head


class SequenceRecipe(TrainingSchedule):
    """Settings of each head's training."""

    images: int = Field(9_600, gt=0, description="windows seen")
    batch: int = Field(32, gt=1)
    rate: float = Field(1e-3, gt=0)
    average: float = Field(0.98, ge=0, lt=1)
    gradient: float = 1.0
    check_every: int = 100
    decay: float = Field(0.05, ge=0, description="AdamW weight decay")
    smoothing: float = Field(0.05, ge=0, lt=0.5, description="of the labels")
    ridge: float = Field(0.1, ge=0, description="of the layers that stand beside the heads")
    heads: tuple[str, ...] = tuple(name for name in HEADS if name != "vit-lstm")
    """*ViT + LSTM* has a separate recipe (`vit_lstm`)."""


def train(
    plan: SequenceRecipe,
    data: Path,
    run: TrainingOptions,
    *,
    cache: Path | None = None,
    folds: Sequence[str] = (),
) -> Path:
    """Train the heads on the labelled clips of a CSV; return `run.out`, which holds a file of
    weights for each head, trained on all clips. Raise InputError, UsageError.

    `cache` is a folder of cached windows that runs share (default: `run.out`/windows), `folds` are
    folds of sources to leave out in turn: figures of all heads go to `run.out`/left_out.md, logits
    and calibration of each to a folder with its name (`results.write`)."""
    begin_run(plan, run)
    folder = cache or run.out / "windows"
    items, shown = windows.read(windows.read_clips(data), folder, run)
    basis, every = windows.projection(folder), range(len(items))
    layers = {
        title: FrozenLayer(
            "sequences", items,
            [np.stack([getattr(w, name).astype(np.float64).mean(0) for w in shown])],
            partial(fit_rows, decay=plan.ridge),
        )
        for name, title in BASELINES.items()
    }  # fmt: skip

    def head_of(name: str, rows: Rows, out: Path) -> SequenceHead:
        return fitted(name, plan, items, shown, rows, replace(run, out=out / name), basis)

    splits = [*by_fold(items, folds)]
    if splits:
        parts = [
            layer.judge(splits, {title: (every, layer.taught[0])})
            for title, layer in layers.items()
        ]
        for name in plan.heads:

            def train_head(split: Split, name: str = name) -> Head:
                return of(head_of(name, split.taught, run.out / "folds" / split.fold), shown)

            parts.append(judge(items, splits, {name: (every, np.array(every))}, train_head))
        scores = pd.concat(parts, ignore_index=True)
        more = [] if len(folds) < 2 else [additions(scores, plan.heads)]
        (run.out / "left_out.md").write_text("\n\n".join([table(scores), *more]))
        for name in plan.heads:
            (run.out / name).mkdir(exist_ok=True)
            of_head = scores[scores["version"] == name]
            results.write(of_head, run.out / name, name, Question.MANIPULATION)
    for name in plan.heads:
        save_halves(head_of(name, every, run.out), run.out / f"{name}.safetensors")
    return run.out


def table(scores: pd.DataFrame) -> str:
    """Return AUC by head and baseline, for all fakes, altered faces and generated heads."""
    generated = np.array([class_of(row) == GENERATED for row in scores.itertuples()])
    real = (scores["label"] == 0).to_numpy()
    parts = {
        "all": scores,
        "altered faces": scores[real | ~generated],
        "generated heads": scores[real | generated],
    }
    return "\n\n".join(f"## {name}\n{results.ranking(some)}" for name, some in parts.items())


def additions(scores: pd.DataFrame, heads: Sequence[str]) -> str:
    """Return the AUC that each head adds to both baselines in a cross-fitted combination."""
    wide = scores.pivot(index="file", columns="version", values="logit")
    clips = scores.drop_duplicates("file")
    wide = wide.reindex(clips["file"])

    def weighed(versions: Sequence[str]) -> np.ndarray:
        """Return cross-fitted logits of a logistic regression on versions."""
        values, found = wide[list(versions)].to_numpy(), np.empty(len(clips))
        for fold in clips["fold"].unique():
            own = (clips["fold"] == fold).to_numpy()
            taught = list(clips[~own].itertuples())
            found[own] = fit_rows(taught, [values[~own]], RIDGE)(values[own])
        return found

    layers = list(BASELINES.values())
    without, facts = weighed(layers), (clips["label"].to_numpy(), clips["source"])
    lines = [
        (head, metrics.auc_interval(weighed([*layers, head]), *facts, less=without))
        for head in heads
    ]
    together = metrics.auc_interval(without, *facts)
    return f"## added to both layers ({together})\n{markdown(('head', 'AUC more'), lines)}"


def fitted(
    name: str,
    plan: SequenceRecipe,
    items: Sequence[Item],
    shown: Sequence[Window],
    rows: Rows,
    run: TrainingOptions,
    projection: tuple[np.ndarray, np.ndarray],
) -> SequenceHead:
    """Return a head trained on some of the windows."""
    torch.manual_seed(plan.seed)
    head: SequenceHead = HEADS[name]().to(run.device)
    chosen = list(rows)
    if isinstance(head, RealAutoencoder):
        chosen = [i for i in chosen if not items[i].label]
    labels = torch.tensor([float(items[i].label) for i in chosen], device=run.device)
    chance = torch.from_numpy(source_weights([items[i] for i in chosen]))
    learned = FrameSequence(*(part.to(run.device) for part in batch(shown, chosen)))
    head.standardize(learned)

    def draw(step: int) -> tuple[Tensor, Tensor]:
        places = torch.multinomial(chance, plan.batch, replacement=True)
        return places, labels[places]

    def loss(network: SequenceHead, places: Tensor, wanted: Tensor) -> Tensor:
        part = FrameSequence(*(every[places] for every in learned))
        if isinstance(network, RealAutoencoder):
            return network.error(part).mean()
        target = wanted * (1 - 2 * plan.smoothing) + plan.smoothing
        return F.binary_cross_entropy_with_logits(network(part), target)

    if isinstance(head, ConvLstm):
        head.project.requires_grad_(False)
    own = [{"params": [p for p in head.parameters() if p.requires_grad], "lr": plan.rate,
            "weight_decay": plan.decay}]  # fmt: skip
    head = fit(head, plan, draw, loss, run, groups=own)
    with torch.no_grad():
        if isinstance(head, ConvLstm):
            mean, basis = (torch.from_numpy(part) for part in projection)
            head.project.weight.copy_(basis.T)
            head.project.bias.copy_(-mean @ basis)
        if isinstance(head, RealAutoencoder):
            errors = head.error(learned).log()
            head.usual.copy_(errors.mean())
            head.spread.copy_(errors.std() + 1e-4)
    head.cpu().eval()
    return head


def batch(shown: Sequence[Window], rows: Sequence[int]) -> FrameSequence:
    """Return windows as the input of heads."""
    return FrameSequence(
        *(
            torch.from_numpy(np.stack([getattr(shown[i], name) for i in rows])).float()
            for name in ("face", "around", "grid")
        )
    )


def of(head: SequenceHead, shown: Sequence[Window]) -> Head:
    """Return a function from the indices of windows to their logits."""

    @torch.inference_mode()
    def logits(rows: np.ndarray) -> np.ndarray:
        parts = np.array_split(rows, 1 + len(rows) // 256)
        return np.concatenate([head(batch(shown, part.tolist())).numpy() for part in parts])

    return logits
