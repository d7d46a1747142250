"""Evaluation on held-out people during training: clean pictures, no augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from detector.evaluation import metrics
from detector.training.input_transform import PretrainedInput
from detector.training.precision import half_precision
from detector.training.sample import PairSource

FRAMES = 3
"""Pictures of a clip."""
PAIRS = 250
"""Maximum of a part."""


class HeldOut:
    """AUC and pairs won on held-out pairs, part by part. Call it with a network."""

    def __init__(self, sources: Sequence[PairSource], transform: PretrainedInput) -> None:
        self.transform = transform
        self.parts: dict[str, tuple[np.ndarray, int]] = {}
        for source in sources:
            count = 1 if source.part.kind == "image" else FRAMES
            couples = [couple for group in source.groups for couple in group]
            shown = [
                transform.plain(source.cache.frames(entry)[i], entry, int(i))
                for couple in couples[:: -(-len(couples) // PAIRS) or 1]
                for entry in couple
                for i in np.linspace(0, entry.count - 1, count).round().astype(int)
            ]
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
                with half_precision(device):
                    logits.append(network(x.to(device)).float().cpu().numpy())
            scores = np.concatenate(logits).reshape(-1, count).mean(1)
            couples = [(i, i + 1) for i in range(0, len(scores), 2)]
            figures |= {
                f"{name} auc": metrics.auc(scores, np.arange(len(scores)) % 2),
                f"{name} pairs won": metrics.paired_ranking_accuracy(scores, couples),
            }
        return figures
