"""bf16 only where the device computes it."""

import pytest
import torch
from torch import nn

from detector.training.fit import half_precision


@pytest.mark.parametrize("able", [True, False])
def test_bf16_is_left_alone_where_the_cpu_has_none(able, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: able)
    network, x = nn.Linear(4, 4), torch.randn(2, 4)
    with half_precision(x.device):
        assert network(x).dtype == (torch.bfloat16 if able else torch.float32)


def test_a_device_that_nobody_asked_computes_in_fp32():
    with half_precision(torch.device("xpu")):
        assert not torch.is_autocast_enabled("xpu")
