"""What most families are: a torch network fed with one normalized picture or clip."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.base import ClipModel, FrameModel, Image, Model, ModelSpec, check_batch
from detector.models.pictures import fit
from detector.runtime import Runner

EXPLAINED = 4
"""Items explained at once: gradients hold every layer's maps."""


def normalize(pictures: np.ndarray, spec: ModelSpec) -> Tensor:
    """uint8 [..., H, W, 3] -> float32 [..., 3, H, W], normalized as the spec says."""
    x = torch.tensor(pictures).movedim(-1, -3).float() / 255
    mean = torch.tensor(spec.normalization.mean).view(3, 1, 1)
    std = torch.tensor(spec.normalization.std).view(3, 1, 1)
    return (x - mean) / std


class TorchModel(Model):
    """A network in evaluation mode; nothing in it changes after loading.

    Parameters
    ----------
    spec : ModelSpec
    network : nn.Module
        Takes [N, 3, S, S] (a clip model [N, T, 3, S, S]), gives the original's logits.
    device : str
    target_layer : nn.Module, optional
        The layer of `network` whose maps [N, C, h, w] explain a score (Grad-CAM).
    run : Runner, optional
        The same network made faster (`runtime.compile`); scores come from it.
    """

    def __init__(
        self,
        spec: ModelSpec,
        network: nn.Module,
        device: str = "cpu",
        target_layer: nn.Module | None = None,
        run: Runner | None = None,
    ) -> None:
        super().__init__(spec)
        self.network = network.eval().requires_grad_(False).to(device)
        self.device = device
        self.target_layer = target_layer
        self.run = run

    def preprocess(self, picture: Image | Sequence[Image]) -> Tensor:
        """See `Model.preprocess`. Resize as `spec.crop`, then `spec.normalization`."""
        if self.spec.kind != "clip":
            return self._prepare(np.asarray(picture))
        if len(picture) != self.spec.clip_frames:
            raise ValueError(
                f"{self.spec.id} takes clips of {self.spec.clip_frames} frames, got {len(picture)}"
            )
        return torch.stack([self._prepare(one) for one in picture])

    def _prepare(self, picture: Image) -> Tensor:
        crop = self.spec.crop
        if picture.dtype != np.uint8 or picture.shape[2:] != (3,) or not picture.size:
            raise ValueError(
                f"{self.spec.id} takes pictures as uint8 [H, W, 3] in RGB, "
                f"got {picture.dtype} {list(picture.shape)}"
            )
        picture = np.ascontiguousarray(picture)  # a view may run backwards
        if crop.resize == "float" and picture.shape[:2] != (crop.size, crop.size):
            x = normalize(picture, self.spec)[None]
            size = (crop.size, crop.size)
            return F.interpolate(x, size, mode="bilinear", antialias=True)[0]
        return normalize(fit(picture, crop), self.spec)

    def forward(self, batch: Tensor) -> Tensor:
        """See `Model.forward`."""
        with torch.inference_mode():
            return self.network(batch.to(self.device))

    def _infer(self, batch: Tensor) -> Tensor:
        return torch.from_numpy(self.run(batch.numpy())[0]) if self.run else self.forward(batch)

    def explain(self, batch: np.ndarray) -> np.ndarray | None:
        """Grad-CAM (Selvaraju et al. 2017) towards "fake" on the target layer.

        float32 [N, h, w] in 0..1; all zeros where nothing spoke for "fake".
        """
        check_batch(batch, self.spec)
        if self.target_layer is None:
            return None
        if not len(batch):
            return np.zeros((0, 1, 1), np.float32)
        maps = []
        for start in range(0, len(batch), EXPLAINED):
            items = batch[start : start + EXPLAINED]
            x = torch.stack([self.preprocess(item) for item in items]).to(self.device)
            seen: list[Tensor] = []

            def keep(output: Tensor, seen: list[Tensor] = seen) -> Tensor:
                # A leaf: gradients go to these maps alone, so nothing shared is written.
                seen.append(output.detach().requires_grad_(True))
                # The layers after this one may work in place, which a leaf does not bear.
                return seen[-1].clone()

            with forward_hook(self.target_layer, keep), torch.enable_grad():
                odds = self.log_odds(self.network(x))
            (gradient,) = torch.autograd.grad(odds.sum(), seen[-1])
            weight = gradient.mean((2, 3), keepdim=True)
            maps.append(scaled((weight * seen[-1].detach()).sum(1).clamp_min(0)))
        return np.concatenate(maps)


class TorchFrameModel(TorchModel, FrameModel):
    """A network that scores single crops."""


class TorchClipModel(TorchModel, ClipModel):
    """A network that scores windows of crops."""

    BATCH = 1  # memory does not grow with the batch


@contextmanager
def forward_hook(layer: nn.Module, callback: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Call `callback` with the outputs of `layer` in this thread; what it returns replaces them.

    Other threads may run the same network meanwhile and are not called for.
    """
    thread = threading.get_ident()

    def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
        return callback(output) if threading.get_ident() == thread else None

    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def scaled(maps: Tensor) -> np.ndarray:
    """Maps [N, ...], not negative -> float32 0..1, each item's highest at 1."""
    top = maps.flatten(1).amax(1).clamp_min(torch.finfo(torch.float32).tiny)
    normalized: np.ndarray = (maps / top.view(-1, *[1] * (maps.dim() - 1))).float().cpu().numpy()
    return normalized
