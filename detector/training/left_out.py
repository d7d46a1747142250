"""Logits of files that training left out, and the manifest's tables that they give."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detector.decision.material import Material
from detector.decision.numbers import mapped, sigmoid
from detector.evaluation import calibration, ensemble_fit, manifest, metrics
from detector.evaluation.calibration import Calibrated, fit_clips
from detector.evaluation.labels import Item
from detector.evaluation.operating_points import (
    ERROR_TARGETS,
    FAKE,
    TIGHTER,
    HeldOutScores,
    by_alarms,
    decisions,
    rates,
)
from detector.schema.analysis import Question, Thresholds
from detector.schema.verdict import Tally

PICTURES = "pictures"
"""The fold of all pictures: a threshold for pictures has to hold on kinds of photographs that the
fit has not seen."""


class LeftOutLogit(NamedTuple):
    """The logit of a version of a file, by what was learned without its fold."""

    fold: str
    version: str
    item: Item
    logit: float


def write(
    rows: Sequence[LeftOutLogit],
    folder: Path,
    id: str,
    question: Question,
    what: str,
    trivial: Sequence[LeftOutLogit] = (),
) -> Calibrated:
    """Write `left_out.csv`, `left_out.md` with figures, and `calibration.toml` with the ensemble of
    one model, fitted to clips where there are any, else to pictures; beside clips, pictures have a
    threshold of their own. `trivial` needs no detector: it stands in the table alone."""
    with (folder / "left_out.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "fold", "version", "logit"])
        for fold, version, item, logit in rows:
            label = "fake" if item.label else "real"
            writer.writerow([item.name, label, fold, version, round(logit, 4)])
    judged = [row for row in rows if row.item.kind != "image"] or rows
    clips = [
        ensemble_fit.Clip(
            item.label,
            fold,
            question if item.label else None,
            (ensemble_fit.ScoredPerson({id: logit}, Material(None, None, None, 16)),),
            origin=item.source,
        )
        for fold, _, item, logit in judged
    ]
    files = len({item.name for _, _, item, _ in judged})
    found = fit_clips(clips, {question: [id]}, f"{files} {what} that training left out")
    if stills := [row for row in rows if row.fold == PICTURES]:
        found.ensembles[question].pictures = _of_pictures(stills, found, id, question)
    own = found.models[id].model_dump().items()
    lines = [manifest.to_toml(found), f"weight = {found.weights[id]}", "", "[models.calibration]"]
    text = "\n".join([*lines, *(f"{key} = {value!r}" for key, value in own)])
    (folder / "calibration.toml").write_text(f"{text}\n")
    report = calibration.to_markdown(found)
    (folder / "left_out.md").write_text(f"{ranking([*rows, *trivial])}\n\n{report}")
    return found


def ranking(rows: Sequence[LeftOutLogit]) -> str:
    """Return AUC, with an interval from resampling sources, and equal error rate by version."""
    versions: dict[str, list[LeftOutLogit]] = defaultdict(list)
    for row in rows:
        versions[row.version].append(row)
    lines = ["| version | fakes / real | AUC | equal error rate |", "|---|---|---|---|"]
    for version, some in versions.items():
        scores = np.array([row.logit for row in some])
        labels = np.array([row.item.label for row in some])
        auc = metrics.bootstrap(metrics.auc, scores, labels, [row.item.source for row in some])
        error = metrics.equal_error(scores, labels)
        fakes = int(labels.sum())
        lines.append(f"| {version} | {fakes} / {len(some) - fakes} | {auc} | {error:.0%} |")
    return "\n".join(lines)


def _of_pictures(
    stills: Sequence[LeftOutLogit], found: Calibrated, id: str, question: Question
) -> Thresholds:
    """Return the lowest threshold at which pictures that are called fake keep both targets."""
    start, weight = found.ensembles[question].calibration, found.weights[id]
    offset = start.offset if start else 0.0
    evidence = [weight * mapped(found.models[id], row.logit) + offset for row in stills]
    logits = {question: np.array(evidence)}
    labels = np.array([row.item.label for row in stills])
    sources = np.array([row.item.source for row in stills])
    held = HeldOutScores(logits, labels, {question: labels == 1}, sources)
    for share in TIGHTER:
        limits = by_alarms(held, ERROR_TARGETS.tightened(share))
        if rates(decisions(logits, limits), labels).promised >= ERROR_TARGETS.right:
            break
    decided, real = decisions(logits, limits) == FAKE, labels == 0
    found_share = decided[~real].mean()
    return Thresholds(
        low=0.0,
        high=round(sigmoid(limits[question][1]), 3),
        false_positive_rate=round(float(decided[real].mean()), 4),
        false_positives=Tally(count=int(decided[real].sum()), files=int(real.sum())),
        can_clear=False,
        data=f"pictures of {len(set(sources))} sources and smaller JPEG copies of them, all left "
        f"out together ({real.sum()} real; {(~real).sum()} generated, {found_share:.0%} above it)",
    )
