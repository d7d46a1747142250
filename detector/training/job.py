"""What one family's training is given: the recipe, its data, and how to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.training.input_transform import InputTransform, input_transform_of
from detector.training.pretrained import PretrainedDetector
from detector.training.recipe import Recipe
from detector.training.sample import PairSource

Progress = Callable[[str, int, int, dict[str, float]], None]
"""Stage ("faces", "maps", "masking", "training"), done, in all, figures (none between checks)."""


@dataclass(frozen=True)
class TrainingJob:
    """A training run with its data at hand.

    Attributes
    ----------
    sources, held : sequence of Source
        Parts of the recipe with the people to learn from, and with those that are kept out.
    kept : set of str
        Persons that are kept out.
    out : Path
        The run's folder.
    begin : Path or None
        Weights to start from.
    published : Published or None
        The detector that is trained on, where it is none of ours.
    """

    plan: Recipe
    sources: Sequence[PairSource]
    held: Sequence[PairSource]
    kept: set[str]
    out: Path
    begin: Path | None
    resume: bool
    stop_after: int | None
    device: str
    on_progress: Progress
    published: PretrainedDetector | None = None

    @property
    def transform(self) -> InputTransform:
        """How the network sees faces."""
        return input_transform_of(self.plan, self.published.model if self.published else None)

    def training(self, done: int, total: int, figures: dict[str, float]) -> None:
        """Tell of the training."""
        self.on_progress("training", done, total, figures)
