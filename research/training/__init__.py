"""How the families of `research` are trained."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from detector.errors import UsageError
from detector.training import clips
from detector.training.fit import uses_features
from detector.training.frames import FrameTrainer
from detector.training.job import TrainingJob
from research.families.lite import LiteNet
from research.families.reference import ReferenceNet
from research.families.residual import ResidualNet
from research.families.temporal import Temporal
from research.families.tiles import TilesNet
from research.training import anomaly

_with_reference = FrameTrainer(ReferenceNet)


def train_with_reference(job: TrainingJob) -> nn.Module:
    """Train a network that is held against a coarse copy of its picture.

    Raises
    ------
    UsageError
        The recipe's loss looks at features, of which this network has two.
    """
    if uses_features(job.plan):
        raise UsageError(f"{job.plan.name}: with a reference, no loss looks at features.")
    return _with_reference(job)


TRAINERS: dict[str, Callable[[TrainingJob], nn.Module]] = {
    # Its published trunk comes with statistics of its own.
    "lite": FrameTrainer(LiteNet, folded=False),
    "tiles": FrameTrainer(TilesNet, folded=False),
    "residual": FrameTrainer(ResidualNet, untrained=frozenset({"classifier", "residual"})),
    "reference": train_with_reference,
    "temporal": partial(clips.train, family=Temporal),
    "autoencoder": anomaly.train,
}
