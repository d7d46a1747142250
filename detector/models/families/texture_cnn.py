"""Texture: a linear classifier over texture statistics of a face and its surroundings.

Three views of one crop are described: the face and its surroundings by the first stages of an
ImageNet network (EfficientNet-Lite0, Tan & Le 2019, from timm), which are frozen; the face alone,
enlarged, by the same; and the residuals of high-pass filters of both (after Fridrich & Kodovský,
Rich Models for Steganalysis, 2012). Mean and deviation of each channel are standardized, bounded by
tanh so that no unusual camera dominates, and weighted (`lab/training/texture.py`). Nothing else is
learned, so that a hundred sources suffice."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector import runtime
from detector.models.base import Files, ModelSpec
from detector.models.graphs.texture import (
    DEPTHS,
    FAINT,
    FILTERS,
    SCALES,
    FaceSquare,
    face_square,
    filters,
    margin,
)
from detector.models.network import TorchFrameModel
from detector.weights import load_state, load_strict

FEATURES = (4 + 2) * (24 + 40 + 112) + 4 * len(SCALES) * 3 * len(FILTERS)


class EarlyLite(nn.Module):
    """EfficientNet-Lite0 down to 1/16 of the input: float [N, 3, S, S], S a multiple of 16 -> the
    output of each stage, 16 channels at S / 2, 24 at S / 4, 40 at S / 8, 80 and 112 at S / 16."""

    def __init__(self) -> None:
        super().__init__()
        import timm

        whole = timm.create_model("tf_efficientnet_lite0", pretrained=False)
        self.conv_stem, self.bn1, self.blocks = whole.conv_stem, whole.bn1, whole.blocks[:5]

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.bn1(self.conv_stem(x))
        stages = []
        for stage in self.blocks:
            x = stage(x)
            stages.append(x)
        return stages


class TextureNet(nn.Module):
    """Frozen trunk and filters, and one logit of P(fake): float [N, 3, side, side] in -1..1 (x /
    127.5 - 1), `side` a multiple of 16 -> [N]."""

    center: Tensor
    scale: Tensor
    bound: Tensor

    def __init__(self, side: int = 256) -> None:
        super().__init__()
        self.features = EarlyLite()
        self.shown = nn.Identity()
        """Target layer of heatmaps: the deepest maps of the face in its surroundings."""
        self.register_buffer("center", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.register_buffer("bound", torch.ones(()))
        self.classifier = nn.Linear(FEATURES, 1)
        self.middle = margin(side)
        # In no file: they follow from the side.
        self.faces = {depth: face_square(side // stride) for depth, stride in DEPTHS.items()}
        self.scales = {scale: face_square(side // scale - 4) for scale in SCALES}
        for step in (1, 2):
            self.register_buffer(
                f"filters{step}", torch.from_numpy(filters(step)), persistent=False
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """Return the description of a picture, [N, FEATURES]: mean and deviation of all channels at
        each depth for the face, then its surroundings; at each depth for the enlarged face;
        statistics of the filter residuals at each scale for the face, then its surroundings."""
        side, edge = x.shape[-1], self.middle
        near = F.interpolate(
            x[..., edge : side - edge, edge : side - edge], (side, side), mode="bilinear"
        )
        described = []
        for depth, maps in enumerate(self.features(x)):
            if depth in DEPTHS:
                shown = self.shown(maps) if depth == max(DEPTHS) else maps
                described += _statistics(shown.float(), self.faces[depth])
        for depth, maps in enumerate(self.features(near)):
            if depth in DEPTHS:
                described += _statistics(maps.float())
        with torch.autocast(x.device.type, enabled=False):  # bf16 would round the grain away
            described += self._grain(x.float())
        return torch.cat(described, 1)

    def _grain(self, x: Tensor) -> list[Tensor]:
        """Return each residual's log mean and log(RMS / mean) for luma and color differences."""
        found = []
        for scale, face in self.scales.items():
            smaller = F.avg_pool2d(x, scale) if scale > 1 else x
            step = face.step
            left = F.conv2d(smaller, self.get_buffer(f"filters{step}"), stride=step)
            first, last = face.first // step, face.last // step
            sums = []
            for part in (left, left[..., first:last, first:last]):
                for order in (1, 2):
                    norm = torch.linalg.vector_norm(part, order, (2, 3)) ** order
                    sums.append(norm.unflatten(1, (-1, step**2)).sum(2))
            all_1, all_2, face_1, face_2 = sums
            count = face.side**2 * face.share
            rest = face.side**2 - count
            for one, two, pixels in (
                (face_1, face_2, count),
                (all_1 - face_1, all_2 - face_2, rest),
            ):
                mean, rms = one / pixels + FAINT, (two / pixels).sqrt() + FAINT
                found += [mean.log(), (rms / mean).log()]
        return found

    def judge(self, described: Tensor) -> Tensor:
        """Return logits of descriptions: [N]."""
        apart = self.bound * torch.tanh((described - self.center) * self.scale / self.bound)
        return self.classifier(apart).squeeze(1)


def _statistics(maps: Tensor, face: FaceSquare | None = None) -> list[Tensor]:
    """Return mean and deviation of maps [N, C, h, h], over all or face and rest: [N, 2 C]."""
    mean = maps.mean((2, 3), keepdim=True)
    apart, mean = maps - mean, mean.flatten(1)
    square = (apart**2).mean((2, 3))
    if face is None:
        return [torch.cat([mean, (square + 1e-12).sqrt()], 1)]
    near = apart[..., face.first : face.last, face.first : face.last]
    off, of_face = near.mean((2, 3)), (near**2).mean((2, 3))
    # Deviations from the mean sum to zero, so the rest has the negative of the face's.
    around = -off * (face.share / (1 - face.share))
    of_rest = (square - of_face * face.share) / (1 - face.share)
    return [
        torch.cat([mean + shift, ((both - shift**2).clamp_min(0) + 1e-12).sqrt()], 1)
        for shift, both in ((off, of_face), (around, of_rest))
    ]


def build(state: dict[str, Any], name: str = "texture", side: int = 256) -> TextureNet:
    """Return a network with these weights in evaluation mode; raise WeightsError."""
    network = TextureNet(side)
    load_strict(network, state, name)  # fp16 in the file becomes fp32 here
    return network.eval().requires_grad_(False)


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Load a file of `unmask train texture` (.safetensors)."""
    side = spec.crop.size
    network = build(load_state(files[0]), spec.id, side).to(device)
    network = network.to(memory_format=torch.channels_last)
    run = runtime.compile(network, torch.zeros(2, 3, side, side, device=device), device)
    model = TorchFrameModel(spec, network, device, network.shown, run)
    if device == "cpu":
        model.BATCH = 2  # the maps of more are in no cache: a fifth slower
    return model
