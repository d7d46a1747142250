"""Fitting a network to pairs: the loop, averaged weights, checkpoints, the run's folder.

A run's folder holds `config.json` (recipe, seed, commit, versions), `curve.csv` (one line a check)
and `state.pt` (to resume).
"""

from __future__ import annotations

import copy
import csv
import json
import math
import platform
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.errors import UsageError
from detector.training.precision import depthwise_in_fp32, half_precision
from detector.training.recipe import Recipe

Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]
"""Step -> inputs (originals, then fakes in the same order) and labels."""
Check = Callable[[nn.Module], dict[str, float]]
Objective = Callable[[Tensor, Tensor], Tensor]
"""Output of the network and labels -> loss."""

OnProgress = Callable[[str, int, int, dict[str, float]], None]
"""Stage ("faces", "maps", "masking", "training"), done, in all, figures (none between checks)."""

SAVE_EVERY = 120
"""Seconds between saved states."""


@dataclass(frozen=True)
class TrainingOptions:
    """Where and how a training runs.

    Attributes
    ----------
    out : Path
        The run's folder; made.
    resume : bool
        Go on where a stopped run left off. The result is that of a run never stopped.
    stop_after : int or None
        Stop (and save) before this step; the schedule stays that of the whole run.
    """

    out: Path
    resume: bool = False
    stop_after: int | None = None
    device: str = "cpu"
    on_progress: OnProgress = lambda stage, done, total, figures: None

    def report(self, stage: str, done: int, total: int) -> None:
        """Tell how far a stage without figures is."""
        self.on_progress(stage, done, total, {})


class WeightAverage:
    """An exponential average of a network's weights; of buffers (batch statistics) too."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        # Early on the average follows quickly, or it would remember the untrained weights.
        decay = min(self.decay, (1 + step) / (10 + step))
        theirs = network.state_dict()
        for name, mine in self.network.state_dict().items():
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs[name], 1 - decay)
            else:
                mine.copy_(theirs[name])


def loss_of(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Return cross-entropy or focal loss (Lin et al. 2017), and a ranking term: within a pair the
    fake is to score higher."""
    target = labels * (1 - 2 * recipe.smoothing) + recipe.smoothing
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if recipe.loss == "focal":
        # What is classified well already counts less.
        missed = (target - logits.sigmoid()).abs()
        loss = missed**recipe.focus * loss
    total = loss.mean()
    if recipe.pair_weight:
        real, fake = logits.chunk(2)
        total = total + recipe.pair_weight * F.softplus(real - fake).mean()
    return total


def feature_loss(features: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Return alignment and uniformity on the sphere (Wang & Isola, ICML 2020), as LNCLIP-DF trains
    with (arXiv:2508.06248), and the supervised contrastive loss (Khosla et al., NeurIPS 2020).

    Parameters
    ----------
    features : float [N, D], not normalized
    labels : float [N]
    """
    z = F.normalize(features.float(), dim=1)
    near = z @ z.T
    apart = (2 - 2 * near).clamp_min(0)
    other = ~torch.eye(len(z), dtype=torch.bool, device=z.device)
    same = (labels[:, None] == labels[None]) & other
    total = z.new_zeros(())
    if recipe.align_weight:
        total = total + recipe.align_weight * apart[same].mean()
    if recipe.uniform_weight:
        total = total + recipe.uniform_weight * (-2 * apart[other]).exp().mean().log()
    if recipe.contrast_weight:
        logits = (near / recipe.temperature).masked_fill(~other, float("-inf"))
        # A finite stand-in for the diagonal: minus infinity times zero is not a number.
        share = logits.log_softmax(1).masked_fill(~other, 0.0)
        own = (share * same).sum(1) / same.sum(1).clamp_min(1)
        total = total - recipe.contrast_weight * own.mean()
    return total


def uses_features(recipe: Recipe) -> bool:
    """Return whether the loss of a recipe looks at features too."""
    return bool(recipe.align_weight or recipe.uniform_weight or recipe.contrast_weight)


def rate_at(step: int, steps: int, recipe: Recipe) -> float:
    """Return the learning rate: a rise, then half a cosine down to a hundredth."""
    rise = max(1, round(recipe.warmup * steps))
    if step < rise:
        return recipe.rate * (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    return recipe.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


class _State:
    """What a run is resumed from: the network, its average and its optimizer, in `state.pt`."""

    def __init__(self, network: nn.Module, recipe: Recipe, run: TrainingOptions) -> None:
        self.network = network.to(run.device)
        if run.device != "cpu":
            self.network = self.network.to(memory_format=torch.channels_last)
        else:
            depthwise_in_fp32(self.network)
        self.optimizer = torch.optim.AdamW(_grouped(self.network, recipe.decay), lr=recipe.rate)
        self.average = WeightAverage(self.network, recipe.average)
        self.parts: dict[str, Any] = {
            "network": self.network, "average": self.average.network, "optimizer": self.optimizer,
        }  # fmt: skip
        self.step, self.file = 0, run.out / "state.pt"
        if run.resume and self.file.is_file():
            state = torch.load(self.file, weights_only=True, map_location=run.device)
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            self.step = int(state["step"])
        else:
            (run.out / "config.json").write_text(json.dumps(configuration(recipe), indent=1))
            (run.out / "curve.csv").unlink(missing_ok=True)

    def save(self) -> None:
        scratch = self.file.with_suffix(".part")
        torch.save(
            {n: p.state_dict() for n, p in self.parts.items()} | {"step": self.step}, scratch
        )
        scratch.replace(self.file)


def fit(
    network: nn.Module,
    recipe: Recipe,
    draw: Draw,
    run: TrainingOptions,
    *,
    objective: Objective | None = None,
    check: Check | None = None,
    stage: str = "training",
) -> nn.Module:
    """Train, and give the network with averaged weights.

    Parameters
    ----------
    draw : callable
        See `Draw`; must depend on the step alone.
    objective : callable, optional
        What is made small instead of the recipe's loss on pairs: for learning without labels.
    check : callable
        Looks at held-out data; its figures go to `curve.csv`.
    stage : str
        What `run.on_progress` is told after every step.

    Raises
    ------
    UsageError
        The recipe's loss looks at features, which the network does not show.
    """
    run.out.mkdir(parents=True, exist_ok=True)
    with_features = uses_features(recipe)
    if with_features and not hasattr(network, "embed"):
        raise UsageError(f"{recipe.name}: a {recipe.family} shows no features to a loss.")
    state = _State(network, recipe, run)
    network, optimizer = state.network, state.optimizer
    several = torch.device(run.device).type == "cuda" and torch.cuda.device_count() > 1
    spread = nn.DataParallel(network) if several and not with_features else network
    began = saved = time.monotonic()
    recent: deque[float] = deque(maxlen=100)
    steps = recipe.steps
    end = steps if run.stop_after is None else min(steps, run.stop_after)
    for step in range(state.step, end):
        torch.manual_seed(recipe.seed * 1_000_003 + step)
        inputs, labels = draw(step)
        x, y = torch.from_numpy(inputs).to(run.device), torch.from_numpy(labels).to(run.device)
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps, recipe)
        network.train()
        with half_precision(x.device):
            features = network.embed(x) if with_features else None
            logits = (spread(x) if features is None else network.judge(features)).float()
        loss = objective(logits, y) if objective else loss_of(logits, y, recipe)
        if features is not None:
            loss = loss + feature_loss(features, y, recipe)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        state.average.update(network, step)
        state.step = step + 1
        recent.append(float(loss.detach()))
        figures: dict[str, float] = {}
        if state.step % recipe.check_every == 0 or state.step == end:
            figures = {"loss": float(np.mean(recent)), "seconds": time.monotonic() - began}
            figures |= check(state.average.network) if check else {}
            _log(run.out / "curve.csv", state.step, figures)
        run.on_progress(stage, state.step, steps, figures)
        if state.step == end or time.monotonic() - saved > SAVE_EVERY:
            state.save()
            saved = time.monotonic()
    return state.average.network


def packed(network: nn.Module) -> dict[str, Tensor]:
    """Return a state dict to keep: kernels and matrices as fp16, the rest (statistics) as it is."""
    return {
        name: (value.half() if value.ndim > 1 else value).cpu().contiguous().clone()
        for name, value in network.state_dict().items()
    }


def _grouped(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay is for matrices and kernels; not for biases and normalization."""
    learned = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in learned if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _log(path: Path, step: int, figures: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if new:
            writer.writerow(["step", *figures])
        writer.writerow([step, *(f"{value:.5g}" for value in figures.values())])


def configuration(recipe: Recipe) -> dict[str, Any]:
    """Return what `config.json` of a run holds."""
    return {
        "recipe": recipe.model_dump(),
        "commit": _commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
    }


def _commit() -> str | None:
    """Return the commit of the code, with a + if the tree differs from it."""

    def git(*words: str) -> str:
        run = subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=20
        )
        return run.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return (commit + ("+" if git("status", "--porcelain", "--", ".") else "")) or None
    except (OSError, subprocess.SubprocessError):
        return None
