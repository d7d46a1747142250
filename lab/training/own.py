"""Train the user's own model (recipe `own`) on some dozen files, in one or two minutes of a CPU.

A linear layer is trained on features of the bundled CLIP detector and initialized with its head. It
has a bottleneck of a few dimensions for metric losses. Originals also give self-blended fakes
(SBI). No person is on both sides of a split: of four folds of people, two train, one decides when
to stop, one is evaluated.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from sklearn.metrics import accuracy_score, f1_score, recall_score
from torch import Tensor, nn
from torch.nn import functional as F

from detector.errors import InputError
from detector.evaluation import metrics
from detector.evaluation.labels import hash_of, read_labels
from detector.models import registry, user_models
from detector.models.base import ModelSpec
from detector.models.families import clip_vit
from detector.models.registry import with_files
from detector.schema.analysis import Calibration
from detector.schema.base import StrictModel
from detector.sentences import _
from detector.weights import resolve
from lab.evaluation import fitting
from lab.training.cache import CacheSpec, Faces, open_cache
from lab.training.clip import feed
from lab.training.clip.feed import ALTERED, REAL, SPEC, BatchSample, BlendSource, Views, class_of
from lab.training.clip.generated import class_head, compiled_features
from lab.training.clip.run import MEAN, STD
from lab.training.fit import AddedModel, TrainingOptions, begin_run
from lab.training.recipe import ClipRecipe

FRAMES = CacheSpec(
    "upright-320-few", SPEC.crop, seconds=8.0, step=1.0, most=3, every=1, as_original=False
)
FOLDS = 4
Loss = Literal["bce", "focal", "alignment", "contrastive"]


class OwnRecipe(StrictModel):
    """Settings of the layer's training."""

    seed: int = 7
    loss: Loss = "bce"
    sbi: bool = Field(True, description="self-blended fakes of the originals teach too")
    patience: int = Field(40, gt=0, description="steps without a better held-out loss")
    steps: int = Field(600, gt=0, description="at most")
    rate: float = Field(3e-3, gt=0)
    decay: float = 0.02
    dimensions: int = 64
    metric: float = Field(0.1, description="weight of the loss on distances, beside cross-entropy")
    focus: float = Field(2.0, description="exponent of the focal loss (Lin et al. 2017)")


class Rows:
    """Features [N, D] of views, their labels and the index of their file. `plain` views are not
    augmented."""

    def __init__(
        self, x: np.ndarray, labels: Sequence[int], owner: Sequence[int], plain: Sequence[bool]
    ) -> None:
        self.x = torch.from_numpy(x).float()
        self.labels = torch.tensor(labels).float()
        self.owner, self.plain = np.array(owner), np.array(plain)

    def of(self, files: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return features and labels of all views of the files."""
        chosen = torch.from_numpy(np.isin(self.owner, files))
        return self.x[chosen], self.labels[chosen]


def train(
    plan: OwnRecipe, data: Path, run: TrainingOptions, *, cache: Path | None = None
) -> AddedModel:
    """Train a layer on labelled files (`data`: a CSV or a folder), calibrate it and add it to the
    user's models; return it with its cross-fitted figures: `auc`, `accuracy`, `f1`, `specificity`.

    Files of the run: `model.safetensors`, `left_out.csv`, `figures.json`. Raise InputError for too
    few files or people of either label."""
    begin_run(plan, run)
    items = [item for item in read_labels(data) if item.kind != "audio"]
    faces = open_cache(cache or run.out / "faces", FRAMES, items, run)
    fold_of = _folds(faces.entries)
    template = registry.get_spec("clip")
    trunk, tuned = resolve(template)
    shipped = load_file(tuned)
    head = shipped["head.weight"].float()
    prior = head[1:].mean(0) - head[0]  # in which it tells fakes from originals
    views = Views(faces, ClipRecipe.model_validate({}), run.device)
    network = clip_vit.build(clip_vit.tuned(clip_vit.read_trunk(trunk), shipped))
    rows = _read(network, faces.entries, views, plan, run)
    entries, logits, steps = faces.entries, np.zeros(len(faces.entries)), []
    for fold in range(FOLDS):
        stopping, judged = (np.flatnonzero(fold_of == n % FOLDS) for n in (fold + 1, fold))
        taught = np.flatnonzero((fold_of != fold) & (fold_of != (fold + 1) % FOLDS))
        weights, bias, best = fit_layer(plan, rows.of(taught), prior=prior, stop=rows.of(stopping))
        logits[judged] = _judge(rows, weights, bias, judged)
        steps.append(best)
        run.on_progress("folds", fold + 1, FOLDS, {"steps": best})
    labels = np.array([entry.label for entry in entries])
    scale, offset = fitting.platt(logits, labels)
    figures = _figures(scale * logits + offset, labels)
    with (run.out / "left_out.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "fold", "logit"])
        told = zip(entries, fold_of, logits.round(4), strict=True)
        writer.writerows([e.name, "fake" if e.label else "real", f, x] for e, f, x in told)
    (run.out / "figures.json").write_text(json.dumps(figures, indent=1))
    everything = rows.of(np.arange(len(entries)))
    last = max(1, round(float(np.median(steps))))
    weights, bias, _best = fit_layer(plan, everything, prior=prior, steps=last)
    target = run.out / "model.safetensors"
    save_file(shipped | class_head(ALTERED, weights.numpy(), bias), target)
    data_text = f"{len(entries)} of your own files, each judged without its person"
    calibration = Calibration(scale=scale, offset=offset, data=data_text, clips=len(entries))
    spec = _added(template, [trunk, target], run.out.name, calibration)
    numbers = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
    text = _("{title}: {told}, of files whose people training left out")
    use = _("Added: `unmask analyze FILE --models {id}`, or Options on the page.")
    lines = text.format(title=spec.title, told=numbers), use.format(id=spec.id)
    return AddedModel(spec.id, figures, lines)


def fit_layer(
    plan: OwnRecipe,
    taught: tuple[Tensor, Tensor],
    *,
    prior: Tensor | None = None,
    stop: tuple[Tensor, Tensor] | None = None,
    steps: int | None = None,
) -> tuple[Tensor, float, int]:
    """Fit a layer that is initialized with the direction `prior` [D]: return its weights [D], its
    bias, and the step with the lowest loss on `stop`, or the last of `steps`."""
    torch.manual_seed(plan.seed)
    x, y = taught
    mean, spread = x.mean(0), x.std(0) + 1e-4
    # Initialized with the principal components and a zero head.
    _, _, axes = torch.linalg.svd((x - mean) / spread, full_matrices=False)
    project = nn.Linear(x.shape[1], min(plan.dimensions, len(axes)), bias=False)
    head = nn.Linear(project.out_features, 1)
    with torch.no_grad():
        project.weight.copy_(axes[: project.out_features])
        head.weight.zero_()
        head.bias.zero_()
    known = torch.zeros(x.shape[1]) if prior is None else prior
    level, width = (x @ known).mean(), (x @ known).std() + 1e-6
    gain = nn.Parameter(torch.zeros(()) if prior is None else torch.ones(()))
    both = [*project.parameters(), *head.parameters(), gain]
    optimizer = torch.optim.AdamW(both, lr=plan.rate, weight_decay=plan.decay)
    balance = torch.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    least, best, kept = float("inf"), 0, [p.detach().clone() for p in both]
    for step in range(1, (steps or plan.steps) + 1):
        z = project((x - mean) / spread)
        logits = head(z)[:, 0] + gain * (x @ known - level) / width
        each = F.binary_cross_entropy_with_logits(logits, y * 0.96 + 0.02, reduction="none")
        if plan.loss == "focal":
            wrong = torch.where(y == 1, 1 - logits.sigmoid(), logits.sigmoid())
            each = each * wrong.pow(plan.focus)
        loss = (balance * each).mean()
        if plan.loss in ("alignment", "contrastive"):
            loss = loss + plan.metric * _distances(plan.loss, F.normalize(z, dim=1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if stop is None:
            best = step
            continue
        with torch.no_grad():
            held = head(project((stop[0] - mean) / spread))[:, 0]
            held = held + gain * (stop[0] @ known - level) / width
            now = float(F.binary_cross_entropy_with_logits(held, stop[1]))
        if now < least:
            least, best, kept = now, step, [p.detach().clone() for p in both]
        elif step - best >= plan.patience:
            break
    first, second, offset, share = kept if stop is not None else [p.detach() for p in both]
    learned = (second @ first)[0] / spread
    bias = offset - learned @ mean - share * level / width
    return learned + share * known / width, float(bias), best


def _distances(loss: Loss, z: Tensor, y: Tensor) -> Tensor:
    """Return alignment and uniformity (Wang and Isola 2020), or the supervised contrastive loss
    (Khosla et al. 2020), of vectors of length 1."""
    others = ~torch.eye(len(y), dtype=torch.bool)
    same = (y[:, None] == y[None]) & others
    cosine = z @ z.T
    if loss == "alignment":
        distances = (2 - 2 * cosine).clamp_min(0)
        return distances[same].mean() + torch.exp(-2 * distances[others]).mean().log()
    scores = (cosine / 0.1).masked_fill(~others, float("-inf"))
    likely = (scores - scores.logsumexp(1, keepdim=True)).masked_fill(~same, 0.0)
    return -(likely.sum(1) / same.sum(1).clamp_min(1)).mean()


def _folds(entries: Sequence[Faces]) -> np.ndarray:
    """Return the fold of each file, with people of both labels spread evenly; raise InputError."""
    fold: dict[str, int] = {}
    for label in (0, 1):
        people = {entry.person for entry in entries if entry.label == label}
        if len(people) < FOLDS:
            raise InputError(
                _(
                    "Only {people} people are in the fake files with a face; {folds} are needed."
                ).format(people=len(people), folds=FOLDS)
                if label
                else _(
                    "Only {people} people are in the real files with a face; {folds} are needed."
                ).format(people=len(people), folds=FOLDS),
                hint=_("Files without a group or a person count as one each."),
            )
        for number, person in enumerate(sorted(people - fold.keys(), key=hash_of)):
            fold[person] = number % FOLDS
    return np.array([fold[entry.person] for entry in entries])


def _read(
    clip: clip_vit.ClipBlocks, entries: Sequence[Faces], views: Views, plan: OwnRecipe,
    run: TrainingOptions,
) -> Rows:  # fmt: skip
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
        pictures = torch.cat([views.plain(entry, frames), views(drawn)[0]])
        batch = (pictures - mean.to(pictures.device)) / std.to(pictures.device)
        parts.append(np.asarray(read(batch)[0], np.float32))
        labels += told
        owner += [i] * len(told)
        plain += [True] * entry.count + [False] * len(drawn)
        run.on_progress("features", i + 1, len(entries), {})
    return Rows(np.concatenate(parts), labels, owner, plain)


def _judge(rows: Rows, weights: Tensor, bias: float, files: np.ndarray) -> np.ndarray:
    """Return the mean logit of the plain views of each file."""
    logits = (rows.x @ weights + bias).numpy()
    return np.array([logits[(rows.owner == file) & rows.plain].mean() for file in files])


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
