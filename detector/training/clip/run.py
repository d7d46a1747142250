"""A run of the CLIP recipe: folds of whole sources with left-out logits, then the network that is
trained on everything."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from detector import paths
from detector.errors import InputError, WeightsError
from detector.evaluation import groups, metrics
from detector.evaluation.labels import read_labels
from detector.models.families.clip_blocks import CLASSES, ClipBlocks
from detector.training.cache import Faces, open_cache
from detector.training.clip import network as clip
from detector.training.clip.feed import REAL, SPEC, Feed, Views
from detector.training.clip.network import fake_score, load_trunk
from detector.training.fit import TrainingOptions, fit, half_precision
from detector.training.recipe import ClipRecipe

LEFT_OUT = "left_out.csv"
"""Logits of each clip by a network that saw nothing of its source or person."""


def train(
    plan: ClipRecipe,
    data: Path,
    run: TrainingOptions,
    *,
    cache: Path | None = None,
    begin: str | None = None,
    folds: Sequence[str] = (),
    trunk: Callable[[], ClipBlocks] = load_trunk,
) -> Path | None:
    """Train the CLIP detector on a CSV of labelled files; return `run.out`/model.safetensors,
    trained on all files, or None if stopped early. Raise InputError, UsageError, WeightsError.

    `cache` is a folder of cut faces that runs share (default: `run.out`/faces), `begin` names tuned
    weights to start from, a file or `shipped`. `folds` of sources (`groups.names`) are left out in
    turn: each gets a network of its own, whose logits of the fold go to `run.out`/left_out.csv.
    `trunk` makes each network, with the trunk alone."""
    tuned: dict[str, Tensor] = {}
    if begin:
        file = paths.bundled() / "clip.safetensors" if begin == "shipped" else Path(begin)
        if not file.is_file():
            raise WeightsError(f"There are no weights {file} to begin with.")
        tuned = load_file(file)
        into, rank = clip.adapters_of(tuned)
        plan = plan.model_copy(update={"into": into, "rank": rank})
    items = [item for item in read_labels(data) if item.kind != "audio"]
    faces = open_cache(cache or run.out / "faces", SPEC, items, run)
    views = Views(faces, plan, run.device)

    def fitted(entries: Sequence[Faces], where: TrainingOptions) -> ClipBlocks:
        if len({entry.label for entry in entries}) < 2:
            raise InputError("The recipe clip needs faces of both labels to train on.")
        torch.manual_seed(plan.seed)
        feed, network = Feed(entries, plan), clip.tunable(trunk(), plan.into, plan.rank)
        if tuned:
            clip.begin_with(network, tuned)
        network.to(where.device)
        head = [network.head.weight, network.head.bias, network.scale]
        known = {id(p) for p in head}
        rest = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
        own = [
            {"params": rest, "lr": plan.rate, "weight_decay": 0.0},
            {"params": head, "lr": plan.head_rate, "weight_decay": plan.head_decay},
        ]
        loss = partial(loss_of, plan)
        return fit(network, plan, lambda step: views(feed.draw(step)), loss, where, groups=own)

    rows: list[list[object]] = []
    for fold in folds:
        rest, held = groups.leave_out(faces.entries, fold)
        network = fitted(rest, replace(run, out=run.out / "folds" / fold))
        logits = judge(network, views, held)
        rows += [
            [entry.name, "fake" if entry.label else "real", fold, *own.round(4).tolist()]
            for entry, own in zip(held, logits, strict=True)
        ]
        _tell(run, fold, held, logits)
    if rows and run.stop_after is None:
        with (run.out / LEFT_OUT).open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["file", "label", "fold", *CLASSES])
            writer.writerows(rows)
    network = fitted(faces.entries, run)
    if run.stop_after is not None and run.stop_after < plan.steps:
        return None
    target = run.out / "model.safetensors"
    clip.save(network, target)
    return target


def loss_of(plan: ClipRecipe, network: ClipBlocks, pictures: Tensor, cls: Tensor) -> Tensor:
    """Return cross-entropy over the classes, binary cross-entropy of the fake score, and alignment
    and uniformity of the features (Wang and Isola 2020)."""
    with half_precision(pictures.device):
        logits, features = clip.read(network, pictures)
    total = F.cross_entropy(logits, cls, label_smoothing=plan.smoothing)
    fake = (cls != REAL).float() * 0.96 + 0.02
    binary = F.binary_cross_entropy_with_logits(fake_score(logits), fake)
    total = total + plan.binary * binary
    apart = (2 - 2 * features @ features.T).clamp_min(0)
    others = ~torch.eye(len(cls), dtype=torch.bool, device=cls.device)
    alike = apart[(cls[:, None] == cls[None]) & others].mean()
    return total + plan.metric * (alike + torch.exp(-2 * apart[others]).mean().log())


@torch.inference_mode()
def judge(network: ClipBlocks, views: Views, entries: Sequence[Faces]) -> np.ndarray:
    """Return the mean logits of each file over frames evenly spread: float [files, 3]."""
    network.eval()
    logits = []
    for entry in entries:
        frames = np.unique(np.linspace(0, entry.count - 1, views.plan.judged).astype(int))
        with half_precision(views.device):
            found, _ = clip.read(network, views.plain(entry, frames))
        logits.append(found.double().mean(0).cpu().numpy())
    return np.stack(logits)


def _tell(run: TrainingOptions, fold: str, held: Sequence[Faces], logits: np.ndarray) -> None:
    labels = np.array([entry.label for entry in held])
    if 0 < labels.sum() < len(labels):
        scores = fake_score(torch.from_numpy(logits)).numpy()
        run.on_progress(fold, len(held), len(held), {"auc": metrics.auc(scores, labels)})
