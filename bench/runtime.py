"""What the processor path runs on: eager torch, torch in bf16, OpenVINO, side by side.

    python -m bench.runtime [--runs 15]

Every bundled network that scores on a processor, one thread, on the batches it is given in use.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from detector import runtime, weights
from detector.models import registry
from detector.models.base import ModelSpec
from detector.models.families import mobilenet, videomae
from detector.pipeline.scoring import BATCH

RNG = np.random.default_rng(0)


def network(spec: ModelSpec) -> tuple[torch.nn.Module, torch.Tensor] | None:
    """The part of a bundled model that is compiled, and an input of the size it gets."""
    state = weights.load_state(weights.resolve(spec)[0])
    side = spec.crop.size
    if spec.family == "mobilenet":
        net: torch.nn.Module = mobilenet.fuse(mobilenet.build(state, spec.id))
        shape = (BATCH, 3, side, side)
    elif spec.family == "videomae":
        options = dict(spec.options)
        net = videomae.build(state, spec.id, size=side, frames=spec.clip_frames, **options).trunk
        shape = (spec.clip_frames, 3, side, side)
    else:
        return None
    x = torch.from_numpy(RNG.normal(0, 0.5, shape).astype(np.float32))
    return net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    torch.set_num_threads(1)
    heads = f"{'eager':>8} {'bf16':>8} {'openvino':>9} {'ratio':>6} {'max diff':>9}"
    print(f"{'ms a crop, median':20} {heads}")
    for spec in registry.choose():
        made = network(spec)
        if made is None:
            continue
        net, x = made
        compiled = runtime.compile(net, x, "cpu")
        batch = x.contiguous().numpy()

        def eager(net: torch.nn.Module = net, x: torch.Tensor = x) -> torch.Tensor:
            with torch.inference_mode():
                return net(x)

        def half(net: torch.nn.Module = net, x: torch.Tensor = x) -> torch.Tensor:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
                return net(x)

        ways: dict[str, Callable[[], object]] = {
            "eager": eager,
            "bf16": half,
            "openvino": partial(compiled, batch),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(runs):
            for name, way in ways.items():
                begun = time.perf_counter()
                way()
                times[name].append((time.perf_counter() - begun) * 1e3 / len(x))
        medians = {name: statistics.median(values) for name, values in times.items()}
        ratios = [a / b for a, b in zip(times["eager"], times["openvino"], strict=True)]
        difference = float(np.abs(compiled(batch)[0] - eager().numpy()).max())
        print(
            f"{spec.id:20} {medians['eager']:8.2f} {medians['bf16']:8.2f} "
            f"{medians['openvino']:9.2f} {statistics.median(ratios):6.2f} {difference:9.1e}"
        )


if __name__ == "__main__":
    main()
