"""Logits of files that training left out, and the manifest's tables that they give."""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detector.decision import sigmoid
from detector.decision.numbers import mapped
from detector.evaluation import metrics
from detector.evaluation.labels import Item
from detector.schema.analysis import Question
from lab.evaluation import calibration, groups, left_out_scores, manifest
from lab.evaluation.calibration import Calibrated
from lab.evaluation.tables import markdown, tally
from lab.training.layer import LinearHead

PICTURES = "pictures"
"""The fold of all pictures: limits for pictures have to hold on kinds of photographs that the fit
has not seen."""


class LeftOutLogit(NamedTuple):
    """The logit of a version of a file, by what was learned without its fold."""

    fold: str
    version: str
    item: Item
    logit: float


Versions = Mapping[str, tuple[Sequence[Item], np.ndarray]]
"""Files and a row of values for each, by version."""
Head = Callable[[np.ndarray], np.ndarray] | LinearHead  # values -> logits


class Split(NamedTuple):
    """What a fold is judged by."""

    fold: str
    taught: Sequence[int]  # rows that are learned from
    out: Callable[[Item], bool]

    def held(self, items: Sequence[Item]) -> list[int]:
        """Return which of some files are left out."""
        return [i for i, item in enumerate(items) if self.out(item)]


def judged(split: Split, versions: Versions, head: Head) -> list[LeftOutLogit]:
    """Return the logits of what a fold leaves out, by a head that was learned without it."""
    rows = []
    for version, (items, values) in versions.items():
        own = split.held(items)
        rows += [
            LeftOutLogit(split.fold, version, items[i], float(logit))
            for i, logit in zip(own, head(values[own]) if own else (), strict=True)
        ]
    return rows


def judge(
    splits: Iterable[Split], versions: Versions, fit: Callable[[Sequence[int]], Head]
) -> list[LeftOutLogit]:
    """Return the logits of all that is left out, by heads that `fit` learns from the other rows."""
    return [
        row
        for split in splits
        if any(split.held(items) for items, _ in versions.values())
        for row in judged(split, versions, fit(split.taught))
    ]


def by_source(items: Sequence[Item], folds: Iterable[str]) -> Iterator[Split]:
    """Yield a split for each fold of sources."""
    own = {item.source: groups.fold_of(item, groups.SOURCES) for item in items}
    for fold in folds:

        def out(item: Item, fold: str = fold) -> bool:
            return own[item.source] == fold

        yield Split(fold, [i for i, item in enumerate(items) if not out(item)], out)


def by_fold(items: Sequence[Item], folds: Iterable[str]) -> Iterator[Split]:
    """Yield a split for each fold of sources or of kinds, without a person in common."""
    place = {item.name: number for number, item in enumerate(items)}
    for fold in folds:
        taught, held = groups.leave_out(items, fold)
        names = frozenset(item.name for item in held)

        def out(item: Item, names: frozenset[str] = names) -> bool:
            return item.name in names

        yield Split(fold, [place[item.name] for item in taught], out)


def averaged(rows: Iterable[LeftOutLogit]) -> list[LeftOutLogit]:
    """Return a row for each version of a file: the mean of those that it has."""
    logits: dict[tuple[str, str, str], list[LeftOutLogit]] = defaultdict(list)
    for row in rows:
        logits[row.fold, row.version, row.item.name].append(row)
    means = ((some[0], float(np.mean([row.logit for row in some]))) for some in logits.values())
    return [row._replace(logit=mean) for row, mean in means]


def write(
    rows: Sequence[LeftOutLogit],
    folder: Path,
    id: str,
    question: Question,
    beside: Sequence[LeftOutLogit] = (),
) -> Calibrated:
    """Write `left_out.csv`, the table of scores that calibration reads; `left_out.md` with figures;
    and `calibration.toml` with the ensemble of one model. What is `beside` is in the table of
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
    lines = []
    for version in dict.fromkeys(row.version for row in rows):
        some = [row for row in rows if row.version == version]
        scores = np.array([row.logit for row in some])
        labels = np.array([row.item.label for row in some])
        auc = metrics.auc_interval(scores, labels, [row.item.source for row in some])
        error, fakes = metrics.equal_error(scores, labels), int(labels.sum())
        lines.append((version, f"{fakes} / {len(some) - fakes}", auc, f"{error:.0%}"))
    return markdown(("version", "fakes / real", "AUC", "equal error rate"), lines)


def by_group(
    named: Iterable[tuple[str, LeftOutLogit]], found: Calibrated, id: str, titles: tuple[str, str]
) -> str:
    """Return how often each group of fakes is found and each group of genuine files is accused, at
    the limits of a calibration: Markdown tables; `titles` of the genuine and of the fake groups."""
    (ensemble,) = found.ensembles.values()
    offset = ensemble.calibration.offset if ensemble.calibration else 0.0
    answers: dict[tuple[str, int], list[tuple[float, Item]]] = defaultdict(list)
    for name, row in named:
        logit = offset + found.weights[id] * mapped(found.models[id], row.logit)
        answers[name, row.item.label].append((sigmoid(logit), row.item))
    rows: tuple[list[Sequence[str]], ...] = ([], [])
    for (name, label), some in sorted(answers.items()):
        files, sources = (len({getattr(i, of) for _, i in some}) for of in ("name", "source"))
        likely = np.array([p for p, _ in some])
        sure = likely > ensemble.thresholds.high
        shares = map(metrics.share, (sure, (likely > ensemble.thresholds.suspect) & ~sure))
        rows[label].append((name, f"{files} of {sources}", *map(tally, shares)))
    heads = "files of sources", "FAKE", "PROBABLY_FAKE"
    return "\n\n".join(markdown((titles[n], *heads), rows[n]) for n in (1, 0)) + "\n"
