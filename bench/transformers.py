"""What a published vision transformer takes on a processor: GenD (CLIP ViT-L/14) on 16 crops.

    python -m bench.transformers [--crops 16] [--runs 3]

Side by side, in turn: float32 on one thread (as it was), float32 and bf16 in batches side by side
(as it is, by UNMASK_PRECISION). Then how far the scores are apart, and how close each comes to what
the processor multiplies large matrices at. The weights are drawn: times do not depend on them. How
far bf16 moves a score does; told is how far it moves the feature that is judged, in shares of its
length, which is 1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.nn import functional as F

from detector import runtime
from detector.models import registry
from detector.models.families.gend import GenD
from detector.models.vit import TokenModel
from detector.pipeline.scoring import BATCH

OPERATIONS = 2 * 81.0e9
"""of a crop: ViT-L/14 at 224 px multiplies and adds 81 thousand million times."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crops", type=int, default=16)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    torch.manual_seed(0)
    network = GenD("clip")
    model = TokenModel(registry.get_spec("gend_clip_l14"), network, "cpu", network.target_layer)
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (args.crops, 224, 224, 3), np.uint8)
    cores = os.cpu_count() or 1
    ways: list[tuple[str, str, int]] = [
        ("float32, one thread", "f32", 1),
        (f"float32, {cores} batches side by side", "f32", cores),
        (f"bf16, {cores} batches side by side", "bf16", cores),
    ]
    times: dict[str, list[float]] = {name: [] for name, *_ in ways}
    for _ in range(args.runs):
        for name, precision, threads in ways:
            os.environ["UNMASK_PRECISION"] = precision
            times[name].append(_timed(model, crops, threads))
    print(f"{args.crops} crops, {runtime.backend('cpu')}, {cores} cores")
    first = statistics.median(times[ways[0][0]])
    for name, precision, threads in ways:
        seconds = statistics.median(times[name])
        limit = args.crops * OPERATIONS / (_multiplied(precision) * threads)
        print(
            f"{name:36} {seconds:6.2f} s  {seconds / first:5.2f} of the first,"
            f" {limit / seconds:.0%} of the limit"
        )
    feature = {}
    for precision in ("f32", "bf16"):
        os.environ["UNMASK_PRECISION"] = precision
        with torch.inference_mode():
            x = torch.stack([model.preprocess(crop) for crop in crops[:4]])
            enabled = runtime.computes_in_bf16("cpu")
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                feature[precision] = F.normalize(network.feature(x).float())
    moved = (feature["bf16"] - feature["f32"]).norm(dim=1)
    print(f"bf16 moves the feature by {moved.mean():.4f} of its length, at most {moved.max():.4f}")


def _timed(model: TokenModel, crops: np.ndarray, threads: int) -> float:
    """Return the seconds that the stage of scoring would take."""
    batches = [crops[start : start + BATCH] for start in range(0, len(crops), BATCH)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(threads, initializer=lambda: torch.set_num_threads(1)) as pool:
        list(pool.map(model.score, batches))
    return time.perf_counter() - begun


def _multiplied(precision: str) -> float:
    """Return the operations a second of one thread on matrices of the network's sizes."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    rate: list[float] = []

    def measure() -> None:
        torch.set_num_threads(1)
        a, b = torch.randn(1028, 1024, dtype=kind), torch.randn(1024, 4096, dtype=kind)
        for _ in range(5):
            begun = time.perf_counter()
            torch.mm(a, b)
            rate.append(2 * 1028 * 1024 * 4096 / (time.perf_counter() - begun))

    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
    return max(rate)


if __name__ == "__main__":
    main()
