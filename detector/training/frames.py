"""Training of a frame model: pairs of single crops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from detector.models.families.mobilenet import MobileNetV2
from detector.training import sample, start
from detector.training.check import HeldOut
from detector.training.fit import fit
from detector.training.job import TrainingJob

STATISTICS = 144
"""Pictures from which a trunk's statistics are refitted."""
AHEAD = 1_000_000
"""First of the steps whose pictures they are: beyond any run's own."""


@dataclass(frozen=True)
class FrameTrainer:
    """Train a network on single crops by a recipe; see `detector.training.run.train`.

    Attributes
    ----------
    family, untrained
        See `start.frame_network`.
    folded : bool
        The batch norms of the trunk that it begins with are folded into its convolutions.
    """

    family: Callable[..., nn.Module] = MobileNetV2
    untrained: frozenset[str] = frozenset({"classifier"})
    folded: bool = True

    def __call__(self, job: TrainingJob) -> nn.Module:
        plan, sources = job.plan, job.sources
        network = start.frame_network(plan, job.begin, self.family, self.untrained)
        if self.folded and network.features is not None and not start.is_trained(job.begin):
            steps = range(AHEAD, AHEAD + max(1, STATISTICS // (2 * plan.pairs)))
            some = [sample.draw(sources, plan, step)[0] for step in steps]
            start.refit_statistics(network.features, torch.from_numpy(np.concatenate(some)))
        return fit(
            network.to(memory_format=torch.channels_last),  # on a CPU too it takes half the time
            plan,
            lambda step: sample.draw(sources, plan, step),
            job.run,
            check=HeldOut(job.held, job.transform),
        )
