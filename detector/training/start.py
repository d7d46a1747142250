"""What a training run starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.errors import WeightsError
from detector.models.families import mobilenet
from detector.models.families.mobilenet import MobileNetV2
from detector.training.recipe import Recipe
from detector.weights import load_state


def frame_network(
    plan: Recipe,
    path: Path | None,
    family: Callable[..., nn.Module] = MobileNetV2,
    untrained: frozenset[str] = frozenset({"classifier"}),
) -> nn.Module:
    """Return a recipe's network on single crops: untrained, from a trunk, or from a trained model.

    Parameters
    ----------
    path : Path or None
        The weights to begin with.
    family : callable
        Makes a network with `features` and `classifier` of the recipe's options.
    untrained : frozenset of str
        Parts that the weights need not hold: each is there as a whole, or begins untrained. What
        the classifier has not learned to look at yet counts nothing.

    Raises
    ------
    WeightsError
        The weights are of another network.
    """
    options: dict[str, Any] = dict(plan.options)
    tune = options.pop("tune", "whole")
    network = family(**options)
    if tune == "norms":  # as GenD was made from CLIP
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.requires_grad_(False)
    last = network.classifier[1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    if path is None or network.features is None:
        return network
    state = load_state(path)
    if (weight := state.get("classifier.1.weight")) is not None:
        # Whatever else the network looks at counts nothing yet.
        state["classifier.1.weight"] = F.pad(weight, (0, last.in_features - weight.shape[1]))
    missing, unexpected = network.load_state_dict(state, strict=False)
    fresh = untrained - {name.partition(".")[0] for name in state}
    left_over = [name for name in missing if name.partition(".")[0] not in fresh]
    if left_over or unexpected:
        raise WeightsError(f"The trunk {path.name} does not fit: {[*left_over, *unexpected][:3]}")
    return network


@torch.no_grad()
def refit_statistics(network: nn.Module, batch: Tensor) -> None:
    """Give folded batch norms statistics again, without changing the function.

    A trunk whose batch norms were folded into its convolutions has identity norms; trained as they
    are, the first step in training mode would shift every layer. Each norm takes mean and variance
    of what reaches it, and scale and bias that undo them.

    Parameters
    ----------
    batch : float [N, 3, S, S]
        Pictures of the kind that the network will see, normalized.
    """

    def refit(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        mean, var = norm.running_mean, norm.running_var
        assert mean is not None and var is not None
        scale = norm.weight / torch.sqrt(var + norm.eps)
        bias = norm.bias - mean * scale
        new_mean = inputs[0].mean((0, 2, 3))
        # A channel that is (nearly) constant on this batch would get a scale of nothing.
        new_var = inputs[0].var((0, 2, 3), unbiased=False).clamp_min(1e-3)
        norm.weight.copy_(scale * torch.sqrt(new_var + norm.eps))
        norm.bias.copy_(bias + new_mean * scale)
        mean.copy_(new_mean)
        var.copy_(new_var)

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks: list[Any] = [norm.register_forward_pre_hook(refit) for norm in norms]
    was_training = network.training
    network.eval()
    try:
        network(batch)
    finally:
        for hook in hooks:
            hook.remove()
        network.train(was_training)


def is_trained(path: Path | None) -> bool:
    """Return whether these are weights of a whole model, not of a trunk."""
    return path is not None and any(name.startswith("classifier") for name in load_state(path))


def trunk_state(path: Path | None) -> dict[str, Tensor]:
    """Return the state of `MobileNetV2.features[:MIDDLE]` from a trained frame model.

    Raises
    ------
    WeightsError
        If there is no such model.
    """
    if path is None:
        raise WeightsError("A clip model stands on a trained frame model: name its weights.")
    trunk = mobilenet.build(load_state(path), path.name).features[: mobilenet.MIDDLE]
    state: dict[str, Tensor] = trunk.state_dict()
    return state
