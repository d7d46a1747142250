"""Networks of the bundled models as OpenVINO graphs, made of the tensors of their weight files.

PyTorch takes seconds to import and to trace them; this takes a fraction of one. What a network
computes is described by its family in PyTorch, which draws heatmaps and trains; tests compare the
two. The network of another model is traced (`ready.remember`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from detector import converted, runtime
from detector.config import get_config
from detector.models.graphs import clip, texture, timbre
from detector.runtime import Chain, Runner

if TYPE_CHECKING:
    from detector.models.base import Files, ModelSpec
    from detector.models.graphs.layers import State

_HERE = Path(__file__).parent
SOURCES = (_HERE, _HERE.parent / "sounds.py")
"""What determines a graph in addition to the weight files"""


class Graph(NamedTuple):
    """A network: facts that determine it in addition to the code, how it is made, and whether it
    computes in bf16 where the processor can."""

    facts: str
    make: Callable[[], Any]
    bf16: bool = False

    @property
    def key(self) -> str:
        """Return the key of `converted.remember`."""
        return converted.key_of(f"{self.facts} {self._half}", SOURCES)

    @property
    def _half(self) -> bool:
        return self.bf16 and get_config().precision == "bf16"

    def store(self) -> converted.Stored:
        """Make the network and write it to disk, unless it is there; return its folder."""
        folder = converted.root() / self.key
        if not folder.is_dir():
            converted.keep(runtime.openvino(), self.make(), folder, half=self._half)
        return folder, self.bf16

    def opened(self) -> Runner:
        """Return the compiled network, from the disk where it can be written there."""
        folder, bf16 = self.store()
        return runtime.opened(folder, self.make, bf16=bf16)


class Chained(NamedTuple):
    """The graphs of a model, each on the outputs of the one before, and the crops of a batch."""

    graphs: tuple[Graph, ...]
    batch: int

    def remember(self, key: str) -> None:
        """Write the graphs to disk, and their folders under a key for `runtime.known`."""
        converted.remember(key, [graph.store() for graph in self.graphs], {"batch": self.batch})

    def opened(self) -> Runner:
        """Return the compiled graphs, made in this process where they are not on disk."""
        found = [graph.opened() for graph in self.graphs]
        return found[0] if len(found) == 1 else Chain(*found)


def of(spec: ModelSpec, files: Files) -> Chained | None:
    """Return the graphs of a bundled model, whose files were verified; None if there are none."""
    make = _FAMILIES.get(spec.family) if spec.bundled else None
    return make(spec, files) if make else None


def trunk_tokens(trunk: Path, name: str) -> tuple[Graph, Graph]:
    """Return the published trunk of CLIP as embedding and blocks, which give the class tokens of
    all blocks that layers read; `name` identifies its file."""
    embed = Graph(f"pictures {name}", lambda: clip.pictures(read(trunk)), bf16=True)
    return embed, _blocks(trunk, name)


def _blocks(trunk: Path, name: str) -> Graph:
    return Graph(f"blocks {name}", lambda: clip.trunk(read(trunk)), bf16=True)


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a .safetensors file, int8 ones times their scales, float32."""
    from safetensors.numpy import load_file

    state = load_file(path)
    for name in [name for name in state if name.endswith(("_scale", ".scale"))]:
        stem = name.removesuffix("scale")
        target = f"{stem}weight" if stem.endswith(".") else stem.removesuffix("_")
        if target in state:
            scale = state.pop(name).astype(np.float32)
            stored = state[target]
            state[target] = stored * scale.reshape(-1, *[1] * (stored.ndim - 1))
    return state


def _names(spec: ModelSpec) -> str:
    return " ".join(file.sha256 or file.path for file in spec.files)


def _clip(spec: ModelSpec, files: Files) -> Chained:
    trunk, head = files

    def tuned() -> Any:
        return clip.whole(clip.tuned(read(trunk), read(head)))

    if any(name.startswith("vision.") for name in _tensor_names(head)):
        return Chained((Graph(f"tuned {_names(spec)}", tuned, bf16=True),), 4)
    over = Graph(f"layer {spec.files[1].sha256}", lambda: clip.over_tokens(read(head)))
    return Chained((*trunk_tokens(trunk, spec.files[0].sha256 or str(trunk)), over), 16)


def _videomae(spec: ModelSpec, files: Files) -> Chained:
    """Return VideoMAE on the blocks that `clip-generated` and `picture` use too: of its weights
    only the embedding and the layer are its own."""
    trunk, layer = files
    sizes = {name: int(spec.options[option]) for name, option in _VIDEO_SIZES.items()}
    name, block = spec.files[0].sha256 or str(trunk), int(spec.options["num_hidden_layers"])
    embed = Graph(f"clips {name} {sizes}", lambda: clip.clips(read(trunk), **sizes), bf16=True)
    facts = f"layer over clips {spec.files[1].sha256} {block}"
    over = Graph(facts, lambda: clip.over_clips(read(layer), block))
    return Chained((embed, _blocks(trunk, name), over), 1)


_VIDEO_SIZES = {"side": "image_size", "frames": "num_frames", "tubelet": "tubelet_size"}


def _single(graph: Callable[[State], Any], batch: int, spec: ModelSpec, files: Files) -> Chained:
    facts = f"{spec.family} {_names(spec)} {spec.crop.size}"
    return Chained((Graph(facts, lambda: graph(read(files[0]))),), batch)


def _texture(spec: ModelSpec, files: Files) -> Chained:
    return _single(partial(texture.graph, side=spec.crop.size), 2, spec, files)


def _timbre(spec: ModelSpec, files: Files) -> Chained:
    return _single(timbre.graph, 1, spec, files)


def _tensor_names(path: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return list(file.keys())


_FAMILIES: dict[str, Callable[[ModelSpec, Files], Chained]] = {
    "clip_vit": _clip,
    "videomae": _videomae,
    "texture_cnn": _texture,
    "timbre": _timbre,
}
