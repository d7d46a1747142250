"""How often generators' marks are detected, and how often where there is none.

    python -m lab.bench.marks LABELS.csv [--out results.jsonl]

`LABELS.csv` names files (`file`, relative to it) and in `mark` the mark that they carry, if any; a
file without one whose `label` is not `real` is left out. A run that was interrupted goes on where
it was. Hints are marks that are not certain.
"""

import argparse
import csv
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from detector import media
from detector.errors import UnmaskError
from detector.provenance.marks import FRAMES, MarkSearch


def measure(path: Path) -> dict[str, Any]:
    """Return the marks of a file and the milliseconds of CPU that a frame took."""
    probed = media.probe(path)
    times = list(np.linspace(0, 0.95 * (probed.duration or 0), FRAMES if probed.duration else 1))
    frames = [media.frame_at(path, probed, moment) for moment in times]
    begun = time.process_time()
    search = MarkSearch()
    search.begin(times)
    for frame, moment in zip(frames, times, strict=True):
        search.add(frame, [moment])
    marks = [mark.model_dump() for mark in search.found]
    spent = 1000 * (time.process_time() - begun) / len(frames)
    return {"kind": probed.kind, "marks": marks, "ms": spent}


def rows(labels: Path) -> Iterator[tuple[str, str]]:
    """Yield each file and the mark that it carries, or none."""
    with labels.open(newline="") as table:
        for row in csv.DictReader(table):
            if row.get("mark") or row["label"] == "real":
                yield row["file"], row.get("mark") or ""


def main() -> None:
    """Measure what is not yet measured, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("--out", type=Path, default=Path("marks.jsonl"))
    options = parser.parse_args()
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    done = {row["file"]: row for row in map(json.loads, lines)}
    wanted = dict(rows(options.labels))
    with options.out.open("a") as out:
        for file in wanted.keys() - done.keys():
            try:
                row = {"file": file, **measure(options.labels.parent / file)}
            except UnmaskError as error:
                row = {"file": file, "kind": "unread", "marks": [], "ms": 0.0, "why": str(error)}
            done[file] = row
            out.write(json.dumps(row) + "\n")
            out.flush()
    counts: Counter[tuple[str, str, str]] = Counter()
    spent: dict[str, list[float]] = {}
    for file, mark in wanted.items():
        row = done[file]
        of_it = [one["certain"] for one in row["marks"] if not mark or one["name"] == mark]
        result = "none" if not of_it else "certain" if any(of_it) else "hint"
        counts[mark or "(none)", row["kind"], result] += 1
        spent.setdefault(row["kind"], []).append(row["ms"])
    print("| mark | kind | files | certain | hint |\n|---|---|---|---|---|")
    for mark, kind in sorted({key[:2] for key in counts}):
        each = [counts[mark, kind, result] for result in ("certain", "hint", "none")]
        print(f"| {mark} | {kind} | {sum(each)} | {each[0]} | {each[1]} |")
    for kind, values in sorted(spent.items()):
        print(f"{kind}: {np.median(values):.1f} ms of CPU a frame (median)")


if __name__ == "__main__":
    main()
