"""EfficientNet (Tan and Le 2019) as published detectors use it, on the trunks of timm.

- Bonettini et al., "Video Face Manipulation Detection Through Ensemble of CNNs", ICPR 2020,
  arXiv:2004.07676; github.com/polimi-ispl/icpr2020dfdc (GPL-3.0): B4, with attention, and tuned
  with triplets.
- Yan et al., "DeepfakeBench", NeurIPS 2023, arXiv:2307.01426; github.com/SCLBD/DeepfakeBench
  (CC BY-NC 4.0): B4.
- Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022,
  arXiv:2204.08376; github.com/mapooon/SelfBlendedImages (research only): B4.
- Seferbekov, winner of the DFDC challenge 2020; github.com/selimsef/dfdc_deepfake_challenge (MIT):
  B7.

All but the last were trained with efficientnet_pytorch, which pads in its own ways. Up to version
0.6.3 it pads as TensorFlow's "SAME" does for the size at hand, as timm's `tf_` trunks do. Since 0.7
it pads as for 380 px whatever the size; at 380 px that is the same.
"""

from dataclasses import dataclass

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.base import Files, ModelSpec, option
from detector.models.network import MappingModel, RenamedState, Rule, TorchFrameModel, forward_hook
from detector.weights import load_state, load_strict

ATTENTION_STAGE = 2  # Stage whose output the attention weighs: 56 channels, 28 x 28 at 224 px

# efficientnet_pytorch's paddings of the convolutions with stride 2, as for 380 px: before, after
_AS_FOR_380 = {1: (0, 1), 2: (2, 2), 3: (0, 1), 5: (1, 2)}


@dataclass(frozen=True)
class EfficientNetLayout:
    """Layout and parameter names of one repository's network."""

    rules: tuple[Rule, ...]
    outputs: int = 1
    trunk: str = "tf_efficientnet_b4"
    original_names: bool = True  # efficientnet_pytorch's; else those of timm
    normed: bool = False  # a batch norm in front of the last layer
    padded_as_for_380: bool = False


LAYOUTS = {
    "ispl": EfficientNetLayout(
        ((r"efficientnet\.attconv\.", "attention."), (r"efficientnet\.", "trunk."))
    ),
    "ispl-st": EfficientNetLayout(
        (
            (r"feat_ext\.efficientnet\.attconv\.", "attention."),
            (r"feat_ext\.efficientnet\.", "trunk."),
            (r"feat_ext\.classifier\.", None),
            (r"classifier\.0\.", "norm."),
            (r"classifier\.1\.", "classifier."),
        ),
        normed=True,
    ),
    "deepfakebench": EfficientNetLayout(
        ((r"backbone\.efficientnet\.", "trunk."), (r"backbone\.last_layer\.", "classifier.")),
        outputs=2,
        padded_as_for_380=True,
    ),
    "sbi": EfficientNetLayout(((r"net\._fc\.", "classifier."), (r"net\.", "trunk.")), outputs=2),
    "selimsef": EfficientNetLayout(
        ((r"encoder\.classifier\.", None), (r"encoder\.", "trunk."), (r"fc\.", "classifier.")),
        trunk="tf_efficientnet_b7",
        original_names=False,
    ),
}


class EfficientNet(nn.Module):
    """float [N, 3, S, S] -> logits [N, outputs]."""

    def __init__(self, layout: EfficientNetLayout, *, attention: bool = False) -> None:
        super().__init__()
        self.trunk = timm.create_model(layout.trunk, pretrained=False, num_classes=0)
        if layout.padded_as_for_380:
            # The benchmark replaces the stem by one without padding.
            channels = self.trunk.conv_stem.out_channels
            self.trunk.conv_stem = nn.Conv2d(3, channels, 3, 2, bias=False)
            for stage, pads in _AS_FOR_380.items():
                block = self.trunk.blocks[stage][0]
                block.conv_dw = _Padded(block.conv_dw, pads)
        features = self.trunk.num_features
        self.attention = nn.Conv2d(56, 1, 1) if attention else None
        self.norm = nn.BatchNorm1d(features) if layout.normed else nn.Identity()
        self.classifier = nn.Linear(features, layout.outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.trunk.bn1(self.trunk.conv_stem(x))
        for index, stage in enumerate(self.trunk.blocks):
            x = stage(x)
            if self.attention is not None and index == ATTENTION_STAGE:
                x = x * self.attention(x).sigmoid()
        x = self.trunk.bn2(self.trunk.conv_head(x))
        return self.classifier(self.norm(x.mean((2, 3))))


class _Padded(nn.Conv2d):
    """A depthwise convolution with stride 2 and fixed padding."""

    def __init__(self, like: nn.Conv2d, pads: tuple[int, int]) -> None:
        channels = like.out_channels
        super().__init__(channels, channels, like.kernel_size, 2, groups=channels, bias=False)
        self.pads = (*pads, *pads)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.pads))


class AttentionModel(MappingModel):
    """EfficientNet with its attention as the explanation."""

    network: EfficientNet

    def attention(self, batch: Tensor) -> Tensor:
        """Return the spatial attention, 0..1: [N, 1, 28, 28] at 224 px."""
        weights: list[Tensor] = []
        assert self.network.attention is not None
        with torch.inference_mode(), forward_hook(self.network.attention, weights.append):
            self.network(batch.to(self.device))
        return weights[0].sigmoid()

    def own_map(self, x: Tensor) -> Tensor:
        """Return the attention, each map stretched to 0..1, [N, 28, 28]."""
        maps = self.attention(x)[:, 0]
        low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
        return (maps - low) / (high - low).clamp_min(1e-12)


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load a published file of the network in `options.layout` and `options.attention`."""
    layout = option(spec, "layout", LAYOUTS)
    network = EfficientNet(layout, attention=bool(spec.options.get("attention")))
    state = RenamedState(load_state(files[0], spec), layout.rules)
    if layout.original_names:
        state = RenamedState(state, timm_names(network.trunk))
    load_strict(network, state, spec.id)
    if network.attention is not None:
        return AttentionModel(spec, network, device)
    return TorchFrameModel(spec, network, device, network.trunk.bn2)


def timm_names(trunk: nn.Module) -> list[Rule]:
    """Return rules from efficientnet_pytorch's consecutive block numbers to timm's stages."""
    rules: list[Rule] = [
        (r"trunk\._conv_stem\.", "trunk.conv_stem."),
        (r"trunk\._bn0\.", "trunk.bn1."),
        (r"trunk\._conv_head\.", "trunk.conv_head."),
        (r"trunk\._bn1\.", "trunk.bn2."),
    ]
    places = [(s, b) for s, stage in enumerate(trunk.blocks) for b in range(len(stage))]
    for number, (stage, block) in enumerate(places):
        # The first stage has no expansion; its norms are numbered from one all the same.
        for theirs, ours in (_PLAIN if stage == 0 else _EXPANDING).items():
            old = rf"trunk\._blocks\.{number}\.{theirs}\."
            rules.append((old, f"trunk.blocks.{stage}.{block}.{ours}."))
    return rules


_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
_LAYERS = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
_EXPANDING = _SQUEEZE | dict(
    zip(_LAYERS, ("conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"), strict=True)
)
_PLAIN = _SQUEEZE | dict(zip(_LAYERS[2:], ("conv_dw", "bn1", "conv_pw", "bn2"), strict=True))
