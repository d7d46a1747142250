"""Networks run elsewhere than in torch give torch's numbers, and tell nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from detector import runtime


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, 2), torch.nn.BatchNorm2d(8), torch.nn.ReLU6(), torch.nn.Flatten()
    ).eval()


@pytest.fixture(scope="module")
def run(network: torch.nn.Module) -> runtime.Runner:
    return runtime.compile(network, torch.zeros(2, 3, 33, 33), "cpu")


def batch(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3, 33, 33)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_equal_to_torch_at_any_batch_size(
    network: torch.nn.Module, run: runtime.Runner, count: int
) -> None:
    x = batch(count)
    with torch.inference_mode():
        expected = network(torch.from_numpy(x)).numpy()
    (found,) = run(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.array_equal(found, run(x)[0])


def test_an_answer_is_not_overwritten_by_the_next(run: runtime.Runner) -> None:
    first = run(batch(2, 1))[0]
    kept = first.copy()
    run(batch(2, 2))
    assert np.array_equal(first, kept)


def test_threads_do_not_mix_their_answers(run: runtime.Runner) -> None:
    alone = [run(batch(3, seed))[0] for seed in range(4)]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for _ in range(30):
            if not np.array_equal(run(batch(3, seed))[0], alone[seed]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_it_reports_to_nobody(tmp_path: Path) -> None:
    code = (
        "import sys, torch; from detector import runtime;"
        "runtime.compile(torch.nn.Linear(2, 2).eval(), torch.zeros(2, 2), 'cpu');"
        "print([m for m in sys.modules if m.startswith('openvino_telemetry') and sys.modules[m]])"
    )
    # CI is named in the environment where this runs, and the reporting is off there by itself.
    environment = {k: v for k, v in os.environ.items() if k != "CI"} | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert not (tmp_path / "intel").exists()


def test_the_backend_is_named_with_its_version() -> None:
    assert runtime.backend("cpu").startswith("openvino 20")
    assert runtime.backend("cuda").startswith("torch ")
