"""Who is in a labelled set: how many people, and how far a face recognition network parts them.

    python -m research.actors LABELS.csv --out PEOPLE.csv [--match DFDC] [--strangers FFHQ]

Embeds the untouched files whose name, source or method holds `--match`, and prints how alike their
faces are, beside faces of `--strangers`, who are never the same people: the thresholds of
`detector.evaluation.identity` were read off this. PEOPLE.csv is LABELS.csv with a column `person`:
a name for each actor of the matched files and of the fakes made of them.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from detector.cli.common import ProgressBar
from detector.evaluation import identity
from detector.evaluation.labels import Item, read_labels

STEPS = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--match", default="DFDC")
    parser.add_argument("--strangers", default="FFHQ")
    args = parser.parse_args()
    real = [item for item in read_labels(args.labels) if item.label == 0 and item.kind == "image"]
    mine = [item for item in real if _is(item, args.match)]
    others = [item for item in real if _is(item, args.strangers)]
    cache = args.out.with_suffix(".npz")
    vectors = identity.embed([*mine, *others], cache=cache, progress=ProgressBar("faces"))
    found = [item for item in mine if str(item.file) in vectors]
    faces = np.stack([vectors[str(item.file)] for item in found])
    strangers = np.stack([vectors[str(i.file)] for i in others if str(i.file) in vectors])
    own, never = faces @ faces.T, (faces @ strangers.T).ravel()
    own = own[np.triu_indices(len(faces), 1)]
    print(f"{len(faces)} faces of {len(mine)} files, {len(strangers)} strangers")
    print("cosine over    of strangers    of own pairs    people    largest    alone")
    for step in STEPS:
        sizes = np.bincount(identity.people([*faces], step))
        print(
            f"{step:11.2f} {np.mean(never > step):15.2e} {np.mean(own > step):15.2e} "
            f"{len(sizes):9} {sizes.max():10} {int((sizes == 1).sum()):8}"
        )
    counts, edges = np.histogram(own, np.arange(0.3, 1.01, 0.05))
    print(
        "own pairs by cosine: "
        + ", ".join(f"{edge:.2f} {count}" for edge, count in zip(edges, counts, strict=False))
    )
    names = {
        (item.source, item.group): f"{args.match}-{number}"
        for item, number in zip(found, identity.people([*faces]), strict=True)
    }
    _write(
        args.labels,
        args.out,
        {
            item.name: names[item.source, item.group]
            for item in read_labels(args.labels)
            if (item.source, item.group) in names
        },
    )


def _is(item: Item, word: str) -> bool:
    return word in f"{item.name} {item.source} {item.method}"


def _write(labels: Path, out: Path, people: dict[str, str]) -> None:
    with labels.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    with out.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*rows[0], "person"], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, "person": people.get(row["file"], "")})


if __name__ == "__main__":
    main()
