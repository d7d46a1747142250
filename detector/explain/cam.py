"""Grad-CAM and Grad-CAM++ of single pictures, as large as the picture.

Gradients are those of `TorchModel.gradient`, which other threads don't notice; weights and scaling
are those of pytorch-grad-cam, which the tests hold them against.
"""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from detector.models.base import Model, check_batch
from detector.models.network import EXPLAINED, TorchModel, layout


def as_maps(output: Tensor) -> Tensor:
    """Tokens [N, n, C] -> [N, C, g, g], without those that stand in front; maps as they are."""
    if output.dim() == 4:
        return output
    prefix, _, side = layout(output.shape[1], 1)
    return output[:, prefix:].transpose(1, 2).unflatten(2, (side, side))


def grad_cam(model: Model, batch: np.ndarray, *, plus: bool = False) -> np.ndarray | None:
    """Return where a frame model looked for its "fake".

    uint8 [N, S, S, 3] -> float32 [N, S, S] in 0..1, all zeros where nothing spoke for "fake"; None
    for a model without a target layer. `plus`: Grad-CAM++ instead.
    """
    if not isinstance(model, TorchModel) or model.target_layer is None:
        return None
    check_batch(batch, model.spec)
    maps = []
    for x in model.batches(batch, EXPLAINED):
        output, gradient = map(as_maps, model.gradient(x))
        weights = gradient.mean((2, 3), keepdim=True)
        if plus:
            square = gradient**2
            total = output.sum((2, 3), keepdim=True)
            alpha = square / (2 * square + total * square * gradient + 1e-6)
            weights = (gradient.clamp_min(0) * alpha).sum((2, 3), keepdim=True)
        for one in (weights * output).sum(1).clamp_min(0).cpu().numpy():
            size = x.shape[-1], x.shape[-2]
            maps.append(_stretched(cv2.resize(_stretched(one), size)))
    return np.stack(maps) if maps else None


def _stretched(values: np.ndarray) -> np.ndarray:
    values = values - values.min()
    return np.asarray(values / (1e-7 + values.max()), np.float32)
