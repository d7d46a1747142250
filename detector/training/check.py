"""A look at held-out people while a network trains: clean pictures, no augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from detector.evaluation import metrics
from detector.training.cache import Faces
from detector.training.input_transform import InputTransform
from detector.training.precision import half_precision
from detector.training.sample import PairSource

FRAMES = 3
"""Pictures of a clip."""
PAIRS = 250
"""Of a part, at most."""


class HeldOut:
    """AUC and pairs won on held-out pairs, part by part. Call it with a network.

    Parts that teach by self-blending have no fakes to be judged on and are left out.
    """

    def __init__(self, sources: Sequence[PairSource], transform: InputTransform) -> None:
        self.transform = transform
        self.parts: dict[str, tuple[np.ndarray, int]] = {}
        for source in sources:
            count = 1 if source.part.kind == "image" else FRAMES
            shown = []
            for entry in held_out_pairs(source, PAIRS):
                frames = source.cache.frames(entry)
                for i in np.linspace(0, len(frames) - 1, count).round().astype(int):
                    shown.append(transform.plain(frames[i], entry, int(i)))
            if shown:
                self.parts[source.part.name] = np.stack(shown), count

    @torch.inference_mode()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        network.eval()
        device = next(network.parameters()).device
        figures: dict[str, float] = {}
        for name, (pictures, count) in self.parts.items():
            logits = []
            for start in range(0, len(pictures), 32):
                x = torch.from_numpy(self.transform.batch(list(pictures[start : start + 32])))
                x = x.to(device, memory_format=torch.channels_last)
                with half_precision(device):
                    logits.append(network(x).float().cpu().numpy())
            figures |= ranking(name, np.concatenate(logits).reshape(-1, count).mean(1))
        return figures


def held_out_pairs(source: PairSource, most: int) -> list[Faces]:
    """Return originals and fakes in turn, spread over at most so many pairs; none of a part whose
    fakes are made while training."""
    couples = [couple for group in source.groups for couple in group]
    spread = couples[:: -(-len(couples) // most) or 1]
    return [entry for pair in spread if pair[1] is not None for entry in pair if entry is not None]


def ranking(name: str, scores: np.ndarray) -> dict[str, float]:
    """Return AUC and pairs won of the scores of originals and fakes in turn."""
    couples = [(i, i + 1) for i in range(0, len(scores), 2)]
    return {
        f"{name} auc": metrics.auc(scores, np.arange(len(scores)) % 2),
        f"{name} pairs won": metrics.paired_ranking_accuracy(scores, couples),
    }
