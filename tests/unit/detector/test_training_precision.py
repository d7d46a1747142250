"""bf16 only where the device computes it, and there not for convolutions per channel; all else, and
every name, stays."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from detector.training.precision import depthwise_in_fp32, half_precision


class Strided(nn.Conv2d):
    """A class of a network's own, as those are that pad as TensorFlow does."""


def test_a_wide_convolution_per_channel_computes_in_fp32_and_others_do_not() -> None:
    torch.manual_seed(0)
    wide = Strided(144, 144, 5, 2, groups=144)
    narrow, dense = nn.Conv2d(144, 144, 3, groups=144), nn.Conv2d(144, 4, 5)
    usual = nn.Sequential(wide, narrow, dense)
    exact = copy.deepcopy(usual)
    depthwise_in_fp32(exact)
    depthwise_in_fp32(exact)  # once more changes nothing
    assert isinstance(exact[0], Strided) and type(exact[0]) is not Strided
    assert {type(one) for one in exact[1:]} == {nn.Conv2d}
    assert exact.state_dict().keys() == usual.state_dict().keys()
    x = torch.randn(2, 144, 17, 17)
    plain = usual[0](x)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, precise = usual[0](x), exact[0](x)
        assert rounded.dtype == torch.bfloat16 and exact(x).dtype == torch.bfloat16
    torch.testing.assert_close(precise, plain)
    assert (rounded.float() - plain).abs().max() > 1e-4


def test_a_copy_computes_with_its_own_weights() -> None:
    """The averaged network is a copy."""
    network = nn.Sequential(nn.Conv2d(4, 4, 5, groups=4))
    depthwise_in_fp32(network)
    twin = copy.deepcopy(network)
    nn.init.zeros_(twin[0].weight)
    nn.init.zeros_(twin[0].bias)
    x = torch.randn(1, 4, 7, 7)
    assert not twin(x).any() and network(x).any()


@pytest.mark.parametrize("able", [True, False])
def test_bf16_is_left_alone_where_the_cpu_has_none(
    able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: able)
    network, x = nn.Linear(4, 4), torch.randn(2, 4)
    with half_precision(x.device):
        assert network(x).dtype == (torch.bfloat16 if able else torch.float32)


def test_a_device_that_nobody_asked_computes_in_fp32() -> None:
    with half_precision(torch.device("xpu")):
        assert not torch.is_autocast_enabled("xpu")
