"""The training loop: steps, averaged weights, checkpoints, the run's folder.

A run's folder holds `config.json` (recipe, seed, commit, versions), `curve.csv` (one line a check)
and `state.pt` (to resume).
"""

from __future__ import annotations

import csv
import json
import math
import platform
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detector.schema.base import StrictModel
from detector.training.recipe import TrainingSchedule

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""Step -> inputs and labels, on the device of the run; must depend on the step alone."""
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Network, inputs and labels -> loss."""
Check = Callable[[nn.Module], dict[str, float]]

OnProgress = Callable[[str, int, int, dict[str, float]], None]
"""Stage ("faces", "training"), done, total, figures (none between checks)."""

SAVE_EVERY = 120
"""Seconds between checkpoints."""


@dataclass(frozen=True)
class TrainingOptions:
    """Where and how a training runs.

    Attributes
    ----------
    out : Path
        The run's folder; created.
    resume : bool
        Continue a stopped run. The result equals that of a run that was never stopped.
    stop_after : int or None
        Stop (and save) before this step; the schedule stays that of the whole run.
    """

    out: Path
    resume: bool = False
    stop_after: int | None = None
    device: str = "cpu"
    on_progress: OnProgress = lambda stage, done, total, figures: None


def half_precision(device: torch.device) -> torch.autocast:
    """Return a context in which networks compute in bf16, if the device can; else in fp32.

    On a CPU without AVX-512, oneDNN emulates bf16 convolutions a hundred times slower than fp32.
    """
    computes = {
        "cpu": torch.ops.mkldnn._is_mkldnn_bf16_supported,
        "cuda": torch.cuda.is_bf16_supported,
    }.get(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=bool(computes and computes()))


class WeightAverage:
    """Exponential average of the weights of a network that are trained."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in trained(network).items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the weights after a step."""
        # Early on the average follows quickly, or it would remember the untrained weights.
        decay = min(self.decay, (1 + step) / (10 + step))
        now = [weight.detach() for weight in trained(network).values()]
        torch._foreach_lerp_(list(self.weights.values()), now, 1 - decay)

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Give the network the averaged weights inside the context."""
        own = {name: p.detach().clone() for name, p in trained(network).items()}
        load_trained(network, self.weights)
        try:
            yield
        finally:
            load_trained(network, own)


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that training changes, by name."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


@torch.no_grad()
def load_trained(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy weights into the trained parameters of a network, in place."""
    for name, parameter in trained(network).items():
        parameter.copy_(weights[name])


def rate_at(step: int, plan: TrainingSchedule) -> float:
    """Return the share of the highest learning rate: linear warm-up, then a half cosine to 0.01."""
    rise = max(1, round(plan.warmup * plan.steps))
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, plan.steps - rise)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))


class _State:
    """What a run is resumed from: trained weights, their average and the optimizer."""

    def __init__(
        self,
        network: nn.Module,
        plan: TrainingSchedule,
        groups: list[dict[str, Any]],
        run: TrainingOptions,
    ) -> None:
        self.network = network
        self.optimizer = torch.optim.AdamW(groups, lr=plan.rate)
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.average = WeightAverage(network, plan.average)
        self.step, self.file = 0, run.out / "state.pt"
        if run.resume and self.file.is_file():
            state = torch.load(self.file, weights_only=True, map_location=run.device)
            load_trained(network, state["network"])
            self.average.weights = state["average"]
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = int(state["step"])
        else:
            (run.out / "config.json").write_text(json.dumps(configuration(plan), indent=1))
            (run.out / "curve.csv").unlink(missing_ok=True)

    def save(self) -> None:
        scratch = self.file.with_suffix(".part")
        state = {
            "network": {name: p.detach() for name, p in trained(self.network).items()},
            "average": self.average.weights,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        torch.save(state, scratch)
        scratch.replace(self.file)


def fit(
    network: nn.Module,
    plan: TrainingSchedule,
    draw: Draw,
    loss_of: Loss,
    run: TrainingOptions,
    *,
    groups: list[dict[str, Any]],
    check: Check | None = None,
) -> nn.Module:
    """Train the parameters that require a gradient; return the network with averaged weights.

    Parameters
    ----------
    network : nn.Module
        On `run.device`.
    groups : list of dict
        AdamW parameter groups; each may have its own highest rate (`lr`) and `weight_decay`.
    check : callable
        Evaluates held-out data; its figures go to `curve.csv`.
    """
    run.out.mkdir(parents=True, exist_ok=True)
    state = _State(network, plan, groups, run)
    began = saved = time.monotonic()
    recent: deque[float] = deque(maxlen=100)
    end = plan.steps if run.stop_after is None else min(plan.steps, run.stop_after)
    for step in range(state.step, end):
        torch.manual_seed(plan.seed * 1_000_003 + step)
        inputs, labels = draw(step)
        for group, rate in zip(state.optimizer.param_groups, state.rates, strict=True):
            group["lr"] = rate * rate_at(step, plan)
        network.train()
        loss = loss_of(network, inputs, labels)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained(network).values(), plan.gradient)
        state.optimizer.step()
        state.average.update(network, step)
        state.step = step + 1
        recent.append(float(loss.detach()))
        figures: dict[str, float] = {}
        if state.step % plan.check_every == 0 or state.step == end:
            figures = {"loss": float(np.mean(recent)), "seconds": time.monotonic() - began}
            with state.average.applied(network):
                figures |= check(network) if check else {}
            _log(run.out / "curve.csv", state.step, figures)
        run.on_progress("training", state.step, plan.steps, figures)
        if state.step == end or time.monotonic() - saved > SAVE_EVERY:
            state.save()
            saved = time.monotonic()
    load_trained(network, state.average.weights)
    return network.eval()


def decayed(network: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Return parameter groups in which matrices and kernels have weight decay, and biases and
    normalizations have none."""
    learned = trained(network).values()
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


def configuration(plan: StrictModel) -> dict[str, Any]:
    """Return what `config.json` of a run holds."""
    return {
        "recipe": plan.model_dump(),
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
