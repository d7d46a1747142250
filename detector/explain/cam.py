"""Grad-CAM and Grad-CAM++ through pytorch-grad-cam, on networks that other threads use meanwhile.

The library hangs hooks on the layer that is looked at. Here that layer is a probe of our own: the
target layer's output is led through it for this one call, in this one thread, and gradients go to
that output alone. So the shared network is neither copied (some have a gigabyte) nor written to,
and no hook stays on it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from detector.models.base import Model, check_batch
from detector.models.network import EXPLAINED, TorchModel, forward_hook
from detector.models.vit import layout


class _CamAdapter(nn.Module):
    """A model as grad-cam wants one: [N, 1] of the log odds of fake, with a layer to look at."""

    def __init__(self, model: TorchModel) -> None:
        super().__init__()
        self.probe = nn.Identity()
        # grad-cam asks a parameter for its device.
        self.on = nn.Parameter(torch.zeros((), device=model.device))
        self.shared = (model,)  # in a tuple: no part of this module, which grad-cam writes to

    def forward(self, x: Tensor) -> Tensor:
        (model,) = self.shared
        assert model.target_layer is not None
        with forward_hook(model.target_layer, self.watch), torch.enable_grad():
            return model.log_odds(model.network(x))[:, None]

    def watch(self, output: Tensor) -> Tensor:
        # The layers after this one may work in place, which a leaf does not bear.
        return self.probe(output.detach().requires_grad_(True)).clone()


def as_maps(output: Tensor) -> Tensor:
    """Tokens [N, n, C] -> [N, C, g, g], without those that stand in front; maps as they are."""
    if output.dim() == 4:
        return output
    prefix, _, side = layout(output.shape[1], 1)
    return output[:, prefix:].transpose(1, 2).unflatten(2, (side, side))


def grad_cam(model: Model, batch: np.ndarray, *, plus: bool = False) -> np.ndarray | None:
    """Where a frame model looked for its "fake".

    Parameters
    ----------
    batch : uint8 array [N, S, S, 3]
    plus : bool
        Grad-CAM++ instead.

    Returns
    -------
    float32 array [N, S, S] in 0..1, or None
        All zeros where nothing spoke for "fake". None for a model without a target layer.
    """
    from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
    from pytorch_grad_cam.utils.model_targets import RawScoresOutputTarget

    if not isinstance(model, TorchModel) or model.target_layer is None:
        return None
    check_batch(batch, model.spec)
    method = GradCAMPlusPlus if plus else GradCAM
    maps = []
    glass = _CamAdapter(model)
    with method(glass, [glass.probe], reshape_transform=as_maps) as looking:
        for start in range(0, len(batch), EXPLAINED):
            items = batch[start : start + EXPLAINED]
            x = torch.stack([model.preprocess(item) for item in items]).to(model.device)
            maps.append(looking(x, [RawScoresOutputTarget()] * len(x)))
    return np.concatenate(maps).astype(np.float32) if maps else None
