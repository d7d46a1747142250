"""What a training computes in: bf16 where that is faster, fp32 where it is not."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def half_precision(device: torch.device) -> torch.autocast:
    """Return a context in which networks compute in bf16, if the device can; else in fp32.

    A CPU without AVX-512 has no bf16: oneDNN then refuses an LSTM and takes a hundred times as long
    for convolutions.
    """
    computes = {
        "cpu": torch.ops.mkldnn._is_mkldnn_bf16_supported,
        "cuda": torch.cuda.is_bf16_supported,
    }.get(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=bool(computes and computes()))


class _SinglePrecision:
    """Before a convolution's class: it computes in fp32 whatever autocast says."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            out: Tensor = super().forward(x.float())  # type: ignore[misc]
        return out.to(x.dtype)


def in_fp32(module: nn.Conv2d) -> None:
    """Let a convolution compute in fp32 whatever autocast says. Weights and names stay."""
    kind = type(module)
    if not issubclass(kind, _SinglePrecision):
        module.__class__ = type(kind.__name__, (_SinglePrecision, kind), {})


def depthwise_in_fp32(network: nn.Module) -> None:
    """Let convolutions per channel with kernels over 3 compute in fp32, where a CPU is 4 to 10
    times as fast backwards as in bf16, and hardly slower forwards."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1 and module.kernel_size[0] > 3:
            in_fp32(module)
