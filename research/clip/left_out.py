"""Run clips through the product's pipeline by the network that never saw their source, and fit the
shipped calibration, ensembles and thresholds on that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from detector import media, runtime, vision
from detector.evaluation import calibration, manifest, scores
from detector.evaluation.calibration import Calibrated
from detector.evaluation.labels import Item, read_labels
from detector.evaluation.operating_points import Promises
from detector.models import ready, registry
from detector.models.base import CropRecipe
from detector.models.families import clip_blocks
from detector.pipeline import Analyzer
from detector.weights import load_state
from research.clip import FOLDS, fold_of

MODELS = ("clip", "clip-generated", "texture")
GENERATED = "talking head"
"""What `evaluation.methods` takes for a head that was generated as a whole."""


def network(tuned: Path) -> clip_blocks.ClipBlocks:
    """Return the shipped trunk with another tuned file."""
    trunk = registry.get_spec("clip").files[0]
    from detector import paths

    state = clip_blocks.read_trunk(paths.bundled() / trunk.path)
    return clip_blocks.build(clip_blocks.tuned(state, load_state(tuned)))




@contextmanager
def instead(tuned: Path) -> Iterator[None]:
    """Inside, the models of CLIP score with another tuned file."""
    net = network(tuned)
    pair = net, runtime.compile(net, torch.zeros(2, 3, 224, 224), "cpu")
    before = clip_blocks._network, ready.load
    clip_blocks._network = lambda *_: pair  # type: ignore[assignment]
    ready.load = lambda spec, family, device, whole: whole()
    try:
        for id in MODELS[:2]:
            registry.unload(id)
        yield
    finally:
        clip_blocks._network, ready.load = before
        for id in MODELS[:2]:
            registry.unload(id)


def score(labels: Path, tuned: Path, store: Path) -> None:
    """Append each clip's analysis to a store, by the network of its source's fold."""
    for fold in range(FOLDS):
        own = [item for item in items(labels) if fold_of(item.source) == fold]
        with instead(tuned / f"fold-{fold}.safetensors"):
            scores.score_files(own, models=MODELS, scoring=scores.Scoring(store=store))
