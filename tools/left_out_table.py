"""Put left-out scores of several runs into one table: datasets/left_out.csv.

    python tools/left_out_table.py LABELS.csv OUT.csv SOURCE [SOURCE …]

A SOURCE is a store of scores (`unmask evaluate --store`, JSON lines: the raw logits of each file's
main person) or a table that a recipe wrote (`unmask train … --folds sources`: left_out.csv). With
`MODEL=ID:scale:offset:` in front of its path, scores of MODEL stand in the table as those of ID,
mapped onto its scale: of a network that had not seen these files, where the shipped one had.
LABELS.csv has the columns file, label, source, kind, method, note and set.
"""

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from detector.evaluation import groups, left_out_scores
from detector.evaluation.ensemble_fit import clip_of
from detector.evaluation.labels import Item, read_labels
from detector.evaluation.scores import stored_scores
from detector.training.clip.feed import ALTERED, class_of

Row = tuple[str, str, str, float]  # file, version, model, logit


def stored(path: Path, items: dict[str, Item]) -> Iterator[Row]:
    """Yield the raw logits of each file's main person."""
    for scored in stored_scores(path, items):
        for person in clip_of(scored).people[:1]:
            for model, logit in person.logits.items():
                yield scored.name, "as it is", model, logit


def tabled(path: Path) -> Iterator[Row]:
    with path.open(newline="") as stream:
        for row in csv.DictReader(stream):
            yield row["file"], row["version"], row["model"], float(row["logit"])


def main() -> None:
    labels, out, *sources = sys.argv[1:]
    items = {item.name: item for item in read_labels(Path(labels))}
    with Path(labels).open(newline="") as stream:
        sets = {row["file"]: row["set"] for row in csv.DictReader(stream)}
    rows: dict[tuple[str, str, str], float] = {}
    for source in sources:
        match = re.fullmatch(r"([\w-]+)=([\w-]+):([^:]+):([^:]+):(.+)", source)
        path = Path(match[5] if match else source)
        for file, version, model, logit in (
            stored(path, items) if path.suffix == ".jsonl" else tabled(path)
        ):
            if match and model == match[1]:
                model, logit = match[2], float(match[3]) * logit + float(match[4])
            elif match:
                continue
            if file in items:
                rows[file, version, model] = logit
    with Path(out).open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(left_out_scores.COLUMNS)
        for (file, version, model), logit in sorted(rows.items()):
            item = items[file]
            made = "" if not item.label else "region" if class_of(item) == ALTERED else "whole"
            made = "cloned" if item.kind == "audio" and item.label else made
            fold = groups.fold_of(item, groups.SOURCES)
            writer.writerow(
                [file, "fake" if item.label else "real", item.source, item.kind, made,
                 sets[file], fold, version, model, f"{logit:.3f}"]
            )  # fmt: skip


if __name__ == "__main__":
    main()
