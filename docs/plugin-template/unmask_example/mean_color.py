"""Mean color: a linear layer on the mean color of a face. It detects nothing, as an example."""

from torch import Tensor, nn

from detector.models.base import Files, ModelSpec
from detector.models.network import TorchFrameModel, load_network


class MeanColor(nn.Module):
    """float [N, 3, 64, 64] -> logits of the classes (real, fake), [N, 2]."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 3, 1)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


def load(spec: ModelSpec, files: Files, device: str) -> TorchFrameModel:
    """Return the model; `files` are verified."""
    network = load_network(MeanColor(), spec, files)
    return TorchFrameModel(spec, network, device, target_layer=network.features)
