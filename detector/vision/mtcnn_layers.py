"""The three networks of MTCNN (Zhang et al. 2016), of the layers that facenet-pytorch (MIT) has."""

from torch import Tensor, nn


class MtcnnNetwork(nn.Module):
    """Pictures as they are, 0..255, [N, S, S, 3] -> boxes, points (O-Net alone), and of no face and
    a face the probabilities."""

    def __init__(self, trunk: list[nn.Module], *heads: nn.Module) -> None:
        super().__init__()
        self.trunk, self.heads = nn.Sequential(*trunk), nn.ModuleList(heads)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        x = self.trunk((pictures.permute(0, 3, 1, 2) - 127.5) * 0.0078125)
        *others, face = (head(x) for head in self.heads)
        return *others, face.softmax(1)


class _Flat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 2, 1).flatten(1)


def _conv(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, kernel), nn.PReLU(outputs)


def _dense(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return _Flat(), nn.Linear(inputs, outputs), nn.PReLU(outputs)


def _pool(size: int) -> nn.Module:
    return nn.MaxPool2d(size, 2, ceil_mode=True)


def propose() -> MtcnnNetwork:
    """Return P-Net."""
    trunk = [*_conv(3, 10, 3), _pool(2), *_conv(10, 16, 3), *_conv(16, 32, 3)]
    return MtcnnNetwork(trunk, nn.Conv2d(32, 4, 1), nn.Conv2d(32, 2, 1))


def refine() -> MtcnnNetwork:
    """Return R-Net."""
    trunk = [*_conv(3, 28, 3), _pool(3), *_conv(28, 48, 3), _pool(3), *_conv(48, 64, 2)]
    return MtcnnNetwork([*trunk, *_dense(576, 128)], nn.Linear(128, 4), nn.Linear(128, 2))


def output() -> MtcnnNetwork:
    """Return O-Net."""
    trunk = [*_conv(3, 32, 3), _pool(3), *_conv(32, 64, 3), _pool(3), *_conv(64, 64, 3), _pool(2)]
    trunk += [*_conv(64, 128, 2), *_dense(1152, 256)]
    return MtcnnNetwork(trunk, nn.Linear(256, 4), nn.Linear(256, 10), nn.Linear(256, 2))
