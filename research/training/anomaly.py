"""Training of an autoencoder on untouched faces: fakes and labels play no part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detector.training import augment, input_transform
from detector.training.fit import fit
from detector.training.job import TrainingJob
from detector.training.recipe import Recipe
from detector.training.sample import PairSource
from research.families.autoencoder import Autoencoder

NOISE = 0.15
"""Spread of the noise that a picture is drawn again from, in a range of -1..1."""
WATCHED = 128
"""Held-out faces that a run is watched on."""


class Denoising(nn.Module):
    """What is made small: the error of a picture drawn again from a noisy one, [1]."""

    def __init__(self, network: Autoencoder) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        noisy = x + NOISE * torch.randn_like(x) if self.training else x
        return (self.network.reconstruct(noisy) - x).square().mean()[None]


class HeldOutError:
    """The error on untouched faces of held-out people."""

    def __init__(self, pictures: np.ndarray) -> None:
        self.pictures = torch.from_numpy(pictures)

    @torch.inference_mode()
    def __call__(self, network: nn.Module) -> dict[str, float]:
        network.eval()
        parts = self.pictures.split(32)
        return {"held-out error": float(np.mean([float(network(part)) for part in parts]))}


def train(job: TrainingJob) -> Autoencoder:
    """Train an autoencoder by a recipe; see `detector.training.run.train`."""
    plan = job.plan
    options: dict[str, Any] = dict(plan.options)
    held = [
        input_transform.plain(source.cache.frames(first)[0], source.part.tight, plan.crop)
        for source in job.held
        for group in source.groups
        for first, _ in group[:1]
    ][:WATCHED]
    trained = fit(
        Denoising(Autoencoder(plan.crop.size, **options)),
        plan,
        lambda step: draw(job.sources, plan, step),
        job.run,
        objective=lambda loss, labels: loss.mean(),
        check=HeldOutError(augment.batch_to_array(held)) if held else None,
    )
    assert isinstance(trained, Denoising)
    return trained.network


def draw(sources: Sequence[PairSource], recipe: Recipe, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Untouched faces of one step, float32 [2 P, 3, S, S] in -1..1, and zeros."""
    rng = np.random.default_rng([recipe.seed, step])
    shares = np.array([source.part.share for source in sources])
    pictures = []
    for choice in rng.choice(len(sources), 2 * recipe.pairs, p=shares / shares.sum()):
        source = sources[choice]
        group = source.groups[rng.integers(len(source.groups))]
        first, _ = group[rng.integers(len(group))]
        picture = source.cache.frames(first)[int(rng.integers(first.count))]
        framing = augment.draw_framing(rng, source.part.tight)
        shown = augment.frame(picture, framing, recipe.crop, source.part.tight)
        look = augment.draw_augmentation(rng, recipe.h264, recipe.without)
        pictures.append(augment.apply(shown, look))
    return augment.batch_to_array(pictures), np.zeros(len(pictures), np.float32)
