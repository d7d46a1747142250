"""`unmask data`: clips of data sheets, labelled sets and tables of left-out scores."""

import csv
import os
import re
from collections import Counter
from pathlib import Path
from typing import Annotated

import pandas as pd

from cli.common import ProgressBar, group, tell, user_files
from cli.options import arg, opt
from detector.evaluation.labels import Item, read_labels
from detector.evaluation.scores import stored_scores
from detector.sentences import _
from lab.evaluation import groups, identity, left_out, sheets
from lab.evaluation.ensemble_fit import people_of
from lab.training.clip.feed import ALTERED, class_of
from lab.training.recipe import hold_out

actions = group("Build clips of data sheets, labelled sets and tables of left-out scores.")

KEYS = ("file", "version", "model")
"""Key of a score in a table."""
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
    items, note = identity.unseen(
        labels,
        trained=trained,
        recipe=hold_out(recipe) if recipe else None,
        cache=out.with_suffix(".faces"),
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
    """Cut the clips of a data sheet, as datasets/faces.csv, or write its pictures, as
    datasets/pictures.csv, from the repositories that it names; what can't be had is listed in
    missing.csv."""
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
    with user_files():
        listed = pd.read_csv(labels, dtype=str, keep_default_na=False).set_index("file")
        every = pd.concat([_scores(source, items) for source in sources])
    found = every[every["file"].isin(list(items))].drop_duplicates(list(KEYS), keep="last")
    found = found.sort_values(list(KEYS))
    own = [items[name] for name in found["file"]]
    found["label"] = ["fake" if item.label else "real" for item in own]
    found["source"], found["kind"] = [i.source for i in own], [i.kind for i in own]
    found["type"] = ["" if not i.label else "cloned" if i.kind == "audio" else
                     "region" if class_of(i) == ALTERED else "whole" for i in own]  # fmt: skip
    found["set"] = listed["set"][found["file"]].to_list()
    found["fold"] = [groups.fold_of(item, groups.SOURCES) for item in own]
    with user_files():
        found.to_csv(
            out, columns=left_out.COLUMNS, index=False, float_format="%.3f", lineterminator="\n"
        )
    return 0


def _scores(source: str, items: dict[str, Item]) -> pd.DataFrame:
    """Return the scores of a store (raw logits of each file's main person) or a table, renamed and
    scaled to those of a shipped network that was trained on these files."""
    match = re.fullmatch(r"([\w-]+)=([\w-]+):([^:]+):([^:]+):(.+)", source)
    path = Path(match[5] if match else source)
    if path.suffix == ".jsonl":
        rows = [
            (scored.name, "as it is", model, logit)
            for scored in stored_scores(path, items)
            for person in people_of(scored)[:1]
            for model, logit in person.items()
        ]
        scores = pd.DataFrame(rows, columns=[*KEYS, "logit"])
    else:
        scores = pd.read_csv(path, keep_default_na=False, float_precision="round_trip")
        scores = scores[[*KEYS, "logit"]]
    if match:
        scores = scores[scores["model"] == match[1]].assign(model=match[2])
        scores["logit"] = float(match[3]) * scores["logit"] + float(match[4])
    return scores
