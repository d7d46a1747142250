"""The CLIP detector as it is trained: a frozen trunk, small tuned weights beside it, and a head.

Features are class tokens after some blocks, each layer-normalized, concatenated and L2-normalized.
Tuned are LoRA factors on some linear layers, all LayerNorms and the biases of all linear layers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from detector import paths
from detector.errors import WeightsError

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
CLASSES = 3
"""Logits: real, face altered, head generated."""
PREFIX = "vision."


def load_trunk(path: Path | None = None) -> nn.Module:
    """Return the image tower of CLIP ViT-B/16 (transformers' `CLIPVisionModel`).

    Parameters
    ----------
    path : Path, optional
        Tensors named `vision.` and transformers' name; a matrix is int8 rows beside `NAME.scale`,
        or floats. Default: the file that ships.

    Raises
    ------
    WeightsError
        The file is missing or holds another network.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(patch_size=16, hidden_act="quick_gelu", layer_norm_eps=1e-5)
    trunk = CLIPVisionModel(config)
    path = path or paths.bundled() / "clip_b16.safetensors"
    if not path.is_file():
        raise WeightsError(f"The trunk {path} is missing.")
    stored = load_file(path)
    state = {
        name.removeprefix(PREFIX): _dequantized(value, stored.get(_scale_of(name)))
        for name, value in stored.items()
        if not name.endswith(".scale")
    }
    missing, unexpected = trunk.load_state_dict(state, strict=False)
    if wrong := [*(name for name in missing if "position_ids" not in name), *unexpected]:
        raise WeightsError(f"The trunk {path.name} does not fit: {wrong[0]}.")
    return trunk


def _scale_of(name: str) -> str:
    return name.removesuffix("weight") + "scale"


def _dequantized(value: Tensor, scale: Tensor | None) -> Tensor:
    return value.float() if value.dtype != torch.int8 or scale is None else value * scale[:, None]


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


class ClipNetwork(nn.Module):
    """Pictures, float [N, 3, S, S] in 0..1, to logits [N, 3] and features [N, D].

    Parameters
    ----------
    trunk : nn.Module
        A `CLIPVisionModel`.
    blocks : sequence of int
        Blocks whose class token is a feature, counted from 1.
    into : sequence of str
        Linear layers of each block with LoRA, such as `q_proj` and `fc1`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, trunk: nn.Module, blocks: Sequence[int], into: Sequence[str], rank: int
    ) -> None:
        super().__init__()
        self.vision, self.blocks = trunk.requires_grad_(False), tuple(blocks)
        for name, module in list(trunk.named_modules()):
            if isinstance(module, nn.LayerNorm) and name != "post_layernorm":
                module.requires_grad_(True)
            if isinstance(module, nn.Linear):
                module.bias.requires_grad_(True)
                parent, _, own = name.rpartition(".")
                if own in into:
                    setattr(trunk.get_submodule(parent), own, LoraLinear(module, rank))
        self.head = nn.Linear(trunk.config.hidden_size * len(self.blocks), CLASSES)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.scale = nn.Parameter(torch.tensor(2.5))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        seen = (pictures - self.mean) / self.std
        states = self.vision(seen, output_hidden_states=True).hidden_states
        tokens = [states[block][:, 0].float() for block in self.blocks]
        normalized = [F.layer_norm(token, token.shape[-1:]) for token in tokens]
        features = F.normalize(torch.cat(normalized, 1), dim=1)
        logits = F.linear(features, self.head.weight.float())
        return self.scale.exp() * logits + self.head.bias, features

    def head_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that are not the trunk's."""
        return [self.head.weight, self.head.bias, self.scale]


def fake_score(logits: Tensor) -> Tensor:
    """Return the log odds of "altered or generated" [N] from logits [N, 3]."""
    return torch.logsumexp(logits[:, 1:], 1) - logits[:, 0]


def save(network: ClipNetwork, path: Path) -> None:
    """Write the tuned weights as fp16."""
    tuned = {
        name: value.detach().half().cpu().contiguous()
        for name, value in network.named_parameters()
        if value.requires_grad
    }
    save_file(tuned, path)


@torch.no_grad()
def begin_with(network: ClipNetwork, tuned: dict[str, Tensor]) -> None:
    """Give a network the tuned weights of a file.

    Raises
    ------
    WeightsError
        They are of another network.
    """
    own = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if wrong := sorted(set(own) ^ set(tuned)):
        raise WeightsError(f"The weights to begin with do not fit: {wrong[0]}.")
    for name, parameter in own.items():
        if parameter.shape != tuned[name].shape:
            raise WeightsError(f"The weights to begin with do not fit: {name}.")
        parameter.copy_(tuned[name])


def read_tuned(begin: str) -> dict[str, Tensor]:
    """Return the tuned weights of a file, or of the one that ships (`shipped`).

    Raises
    ------
    WeightsError
        There is no such file.
    """
    path = paths.bundled() / "clip.safetensors" if begin == "shipped" else Path(begin)
    if not path.is_file():
        raise WeightsError(f"There are no weights {path} to begin with.")
    return load_file(path)


def adapters_of(tuned: dict[str, Tensor]) -> tuple[list[str], int]:
    """Return which layers have LoRA in tuned weights, and its rank."""
    found = {
        match[1]: len(value)
        for name, value in tuned.items()
        if (match := re.search(r"(\w+)\.lora_a$", name))
    }
    return sorted(found), max(found.values(), default=0)
