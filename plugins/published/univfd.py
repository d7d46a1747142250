"""UniversalFakeDetect: one linear layer on a frozen CLIP ViT-L/14, for generated pictures.

Ojha, Li, Lee: "Towards Universal Fake Image Detectors that Generalize Across Generative Models",
CVPR 2023, arXiv:2302.10174; github.com/WisconsinAIVision/UniversalFakeDetect (MIT).

Two files: OpenAI's ViT-L-14.pt (or the same trunk with transformers' names), and the authors' layer
of 769 numbers."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from detector.models.base import Files, ModelSpec
from detector.models.network import RenamedState, Rule, TokenModel, clip_vision, skip_init
from detector.weights import load_state, load_strict
from detector.weights.state_dicts import is_archive, read_archive

_BLOCK = r"visual\.transformer\.resblocks\.(\d+)\."


def _block(inner: str) -> Rule:
    """Return the rule `resblocks.7.ln_1.` -> `layers.7.layer_norm1.`"""
    theirs, ours = inner.split(" ")
    return (_BLOCK + re.escape(theirs), lambda match: f"vision.encoder.layers.{match[1]}.{ours}")


OPENAI: tuple[Rule, ...] = (
    (r"visual\.class_embedding$", "vision.embeddings.class_embedding"),
    (r"visual\.positional_embedding$", "vision.embeddings.position_embedding.weight"),
    (r"visual\.conv1\.", "vision.embeddings.patch_embedding."),
    (r"visual\.ln_pre\.", "vision.pre_layrnorm."),
    (r"visual\.ln_post\.", "vision.post_layernorm."),
    (r"visual\.proj$", "projection.weight"),
    _block("ln_1 layer_norm1"),
    _block("ln_2 layer_norm2"),
    _block("mlp.c_fc mlp.fc1"),
    _block("mlp.c_proj mlp.fc2"),
    _block("attn. self_attn."),
    # The text tower and its settings.
    (r"(transformer|token_embedding|ln_final)\.", None),
    (r"(positional_embedding|text_projection|logit_scale)$", None),
    (r"(input_resolution|context_length|vocab_size)$", None),
)
TRANSFORMERS: tuple[Rule, ...] = (
    (r"vision_model\.embeddings\.position_ids$", None),
    (r"vision_model\.", "vision."),
    (r"visual_projection\.", "projection."),
    (r"(text_model|text_projection)\.", None),
    (r"logit_scale$", None),
)


class UniversalFakeDetect(nn.Module):
    """float [N, 3, 224, 224] -> logits of fake, [N, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = clip_vision()
        self.projection = nn.Linear(1024, 768, bias=False)
        self.fc = nn.Linear(768, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.projection(self.vision(x).pooler_output))


def from_openai(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert names and layout of OpenAI's vision tower to those of `UniversalFakeDetect`."""
    named: dict[str, Tensor] = {}
    for name, tensor in RenamedState(state, OPENAI).items():
        if name.startswith("vision.") and ".in_proj_" in name:
            stem, leaf = name.split("in_proj_")
            for part, rows in zip("qkv", tensor.chunk(3), strict=True):
                named[f"{stem}{part}_proj.{leaf}"] = rows
        else:
            named[name] = tensor.T if name == "projection.weight" else tensor
    return named


def load(spec: ModelSpec, files: Files, device: str) -> TokenModel:
    """Load the trunk and the layer, in this order."""
    trunk, head = files
    state = read_archive(trunk) if is_archive(trunk) else load_state(trunk, spec)
    # Scripts that save the whole detector put it under "model."
    state = {name.removeprefix("model."): tensor for name, tensor in state.items()}
    openai = any(name.startswith("visual.") for name in state)
    named = from_openai(state) if openai else RenamedState(state, TRANSFORMERS)
    layer = load_state(head, spec)
    named |= {f"fc.{name.removeprefix('fc.')}": tensor for name, tensor in layer.items()}
    with skip_init():
        network = UniversalFakeDetect()
    load_strict(network, named, spec.id)
    return TokenModel(spec, network, device, network.vision.encoder.layers[-2])
