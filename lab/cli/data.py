"""`unmask data`: clips of data sheets, labelled sets and tables of left-out scores."""

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cli.common import ProgressBar, group, tell, user_files
from cli.options import arg, opt
from detector.evaluation.labels import Item, read_labels
from detector.evaluation.scores import stored_scores
from detector.sentences import _
from lab.evaluation import groups, left_out_scores, selection, sheets
from lab.evaluation.ensemble_fit import clip_of
from lab.training.clip.feed import ALTERED, class_of
from lab.training.recipe import read_recipe

actions = group("Build clips of data sheets, labelled sets and tables of left-out scores.")

Score = tuple[str, str, str, float]  # file, version, model, logit
Labels = Annotated[Path, arg("", "LABELS.csv")]
Out = Annotated[Path, arg("", "OUT.csv")]


@actions.command()
def unseen(
    labels: Labels,
    out: Out,
    trained: Annotated[
        Path | None, opt("leave out people who occur there, as their faces tell", "TRAIN.csv")
    ] = None,
    recipe: Annotated[str | None, opt("what it kept out of training is unseen")] = None,
) -> int:
    """Write the labelled files whose people a training did not see, for `unmask evaluate`."""
    items, note = selection.unseen(
        labels,
        trained=trained,
        recipe=read_recipe(recipe) if recipe else None,
        cache=out.with_suffix(".faces.npz"),
        on_compared=ProgressBar(_("faces compared")),
    )
    with user_files(), out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("file", "label", "kind", "method", "group", "source", "person"))
        for item in items:
            file, label = os.path.relpath(item.file, out.parent), "fake" if item.label else "real"
            row = (file, label, item.kind, item.method, item.group, item.source, item.named)
            writer.writerow(row)
    tell(note or f"{len(items)} files", error=True)
    return 0


@actions.command()
def build(
    sheet: Annotated[Path, arg("", "SHEET.csv")],
    out: Annotated[Path, opt("where the clips go", "DIR", "--out", "-o")],
    mirror: Annotated[
        Path | None, opt("clones, owner+name each, in place of github.com", "DIR")
    ] = None,
) -> int:
    """Cut the clips of a data sheet, as datasets/faces.csv, from the repositories that it names;
    what can't be cut stands in missing.csv."""
    with user_files():
        missing = sheets.build(
            sheets.read(sheet), out, mirror=mirror, on_progress=ProgressBar(_("rows"))
        )
    for reason, count in Counter(one.reason for one in missing).most_common():
        tell(f"{count:,} x {reason}", error=True)
    return 0


@actions.command()
def table(
    labels: Labels,
    out: Out,
    sources: Annotated[
        list[str],
        arg(
            "a store of scores (`unmask evaluate --store`), or left_out.csv of a recipe; as "
            "MODEL=ID:scale:offset:PATH, scores of MODEL become those of ID on its scale",
            "SOURCE …",
        ),
    ],
) -> int:
    """Put left-out scores of several runs into one table, as datasets/left_out.csv. LABELS.csv has
    the columns file, label, source, kind, method, note and set."""
    items = {item.name: item for item in read_labels(labels)}
    with user_files(), labels.open(newline="", encoding="utf-8") as stream:
        sets = {row["file"]: row["set"] for row in csv.DictReader(stream)}
    rows: dict[tuple[str, str, str], float] = {}
    for source in sources:
        # A network that had not seen these files in place of the shipped one, which had.
        match = re.fullmatch(r"([\w-]+)=([\w-]+):([^:]+):([^:]+):(.+)", source)
        path = Path(match[5] if match else source)
        for file, version, model, logit in (
            _stored(path, items) if path.suffix == ".jsonl" else _tabled(path)
        ):
            if match and model == match[1]:
                model, logit = match[2], float(match[3]) * logit + float(match[4])
            elif match:
                continue
            if file in items:
                rows[file, version, model] = logit
    with user_files(), out.open("w", newline="", encoding="utf-8") as stream:
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
    return 0


def _stored(path: Path, items: dict[str, Item]) -> Iterator[Score]:
    """Yield the raw logits of each file's main person."""
    for scored in stored_scores(path, items):
        for person in clip_of(scored).people[:1]:
            for model, logit in person.logits.items():
                yield scored.name, "as it is", model, logit


def _tabled(path: Path) -> Iterator[Score]:
    with user_files(), path.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            yield row["file"], row["version"], row["model"], float(row["logit"])
