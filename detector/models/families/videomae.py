"""A small VideoMAE over the feature maps of a MobileNetV2: does the face hold together over time?

VideoMAE (Tong et al. 2022, through `transformers`) needs far more clips than we have to learn from
pixels. As in the hybrid ViT (Dosovitskiy et al. 2021, section 3.1) it takes maps instead: those of
the trained frame model at 1/16 of the crop, 96 channels a frame, in patches of 2 x 2 cells and
tubelets of two frames.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from detector.models.base import Files, ModelSpec
from detector.models.families.mobilenet import MIDDLE_CHANNELS
from detector.models.maps import STRIDE, MapModel, MapNetwork
from detector.weights import load_state, load_strict

TUBELET = 2
"""Frames in one token."""


class HybridVideoMae(MapNetwork):
    """A frozen trunk, then VideoMAE with one logit of P(fake).

    Parameters
    ----------
    size : int
        Side of the crop, px.
    frames : int
        In a window.
    hidden, layers, heads : int
        Of the encoder.
    patch : int
        Cells of the maps, each way, in one token.
    dropout : float
    """

    def __init__(
        self,
        size: int = 160,
        frames: int = 16,
        hidden: int = 160,
        layers: int = 4,
        heads: int = 4,
        patch: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        from transformers import VideoMAEConfig, VideoMAEForVideoClassification

        self.mae = VideoMAEForVideoClassification(
            VideoMAEConfig(
                image_size=size // STRIDE,
                patch_size=patch,
                num_channels=MIDDLE_CHANNELS,
                num_frames=frames,
                tubelet_size=TUBELET,
                hidden_size=hidden,
                num_hidden_layers=layers,
                num_attention_heads=heads,
                intermediate_size=2 * hidden,
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
                num_labels=1,
                use_mean_pooling=True,
            )
        )

    def decide(self, maps: Tensor) -> Tensor:
        """See `MapNetwork.decide`."""
        return self.mae(pixel_values=maps).logits.squeeze(1)


def build(state: dict[str, Any], name: str = "videomae", **options: Any) -> HybridVideoMae:
    """Return a network with these weights in evaluation mode; raise WeightsError."""
    network = HybridVideoMae(**options)
    load_strict(network, state, name)
    network.eval().requires_grad_(False)
    return network


def load(spec: ModelSpec, files: Files, device: str) -> MapModel:
    """Load a trained hybrid (one .safetensors file); `spec.options` gives its shape."""
    options: dict[str, Any] = {"size": spec.crop.size, "frames": spec.clip_frames} | spec.options
    return MapModel(spec, build(load_state(files[0]), spec.id, **options), device)
