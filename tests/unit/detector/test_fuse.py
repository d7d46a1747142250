"""Weights of two networks between which one is interpolated."""

import math

import pytest
import torch

from detector.errors import UsageError
from detector.training.fuse import interpolate, slerp


def angle(a, b):
    a, b = a.double().flatten(), b.double().flatten()
    return math.acos(min(1.0, float(a @ b / (a.norm() * b.norm()))))


def pair(shape=(8, 3, 5)):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(shape, generator=generator), 2 * torch.randn(shape, generator=generator)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_ends_are_the_parents_to_the_bit(dtype):
    a, b = (tensor.to(dtype) for tensor in pair())
    assert torch.equal(slerp(a, b, 0.0), a) and torch.equal(slerp(a, b, 1.0), b)
    assert slerp(a, b, 0.5).dtype == dtype


@pytest.mark.parametrize("at", [0.25, 0.5, 0.8])
def test_between_them_angle_and_length_are_shared_out(at):
    a, b = pair()
    mixed, whole = slerp(a, b, at), angle(a, b)
    assert angle(a, mixed) == pytest.approx(at * whole, abs=1e-5)
    assert angle(mixed, b) == pytest.approx((1 - at) * whole, abs=1e-5)
    assert float(mixed.norm()) == pytest.approx(
        float((1 - at) * a.norm() + at * b.norm()), rel=1e-5
    )


def test_parallel_opposite_and_empty_tensors_are_interpolated_linearly():
    a, _b = pair()
    for other in (3 * a, -a, torch.zeros_like(a)):
        torch.testing.assert_close(slerp(a, other, 0.25), 0.75 * a + 0.25 * other)
    assert torch.equal(slerp(torch.zeros(4), torch.zeros(4), 0.5), torch.zeros(4))
    assert float(slerp(torch.tensor(2.0), torch.tensor(4.0), 0.5)) == 3.0


def test_counts_are_the_nearer_network_s():
    first = {"w": pair()[0], "seen": torch.tensor(3)}
    second = {"w": pair()[1], "seen": torch.tensor(9)}
    assert [int(interpolate(first, second, at)["seen"]) for at in (0.4, 0.6)] == [3, 9]


@pytest.mark.parametrize("other", [{"w": torch.zeros(2)}, {"v": torch.zeros(3)}, {}])
def test_other_shapes_are_refused(other):
    with pytest.raises(UsageError, match="differ in"):
        interpolate({"w": torch.zeros(3)}, other, 0.5)
