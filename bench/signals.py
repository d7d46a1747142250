"""What untouched faces measure: the figures that signals are read against.

    python -m bench.signals labels.csv --rows rows.jsonl [--write | --out ranges.json]

Analyzes the labelled files as anybody would, one after another, and keeps one line of figures a
file in `--rows`, so that a run can be stopped and go on. Then prints, for each signal, the range of
the untouched files and the share of manipulated ones outside it, and with `--write` puts the
aggregates over the untouched ones into detector/signals/reference.json, or into the file that
`--out` names. No picture, no name and no figure of a single file goes there.
"""

from __future__ import annotations

import argparse
import json
import math
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector.errors import UnmaskError
from detector.evaluation.labels import Item, read_labels
from detector.evaluation.metrics import auc
from detector.pipeline.run import AnalysisRun, RunRequest
from detector.schema.analysis import Settings
from detector.signals import blinks, reference
from detector.vision import load_detector

A_SOURCE = 60
"""pictures of one source at most, so that no camera or data set sets the range alone."""
PERCENTILES = {"p1": 1, "p5": 5, "p50": 50, "p95": 95, "p99": 99}


def measure(item: Item, detector: Any, eyes: bool) -> dict[str, Any] | None:
    """One file's figures: those of the person who is seen most. None without a face."""
    run = AnalysisRun(RunRequest(detector, "cpu", Settings(), threading.Event()))
    analysis = run.execute(item.file)
    if not analysis.judged:
        return None
    track = max(analysis.judged, key=lambda t: len(t.frames))
    number = list(run.faces.people())[sorted(t.id for t in analysis.judged).index(track.id)]
    curves = run.signals.curves(number) if run.signals else {}
    row: dict[str, Any] = {
        "file": item.name,
        "label": item.label,
        "kind": item.kind,
        "source": item.source,
        "person": item.person,
        "signals": {
            s.id: s.number
            for s in analysis.signals
            if s.subject == track.id and s.number is not None
        },
        "curves": {id: np.round(c, 3).tolist() for id, c in curves.items()},
    }
    if eyes and item.kind == "video" and blinks.ready():
        lids = blinks.watch(item.file, analysis, track)
        row["blinks"] = [len(lids.blinks), round(lids.seconds, 2)]
    return row


def chosen(items: Sequence[Item]) -> list[Item]:
    """All videos, untouched ones first; then pictures, so many a source and label."""
    videos = sorted((i for i in items if i.kind == "video"), key=lambda i: i.label)
    pictures: dict[tuple[str, int], list[Item]] = defaultdict(list)
    for item in items:
        if item.kind == "image":
            pictures[item.source, item.label].append(item)
    some = [
        item
        for _, group in sorted(pictures.items(), key=lambda pair: (pair[0][1], pair[0][0]))
        for item in group[:: max(1, math.ceil(len(group) / A_SOURCE))]
    ]
    return videos + some


def collect(items: Iterable[Item], rows: Path, eyes: bool) -> list[dict[str, Any]]:
    known = [json.loads(line) for line in rows.read_text().splitlines()] if rows.exists() else []
    done = {row["file"] for row in known}
    detector = load_detector()
    with rows.open("a") as out:
        for item in items:
            if item.name in done:
                continue
            try:
                row = measure(item, detector, eyes)
            except UnmaskError as error:
                print(f"{item.name}: {error.message}", flush=True)
                continue
            row = row or {"file": item.name, "label": item.label, "kind": item.kind, "signals": {}}
            known.append(row)
            out.write(json.dumps(row) + "\n")
            out.flush()
    return known


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The aggregates over untouched files, as reference.json has them."""
    table: dict[str, Any] = {"made_by": "python -m bench.signals", "ranges": {}, "curves": {}}
    for kind in ("video", "image"):
        real = [r for r in rows if r["kind"] == kind and r["label"] == 0 and r["signals"]]
        ids = dict.fromkeys(id for r in real for id in r["signals"])
        table["ranges"][kind] = {id: _range(real, id) for id in ids}
        curves = dict.fromkeys(id for r in real for id in r["curves"])
        table["curves"][kind] = {id: _curve(real, id) for id in curves}
    seen = [r for r in rows if r["label"] == 0 and r.get("blinks")]
    if seen:
        table["blinking"] = _rate(seen)
    return table


def _range(rows: Sequence[dict[str, Any]], id: str) -> dict[str, Any]:
    having = [r for r in rows if id in r["signals"]]
    values = [r["signals"][id] for r in having]
    range_ = {name: round(float(np.percentile(values, p)), 4) for name, p in PERCENTILES.items()}
    return {**range_, "files": len(values), "sources": len({r["source"] for r in having})}


def _curve(rows: Sequence[dict[str, Any]], id: str) -> dict[str, Any]:
    having = [r for r in rows if id in r["curves"]]
    values = np.array([r["curves"][id] for r in having])
    curve: dict[str, Any] = {
        name: np.round(np.percentile(values, p, axis=0), 2).tolist()
        for name, p in PERCENTILES.items()
        if name in ("p5", "p50", "p95")
    }
    return {**curve, "files": len(values), "sources": len({r["source"] for r in having})}


def _rate(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How often people blink, as a gamma distribution over people (moments of the counts)."""
    counts, seconds = np.array([r["blinks"] for r in rows], float).T
    rate = counts.sum() / seconds.sum()
    # Variance of counts = that of chance (the mean) + that between people.
    between = ((counts - rate * seconds) ** 2 - rate * seconds).sum() / (seconds**2).sum()
    between = max(float(between), (0.1 * rate) ** 2)
    return {
        "rate": round(60 * float(rate), 2),
        "spread": round(60 * math.sqrt(between), 2),
        "files": len(rows),
        "sources": len({r["source"] for r in rows}),
        "seconds": round(float(seconds.sum())),
        "blinks": int(counts.sum()),
    }


def report(rows: Sequence[dict[str, Any]], table: dict[str, Any]) -> None:
    """Print each range beside what manipulated files measure."""
    print(f"{'signal':>14} {'kind':>6} {'files':>6} {'src':>4} {'5 %':>8} {'50 %':>8} {'95 %':>8} "
          f"{'fakes':>6} {'under':>6} {'over':>6} {'AUC':>5}")  # fmt: skip
    for kind, ranges in table["ranges"].items():
        for id, known in ranges.items():
            pick = [r for r in rows if r["kind"] == kind and id in r["signals"]]
            fake = np.array([r["signals"][id] for r in pick if r["label"] == 1])
            real = np.array([r["signals"][id] for r in pick if r["label"] == 0])
            line = (
                f"{id:>14} {kind:>6} {known['files']:>6} {known['sources']:>4} {known['p5']:>8.3g} "
                f"{known['p50']:>8.3g} {known['p95']:>8.3g}"
            )
            if len(fake):
                labels = np.r_[np.zeros(len(real)), np.ones(len(fake))]
                above = auc(np.r_[real, fake], labels)
                line += (
                    f" {len(fake):>6} {(fake < known['p5']).mean():>6.0%} "
                    f"{(fake > known['p95']).mean():>6.0%} {above:>5.2f}"
                )
            print(line)
    print("blinking", table.get("blinking"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--kind", choices=("video", "image"))
    parser.add_argument("--real", action="store_true", help="untouched files only")
    parser.add_argument("--eyes", action="store_true", help="count blinks, which takes longer")
    parser.add_argument("--write", action="store_true", help="into detector/signals/reference.json")
    parser.add_argument("--out", type=Path, help="into this file instead")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    items = [
        item
        for item in chosen(read_labels(args.labels))
        if args.kind in (None, item.kind) and not (args.real and item.label)
    ]
    rows = collect(items, args.rows, args.eyes)
    table = summary(rows)
    report(rows, table)
    if target := args.out or (reference.FILE if args.write else None):
        target.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
