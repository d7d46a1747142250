"""Measure the detection rate and the false alarms of generators' marks.

    python -m lab.bench.marks LABELS.csv [--out results.jsonl]

`LABELS.csv` names files (`file`, relative to it) and in `mark` the mark that they carry, if any;
files without one are skipped unless their `label` is `real`. An interrupted run is resumed. Hints
are marks that are not certain.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from detector import media
from detector.provenance.marks import FRAMES, MarkSearch
from lab.bench import Row, command, resume
from lab.evaluation.tables import markdown


def measure(path: Path) -> Row:
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


def main(labels: Path, out: Path = Path("marks.jsonl")) -> None:
    """Append the missing measurements, and print the table."""
    listed = pd.read_csv(labels, dtype=str, keep_default_na=False).drop_duplicates("file")
    listed = listed[(listed["mark"] != "") | (listed["label"] == "real")]
    work = ((file, partial(measure, labels.parent / file)) for file in listed["file"])
    found = resume(out, "file", work)
    unread = {"kind": "unread", "marks": [], "ms": 0.0}
    table = pd.DataFrame([unread | found[file] for file in listed["file"]])
    table["mark"] = listed["mark"].to_numpy()
    table["result"] = [
        max((1 + one["certain"] for one in marks if not mark or one["name"] == mark), default=0)
        for mark, marks in zip(table["mark"], table["marks"], strict=True)
    ]
    rows = [
        (mark or "(none)", kind, len(some), *((some["result"] == found).sum() for found in (2, 1)))
        for (mark, kind), some in table.groupby(["mark", "kind"])
    ]
    print(markdown(("mark", "kind", "files", "certain", "hint"), rows))
    for kind, value in table.groupby("kind")["ms"].median().items():
        print(f"{kind}: {value:.1f} ms of CPU a frame (median)")


if __name__ == "__main__":
    command(main)
