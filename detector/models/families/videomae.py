"""VideoMAE with CLIP's blocks: a video transformer initialized from an image transformer.

transformers' `VideoMAEForVideoClassification` (Tong et al., NeurIPS 2022), whose blocks are the
first of the published CLIP ViT-B/16 (`clip_vit`) and attend over all tubelets of a clip. The
patch embedding is inflated over time, as in I3D (Carreira and Zisserman, CVPR 2017): a clip without
motion gives the tokens of its picture. One linear layer reads CLIP's class token.

Two files: the published trunk, and the layer."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.families.clip_vit import CLIP_B16, read_trunk
from detector.models.families.hub import Classifier, quiet
from detector.models.network import TokenVideoModel, skip_init
from detector.weights import load_state, load_strict

_NAMES = {
    r"layers\.(\d+)\.self_attn\.q_proj": r"layer.\1.attention.attention.query",
    r"layers\.(\d+)\.self_attn\.k_proj": r"layer.\1.attention.attention.key",
    r"layers\.(\d+)\.self_attn\.v_proj": r"layer.\1.attention.attention.value",
    r"layers\.(\d+)\.self_attn\.out_proj": r"layer.\1.attention.output.dense",
    r"layers\.(\d+)\.mlp\.fc1": r"layer.\1.intermediate.dense",
    r"layers\.(\d+)\.mlp\.fc2": r"layer.\1.output.dense",
    r"layers\.(\d+)\.layer_norm1": r"layer.\1.layernorm_before",
    r"layers\.(\d+)\.layer_norm2": r"layer.\1.layernorm_after",
}
"""Modules of CLIP's encoder -> VideoMAE's names."""


class ClipEmbeddings(nn.Module):
    """float [N, T, 3, S, S] -> CLIP's class token and the tubelets, normalized: [N, 1 + n, C]."""

    def __init__(self, patches: nn.Module, places: int, width: int) -> None:
        super().__init__()
        self.patch_embeddings = patches
        self.class_token = nn.Parameter(torch.zeros(width))
        self.positions = nn.Parameter(torch.zeros(places, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, pixel_values: Tensor, bool_masked_pos: Tensor | None = None) -> Tensor:
        tubelets = self.patch_embeddings(pixel_values)
        steps = tubelets.shape[1] // len(self.positions)
        first = self.class_token.expand(tubelets.shape[0], 1, -1)
        embedded = torch.cat([first, tubelets + self.positions.repeat(steps, 1)], 1)
        return self.norm(embedded)


def build(trunk: Mapping[str, Tensor], layer: Mapping[str, Tensor], spec: ModelSpec) -> nn.Module:
    """Return the network of an entry's options with CLIP's weights and a layer (`classifier.weight`
    [1, C], `classifier.bias` [1]). Raise WeightsError for a misfit."""
    from transformers import VideoMAEConfig, VideoMAEForVideoClassification

    shape: dict[str, Any] = CLIP_B16 | spec.options
    with quiet(), skip_init():
        model = VideoMAEForVideoClassification(
            VideoMAEConfig(**shape, num_labels=1, use_mean_pooling=False)
        )
    model.loss_type = "ForSequenceClassification"  # prevents a warning during tracing
    side, width = shape["image_size"] // shape["patch_size"], shape["hidden_size"]
    patches = model.videomae.embeddings.patch_embeddings
    model.videomae.embeddings = ClipEmbeddings(patches, side**2, width)
    load_strict(model, _renamed(trunk, shape, side) | dict(layer), spec.id)
    return model.float().eval().requires_grad_(False)


def _renamed(trunk: Mapping[str, Tensor], shape: Mapping[str, Any], side: int) -> dict[str, Tensor]:
    """Return CLIP's weights under VideoMAE's names, its positions at another resolution."""
    given = {name.removeprefix("vision."): value for name, value in trunk.items()}
    width, tubelet = shape["hidden_size"], shape["tubelet_size"]
    positions = given["embeddings.position_embedding.weight"]
    old = int(len(positions[1:]) ** 0.5)
    places = positions[1:].T.reshape(1, width, old, old)
    places = F.interpolate(places, (side, side), mode="bicubic", antialias=True)
    flat = given["embeddings.patch_embedding.weight"]
    own = "videomae.embeddings."
    state = {
        f"{own}patch_embeddings.projection.weight": flat[:, :, None].repeat(1, 1, tubelet, 1, 1)
        / tubelet,
        f"{own}patch_embeddings.projection.bias": torch.zeros(width),
        f"{own}class_token": given["embeddings.class_embedding"] + positions[0],
        f"{own}positions": places.reshape(width, -1).T,
        f"{own}norm.weight": given["pre_layrnorm.weight"],
        f"{own}norm.bias": given["pre_layrnorm.bias"],
        "videomae.layernorm.weight": torch.ones(width),
        "videomae.layernorm.bias": torch.zeros(width),
    }
    for name, value in given.items():
        for pattern, wanted in _NAMES.items():
            found = re.fullmatch(rf"encoder\.{pattern}\.(weight|bias)", name)
            if found is None or int(found[1]) >= shape["num_hidden_layers"]:
                continue
            # A bias of the keys adds the same to all scores of a query, which softmax forgets.
            if not name.endswith("k_proj.bias"):
                state[f"videomae.encoder.{found.expand(wanted)}.{found[2]}"] = value
    return state


def load(spec: ModelSpec, files: Files, device: str) -> TokenVideoModel:
    """Load the trunk and the layer, in this order."""
    trunk, layer = files
    network = Classifier(build(read_trunk(trunk), load_state(layer), spec)).to(device)
    side = spec.crop.size
    example = torch.zeros(2, spec.clip_frames, 3, side, side, device=device)
    run = runtime.compile(network.eval(), example, device, bf16=True)
    return TokenVideoModel(spec, network, device, network.target_layer, run)
