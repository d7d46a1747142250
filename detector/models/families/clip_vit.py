"""CLIP ViT-B/16 read at several depths: class tokens of four or nine blocks, one linear layer.

Trunk: the image tower of OpenAI's CLIP ViT-B/16 (Radford et al., ICML 2021, MIT), stored as int8
rows with a scale for each output channel. Tuned: low-rank updates (LoRA, Hu et al., ICLR 2022),
layer norms, biases and the head. Multi-block class tokens follow RINE (Koutlis and Papadopoulos,
ECCV 2024).

Two files: the published trunk, and the tuned tensors, which replace or are added to it. Entries
whose second file is a single layer share the trunk and its compiled form."""

from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import runtime
from detector.models import graphs
from detector.models.base import Files, Model, ModelSpec
from detector.models.graphs.clip import BLOCKS, EVERY_BLOCK
from detector.models.network import TokenModel, skip_init
from detector.models.ready import ReadyModel
from detector.runtime import Chain, Runner
from detector.weights import dequantized, load_state, load_strict

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
"""Vision configuration of `openai/clip-vit-base-patch16`."""
CLASSES = ("real", "altered", "generated")
"""Outputs of face models, read by `real_index` (fake is altered or generated) or `fake_index`.
Whole-picture models have one, the logit of "generated"."""


class TokenLayer(nn.Module):
    """Linear classifier of class tokens, normalized to length 1: float [N, features] -> logits."""

    def __init__(self, features: int = len(BLOCKS) * 768, outputs: int = len(CLASSES)) -> None:
        super().__init__()
        self.head = nn.Linear(features, outputs)
        self.scale = nn.Parameter(torch.zeros(()))

    def classify(self, features: Tensor) -> Tensor:
        return self.scale.exp() * F.linear(features, self.head.weight) + self.head.bias


class ClipBlocks(TokenLayer):
    """float [N, 3, 224, 224], normalized -> logits, [N, outputs]. `config`: transformers'
    `CLIPVisionConfig`; `blocks`: the blocks to read, from 1."""

    def __init__(
        self,
        config: Mapping[str, object] = CLIP_B16,
        blocks: tuple[int, ...] = BLOCKS,
        vision: nn.ModuleDict | None = None,
    ) -> None:
        """`vision`: a trunk to share with another network."""
        from transformers import CLIPVisionConfig, CLIPVisionModel

        settings = CLIPVisionConfig(**config, attn_implementation="sdpa")
        super().__init__(len(blocks) * settings.hidden_size)
        # Its parts alone: to trace the model as a whole warns of properties that it does not have.
        self.vision = vision or nn.ModuleDict(dict(CLIPVisionModel(settings).named_children()))
        self.blocks = blocks

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x))

    @property
    def layers(self) -> nn.ModuleList:
        return self.vision["encoder"].layers

    def features(self, x: Tensor) -> Tensor:
        """Return the concatenated class tokens, normalized to length 1: [N, blocks * hidden]."""
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
    """Return the trunk's dequantized weights, float32."""
    return dequantized(load_state(path))


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


def shared_trunk(trunk: Path, device: str) -> ClipBlocks:
    """Return the published trunk, read after `EVERY_BLOCK`."""
    with skip_init():
        network = ClipBlocks(blocks=EVERY_BLOCK)
    unused = {f"head.{name}": tensor for name, tensor in network.head.state_dict().items()}
    load_strict(network, read_trunk(trunk) | unused | {"scale": torch.zeros(())}, trunk.name)
    return network.eval().requires_grad_(False).to(device)


@lru_cache(maxsize=1)
def shared_tokens(trunk: Path, name: str, device: str) -> Runner:
    """Return the compiled shared trunk: float [N, 3, 224, 224] -> class tokens [N, blocks, hidden].
    `name` identifies the trunk's file."""
    if runtime.package(device) == "openvino":
        return Chain(*(graph.opened() for graph in graphs.trunk_tokens(trunk, name)))
    example = torch.zeros(2, 3, 224, 224, device=device)
    return runtime.compile(_ClassTokens(shared_trunk(trunk, device)), example, device, bf16=True)


def tokens_of(spec: ModelSpec, files: Files, device: str) -> Runner:
    """Return `shared_tokens` for an entry whose first file is the trunk."""
    return shared_tokens(files[0], spec.files[0].sha256 or str(files[0]), device)


def _layer(changes: Mapping[str, Tensor], name: str) -> TokenLayer:
    shape = changes["head.weight"].shape if "head.weight" in changes else ()
    with skip_init():
        layer = TokenLayer(*reversed(shape))
    load_strict(layer, dict(changes), name)
    return layer.eval().requires_grad_(False)


def _read(layer: TokenLayer) -> tuple[int, ...]:
    """Return the blocks that a layer reads, by its width."""
    return BLOCKS if layer.head.in_features == len(BLOCKS) * 768 else EVERY_BLOCK


class _OverTokens(nn.Module):
    """Class tokens of the shared trunk, [N, blocks, hidden] -> logits of a layer, and the tokens,
    [N, blocks * hidden], which `detector.models.unlike` reads."""

    def __init__(self, layer: TokenLayer) -> None:
        super().__init__()
        self.layer = layer
        self.read = [EVERY_BLOCK.index(block) for block in _read(layer)]

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        read = F.normalize(tokens[:, self.read].flatten(1), dim=1)
        return self.layer.classify(read), tokens.flatten(1)


def _whole(spec: ModelSpec, network: ClipBlocks, device: str, run: Runner | None) -> TokenModel:
    # Gradients end at the class tokens, so maps are taken before the last block that is read.
    return TokenModel(spec, network, device, network.layers[BLOCKS[-2]], run)


def load(spec: ModelSpec, files: Files, device: str) -> Model:
    """Load the trunk and the tuned tensors, in this order."""
    trunk, head = files
    changes = load_state(head)
    if any(name.startswith("vision.") for name in changes):
        network = build(tuned(read_trunk(trunk), changes)).to(device)
        example = torch.zeros(2, 3, 224, 224, device=device)
        run = runtime.compile(network, example, device, bf16=True)
        return _whole(spec, network, device, run)
    layer = _layer(changes, spec.id).to(device)

    def whole(run: Runner | None = None) -> TokenModel:
        network = ClipBlocks(blocks=_read(layer), vision=shared_trunk(trunk, device).vision)
        network.head, network.scale = layer.head, layer.scale
        return _whole(spec, network.eval().requires_grad_(False), device, run)

    if not runtime.compiles.get():
        return whole()
    example = torch.zeros(2, len(EVERY_BLOCK), CLIP_B16["hidden_size"], device=device)
    over = runtime.compile(_OverTokens(layer), example, device)
    chain = Chain(tokens_of(spec, files, device), over)
    return ReadyModel(spec, chain, Model.BATCH, partial(whole, chain))
