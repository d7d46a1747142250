"""Train *ViT + LSTM* (recipe `vit-lstm`): an LSTM over the features that `generated` caches.

They are of three frames of each clip, and of smaller, recompressed copies of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from detector.models.families.sequence_heads import SequenceHead
from detector.schema.analysis import Question
from lab.training import results
from lab.training.clip import generated
from lab.training.crossfit import Head, Rows, Split, by_fold, judge, require_both_labels
from lab.training.fit import TrainingOptions, begin_run, save_halves
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
    begin_run(plan, run)
    of_clips = generated.GeneratedRecipe()
    clips = generated.chosen(windows.read_clips(data), of_clips)
    plain, copies, owner = generated.read_features(clips, of_clips, run)
    rows = [np.flatnonzero(owner == i) for i in range(len(clips))]
    whole = [i for i, own in enumerate(rows) if len(own) == len(of_clips.places)]
    items = 2 * [clips[i] for i in whole]
    require_both_labels(ID, items)
    shown = [Window(f[rows[i]], NO_CROP, NO_CROP) for f in (plain, copies) for i in whole]
    of_versions = np.arange(len(items)).reshape(2, -1)
    versions = {
        name: (own, own) for name, own in zip(("as it is", "copy"), of_versions, strict=True)
    }

    def head_of(rows: Rows, out: Path) -> SequenceHead:
        where = replace(run, out=out)
        return recipe.fitted(ID, plan, items, shown, rows, where, (NO_CROP, NO_CROP))

    def train_head(split: Split) -> Head:
        return recipe.of(head_of(split.taught, run.out / "folds" / split.fold), shown)

    if folds:
        judged = judge(items, by_fold(items, folds), versions, train_head)
        results.write(judged, run.out, ID, Question.SYNTHESIS)
    target = run.out / f"{ID}.safetensors"
    save_halves(head_of(range(len(items)), run.out), target)
    return target
