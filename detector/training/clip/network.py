"""The CLIP detector as it is trained: `ClipBlocks` with a frozen trunk and small tuned weights.

Tuned are LoRA factors on some linear layers, all LayerNorms, the biases of all linear layers and
the head.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from detector import paths
from detector.errors import WeightsError
from detector.models.families.clip_blocks import ClipBlocks, read_trunk
from detector.training.fit import load_trained, trained
from detector.weights import load_strict

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
    """Freeze the trunk but for what is tuned, and begin the head anew. Linear layers with the names
    `into`, such as `q_proj` and `fc1`, get LoRA in each block."""
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


def begin_with(network: ClipBlocks, tuned: dict[str, Tensor]) -> None:
    """Give a network the tuned weights of a file; raise WeightsError for those of another."""
    own, given = ({n: t.shape for n, t in w.items()} for w in (trained(network), tuned))
    if wrong := sorted(name for name in own | given if own.get(name) != given.get(name)):
        raise WeightsError(f"The weights to begin with do not fit: {wrong[0]}.")
    load_trained(network, tuned)


def adapters_of(tuned: dict[str, Tensor]) -> tuple[list[str], int]:
    """Return which layers have LoRA in tuned weights, and its rank."""
    found = {
        match[1]: len(value)
        for name, value in tuned.items()
        if (match := re.search(r"(\w+)\.lora_a$", name))
    }
    return sorted(found), max(found.values(), default=0)
