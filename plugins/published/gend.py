"""GenD: a foundation model's ViT-L, its feature normalized to unit length, one linear layer.

Yermakov, Cech, Matas, Fritz: "Deepfake Detection that Generalizes Across Benchmarks", WACV 2026,
arXiv:2508.06248; github.com/yermandy/GenD (MIT), weights at huggingface.co/yermandy (MIT). The
feature is CLIP's pooled class token, the Perception Encoder's attention pool, or DINOv3's class
token; only layer norms and the head were trained.

LN-CLIP-DF is its predecessor (github.com/yermandy/deepfake-detection, MIT): the same network on
CLIP, whose file is a Lightning checkpoint with peft's names, each norm before and after tuning.

Modules here are named so that the published names fit. The base models are built from their
configurations; nothing is downloaded, and there is no remote code."""

import timm
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import DINOv3ViTConfig, DINOv3ViTModel

from detector.models.base import Files, ModelSpec, option
from detector.models.network import Rule, TokenModel, clip_vision, load_network, skip_init

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
"""`facebook/dinov3-vitl16-pretrain-lvd1689m`, whose files are gated."""


class GenD(nn.Module):
    """float [N, 3, 224, 224] -> logits of real and fake, [N, 2]."""

    def __init__(self, backbone: str) -> None:
        super().__init__()
        trunk: nn.Module
        if backbone in ("clip", "lnclip"):
            parts = {"vision_model": (trunk := clip_vision())}
            if backbone == "clip":  # in the file, and of no effect
                parts["visual_projection"] = nn.Linear(1024, 768, bias=False)
        elif backbone == "pe":
            # Meta's Perception Encoder; its grid for 336 px is resampled to 224.
            name = "vit_pe_core_large_patch14_336"
            trunk = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True)
            parts = {"backbone": trunk}
        else:
            parts = {"backbone": (trunk := DINOv3ViTModel(DINOv3ViTConfig(**DINOV3_L16)))}
        self.feature_extractor = nn.ModuleDict(parts)
        self.model = nn.ModuleDict({"linear": nn.Linear(1024, 2)})
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        return self.model["linear"](F.normalize(self.feature(x)))

    def feature(self, x: Tensor) -> Tensor:
        """Return the trunk's feature of each picture, [N, 1024]."""
        features = self._trunk(x)
        if self.backbone == "pe":
            return features
        dino = self.backbone == "dinov3"
        return features.last_hidden_state[:, 0] if dino else features.pooler_output

    @property
    def target_layer(self) -> nn.Module:
        """Return the block before the last."""
        if self.backbone == "pe":
            return self._trunk.blocks[-2]
        dino = self.backbone == "dinov3"
        return (self._trunk.model.layer if dino else self._trunk.encoder.layers)[-2]

    @property
    def _trunk(self) -> nn.Module:
        return next(iter(self.feature_extractor.values()))


_RULES: dict[str, tuple[Rule, ...]] = {
    "clip": (),
    "pe": (),
    # transformers 5 moved the blocks of DINOv3 one name down.
    "dinov3": (
        (r"feature_extractor\.backbone\.layer\.", "feature_extractor.backbone.model.layer."),
    ),
    # peft stores each norm twice: original and tuned.
    "lnclip": (
        (r"feature_extractor\.base_model\.model\..*\.base_layer\.(weight|bias)$", None),
        (
            r"feature_extractor\.base_model\.model\.(.*)ln_tuning_layers\.default\.",
            lambda match: f"feature_extractor.{match[1]}",
        ),
        (r"feature_extractor\.base_model\.model\.", "feature_extractor."),
    ),
}


def load(spec: ModelSpec, files: Files, device: str) -> TokenModel:
    """Load one published file of the network in `options.backbone`."""
    rules = option(spec, "backbone", _RULES)
    with skip_init():
        network = GenD(str(spec.options["backbone"]))
    load_network(network, spec, files, rules)
    return TokenModel(spec, network, device, network.target_layer)
