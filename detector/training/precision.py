"""Number format of training: bf16 where the device computes it, else fp32."""

from __future__ import annotations

import torch


def half_precision(device: torch.device) -> torch.autocast:
    """Return a context in which networks compute in bf16, if the device can; else in fp32.

    On a CPU without AVX-512, oneDNN emulates bf16 convolutions a hundred times slower than fp32.
    """
    computes = {
        "cpu": torch.ops.mkldnn._is_mkldnn_bf16_supported,
        "cuda": torch.cuda.is_bf16_supported,
    }.get(device.type)
    return torch.autocast(device.type, torch.bfloat16, enabled=bool(computes and computes()))
