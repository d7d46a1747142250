"""Logits of files that training left out, and the manifest's tables that they give."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from detector.decision.material import Material
from detector.evaluation import manifest, subjects
from detector.evaluation.calibration import fit_clips
from detector.evaluation.calibration_report import Calibrated
from detector.evaluation.labels import Item
from detector.schema.analysis import Question


class LeftOutLogit(NamedTuple):
    """The logit of a version of a file, by what was learned without its fold."""

    fold: str
    version: str
    item: Item
    logit: float


def write(
    rows: Sequence[LeftOutLogit], folder: Path, id: str, question: Question, what: str
) -> Calibrated:
    """Write `left_out.csv`, and `calibration.toml` with the ensemble of one model, fitted to clips
    where there are any, else to pictures."""
    with (folder / "left_out.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "fold", "version", "logit"])
        for fold, version, item, logit in rows:
            label = "fake" if item.label else "real"
            writer.writerow([item.name, label, fold, version, round(logit, 4)])
    judged = [row for row in rows if row.item.kind != "image"] or rows
    clips = [
        subjects.Clip(
            item.label,
            fold,
            question if item.label else None,
            (subjects.ScoredPerson({id: logit}, Material(None, None, None, 16)),),
            origin=item.source,
        )
        for fold, _, item, logit in judged
    ]
    files = len({item.name for _, _, item, _ in judged})
    found = fit_clips(clips, {question: [id]}, f"{files} {what} that training left out")
    calibration = found.models[id].model_dump().items()
    lines = [manifest.to_toml(found), f"weight = {found.weights[id]}", "", "[models.calibration]"]
    text = "\n".join([*lines, *(f"{key} = {value!r}" for key, value in calibration)])
    (folder / "calibration.toml").write_text(f"{text}\n")
    return found
