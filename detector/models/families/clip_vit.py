"""CLIP ViT-B/16 read at several depths: class tokens of four blocks, one linear layer.

Trunk: the image tower of OpenAI's CLIP ViT-B/16 (Radford et al., ICML 2021, MIT), stored as int8
rows with a scale for each output channel. Tuned: low-rank updates (LoRA, Hu et al., ICLR 2022),
layer norms, biases and the head. Multi-block class tokens follow RINE (Koutlis and Papadopoulos,
ECCV 2024).

Two files: the trunk, which is as published, and what was tuned, which replaces or is added to it.
Entries whose second file is a layer alone share the trunk, and its compiled form.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.network import TorchFrameModel, skip_init
from detector.weights import load_state, load_strict

CLIP_B16 = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 16,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
"""As `openai/clip-vit-base-patch16` states its vision half."""
BLOCKS = (6, 8, 10, 12)  # Blocks, counted from 1, whose class tokens are read
EVERY_BLOCK = tuple(range(4, 13))  # Blocks that layers over the shared trunk may read
CLASSES = ("real", "altered", "generated")
"""Outputs. Entries read them by `real_index` (fake is altered or generated) or `fake_index`."""


class ClipBlocks(nn.Module):
    """float [N, 3, 224, 224], normalized -> logits of `CLASSES`, [N, 3]. `config` is that of
    transformers' `CLIPVisionConfig`, `blocks` are the blocks to read, counted from 1."""

    def __init__(
        self,
        config: Mapping[str, object] = CLIP_B16,
        blocks: tuple[int, ...] = BLOCKS,
        vision: nn.ModuleDict | None = None,
    ) -> None:
        """`vision`: the trunk of another network, to be shared with it."""
        super().__init__()
        from transformers import CLIPVisionConfig, CLIPVisionModel

        settings = CLIPVisionConfig(**config, attn_implementation="sdpa")
        # Its parts alone: to trace the model as a whole warns of properties that it does not have.
        self.vision = vision or nn.ModuleDict(dict(CLIPVisionModel(settings).named_children()))
        self.blocks = blocks
        self.head = nn.Linear(len(blocks) * settings.hidden_size, len(CLASSES))
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))

    def classify(self, features: Tensor) -> Tensor:
        """Return logits of `CLASSES` of `features`."""
        return self.scale.exp() * F.linear(features, self.head.weight) + self.head.bias

    @property
    def layers(self) -> nn.ModuleList:
        """Return the blocks."""
        return self.vision["encoder"].layers

    def features(self, x: Tensor) -> Tensor:
        """Return the blocks' normalized class tokens, of length 1: [N, blocks * hidden]."""
        return F.normalize(torch.cat(self.class_tokens(x), 1), dim=1)

    def class_tokens(self, x: Tensor) -> list[Tensor]:
        """Return the class token after each of the blocks, layer-normalized: [N, hidden] each."""
        read = [tokens[:, 0].float() for tokens in self.tokens(x)]
        return [F.layer_norm(token, token.shape[-1:]) for token in read]

    def tokens(self, x: Tensor) -> Iterator[Tensor]:
        """Yield all tokens after each of the blocks: [N, 1 + patches, hidden] each."""
        tokens = self.vision["pre_layrnorm"](self.vision["embeddings"](x))
        for number, block in enumerate(self.layers[: max(self.blocks)], 1):
            tokens = block(tokens, attention_mask=None)
            if number in self.blocks:
                yield tokens


def read_trunk(path: Path) -> dict[str, Tensor]:
    """Return the trunk's weights, float32, each int8 row times its scale."""
    state = load_state(path)
    scales = {name: state.pop(name) for name in [n for n in state if n.endswith(".scale")]}
    for name, scale in scales.items():
        weight = name.removesuffix("scale") + "weight"
        state[weight] = state[weight].float() * scale[:, None]
    return state


def tuned(trunk: Mapping[str, Tensor], changes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the trunk with tuned tensors in place and `lora_b @ lora_a` added."""
    state = dict(trunk)
    for name, tensor in changes.items():
        if name.endswith(".lora_a"):
            layer = name.removesuffix("lora_a")
            update = changes[f"{layer}lora_b"].float() @ tensor.float()
            state[f"{layer}weight"] = state[f"{layer}weight"] + update
        elif not name.endswith(".lora_b"):
            state[name] = tensor.float()
    return state


def build(state: Mapping[str, Tensor], name: str = "clip") -> ClipBlocks:
    """Return a network with these weights in evaluation mode; raise WeightsError."""
    with skip_init():
        network = ClipBlocks()
    load_strict(network, state, name)
    return network.eval().requires_grad_(False)


class _ClassTokens(nn.Module):
    """float [N, 3, 224, 224] -> the trunk's class tokens, [N, blocks, hidden]."""

    def __init__(self, trunk: ClipBlocks) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack(self.trunk.class_tokens(x), 1)


@lru_cache(maxsize=1)
def shared_trunk(trunk: Path, device: str) -> tuple[ClipBlocks, runtime.Runner]:
    """Return the trunk as published, read after `EVERY_BLOCK`, and what gives its class tokens,
    compiled: float [N, 3, 224, 224] -> [N, blocks, hidden]."""
    with skip_init():
        network = ClipBlocks(blocks=EVERY_BLOCK)
    unused = {f"head.{name}": tensor for name, tensor in network.head.state_dict().items()}
    load_strict(network, read_trunk(trunk) | unused | {"scale": torch.zeros(())}, trunk.name)
    network = network.eval().requires_grad_(False).to(device)
    example = torch.zeros(2, 3, 224, 224, device=device)
    return network, runtime.compile(_ClassTokens(network), example, device, bf16=True)


def _layer(
    trunk: Path, layer: Mapping[str, Tensor], device: str
) -> tuple[ClipBlocks, runtime.Runner]:
    """Return a network whose layer alone is its own, and its compiled form."""
    shared, tokens = shared_trunk(trunk, device)
    network = ClipBlocks(vision=shared.vision)
    network.load_state_dict(layer, strict=False)
    network.eval().requires_grad_(False).to(device)
    read = [EVERY_BLOCK.index(block) for block in BLOCKS]

    def run(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        features = torch.from_numpy(tokens(batch)[0][:, read]).flatten(1).to(device)
        return (network.classify(F.normalize(features, dim=1)).cpu().numpy(),)

    return network, run


@lru_cache(maxsize=2)
def _network(trunk: Path, head: Path, device: str) -> tuple[ClipBlocks, runtime.Runner]:
    """Return the network and its compiled form; entries of the same files share them."""
    changes = load_state(head)
    if not any(name.startswith("vision.") for name in changes):
        return _layer(trunk, changes, device)
    network = build(tuned(read_trunk(trunk), changes)).to(device)
    example = torch.zeros(2, 3, 224, 224, device=device)
    return network, runtime.compile(network, example, device, bf16=True)


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load the trunk and what was tuned, in this order."""
    trunk, head = files
    network, run = _network(trunk, head, device)
    # Gradients end at the class tokens, so maps are taken before the last block that is read.
    return TorchFrameModel(spec, network, device, network.layers[BLOCKS[-2]], run)
