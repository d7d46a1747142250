"""Train *ViT + LSTM* (recipe `vit-lstm`): an LSTM over the features that `generated` caches.

They are of three frames of each clip, and of smaller, recompressed copies of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field

from detector.models.families.sequence_heads import SequenceHead
from detector.schema.analysis import Question
from lab.training import linear, results
from lab.training.clip import generated
from lab.training.fit import TrainingOptions, save_halves
from lab.training.linear import by_source, require_both_labels
from lab.training.sequences import recipe, windows
from lab.training.sequences.recipe import SequenceRecipe
from lab.training.sequences.windows import Window

ID = "vit-lstm"
NO_CROP = np.empty(0, np.float16)  # Its input has neither separate surroundings nor patches


class VitLstmRecipe(SequenceRecipe):
    """Settings of the LSTM's training."""

    images: int = Field(9_600, gt=0, description="sequences seen")
    heads: tuple[str, ...] = (ID,)


def train(
    plan: VitLstmRecipe, data: Path, run: TrainingOptions, *, folds: Sequence[str] = ()
) -> Path:
    """Train on the labelled clips of a CSV that show a face in all three frames; return the file of
    weights. `folds` of sources are left out in turn: logits, figures and calibration go to
    `run.out` (`results.write`). Raise InputError, UsageError."""
    run.out.mkdir(parents=True, exist_ok=True)
    of_clips = generated.GeneratedRecipe()
    clips = generated.chosen(windows.read_clips(data), of_clips)
    plain, copies, owner = generated.read_features(clips, of_clips, run)
    rows = [np.flatnonzero(owner == i) for i in range(len(clips))]
    whole = [i for i, own in enumerate(rows) if len(own) == len(of_clips.places)]
    items, numbers = [clips[i] for i in whole], np.arange(2 * len(whole)).reshape(2, -1)
    require_both_labels(ID, items)
    shown = [Window(f[rows[i]], NO_CROP, NO_CROP) for f in (plain, copies) for i in whole]
    versions = {"as it is": (items, numbers[0]), "copy": (items, numbers[1])}

    def fitted(rows: Sequence[int], where: TrainingOptions) -> SequenceHead:
        return recipe.fitted(ID, plan, 2 * items, shown, rows, where, (NO_CROP, NO_CROP))

    judged = []
    for split in by_source(2 * items, folds):
        head = fitted(split.taught, replace(run, out=run.out / "folds" / split.fold))
        judged.append(linear.judged(split, versions, recipe.of(head, shown)))
    if judged:
        results.write(pd.concat(judged), run.out, ID, Question.SYNTHESIS)
    target = run.out / f"{ID}.safetensors"
    save_halves(fitted(range(2 * len(items)), run), target)
    return target
