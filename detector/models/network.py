"""PyTorch base classes of the families, and the mapping of published tensor names to a network's.

The `target_layer` of vision transformers is the block before the last: gradients are computed for
what follows alone, and a network of a gigabyte needs no copy."""

import math
import re
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from detector import runtime
from detector.models.base import Files, Image, Model, ModelSpec, check_batch
from detector.models.pictures import fit, normalized
from detector.models.sounds import prepared
from detector.runtime import Runner
from detector.weights import load_state, load_strict

Rule = tuple[str, str | Callable[[re.Match[str]], str] | None]
"""A regular expression at the start of a name, and its replacement; None: the tensor is not
used."""


class RenamedState(dict[str, Tensor]):
    """State dictionary renamed by the first matching rule; unmatched names are unchanged, so that
    the strict load reports them.

    It maps names back, so that messages name a missing tensor as the file does."""

    def __init__(self, before: Mapping[str, Tensor], rules: Sequence[Rule]) -> None:
        super().__init__()
        self._rules = rules
        self._before = before
        self._origins: dict[str, str] = {}
        for name, tensor in before.items():
            if (new := _apply(name, rules)) is not None:
                self[new] = tensor
                self._origins[new] = name

    def original(self, name: str) -> str:
        """Return the file's name of a tensor, also of a missing one."""
        older = self._origins.get(name) or self._inverse(name)
        return self._before.original(older) if isinstance(self._before, RenamedState) else older

    def _inverse(self, name: str) -> str:
        for pattern, replacement in self._rules:
            literal = re.sub(r"\\(\W)", r"\1", pattern)
            if not isinstance(replacement, str) or re.escape(literal) != pattern:
                continue
            if name.startswith(replacement):
                older = literal + name[len(replacement) :]
                if _apply(older, self._rules) == name:
                    return older
        return name


def _apply(name: str, rules: Sequence[Rule]) -> str | None:
    for pattern, replacement in rules:
        if match := re.match(pattern, name):
            if replacement is None:
                return None
            start = replacement if isinstance(replacement, str) else replacement(match)
            return start + name[match.end() :]
    return name


N = TypeVar("N", bound=nn.Module)


def load_network(network: N, spec: ModelSpec, files: Files, rules: Sequence[Rule] = ()) -> N:
    """Load renamed tensors strictly into a network; raise WeightsError."""
    load_strict(network, RenamedState(load_state(files[0], spec), rules), spec.id)
    return network


def normalize(pictures: np.ndarray, spec: ModelSpec) -> Tensor:
    """Normalize by the entry: uint8 [..., H, W, 3] -> float32 [..., 3, H, W]."""
    return torch.from_numpy(normalized(pictures, spec))


class TorchModel(Model):
    """A network in evaluation mode: [N, 3, S, S] (a video model [N, T, 3, S, S]) -> the original's
    logits.

    Maps [N, C, h, w] (clips [N T, C, h, w]) or tokens [N, n, C] of `target_layer` explain a score;
    the following layers must read each position, since a head over class tokens alone has no
    gradient at the patches. `run` is the compiled network, which computes the scores."""

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
        """Return True: see `runtime.compile`, and PyTorch."""
        return True

    def preprocess(self, picture: Image | Sequence[Image]) -> Tensor:
        """Resize by `spec.crop` and normalize by `spec.normalization`."""
        if self.spec.kind != "video":
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
        with torch.inference_mode():
            return self.network(batch.to(self.device))

    def _infer(self, batch: Tensor) -> Tensor:
        return torch.from_numpy(self.run(batch.numpy())[0]) if self.run else self.forward(batch)

    def batches(self, batch: np.ndarray, count: int) -> Iterator[Tensor]:
        """Yield preprocessed batches of `count` on the network's device."""
        for start in range(0, len(batch), count):
            items = [self.preprocess(item) for item in batch[start : start + count]]
            yield torch.stack(items).to(self.device)


def layout(count: int, frames: int) -> tuple[int, int, int]:
    """Return the number of prefix tokens (class, registers) and the shape of the others: time steps
    (tubelets of one or more of the frames; the most that leave squares) and side."""
    for prefix in range(count):
        for steps in range(frames, 0, -1):
            side = math.isqrt((count - prefix) // steps)
            if steps * side * side == count - prefix:
                return prefix, steps, side
    raise ValueError(f"{count} tokens are no picture")


class TorchFrameModel(TorchModel):
    """A network that scores single crops."""


class MappingModel(TorchFrameModel):
    """A network with its own explanation map."""

    @abstractmethod
    def own_map(self, x: Tensor) -> Tensor:
        """Return the map, 0..1: [N, 3, S, S] -> [N, h, w]."""

    def explain(self, batch: np.ndarray) -> np.ndarray:
        """Return the network's own maps: float32 [N, h, w] in 0..1."""
        check_batch(batch, self.spec)
        with torch.inference_mode():
            maps = [self.own_map(x).cpu().numpy() for x in self.batches(batch, self.BATCH)]
        return np.concatenate(maps) if maps else np.zeros((0, 1, 1), np.float32)


class TorchVideoModel(TorchModel):
    """A network that scores windows of crops."""

    BATCH = 1  # memory does not grow with the batch


@contextmanager
def forward_hook(layer: nn.Module, callback: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Call `callback` with the outputs of `layer` in this thread; its result replaces them.

    Not called for other threads that run the same network."""
    thread = threading.get_ident()

    def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
        return callback(output) if threading.get_ident() == thread else None

    handle = layer.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


CLIP_L14 = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
"""Vision configuration of `openai/clip-vit-large-patch14` (Radford et al. 2021)."""


def clip_vision() -> nn.Module:
    """Return the vision tower of CLIP ViT-L/14, without weights."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    return CLIPVisionModel(CLIPVisionConfig(**CLIP_L14))


class _Transformer(TorchModel):
    """A transformer that scores in bf16 where supported, unless compiled."""

    def _infer(self, batch: Tensor) -> Tensor:
        if self.run is not None:
            return super()._infer(batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=runtime.computes_in_bf16(self.device)):
            return self.forward(batch)


class TokenModel(_Transformer, TorchFrameModel):
    """A vision transformer on single pictures."""

    BATCH = 4  # a block's maps of ViT-L take 20 MB an item


class TokenVideoModel(_Transformer, TorchVideoModel):
    """A vision transformer on clips."""


class _SkipInit(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") in _DRAWING:
            return args[0] if args else kwargs["tensor"]
        if func in _RANDOM:
            # Not uninitialized memory: a truncated normal is redrawn until it is in bounds.
            return args[0].zero_()
        return func(*args, **kwargs)


_DRAWING = ("torch.nn.init", "transformers.initialization")
"""The latter puts its own in the former's places while it builds a network."""
_RANDOM = frozenset({Tensor.uniform_, Tensor.normal_, Tensor.erfinv_})


@contextmanager
def skip_init() -> Iterator[None]:
    """Skip random initialization of networks built in this thread, which takes seconds."""
    with _SkipInit():
        yield


class TorchSoundModel(TorchModel):
    """A network in evaluation mode: mono samples [N, samples] -> logits."""

    BATCH = 8

    def preprocess(self, picture: Image | Sequence[Image]) -> Tensor:
        """Return float32 [samples], mono -1..1 at the recipe's rate, repeated to fill; raise
        ValueError."""
        return torch.from_numpy(prepared(np.asarray(picture), self.spec))

    def read(self, batch: np.ndarray) -> np.ndarray:
        """See `Model.read`."""
        if self.run is None:
            return super().read(batch)
        check_batch(batch, self.spec)
        found = [np.zeros((0, 1), np.float32)] if not len(batch) else []
        for x in self.batches(batch, self.BATCH):
            logits, *features = (torch.from_numpy(part) for part in self.run(x.cpu().numpy()))
            found.append(torch.cat([self.log_odds(logits)[:, None], *features], 1).numpy())
        return np.concatenate(found)
