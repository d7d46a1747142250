"""The first stages of EfficientNet-Lite0 (Tan & Le 2019): inverted residuals without
squeeze-and-excitation, with ReLU6, padded as TensorFlow pads.

Names of tensors are timm's (`tf_efficientnet_lite0`), and so is what comes out. Written out because
this trunk is among the default models, and timm takes longer to import than they take to load.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

# kernel, stride, expansion, channels, repeats
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
)
STEM = 32
"""channels before the first stage, at half the input's size"""


class EarlyLite(nn.Module):
    """Everything down to 1/16 of the input: float [N, 3, S, S], S a multiple of 16 -> the output of
    each stage, 16 channels at S / 2, 24 at S / 4, 40 at S / 8, 80 and 112 at S / 16."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _Conv(3, STEM, 3, 2)
        self.bn1 = _norm(STEM)
        stages, channels = [], STEM
        for kernel, stride, expansion, outputs, repeats in STAGES:
            stage: list[nn.Module] = []
            for index in range(repeats):
                step = 1 if index else stride
                stage.append(
                    _Expanded(channels, outputs, kernel, step, expansion)
                    if expansion > 1
                    else _SeparableBlock(channels, outputs, kernel, step)
                )
                channels = outputs
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self.bn1(self.conv_stem(x)))
        said = []
        for stage in self.blocks:
            x = stage(x)
            said.append(x)
        return said


class _Conv(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME", of maps of even sides."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1):
        around = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, around, groups=groups, bias=False)
        before, after = (kernel - 2) // 2, (kernel - 1) // 2
        self.more = [before, after] * 2 if stride == 2 else [0] * 4

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.more) if any(self.more) else x)


class _SeparableBlock(nn.Module):
    """Filter per channel, then mix the channels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = _Conv(inputs, inputs, kernel, stride, groups=inputs)
        self.bn1 = _norm(inputs)
        self.conv_pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.bn1(self.conv_dw(x)))
        out: Tensor = self.bn2(self.conv_pw(x))
        return out


class _Expanded(nn.Module):
    """Expand, filter per channel, project; with a short cut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.conv_pw = nn.Conv2d(inputs, hidden, 1, bias=False)
        self.bn1 = _norm(hidden)
        self.conv_dw = _Conv(hidden, hidden, kernel, stride, groups=hidden)
        self.bn2 = _norm(hidden)
        self.conv_pwl = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.bn3 = _norm(outputs)
        self.short = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu6(self.bn1(self.conv_pw(x)))
        hidden = F.relu6(self.bn2(self.conv_dw(hidden)))
        out: Tensor = self.bn3(self.conv_pwl(hidden))
        return x + out if self.short else out


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)  # TensorFlow's
