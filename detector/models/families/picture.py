"""Was a whole picture generated? CLIP ViT-B/16 as published, and one linear layer.

Class tokens of nine blocks (Koutlis and Papadopoulos, RINE, ECCV 2024) describe `WINDOWS` squares
of the picture at its own resolution, chosen by texture, and its middle shrunk to one square. Traces
of a generator are fine: shrinking the picture alone would remove them.

Two files: the trunk (`clip_vit`), which *CLIP, generated head* shares in memory, and the layer.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from detector.models.base import CropRecipe, Files, Image, Model, ModelSpec, check_batch
from detector.models.families.clip_vit import EVERY_BLOCK, ClipBlocks, shared_trunk, tokens_of
from detector.models.network import TorchFrameModel, normalize
from detector.models.pictures import normalized, resize, roughly
from detector.models.ready import ReadyModel
from detector.runtime import Runner
from detector.weights import load_state, load_strict

SIDE = 224
WINDOWS = 2
STEP = 16  # px between places where a window may be
MAP = 64  # places a side of the map that `explain` draws

Place = tuple[int, int]  # left and top of a window, px


def textured(picture: Image, count: int = WINDOWS) -> list[Place]:
    """Return where windows have most texture; each place counts less the more of it an earlier
    window shows, so that a small picture has as many."""
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    detail = np.abs(cv2.Laplacian(gray, cv2.CV_32F))
    texture = cv2.boxFilter(detail, -1, (SIDE, SIDE), anchor=(0, 0), borderType=cv2.BORDER_REFLECT)
    tops, lefts = (
        np.unique(np.append(np.arange(0, side - SIDE + 1, STEP), side - SIDE))
        for side in gray.shape
    )
    left_over = texture[np.ix_(tops, lefts)] + 1e-6
    places = []
    for _ in range(count):
        row, column = np.unravel_index(left_over.argmax(), left_over.shape)
        top, left = int(tops[row]), int(lefts[column])
        places.append((left, top))
        shown = [
            np.maximum(0, 1 - np.abs(at - own) / SIDE) for at, own in ((tops, top), (lefts, left))
        ]
        left_over = left_over * (1 - np.outer(*shown))
    return places


def views(picture: Image, recipe: CropRecipe, count: int = WINDOWS) -> np.ndarray:
    """Return the windows of a picture, and its middle shrunk: uint8 [count + 1, SIDE, SIDE, 3]."""
    picture = roughly(picture, recipe)
    windows = [picture[y : y + SIDE, x : x + SIDE] for x, y in textured(picture, count)]
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = picture[top : top + side, left : left + side]
    return np.stack([*windows, resize(middle, (SIDE, SIDE), "area")])


class PictureNetwork(nn.Module):
    """Views of pictures, float [N, V, 3, SIDE, SIDE], the last one shrunk -> logits [N]."""

    def __init__(self, trunk: ClipBlocks, layer: "PictureLayer") -> None:
        super().__init__()
        self.trunk = trunk
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.trunk.class_tokens(x.flatten(0, 1))
        return self.layer(torch.cat(tokens, 1).unflatten(0, x.shape[:2]))


class PictureLayer(nn.Module):
    """Class tokens of views, [N, V, blocks * hidden], the last one shrunk -> logits [N]."""

    def __init__(self, features: int = len(EVERY_BLOCK) * 768) -> None:
        super().__init__()
        self.window = nn.Linear(features, 1)
        self.shrunk = nn.Linear(features, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.of_windows(x).mean(1) + self.shrunk(x[:, -1])[:, 0]

    def of_windows(self, x: Tensor) -> Tensor:
        """Return what each window adds: [N, V - 1]."""
        return self.window(x[:, :-1])[..., 0]


class PictureModel(ReadyModel):
    """The layer over the shared trunk's tokens."""

    def __init__(
        self, spec: ModelSpec, tokens: Runner, layer: PictureLayer, load: Callable[[], Model]
    ) -> None:
        # Pictures differ in size, and one has several views.
        super().__init__(spec, self._scored, 1, load)
        self._tokens, self.layer = tokens, layer

    def _prepared(self, picture: Image | Sequence[Image]) -> np.ndarray:
        shown = views(np.ascontiguousarray(picture), self.spec.crop)
        return normalized(shown, self.spec)

    def _scored(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
        return (self.layer(self.tokens(batch)).numpy(),)

    def tokens(self, batch: np.ndarray) -> Tensor:
        """Return class tokens of normalized views, float32 [N, V, 3, SIDE, SIDE]: [N, V, blocks *
        hidden]."""
        found = self._tokens(batch.reshape(-1, *batch.shape[2:]))[0]
        return torch.from_numpy(found).flatten(1).unflatten(0, batch.shape[:2])

    def explain(self, batch: np.ndarray) -> np.ndarray:
        """Return what the windows added, where they are: float32 [N, MAP, MAP], 0..1 of the most
        that one added. Places that no window shows added nothing."""
        check_batch(batch, self.spec)
        maps = np.zeros((len(batch), MAP, MAP), np.float32)
        for map, picture in zip(maps, batch, strict=True):
            shown = roughly(np.ascontiguousarray(picture), self.spec.crop)
            with torch.inference_mode():
                tokens = self.tokens(self._prepared(picture)[None])
                added = self.layer.of_windows(tokens)[0].clamp(min=0)
            scale = MAP / shown.shape[1], MAP / shown.shape[0]
            for (left, top), value in zip(textured(shown), added.tolist(), strict=True):
                x0, y0, x1, y1 = (
                    round(at * scale[n % 2])
                    for n, at in enumerate((left, top, left + SIDE, top + SIDE))
                )
                np.maximum(map[y0:y1, x0:x1], value, out=map[y0:y1, x0:x1])
            map /= max(float(map.max()), 1e-9)
        return maps


class _WholeModel(TorchFrameModel):
    """The network with its trunk, for what needs its gradients or steps."""

    BATCH = 1

    def preprocess(self, picture: Image | Sequence[Image]) -> Tensor:
        """See `Model.preprocess`: float32 [V, 3, SIDE, SIDE]."""
        shown = views(np.ascontiguousarray(picture), self.spec.crop)
        return normalize(shown, self.spec)


def load(spec: ModelSpec, files: Files, device: str) -> PictureModel:
    """Load the trunk and the layer, in this order."""
    layer = PictureLayer()
    load_strict(layer, load_state(files[1], spec), spec.id)
    layer.eval().requires_grad_(False)

    def whole() -> Model:
        network = PictureNetwork(shared_trunk(files[0], device), layer)
        return _WholeModel(spec, network, device)

    return PictureModel(spec, tokens_of(spec, files, device), layer, whole)
