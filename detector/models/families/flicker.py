"""What one frame leaves unexplained of the next, once its motion is followed: in a face and around
it.

A camera sees the same skin again a moment later: moved, with other noise. A face that was drawn
anew in every frame, or pasted and encoded again, is not the same skin moved. Each frame is taken to
the one before by the optical flow between them (DIS, Kroeger et al., ECCV 2016, as OpenCV has it),
and how small steps follow one another in the difference is counted (`detector/models/runs.py`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from detector.models.base import Files, ModelSpec, check_batch
from detector.models.network import TorchClipModel
from detector.models.runs import RunTables, heat, luma
from detector.weights import load_state, load_strict


class FlickerNet(RunTables):
    """What is left of each frame of a window but the first, and its differences of neighbors.

    `forward` takes float [N, T, 3, S, S] in -1..1 (x / 127.5 - 1) and gives [N].
    """

    ORDERS = ((1,), (-1, 1))
    SIZES = (1,)
    STEP = 1.0

    def planes(self, x: Tensor) -> Tensor:
        """See `RunTables.planes`: T - 1 of each window, each as the frame before lies."""
        gray = luma(x).cpu().to(torch.uint8).numpy()
        return torch.from_numpy(np.stack([_changes(window) for window in gray])).to(x.device)


def _changes(window: np.ndarray) -> np.ndarray:
    """Return what is left of each frame but the first: uint8 [T, S, S] -> float32 [T - 1, S, S]. A
    frame that only repeats the one before tells nothing: another stands for it."""
    left = [unexplained(*pair) for pair in pairwise(window)]
    telling = [one for one in left if one.any()] or left
    return np.stack([telling[number % len(telling)] for number in range(len(left))])


def unexplained(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return what a frame, moved back onto the one before, differs by: uint8 [S, S] each ->
    float32 [S, S], gray levels."""
    # It keeps buffers, so every call has its own: several threads may score at once.
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    rows, columns = np.indices(before.shape, np.float32)
    dx, dy = np.moveaxis(flow.calc(before, after, None), 2, 0)  # type: ignore[call-overload]
    moved = cv2.remap(
        after.astype(np.float32),
        columns + dx,
        rows + dy,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    left: np.ndarray = moved - before
    return left


class FlickerModel(TorchClipModel):
    """Scores windows of crops, and shows what each place of each frame adds."""

    network: FlickerNet

    def explain(self, batch: np.ndarray) -> np.ndarray:
        """Return what places add for "fake": float32 [N, T, 16, 16] in 0..1, each frame by what
        the next leaves of it, the last as the one before."""
        check_batch(batch, self.spec)
        maps = [np.zeros((0, self.spec.clip_frames, 16, 16), np.float32)]
        with torch.inference_mode():
            for x in self.batches(batch, 1):
                drawn = heat(self.network.evidence(x)[0])
                maps.append(torch.cat([drawn, drawn[-1:]])[None].cpu().numpy())
        return np.concatenate(maps)


def build(state: dict[str, Any], name: str = "flicker") -> FlickerNet:
    """Return a network in evaluation mode with these tables.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over or of another shape.
    """
    network = FlickerNet()
    load_strict(network, state, name)  # fp16 in the file becomes fp32 here
    network.eval()
    return network


def load(spec: ModelSpec, files: Files, device: str) -> FlickerModel:
    """Load what `unmask train flicker` wrote (one .safetensors file)."""
    return FlickerModel(spec, build(load_state(files[0]), spec.id), device)
