"""Time the bootstrap of an evaluation's intervals.

python -m lab.bench.intervals [--files 2000] [--groups 400]
"""

import time

import numpy as np

from detector.evaluation import metrics
from lab.bench import command


def main(files: int = 2000, groups: int = 400) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(files) % 2
    scores, group = rng.normal(labels, 1.0), rng.integers(groups, size=files)
    for name, less in (("AUC", None), ("paired difference", rng.normal(labels, 2.0))):
        begun = time.perf_counter()
        found = metrics.auc_interval(scores, labels, group, less=less)
        seconds = time.perf_counter() - begun
        print(f"{name} {found}: {metrics.ROUNDS} draws of {files} scores in {seconds:.2f} s")


if __name__ == "__main__":
    command(main)
