"""GenD: a foundation model's ViT-L, its feature brought to unit length, one linear layer.

Yermakov, Cech, Matas, Fritz: "Deepfake Detection that Generalizes Across Benchmarks", WACV 2026,
arXiv:2508.06248; github.com/yermandy/GenD (MIT), weights at huggingface.co/yermandy (MIT). The
feature is CLIP's pooled class token, the Perception Encoder's attention pool, or DINOv3's class
token; only layer norms and the head were trained.

LN-CLIP-DF is its forerunner (github.com/yermandy/deepfake-detection, MIT): the same network on
CLIP, whose file is a Lightning checkpoint with peft's names, each norm before and after tuning.

Modules here are named so that the published names fit. The base models are built from their
configurations; nothing is downloaded, and there is no remote code to trust.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.errors import ModelError
from detector.models.base import Files, ModelSpec
from detector.models.names import Rule, rename
from detector.models.vit import TokenModel, clip_vision, unfilled
from detector.weights import load_state, load_strict

FRAMES = 32
"""Faces of a clip that its authors score; the score is the mean of their probabilities."""

DINOV3_L16 = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 16,
    "image_size": 224,
    "num_register_tokens": 4,
    "key_bias": False,
}
"""`facebook/dinov3-vitl16-pretrain-lvd1689m`, whose files are not open to everybody."""


class GenD(nn.Module, ABC):
    """float [N, 3, 224, 224] -> logits of real and fake, [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_extractor = nn.ModuleDict()
        self.model = nn.ModuleDict({"linear": nn.Linear(1024, 2)})

    def forward(self, x: Tensor) -> Tensor:
        return self.model["linear"](F.normalize(self.feature(x)))

    @abstractmethod
    def feature(self, x: Tensor) -> Tensor:
        """What the trunk says of each picture, [N, 1024]."""

    @property
    @abstractmethod
    def target_layer(self) -> nn.Module:
        """The block before the last."""


class ClipGenD(GenD):
    """On CLIP ViT-L/14."""

    def __init__(self, projection: bool = True) -> None:
        super().__init__()
        self.feature_extractor["vision_model"] = clip_vision()
        if projection:  # in the file, and of no effect
            self.feature_extractor["visual_projection"] = nn.Linear(1024, 768, bias=False)

    def feature(self, x: Tensor) -> Tensor:
        return self.feature_extractor["vision_model"](x).pooler_output

    @property
    def target_layer(self) -> nn.Module:
        return self.feature_extractor["vision_model"].encoder.layers[-2]


class PerceptionGenD(GenD):
    """On Meta's Perception Encoder, core L/14; its grid for 336 px is resampled to 224."""

    def __init__(self) -> None:
        import timm

        super().__init__()
        self.feature_extractor["backbone"] = timm.create_model(
            "vit_pe_core_large_patch14_336",
            pretrained=False,
            num_classes=0,
            dynamic_img_size=True,
        )

    def feature(self, x: Tensor) -> Tensor:
        return self.feature_extractor["backbone"](x)

    @property
    def target_layer(self) -> nn.Module:
        return self.feature_extractor["backbone"].blocks[-2]


class DinoGenD(GenD):
    """On DINOv3 ViT-L/16."""

    def __init__(self) -> None:
        from transformers import DINOv3ViTConfig, DINOv3ViTModel

        super().__init__()
        self.feature_extractor["backbone"] = DINOv3ViTModel(DINOv3ViTConfig(**DINOV3_L16))

    def feature(self, x: Tensor) -> Tensor:
        return self.feature_extractor["backbone"](x).last_hidden_state[:, 0]

    @property
    def target_layer(self) -> nn.Module:
        return self.feature_extractor["backbone"].model.layer[-2]


_RULES: dict[str, tuple[Rule, ...]] = {
    "clip": (),
    "pe": (),
    # transformers 5 moved the blocks of DINOv3 one name down.
    "dinov3": (
        (r"feature_extractor\.backbone\.layer\.", "feature_extractor.backbone.model.layer."),
    ),
    # peft keeps each norm twice: as it was, and tuned.
    "lnclip": (
        (r"feature_extractor\.base_model\.model\..*\.base_layer\.(weight|bias)$", None),
        (
            r"feature_extractor\.base_model\.model\.(.*)ln_tuning_layers\.default\.",
            lambda found: f"feature_extractor.{found[1]}",
        ),
        (r"feature_extractor\.base_model\.model\.", "feature_extractor."),
    ),
}


def build(backbone: str) -> GenD:
    """A network without weights: "clip", "pe", "dinov3" or "lnclip"."""
    if backbone == "clip":
        return ClipGenD()
    if backbone == "lnclip":
        return ClipGenD(projection=False)
    if backbone == "pe":
        return PerceptionGenD()
    if backbone == "dinov3":
        return DinoGenD()
    raise ModelError(f"GenD has no backbone {backbone!r}, only {', '.join(_RULES)}.")


def load(spec: ModelSpec, files: Files, device: str) -> TokenModel:
    """Load one published file; `options.backbone` says which network it is of."""
    backbone = str(spec.options.get("backbone"))
    with unfilled():
        network = build(backbone)
    load_strict(network, rename(load_state(files[0]), _RULES[backbone]), spec.id)
    return TokenModel(spec, network, device, network.target_layer)


def frame_order(count: int, most: int = FRAMES) -> list[int]:
    """Which frames of a clip its authors look at, and in which order.

    The middle one, then always the frame that is farthest from those chosen already (the first of
    several): they go on until 32 faces are found.

    Parameters
    ----------
    count : int
        Frames of the clip.
    most : int
        Frames wanted.
    """
    gaps = torch.full((count,), count)
    order: list[int] = []
    frame = count // 2
    while len(order) < min(count, most):
        order.append(frame)
        gaps = torch.minimum(gaps, (torch.arange(count) - frame).abs())
        frame = int((gaps == gaps.max()).nonzero()[0])
    return order
