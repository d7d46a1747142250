"""Train networks: steps, averaged weights, checkpoints, the run's folder.

A run's folder holds `config.json` (recipe, seed, commit, versions), `curve.csv` (one line for each
evaluation) and `state.pt` (the checkpoint).
"""

import copy
import csv
import json
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from detector.pipeline.initial_results import software
from detector.schema.base import StrictModel
from lab.training.recipe import TrainingSchedule

N = TypeVar("N", bound=nn.Module)
Draw = Callable[[int], tuple[Tensor, Tensor]]
"""Step -> inputs and labels, on the device of the run; it depends on the step alone."""
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]  # Network, inputs and labels -> loss
Check = Callable[[nn.Module], dict[str, float]]

OnProgress = Callable[[str, int, int, dict[str, float]], None]
"""Stage ("faces", "training"), done, total, figures (none between checks)."""

SAVE_EVERY = 120  # Seconds between checkpoints
HELD_OUT = "held-out loss"
"""Figure of a check that ends a training."""


class AddedModel(NamedTuple):
    """A model that a recipe added to the user's models."""

    id: str
    figures: Mapping[str, float]
    lines: Sequence[str]  # messages for the user


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training run."""

    out: Path  # the run's folder; created
    resume: bool = False
    """Resume a stopped run. The result equals that of an uninterrupted run."""
    device: str = "cpu"
    on_progress: OnProgress = lambda stage, done, total, figures: None

    def report(self, stage: str, done: int, total: int) -> None:
        """Report progress without figures."""
        self.on_progress(stage, done, total, {})


def half_precision(device: torch.device) -> torch.autocast:
    """Return a context for bf16 if the device supports it, else for fp32.

    On a CPU without AVX-512, oneDNN emulates bf16 convolutions a hundred times slower than fp32."""
    computes = {
        "cpu": torch.ops.mkldnn._is_mkldnn_bf16_supported,
        "cuda": torch.cuda.is_bf16_supported,
    }.get(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=bool(computes and computes()))


def trained(network: nn.Module) -> dict[str, nn.Parameter]:
    """Return the trained parameters by name."""
    return {name: p for name, p in network.named_parameters() if p.requires_grad}


@torch.no_grad()
def load_trained(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Copy weights into the trained parameters of a network, in place."""
    for name, parameter in trained(network).items():
        parameter.copy_(weights[name])


def rate_at(step: int, plan: TrainingSchedule) -> float:
    """Return the learning rate as a share of the highest: linear warm-up, then a half cosine to
    0.01."""
    rise = max(1, round(plan.warmup * plan.steps))
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, plan.steps - rise)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))


def fit(
    network: N,
    plan: TrainingSchedule,
    draw: Draw,
    loss_of: Loss,
    run: TrainingOptions,
    *,
    groups: list[dict[str, Any]],
    check: Check | None = None,
) -> N:
    """Train the parameters of a network on `run.device` that require a gradient; return a copy with
    averaged weights. `groups` are AdamW's, each with a highest rate (`lr`) and `weight_decay` of
    its own if it has one; the figures of `check`, on held-out data, go to `curve.csv`. With
    `plan.patience` training ends after so many steps in which their `HELD_OUT` did not fall, and
    the weights with the lowest are returned."""
    run.out.mkdir(parents=True, exist_ok=True)
    average: N = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(groups, lr=plan.rate)
    rates = [group["lr"] for group in optimizer.param_groups]
    begin, file = 0, run.out / "state.pt"
    if run.resume and file.is_file():
        state = torch.load(file, weights_only=True, map_location=run.device)
        load_trained(network, state["network"])
        load_trained(average, state["average"])
        optimizer.load_state_dict(state["optimizer"])
        begin = int(state["step"])
    else:
        begin_run(plan, run)
        (run.out / "curve.csv").unlink(missing_ok=True)
    best, least, best_at = average, math.inf, begin
    began = saved = time.monotonic()
    recent: deque[float] = deque(maxlen=100)
    for step in range(begin, plan.steps):
        torch.manual_seed(plan.seed * 1_000_003 + step)
        inputs, labels = draw(step)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * rate_at(step, plan)
        network.train()
        loss = loss_of(network, inputs, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained(network).values(), plan.gradient)
        optimizer.step()
        # A short average at first, which forgets the untrained weights.
        _follow(average, network, max(1 - plan.average, 9 / (10 + step)))
        recent.append(float(loss.detach()))
        done = step + 1
        figures: dict[str, float] = {}
        if done % plan.check_every == 0 or done == plan.steps:
            figures = {"loss": float(np.mean(recent)), "seconds": time.monotonic() - began}
            figures |= check(average) if check else {}
            _log(run.out / "curve.csv", done, figures)
            if plan.patience and figures[HELD_OUT] < least:
                best, least, best_at = copy.deepcopy(average), figures[HELD_OUT], done
        run.on_progress("training", done, plan.steps, figures)
        if done == plan.steps or time.monotonic() - saved > SAVE_EVERY:
            _save(file, done, network, average, optimizer)
            saved = time.monotonic()
        if plan.patience and done - best_at >= plan.patience:
            break
    return best


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move averaged weights towards those of a network."""
    theirs, now = (list(trained(module).values()) for module in (average, network))
    torch._foreach_lerp_(theirs, now, share)


def _save(
    file: Path, step: int, network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write a checkpoint."""
    state = {"step": step, "optimizer": optimizer.state_dict()}
    for name, module in (("network", network), ("average", average)):
        state[name] = {key: weight.detach() for key, weight in trained(module).items()}
    scratch = file.with_suffix(".part")
    torch.save(state, scratch)
    scratch.replace(file)


def save_halves(network: nn.Module, path: Path) -> None:
    """Write a network with its kernels and matrices as fp16, and its vectors as they are."""
    state = {
        name: (value.half() if value.ndim > 1 else value).contiguous().clone()
        for name, value in network.state_dict().items()
    }
    save_file(state, path)


def _log(path: Path, step: int, figures: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream)
        if new:
            writer.writerow(["step", *figures])
        writer.writerow([step, *(f"{value:.5g}" for value in figures.values())])


def begin_run(plan: StrictModel, run: TrainingOptions) -> None:
    """Create the folder of a run and write its `config.json`."""
    run.out.mkdir(parents=True, exist_ok=True)
    made_with = {"recipe": plan.model_dump(), **software(run.device).model_dump()}
    text = json.dumps(made_with | {"threads": torch.get_num_threads()}, indent=1)
    (run.out / "config.json").write_text(text)
