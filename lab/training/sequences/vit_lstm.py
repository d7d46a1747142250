"""The recipe of *ViT + LSTM*: an LSTM over the features that the recipe `generated` caches.

They are of three frames of each clip, and of a smaller, recompressed copy of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from detector.errors import UsageError
from detector.evaluation.labels import Item
from detector.models.families.sequence_heads import SequenceHead
from detector.schema.analysis import Question
from detector.sentences import _
from lab.evaluation import groups
from lab.training import left_out
from lab.training.clip import generated
from lab.training.fit import TrainingOptions, save_halves
from lab.training.left_out import LeftOutLogit
from lab.training.sequences import recipe, windows
from lab.training.sequences.recipe import SequenceRecipe
from lab.training.sequences.windows import Window

ID = "vit-lstm"
NO_CROP = np.empty(0, np.float16)  # It reads neither surroundings of its own nor patches


class VitLstmRecipe(SequenceRecipe):
    """How the LSTM is trained."""

    images: int = Field(9_600, gt=0, description="sequences seen")
    heads: tuple[str, ...] = (ID,)


def train(
    plan: VitLstmRecipe, data: Path, run: TrainingOptions, *, folds: Sequence[str] = ()
) -> Path:
    """Train on the labelled clips of a CSV that show a face in all three frames; return the file of
    weights. `folds` of sources are left out in turn: logits, figures and calibration go to
    `run.out` (`left_out.write`). Raise InputError, UsageError."""
    run.out.mkdir(parents=True, exist_ok=True)
    of_clips = generated.GeneratedRecipe()
    clips = generated.chosen(windows.read_clips(data), of_clips)
    plain, copies, owner = generated.read_features(clips, of_clips, run)
    rows = [np.flatnonzero(owner == i) for i in range(len(clips))]
    whole = [i for i, own in enumerate(rows) if len(own) == len(of_clips.places)]
    items = 2 * [clips[i] for i in whole]
    if len({item.label for item in items}) < 2:
        raise UsageError(_("The recipe vit-lstm needs real and generated clips with a face."))
    shown = [Window(f[rows[i]], NO_CROP, NO_CROP) for f in (plain, copies) for i in whole]
    versions = [name for name in ("as it is", "copy") for _ in whole]
    judged: list[LeftOutLogit] = []
    for fold in folds:
        out = np.array([groups.fold_of(item, groups.SOURCES) == fold for item in items])
        where = replace(run, out=run.out / "folds" / fold)
        head = _fitted(plan, items, shown, np.flatnonzero(~out), where)
        held = np.flatnonzero(out)
        logits = recipe.logits(head, [shown[i] for i in held])
        judged += [
            LeftOutLogit(fold, versions[i], items[i], float(z))
            for i, z in zip(held, logits, strict=True)
        ]
    if judged:
        left_out.write(judged, run.out, ID, Question.SYNTHESIS)
    target = run.out / f"{ID}.safetensors"
    save_halves(_fitted(plan, items, shown, np.arange(len(items)), run), target)
    return target


def _fitted(
    plan: VitLstmRecipe,
    items: Sequence[Item],
    shown: Sequence[Window],
    rows: np.ndarray,
    run: TrainingOptions,
) -> SequenceHead:
    return recipe.fitted(ID, plan, items, shown, rows.tolist(), run, (NO_CROP, NO_CROP))
