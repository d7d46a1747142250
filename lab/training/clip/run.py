"""Run the CLIP recipe: train a network for each fold of whole sources, whose logits of the fold are
stored, and one on all files.

The trunk is frozen. Trained are LoRA factors on some linear layers, all LayerNorms, the biases of
all linear layers and the head."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from detector import paths
from detector.errors import InputError, WeightsError
from detector.evaluation import metrics
from detector.evaluation.labels import read_labels
from detector.models.families.clip_vit import ClipBlocks, read_trunk
from detector.schema.analysis import Question
from detector.sentences import _
from detector.weights import load_strict
from lab.training import crossfit, results
from lab.training.cache import Faces, open_cache
from lab.training.clip.feed import REAL, SPEC, Feed, Views
from lab.training.crossfit import Head, Split, by_fold
from lab.training.fit import TrainingOptions, fit, half_precision, load_trained, trained
from lab.training.recipe import ClipRecipe

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def load_trunk(path: Path | None = None) -> ClipBlocks:
    """Return a network with the trunk of a file (default: that ships) and an untrained head; raise
    WeightsError for a missing file or another network."""
    path = path or paths.bundled_file("clip_b16.safetensors")
    network = ClipBlocks()
    head = {n: t for n, t in network.state_dict().items() if not n.startswith("vision.")}
    load_strict(network, read_trunk(path) | head, path.name)
    return network


class LoraLinear(nn.Module):
    """A frozen linear layer with a trained low-rank addition: W + lora_b @ lora_a."""

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias
        draw = torch.randn(rank, layer.in_features) / math.sqrt(layer.in_features)
        self.lora_a = nn.Parameter(draw)
        self.lora_b = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias) + F.linear(F.linear(x, self.lora_a), self.lora_b)


def tunable(network: ClipBlocks, into: Sequence[str], rank: int) -> ClipBlocks:
    """Freeze the trunk but for the tuned weights, and initialize the head. Linear layers with the
    names `into`, such as `q_proj` and `fc1`, get LoRA in each block."""
    trunk = network.vision.requires_grad_(False)
    for name, module in list(trunk.named_modules()):
        if isinstance(module, nn.LayerNorm) and name != "post_layernorm":
            module.requires_grad_(True)
        if isinstance(module, nn.Linear):
            module.bias.requires_grad_(True)
            parent, _, own = name.rpartition(".")
            if own in into:
                setattr(trunk.get_submodule(parent), own, LoraLinear(module, rank))
    nn.init.normal_(network.head.weight, std=0.02)
    nn.init.zeros_(network.head.bias)
    nn.init.constant_(network.scale, 2.5)
    return network


def read(network: ClipBlocks, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits [N, 3] and features [N, D] of pictures, float [N, 3, S, S] in 0..1."""
    mean, std = (pictures.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    features = network.features((pictures - mean) / std)
    logits = F.linear(features, network.head.weight.float())
    return network.scale.exp() * logits + network.head.bias, features


def fake_score(logits: Tensor) -> Tensor:
    """Return the log odds of "altered or generated" [N] from logits [N, 3]."""
    return torch.logsumexp(logits[:, 1:], 1) - logits[:, 0]


def save(network: ClipBlocks, path: Path) -> None:
    """Write the tuned weights as fp16."""
    tuned = {name: p.detach().half().cpu().contiguous() for name, p in trained(network).items()}
    save_file(tuned, path)


def tuned_weights(path: Path) -> dict[str, Tensor]:
    """Return the tuned weights of a file. Class tokens are read before `post_layernorm`, so older
    runs that stored it trained nothing there."""
    return {n: t for n, t in load_file(path).items() if ".post_layernorm." not in n}


def begin_with(network: ClipBlocks, tuned: dict[str, Tensor]) -> None:
    """Load the tuned weights of a file; raise WeightsError for those of another network."""
    own, given = ({n: t.shape for n, t in w.items()} for w in (trained(network), tuned))
    if wrong := sorted(name for name in own | given if own.get(name) != given.get(name)):
        raise WeightsError(
            _("The weights to begin with do not fit: {wrong}.").format(wrong=wrong[0])
        )
    load_trained(network, tuned)


def adapters_of(tuned: dict[str, Tensor]) -> tuple[list[str], int]:
    """Return the names of the layers with LoRA in tuned weights, and its rank."""
    found = {
        match[1]: len(value)
        for name, value in tuned.items()
        if (match := re.search(r"(\w+)\.lora_a$", name))
    }
    return sorted(found), max(found.values(), default=0)


ID = "clip"


def train(
    plan: ClipRecipe,
    data: Path,
    run: TrainingOptions,
    *,
    cache: Path | None = None,
    begin: str | None = None,
    folds: Sequence[str] = (),
    trunk: Callable[[], ClipBlocks] = load_trunk,
) -> Path:
    """Train the CLIP detector on a CSV of labelled files; return `run.out`/model.safetensors,
    trained on all files. Raise InputError, UsageError, WeightsError.

    `cache` is a folder of cut faces that runs share (default: `run.out`/faces), `begin` names tuned
    weights to start from, a file or `shipped`. `folds` of sources (`groups.names`) are left out in
    turn: each gets a network of its own, whose logits of the fold go to `run.out`
    (`results.write`).
    `trunk` makes each network, with the trunk alone."""
    tuned: dict[str, Tensor] = {}
    if begin:
        path = paths.bundled() / "clip.safetensors" if begin == "shipped" else Path(begin)
        if not path.is_file():
            raise WeightsError(_("There are no weights {path} to begin with.").format(path=path))
        tuned = tuned_weights(path)
        into, rank = adapters_of(tuned)
        plan = plan.model_copy(update={"into": into, "rank": rank})
    items = [item for item in read_labels(data) if item.kind != "audio"]
    entries = open_cache(cache or run.out / "faces", SPEC, items, run)
    views = Views(plan, run.device)

    def fitted(entries: Sequence[Faces], where: TrainingOptions) -> ClipBlocks:
        if len({entry.label for entry in entries}) < 2:
            raise InputError(_("The recipe clip needs faces of both labels to train on."))
        torch.manual_seed(plan.seed)
        feed, network = Feed(entries, plan), tunable(trunk(), plan.into, plan.rank)
        if tuned:
            begin_with(network, tuned)
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

    every = np.arange(len(entries))

    def of_fold(split: Split) -> Head:
        taught = [entries[i] for i in split.taught]
        network = fitted(taught, replace(run, out=run.out / "folds" / split.fold))

        def scored(rows: np.ndarray) -> np.ndarray:
            held = [entries[i] for i in rows]
            scores = judge(network, views, held)
            labels = np.array([entry.label for entry in held])
            figures = {"auc": metrics.auc(scores, labels)} if len(set(labels.tolist())) > 1 else {}
            run.on_progress(split.fold, len(held), len(held), figures)
            return scores

        return scored

    if folds:
        scores = crossfit.judge(
            entries, by_fold(entries, folds), {"as it is": (every, every)}, of_fold
        )
        results.write(scores, run.out, ID, Question.MANIPULATION)
    network = fitted(entries, run)
    target = run.out / "model.safetensors"
    save(network, target)
    return target


def loss_of(plan: ClipRecipe, network: ClipBlocks, pictures: Tensor, cls: Tensor) -> Tensor:
    """Return cross-entropy over the classes, binary cross-entropy of the fake score, and
    `alignment` of the features."""
    with half_precision(pictures.device):
        logits, features = read(network, pictures)
    total = F.cross_entropy(logits, cls, label_smoothing=plan.smoothing)
    fake = (cls != REAL).float() * 0.96 + 0.02
    binary = F.binary_cross_entropy_with_logits(fake_score(logits), fake)
    return total + plan.binary * binary + plan.metric * alignment(features, cls)


def alignment(vectors: Tensor, cls: Tensor) -> Tensor:
    """Return alignment and uniformity (Wang and Isola 2020) of vectors of length 1, [N, D], with
    classes [N]."""
    distances = (2 - 2 * vectors @ vectors.T).clamp_min(0)
    others = ~torch.eye(len(cls), dtype=torch.bool, device=cls.device)
    same = (cls[:, None] == cls[None]) & others
    return distances[same].mean() + torch.exp(-2 * distances[others]).mean().log()


@torch.inference_mode()
def judge(network: ClipBlocks, views: Views, entries: Sequence[Faces]) -> np.ndarray:
    """Return the log odds of "fake" of each file, from the mean logits of its frames evenly
    spread: float [files]."""
    network.eval()
    logits = []
    for entry in entries:
        frames = np.unique(np.linspace(0, entry.count - 1, views.plan.judged).astype(int))
        with half_precision(views.device):
            found, _ = read(network, views.plain(entry, frames))
        logits.append(found.double().mean(0).cpu())
    return fake_score(torch.stack(logits)).numpy()
