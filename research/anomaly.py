"""Whether an autoencoder's error on a face tells anything, on clips whose sources it never saw.

AUC of the mean error over some frames with an interval from resampling groups, fold by fold
(`research.sources`), pairs won, and how far the error only repeats what sharpness says.

    python -m research.anomaly runs/anomaly/model.safetensors --cache faces
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from detector.evaluation import metrics
from detector.evaluation.labels import pairs
from detector.training import augment, input_transform
from detector.training.cache import FaceCache
from detector.training.recipe import read_recipe
from detector.weights import load_state
from research import register
from research.families import autoencoder
from research.frames import FRAMES
from research.sources import FOLDS, left_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder of cut faces")
    parser.add_argument("--recipe", default="anomaly")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    plan = read_recipe(asked.recipe)
    options: dict[str, Any] = {"size": plan.crop.size} | plan.options
    network = autoencoder.build(load_state(asked.weights), **options)
    cache = FaceCache(asked.cache / "video")
    entries = cache.entries
    error, sharp = np.zeros(len(entries)), np.zeros(len(entries))
    for index, entry in enumerate(entries):
        frames = cache.frames(entry)
        chosen = np.unique(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int))
        shown = [input_transform.plain(frames[i], entry.tight, plan.crop) for i in chosen]
        with torch.inference_mode():
            error[index] = float(network(torch.from_numpy(augment.batch_to_array(shown))).mean())
        gray = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in shown]
        sharp[index] = np.mean([np.log(cv2.Laplacian(g, cv2.CV_64F).var() + 1) for g in gray])
    labels = np.array([entry.label for entry in entries])
    groups = np.array([f"{entry.source}/{entry.group}" for entry in entries])
    found = pairs(entries)
    print("| | error | pairs won | error without sharpness |\n|---|---|---|---|")
    slope, offset = np.polyfit(sharp[labels == 0], error[labels == 0], 1)
    rest = error - slope * sharp - offset
    for fold in [*FOLDS, "all"]:
        inside = np.array([fold == "all" or left_out(entry.source, fold) for entry in entries])
        some = [couple for couple in found if inside[list(couple)].all()]
        values = [
            metrics.bootstrap(metrics.auc, column[inside], labels[inside], groups[inside])
            for column in (error, rest)
        ]
        won = metrics.paired_ranking_accuracy(error, some)
        print(f"| {fold} | {values[0]} | {won:.2f} of {len(some)} | {values[1]} |")
    print(f"correlation with log sharpness: {np.corrcoef(error, sharp)[0, 1]:.2f}")


if __name__ == "__main__":
    register()
    main()
