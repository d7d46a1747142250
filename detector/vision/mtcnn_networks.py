"""MTCNN's networks: P-Net, R-Net and O-Net of facenet-pytorch, compiled."""

from functools import lru_cache
from typing import NamedTuple

from detector import runtime
from detector.runtime import Runner
from detector.vision.mtcnn_graphs import graph

TILE = 48  # px. Side of what P-Net is shown of a level about a face that is followed.


NAMES = ("pnet", "rnet", "onet")


class Networks(NamedTuple):
    """The three networks; each takes pictures 0..255, [N, S, S, 3], and returns the original's
    outputs."""

    propose: Runner
    refine: Runner
    output: Runner


def load(device: str) -> Networks:
    """Return the networks."""
    return _of_graphs() if runtime.package(device) == "openvino" else _built(device)


@lru_cache(maxsize=1)
def _of_graphs() -> Networks:
    return Networks(*(runtime.of_graph(graph(name)) for name in NAMES))


def _built(device: str) -> Networks:
    import torch
    from facenet_pytorch.models.mtcnn import ONet, PNet, RNet

    class Normalized(torch.nn.Module):
        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
            values = (pictures.permute(0, 3, 1, 2) - 127.5) * 0.0078125
            outputs: tuple[torch.Tensor, ...] = self.network(values)
            return outputs

    def compiled(network: torch.nn.Module, side: int, *free: int) -> Runner:
        example = torch.zeros(2, side, side, 3, device=device)
        normalized = Normalized(network).eval().to(device)
        return runtime.compile(normalized, example, device, free=free)

    return Networks(
        compiled(PNet(), TILE, 0, 1, 2), compiled(RNet(), 24, 0), compiled(ONet(), 48, 0)
    )
