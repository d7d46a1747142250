"""Train the user's own model (recipe `own`) on some dozen files, in one or two minutes of a CPU.

A linear layer is trained on features of the bundled CLIP detector and initialized with its head. It
has a bottleneck of a few dimensions for metric losses. Originals also give self-blended fakes
(SBI). No person is on both sides of a split: of four folds of people, two train, one decides when
to stop, one is evaluated. The model is the mean of the four layers.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from sklearn.metrics import accuracy_score, f1_score, recall_score
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor, nn
from torch.nn import functional as F

from detector.errors import InputError
from detector.evaluation import metrics
from detector.evaluation.labels import read_labels
from detector.models import registry, user_models
from detector.models.base import ModelSpec
from detector.models.families import clip_vit
from detector.models.registry import with_files
from detector.schema.analysis import Calibration, Question
from detector.sentences import _
from detector.weights import resolve
from lab.evaluation import fitting, left_out
from lab.training import results
from lab.training.cache import CacheSpec, Faces, open_cache
from lab.training.clip import feed
from lab.training.clip.feed import ALTERED, REAL, SPEC, BatchSample, BlendSource, class_of
from lab.training.clip.generated import class_head, compiled_features
from lab.training.clip.run import MEAN, STD, alignment
from lab.training.crossfit import Rows, Split, judge
from lab.training.fit import HELD_OUT, AddedModel, TrainingOptions, begin_run, fit
from lab.training.linear import LinearHead
from lab.training.recipe import ClipRecipe, TrainingSchedule

FRAMES = CacheSpec(
    "upright-320-few", SPEC.crop, seconds=8.0, step=1.0, most=3, every=1, as_original=False
)
FOLDS = 4
Loss = Literal["bce", "focal", "alignment", "contrastive"]


class OwnRecipe(TrainingSchedule):
    """Settings of the layer's training."""

    seed: int = 7
    images: int = Field(153_600, gt=0, description="views seen, at most")
    batch: int = Field(256, gt=1)
    rate: float = Field(1e-3, gt=0)
    average: float = Field(0.98, ge=0, lt=1)
    check_every: int = Field(1, gt=0)
    loss: Loss = "bce"
    sbi: bool = Field(True, description="self-blended fakes of the originals teach too")
    patience: int | None = Field(40, gt=0)
    decay: float = 0.02
    dimensions: int = 64
    metric: float = Field(0.1, description="weight of the loss on distances, beside cross-entropy")
    focus: float = Field(2.0, description="exponent of the focal loss (Lin et al. 2017)")


class ViewFeatures(NamedTuple):
    """Views of the files: as they are, augmented, and as self-blended fakes."""

    x: Tensor  # float32 [views, features]
    labels: Tensor  # float32 [views]
    owner: np.ndarray  # int [views]: the file of each
    plain: np.ndarray  # bool [views]: not augmented


def train(
    plan: OwnRecipe, data: Path, run: TrainingOptions, *, cache: Path | None = None
) -> AddedModel:
    """Train a layer on labelled files (`data`: a CSV or a folder), calibrate it and add it to the
    user's models; return it with its cross-fitted figures: `auc`, `accuracy`, `f1`, `specificity`.

    Files of the run: `model.safetensors`, `left_out.csv`, `figures.json`. Raise InputError for too
    few files or people of either label."""
    begin_run(plan, run)
    items = [item for item in read_labels(data) if item.kind != "audio"]
    entries = open_cache(cache or run.out / "faces", FRAMES, items, run)
    fold_of = _folds(entries)
    template = registry.get_spec("clip")
    trunk, tuned = resolve(template)
    shipped = load_file(tuned)
    head = shipped["head.weight"].float()
    prior = head[1:].mean(0) - head[0]  # in which it tells fakes from originals
    renderer = feed.Views(ClipRecipe.model_validate({}), run.device)
    network = clip_vit.build(clip_vit.tuned(clip_vit.read_trunk(trunk), shipped))
    views = _read(network, entries, renderer, plan, run)
    fold, plain, layers = fold_of[views.owner], np.flatnonzero(views.plain), list[LinearHead]()

    def of_fold(split: Split) -> LinearHead:
        number = int(split.fold)
        stopping = np.flatnonzero(fold == (number + 1) % FOLDS)
        where = TrainingOptions(run.out / "folds" / split.fold)
        layers.append(fit_layer(plan, views, split.taught, stopping, where, prior=prior))
        run.on_progress("folds", number + 1, FOLDS, {})
        return layers[-1]

    splits = [_split(fold, number) for number in range(FOLDS)]
    of_views = [entries[i] for i in views.owner]
    versions = {"as it is": (plain, views.x[plain].numpy())}
    scores = left_out.averaged(judge(of_views, splits, versions, of_fold))
    logits, labels = scores["logit"].to_numpy(), scores["label"].to_numpy()
    scale, offset = fitting.platt(logits, labels)
    figures = _figures(scale * logits + offset, labels)
    results.write_scores(scores, run.out, "own", Question.MANIPULATION)
    (run.out / "figures.json").write_text(json.dumps(figures, indent=1))
    weights, bias = ([getattr(one, name) for one in layers] for name in ("weights", "bias"))
    mean = LinearHead(np.mean(weights, 0), float(np.mean(bias)))
    target = run.out / "model.safetensors"
    save_file(shipped | class_head(ALTERED, mean), target)
    data_text = f"{len(entries)} of your own files, each judged without its person"
    calibration = Calibration(scale=scale, offset=offset, data=data_text, clips=len(entries))
    spec = _added(template, [trunk, target], run.out.name, calibration)
    numbers = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
    text = _("{title}: {told}, of files whose people training left out")
    use = _("Added: `unmask analyze FILE --models {id}`, or Options on the page.")
    lines = text.format(title=spec.title, told=numbers), use.format(id=spec.id)
    return AddedModel(spec.id, figures, lines)


def _split(fold: np.ndarray, number: int) -> Split:
    """Leave out a fold of views, and another one that ends the training."""
    taught = (fold != number) & (fold != (number + 1) % FOLDS)
    held = fold == number
    return Split(str(number), *(np.flatnonzero(rows).tolist() for rows in (taught, held)))


class Bottleneck(nn.Module):
    """Standardized features on few dimensions, a layer on these, and a known direction beside it:
    float [N, D] -> logits [N] and dimensions [N, d]. It begins with the principal components, a
    zero layer, and the direction `prior` [D] alone."""

    def __init__(self, x: Tensor, dimensions: int, prior: Tensor | None) -> None:
        super().__init__()
        known = torch.zeros(x.shape[1]) if prior is None else prior
        self.register_buffer("mean", x.mean(0))
        self.register_buffer("spread", x.std(0) + 1e-4)
        self.register_buffer("known", known / ((x @ known).std() + 1e-6))
        _, _, axes = torch.linalg.svd((x - self.mean) / self.spread, full_matrices=False)
        self.project = nn.Linear(x.shape[1], min(dimensions, len(axes)), bias=False)
        self.head = nn.Linear(self.project.out_features, 1)
        self.gain = nn.Parameter(torch.tensor(float(prior is not None)))
        with torch.no_grad():
            self.project.weight.copy_(axes[: self.project.out_features])
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.project((x - self.mean) / self.spread)
        return self.head(z)[:, 0] + self.gain * ((x - self.mean) @ self.known), z

    def linear(self) -> LinearHead:
        """Return the same as one layer."""
        with torch.no_grad():
            learned = (self.head.weight @ self.project.weight)[0] / self.spread
            weights = learned + self.gain * self.known
            return LinearHead(weights.numpy(), float(self.head.bias - weights @ self.mean))


def fit_layer(
    plan: OwnRecipe,
    views: ViewFeatures,
    taught: Rows,
    stopping: Rows,
    run: TrainingOptions,
    *,
    prior: Tensor | None = None,
) -> LinearHead:
    """Fit a layer to some views, both labels drawn equally often; others end the training."""
    torch.manual_seed(plan.seed)
    x, y = views.x[taught], views.labels[taught]
    held_x, held_y = views.x[stopping], views.labels[stopping]
    chance = torch.where(y == 1, 0.5 / y.sum(), 0.5 / (1 - y).sum())

    def draw(step: int) -> tuple[Tensor, Tensor]:
        rows = torch.multinomial(chance, plan.batch, replacement=True)
        return x[rows], y[rows]

    def loss(network: nn.Module, some: Tensor, wanted: Tensor) -> Tensor:
        logits, z = network(some)
        target = wanted * 0.96 + 0.02
        each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        if plan.loss == "focal":
            wrong = torch.where(wanted == 1, 1 - logits.sigmoid(), logits.sigmoid())
            each = each * wrong.pow(plan.focus)
        if plan.loss in ("alignment", "contrastive"):
            distances = alignment if plan.loss == "alignment" else contrastive
            each = each + plan.metric * distances(F.normalize(z, dim=1), wanted)
        return each.mean()

    @torch.no_grad()
    def held_out(network: nn.Module) -> dict[str, float]:
        return {HELD_OUT: float(F.binary_cross_entropy_with_logits(network(held_x)[0], held_y))}

    network = Bottleneck(x, plan.dimensions, prior)
    own = [{"params": network.parameters(), "lr": plan.rate, "weight_decay": plan.decay}]
    return fit(network, plan, draw, loss, run, groups=own, check=held_out).linear()


def contrastive(z: Tensor, y: Tensor) -> Tensor:
    """Return the supervised contrastive loss (Khosla et al. 2020) of vectors of length 1."""
    others = ~torch.eye(len(y), dtype=torch.bool)
    same = (y[:, None] == y[None]) & others
    scores = (z @ z.T / 0.1).masked_fill(~others, float("-inf"))
    likely = (scores - scores.logsumexp(1, keepdim=True)).masked_fill(~same, 0.0)
    return -(likely.sum(1) / same.sum(1).clamp_min(1)).mean()


def _folds(entries: Sequence[Faces]) -> np.ndarray:
    """Return the fold of each file, with people of both labels spread evenly; raise InputError."""
    labels = np.array([entry.label for entry in entries])
    people = np.array([entry.person for entry in entries])
    for label in (0, 1):
        if (count := len(set(people[labels == label].tolist()))) < FOLDS:
            raise InputError(
                _(
                    "Only {people} people are in the fake files with a face; {folds} are needed."
                ).format(people=count, folds=FOLDS)
                if label
                else _(
                    "Only {people} people are in the real files with a face; {folds} are needed."
                ).format(people=count, folds=FOLDS),
                hint=_("Files without a group or a person count as one each."),
            )
    fold = np.zeros(len(entries), int)
    splits = StratifiedGroupKFold(FOLDS).split(labels, labels, people)
    for number, (_taught, held) in enumerate(splits):
        fold[held] = number
    return fold


def _read(
    clip: clip_vit.ClipBlocks, entries: Sequence[Faces], renderer: feed.Views, plan: OwnRecipe,
    run: TrainingOptions,
) -> ViewFeatures:  # fmt: skip
    """Return features of each file's frames, plain and augmented; of originals also
    self-blended."""
    read = compiled_features(clip, run.device)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    parts: list[np.ndarray] = []
    labels: list[int] = []
    owner: list[int] = []
    plain: list[bool] = []
    for i, entry in enumerate(entries):
        frames = range(entry.count)
        cls = class_of(entry)
        drawn = [BatchSample(entry, f, cls, (plan.seed, i, f)) for f in frames]
        told = [entry.label] * (2 * entry.count)
        if plan.sbi and cls == REAL:
            blended = (BlendSource(feed.SAME, entry, f) for f in frames)
            drawn += [d._replace(blended=b) for d, b in zip(drawn[:], blended, strict=True)]
            told += [1] * entry.count
        pictures = torch.cat([renderer.plain(entry, frames), renderer(drawn)[0]])
        batch = (pictures - mean.to(pictures.device)) / std.to(pictures.device)
        parts.append(np.asarray(read(batch)[0], np.float32))
        labels += told
        owner += [i] * len(told)
        plain += [True] * entry.count + [False] * len(drawn)
        run.on_progress("features", i + 1, len(entries), {})
    return ViewFeatures(
        torch.from_numpy(np.concatenate(parts)),
        torch.tensor(labels, dtype=torch.float32),
        np.array(owner),
        np.array(plain),
    )


def _figures(calibrated: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return figures of calibrated logits, with 0 as the threshold."""
    called = calibrated > 0
    return {
        "auc": metrics.auc(calibrated, labels),
        "accuracy": float(accuracy_score(labels, called)),
        "f1": float(f1_score(labels, called, zero_division=0)),
        "specificity": float(recall_score(labels, called, pos_label=0)),
    }


def _added(
    template: ModelSpec, files: list[Path], name: str, calibration: Calibration
) -> ModelSpec:
    """Add the files of a trunk and of its tuned weights to the user's models."""
    spec = with_files(template, files).model_copy(
        update={
            "id": user_models.new_id(name, taken_ok=True),
            "title": f"{name} (trained here)",
            "plain": f"{name}, your own",
            "summary": "CLIP with a layer that was trained on your own files.",
            "source": f"{files[1].parent}, trained here; {template.source}",
            "fake_output": "Three logits: real, fake, never. The layer was trained so.",
            "label_order": "proven",
            "calibration": calibration,
        }
    )
    return user_models.keep(spec, files)
