"""Seconds of the bootstrap that evaluations draw their intervals with.

python -m lab.bench.intervals [--files 2000] [--groups 400]
"""

import argparse
import time

import numpy as np

from detector.evaluation import metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--groups", type=int, default=400)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    labels = np.arange(args.files) % 2
    scores, groups = rng.normal(labels, 1.0), rng.integers(args.groups, size=args.files)
    for name, less in (("AUC", None), ("paired difference", rng.normal(labels, 2.0))):
        begun = time.perf_counter()
        found = metrics.auc_interval(scores, labels, groups, less=less)
        seconds = time.perf_counter() - begun
        print(f"{name} {found}: {metrics.ROUNDS} draws of {args.files} scores in {seconds:.2f} s")


if __name__ == "__main__":
    main()
