"""What one family's training is given: the recipe, its data, and how to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.training.fit import TrainingOptions
from detector.training.input_transform import InputTransform, input_transform_of
from detector.training.pretrained import PretrainedDetector
from detector.training.recipe import Recipe
from detector.training.sample import PairSource


@dataclass(frozen=True)
class TrainingJob:
    """A training run with its data at hand.

    Attributes
    ----------
    sources, held : sequence of PairSource
        Parts of the recipe with the people to learn from, and with those that are held out.
    held_out : set of str
        Persons that are held out.
    begin : Path or None
        Weights to start from.
    published : PretrainedDetector or None
        The detector that is trained on, where it is none of ours.
    """

    plan: Recipe
    sources: Sequence[PairSource]
    held: Sequence[PairSource]
    held_out: set[str]
    run: TrainingOptions
    begin: Path | None = None
    published: PretrainedDetector | None = None

    @property
    def transform(self) -> InputTransform:
        """How the network sees faces."""
        return input_transform_of(self.plan, self.published.model if self.published else None)
