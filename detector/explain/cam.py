"""Gradient heatmaps of pytorch-grad-cam, on the target layer of a network that threads share.

Import this module only to draw: the library brings matplotlib and scikit-learn.
"""

from functools import partial

import numpy as np
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
from pytorch_grad_cam.utils.model_targets import RawScoresOutputTarget
from pytorch_grad_cam.utils.reshape_transforms import swinT_reshape_transform
from torch import Tensor, nn

from detector.models.base import Model, check_batch
from detector.models.network import TorchModel, forward_hook, layout

METHODS = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus}
"""Classes of the library by the id of a method."""
BATCH = 4  # Pictures explained at once: gradients need the maps of every layer after the target


class _Probed(nn.Module):
    """Give the library a private layer to hook and private tensors: other threads share the
    network."""

    def __init__(self, model: TorchModel, layer: nn.Module) -> None:
        super().__init__()
        self.model, self.layer = model, layer
        self.probe = nn.Identity()
        # The library reads the device from a parameter.
        self.place = nn.Parameter(torch.zeros((), device=model.device))

    def forward(self, x: Tensor) -> Tensor:
        def probe(output: Tensor) -> Tensor:
            # A leaf receives the gradient; the layers after it may work in place, on a copy.
            return self.probe(output.detach().requires_grad_(True)).clone()

        with forward_hook(self.layer, probe):
            return self.model.log_odds(self.model.network(x))[:, None]


def draw(model: Model, batch: np.ndarray, method: str = "gradcam") -> np.ndarray | None:
    """Return where the output of the target layer raised the log odds of "fake": float32 [N, S, S]
    (video models [N, t, h, w], t steps in time), 0..1; None for a model without a target layer.
    `batch` is not empty, `method` a key of `METHODS`. Raise ValueError for a wrong batch."""
    if not isinstance(model, TorchModel) or model.target_layer is None:
        return None
    check_batch(batch, model.spec)
    frames = model.spec.clip_frames if model.spec.kind == "video" else 0
    probed = _Probed(model, model.target_layer)
    cam = METHODS[method](probed, [probed.probe], partial(_as_maps, frames=frames))
    if frames:
        # The library's zoom of clips aligns corners, which moves maps by up to half a cell.
        cam.get_target_width_height = lambda _: None
    with torch.enable_grad():
        maps = [
            cam(x, [RawScoresOutputTarget()] * len(x))
            for x in model.batches(batch, 1 if frames else BATCH)
        ]
    return np.concatenate(maps)


def _as_maps(output: Tensor, frames: int) -> Tensor:
    """Lay out tokens [N, n, C] or maps [N T, C, h, w] as [N, C, h, w] or [N, C, t, h, w]."""
    if output.dim() == 4:
        return output.unflatten(0, (-1, frames)).transpose(1, 2) if frames else output
    prefix, steps, side = layout(output.shape[1], frames or 1)
    maps = swinT_reshape_transform(output[:, prefix:], steps * side, side)
    return maps.unflatten(2, (steps, side)) if frames else maps
