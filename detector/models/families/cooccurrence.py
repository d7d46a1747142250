"""How differences of neighboring pixels follow one another, in a face and around it.

What a camera, a sensor's demosaicing and an encoder leave in a picture shows in how one small
difference follows the next; what was drawn by a network and pasted shows otherwise than what
surrounds it. See `detector/models/runs.py`.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from detector.models.base import Files, ModelSpec
from detector.models.network import MappingModel
from detector.models.runs import RunTables, heat, luma
from detector.weights import load_state, load_strict


class CooccurrenceNet(RunTables):
    """Differences of the first, second and third order, at full and at half size.

    `forward` takes float [N, 3, S, S] in -1..1 (x / 127.5 - 1), S even, and gives [N].
    """

    ORDERS = ((-1, 1), (1, -2, 1), (1, -3, 3, -1))
    SIZES = (1, 2)
    STEP = 2.0

    def planes(self, x: Tensor) -> Tensor:
        """See `RunTables.planes`: a picture's luma."""
        return luma(x)[:, None]


class CooccurrenceModel(MappingModel):
    """Scores single crops, and shows what each place adds."""

    network: CooccurrenceNet

    def own_map(self, x: Tensor) -> Tensor:
        """See `MappingModel.own_map`."""
        return heat(self.network.evidence(x)[:, 0])


def build(state: dict[str, Any], name: str = "grain") -> CooccurrenceNet:
    """Return a network in evaluation mode with these tables.

    Raises
    ------
    WeightsError
        If a tensor is missing, left over or of another shape.
    """
    network = CooccurrenceNet()
    load_strict(network, state, name)  # fp16 in the file becomes fp32 here
    network.eval()
    return network


def load(spec: ModelSpec, files: Files, device: str) -> CooccurrenceModel:
    """Load what `unmask train grain` wrote (one .safetensors file)."""
    return CooccurrenceModel(spec, build(load_state(files[0]), spec.id), device)
