"""What most families are: a torch network fed with one normalized picture or clip."""

import math
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detector.models.base import Files, Image, Model, ModelSpec, check_batch
from detector.models.names import Rule, rename
from detector.models.pictures import fit, normalized
from detector.runtime import Runner
from detector.weights import load_state, load_strict

N = TypeVar("N", bound=nn.Module)


def load_network(network: N, spec: ModelSpec, files: Files, rules: Sequence[Rule] = ()) -> N:
    """Load renamed tensors strictly into a network; raise WeightsError."""
    load_strict(network, rename(load_state(files[0], spec), rules), spec.id)
    return network


def normalize(pictures: np.ndarray, spec: ModelSpec) -> Tensor:
    """Normalize as the spec says: uint8 [..., H, W, 3] -> float32 [..., 3, H, W]."""
    return torch.from_numpy(normalized(pictures, spec))


class TorchModel(Model):
    """A network in evaluation mode: [N, 3, S, S] (a clip model [N, T, 3, S, S]) -> the original's
    logits.

    Maps [N, C, h, w] (clips [N T, C, h, w]) or tokens [N, n, C] of `target_layer` explain a score;
    what follows it must still read each place, since a head that reads class tokens alone has no
    gradient at the patches. `run` is the same network compiled; scores come from it."""

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

    @property
    def side_by_side(self) -> bool:
        """See `Model.side_by_side`. A compiled network takes one batch at a time."""
        return self.run is None

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

    def batches(self, batch: np.ndarray, count: int) -> Iterator[Tensor]:
        """Yield `count` items at a time as the network takes them, on its device."""
        for start in range(0, len(batch), count):
            items = [self.preprocess(item) for item in batch[start : start + count]]
            yield torch.stack(items).to(self.device)


def layout(count: int, frames: int) -> tuple[int, int, int]:
    """Return how many of `count` tokens stand in front (class, registers), and how the others lie:
    steps in time (tubelets of one or more of the frames; the most that leave squares), and a side.
    """
    for prefix in range(count):
        for steps in range(frames, 0, -1):
            side = math.isqrt((count - prefix) // steps)
            if steps * side * side == count - prefix:
                return prefix, steps, side
    raise ValueError(f"{count} tokens are no picture")


class TorchFrameModel(TorchModel):
    """A network that scores single crops."""


class MappingModel(TorchFrameModel):
    """A network that draws a map of its own."""

    @abstractmethod
    def own_map(self, x: Tensor) -> Tensor:
        """Return the map, 0..1: [N, 3, S, S] -> [N, h, w]."""

    def explain(self, batch: np.ndarray) -> np.ndarray:
        """Return the network's own maps: float32 [N, h, w] in 0..1."""
        check_batch(batch, self.spec)
        with torch.inference_mode():
            maps = [self.own_map(x).cpu().numpy() for x in self.batches(batch, self.BATCH)]
        return np.concatenate(maps) if maps else np.zeros((0, 1, 1), np.float32)


class TorchClipModel(TorchModel):
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
