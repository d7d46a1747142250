"""Logits of files that training left out, and the manifest's tables that they give."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detector.decision import sigmoid
from detector.decision.numbers import mapped
from detector.evaluation import metrics
from detector.evaluation.labels import Item
from detector.schema.analysis import Question
from lab.evaluation import calibration, left_out_scores, manifest
from lab.evaluation.calibration import Calibrated

PICTURES = "pictures"
"""The fold of all pictures: limits for pictures have to hold on kinds of photographs that the fit
has not seen."""


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
    beside: Sequence[LeftOutLogit] = (),
) -> Calibrated:
    """Write `left_out.csv`, the table of scores that calibration reads; `left_out.md` with figures;
    and `calibration.toml` with the ensemble of one model. What is `beside` stands in the table of
    figures alone."""
    table = folder / "left_out.csv"
    stills = any(row.item.kind != "image" for row in rows)
    with table.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(left_out_scores.COLUMNS)
        for fold, version, item, logit in rows:
            if item.kind == "image" and stills and fold != PICTURES:
                continue
            label = "fake" if item.label else "real"
            made = TYPES[question] if item.label else ""
            facts = item.name, label, item.source, item.kind, made, "", fold, version
            writer.writerow([*facts, id, round(logit, 4)])
    found = left_out_scores.calibrate(table, questions={id: question})
    own = found.models[id].model_dump().items()
    lines = [manifest.to_toml(found), f"weight = {found.weights[id]}", "", "[models.calibration]"]
    text = "\n".join([*lines, *(f"{key} = {value!r}" for key, value in own)])
    (folder / "calibration.toml").write_text(f"{text}\n")
    report = calibration.to_markdown(found)
    (folder / "left_out.md").write_text(f"{ranking([*rows, *beside])}\n\n{report}")
    return found


TYPES = {question: name for name, question in left_out_scores.ABOUT.items()}


def ranking(rows: Sequence[LeftOutLogit]) -> str:
    """Return AUC, with an interval from resampling sources, and equal error rate by version."""
    versions: dict[str, list[LeftOutLogit]] = defaultdict(list)
    for row in rows:
        versions[row.version].append(row)
    lines = ["| version | fakes / real | AUC | equal error rate |", "|---|---|---|---|"]
    for version, some in versions.items():
        scores = np.array([row.logit for row in some])
        labels = np.array([row.item.label for row in some])
        auc = metrics.auc_interval(scores, labels, [row.item.source for row in some])
        error = metrics.equal_error(scores, labels)
        fakes = int(labels.sum())
        lines.append(f"| {version} | {fakes} / {len(some) - fakes} | {auc} | {error:.0%} |")
    return "\n".join(lines)


def by_group(
    named: Iterable[tuple[str, LeftOutLogit]], found: Calibrated, id: str, titles: tuple[str, str]
) -> list[str]:
    """Return how often each group of fakes is found and each group of genuine files is accused, at
    the limits of a calibration: Markdown tables; `titles` of the genuine and of the fake groups."""
    (ensemble,) = found.ensembles.values()
    offset = ensemble.calibration.offset if ensemble.calibration else 0.0
    answers: dict[tuple[str, int], list[tuple[float, Item]]] = defaultdict(list)
    for name, row in named:
        logit = offset + found.weights[id] * mapped(found.models[id], row.logit)
        answers[name, row.item.label].append((sigmoid(logit), row.item))
    lines = []
    for label in (1, 0):
        lines += [
            f"| {titles[label]} | files of sources | FAKE | PROBABLY_FAKE |",
            "|---|---|---|---|",
        ]
        for (name, of), some in sorted(answers.items()):
            if of == label:
                files = len({item.name for _p, item in some})
                sources = len({item.source for _p, item in some})
                likely = np.array([p for p, _item in some])
                sure = likely > ensemble.thresholds.high
                probable = (likely > ensemble.thresholds.suspect) & ~sure
                shares = " | ".join(map(_share, (sure, probable)))
                lines.append(f"| {name} | {files} of {sources} | {shares} |")
        lines.append("")
    return lines


def _share(chosen: np.ndarray) -> str:
    """Return how many of how many, with Wilson's interval."""
    share = metrics.wilson(int(chosen.sum()), len(chosen))
    return f"{chosen.sum()} of {len(chosen)} [{share.low:.0%}, {share.high:.0%}]"
