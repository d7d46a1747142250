"""The recipe of the sequence models: heads over cached CLIP features of consecutive frames.

The trunk has seen none of the labelled files, so a source is left out by training the heads without
it. Beside each head is the mean over the frames read by one linear layer: what the order of the
frames has to beat.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from detector.errors import UsageError
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
from detector.sentences import _
from lab.evaluation.tables import markdown
from lab.training import left_out
from lab.training.clip.feed import GENERATED, class_of
from lab.training.fit import TrainingOptions, fit, save_halves
from lab.training.layer import fit_rows, source_weights
from lab.training.left_out import Head, LeftOutLogit
from lab.training.recipe import TrainingSchedule
from lab.training.sequences import windows
from lab.training.sequences.windows import Window

BASELINES = {"face": "mean of the frames, face", "around": "mean of the frames, surroundings"}
"""What a linear layer reads without the order of the frames, by field of `Window`."""
RIDGE = 1e-4  # of the weights of layers and a head beside each other


class SequenceRecipe(TrainingSchedule):
    """How each head is trained."""

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
    """*ViT + LSTM* has a recipe of its own (`vit_lstm`)."""


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
    and calibration of each to a folder with its name (`left_out.write`)."""
    run.out.mkdir(parents=True, exist_ok=True)
    folder = cache or run.out / "windows"
    items, shown = windows.read(windows.read_clips(data), folder, run)
    if len({item.label for item in items}) < 2:
        raise UsageError(_("The recipe sequences needs real and fake clips with a face."))
    basis, rows = windows.projection(folder), list[LeftOutLogit]()
    for split in left_out.by_fold(items, folds):
        for name, title in BASELINES.items():
            mean = np.stack([getattr(w, name).astype(np.float64).mean(0) for w in shown])
            taught = [items[i] for i in split.taught]
            layer = fit_rows(taught, [mean[split.taught]], plan.ridge)
            rows += left_out.judged(split, {title: (items, mean)}, layer)
        for name in plan.heads:
            where = replace(run, out=run.out / "folds" / split.fold / name)
            head = fitted(name, plan, items, shown, split.taught, where, basis)
            numbers = {name: (items, np.arange(len(items)))}
            rows += left_out.judged(split, numbers, of(head, shown))
    if rows:
        text = table(rows) if len(folds) < 2 else f"{table(rows)}\n\n{additions(rows, plan.heads)}"
        (run.out / "left_out.md").write_text(text)
    for name in plan.heads if rows else ():
        (run.out / name).mkdir(exist_ok=True)
        of_head = [row for row in rows if row.version == name]
        left_out.write(of_head, run.out / name, name, Question.MANIPULATION)
    for name in plan.heads:
        where = replace(run, out=run.out / name)
        head = fitted(name, plan, items, shown, range(len(items)), where, basis)
        save_halves(head, run.out / f"{name}.safetensors")
    return run.out


def table(rows: Sequence[LeftOutLogit]) -> str:
    """Return AUC by what reads the frames, for all fakes, altered faces and generated heads."""
    parts: dict[str, Callable[[Item], bool]] = {
        "all": lambda item: True,
        "altered faces": lambda item: not item.label or class_of(item) != GENERATED,
        "generated heads": lambda item: not item.label or class_of(item) == GENERATED,
    }
    return "\n\n".join(
        f"## {part}\n{left_out.ranking([row for row in rows if belongs(row.item)])}"
        for part, belongs in parts.items()
    )


def additions(rows: Sequence[LeftOutLogit], heads: Sequence[str]) -> str:
    """Return what each head adds to the AUC of both layers, weighed on the other folds."""
    layers = list(BASELINES.values())
    alone = _weighed(rows, layers)
    labels = np.array([row.item.label for row in alone])
    sources = [row.item.source for row in alone]
    without = np.array([row.logit for row in alone])
    together = metrics.auc_interval(without, labels, sources)
    lines = []
    for head in heads:
        beside = np.array([row.logit for row in _weighed(rows, [*layers, head])])
        lines.append((head, metrics.auc_interval(beside, labels, sources, less=without)))
    return f"## added to both layers ({together})\n{markdown(('head', 'AUC more'), lines)}"


def _weighed(rows: Sequence[LeftOutLogit], versions: Sequence[str]) -> list[LeftOutLogit]:
    """Return versions of the same clips in one, by logistic regression on the other folds."""
    columns = [[row for row in rows if row.version == version] for version in versions]
    values = np.array([[row.logit for row in column] for column in columns]).T
    clips, folds = columns[0], np.array([row.fold for row in columns[0]])
    found = np.empty(len(clips))
    for fold in set(folds):
        rest = np.flatnonzero(folds != fold)
        head = fit_rows([clips[i].item for i in rest], [values[rest]], RIDGE)
        found[folds == fold] = head(values[folds == fold])
    return [row._replace(logit=float(z)) for row, z in zip(clips, found, strict=True)]


def fitted(
    name: str,
    plan: SequenceRecipe,
    items: Sequence[Item],
    shown: Sequence[Window],
    rows: Sequence[int],
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
    """Return windows as the heads read them."""
    return FrameSequence(
        *(
            torch.from_numpy(np.stack([getattr(shown[i], name) for i in rows])).float()
            for name in ("face", "around", "grid")
        )
    )


def of(head: SequenceHead, shown: Sequence[Window]) -> Head:
    """Return what gives the logits of windows, by their numbers."""

    @torch.inference_mode()
    def logits(rows: np.ndarray) -> np.ndarray:
        parts = np.array_split(rows, 1 + len(rows) // 256)
        return np.concatenate([head(batch(shown, part.tolist())).numpy() for part in parts])

    return logits
