"""Measure how often a decision on the first moments of a file is taken back.

    python -m lab.evaluation.provisional MOMENTS.jsonl.gz

The file holds a JSON line for each labelled file: `path`, `label`, `source` and the `analysis`, in
which the models with few moments scored all of them. Each analysis is decided again on the first 2
and 4 of these moments, spread over the file as the rounds are, and on all. The table counts, for
each provisional label and number of moments, how many ended in another label; for labels towards
fake, how many ended on no answer towards fake. `detector.decision.provisional.LEAST_MOMENTS` is
chosen by it: at most 1 in 50.
"""

import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from detector.decision import decide
from detector.models import registry
from detector.schema.analysis import Analysis, Label, Side

MOMENTS = (2, 4)
ALL = 8


def spread(count: int) -> list[int]:
    """Return the positions 0 … count - 1 in an order whose every beginning is spread evenly."""
    chosen = sorted({count // 4, count - 1 - count // 4} & set(range(count)))
    rest = [n for n in range(count) if n not in chosen]
    while rest:
        widest = max(rest, key=lambda n: (min(abs(n - c) for c in chosen), -n))
        chosen.append(widest)
        rest.remove(widest)
    return chosen


def read(path: Path) -> Iterator[tuple[str, str, Analysis]]:
    """Yield label, source and analysis of each file; a torn last line is left out."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        try:
            for line in lines:
                row = json.loads(line)
                yield row["label"], row["source"], Analysis.model_validate(row["analysis"])
        except (EOFError, json.JSONDecodeError):
            return


def first(analysis: Analysis, moments: int) -> Analysis:
    """Return the decision on the first of the moments that models with few of them score."""
    part = analysis.model_copy(deep=True)
    few = [s.id for s in registry.choose(None) if s.moments]
    frames = len(analysis.timestamps)
    planned = {int((n + 0.5) * frames / ALL) for n in range(ALL)} if frames > ALL else None
    for subject in part.subjects:
        for id in few:
            looks = [look for look in subject.frames if id in look.logits]
            usual = [look for look in looks if planned is None or look.index in planned]
            looks_of = usual if len(usual) >= min(4, len(looks)) else looks[:4]
            kept = [looks_of[place] for place in spread(len(looks_of))[:moments]]
            for look in looks:
                if look not in kept:
                    look.logits.pop(id, None)
                    look.scores.pop(id, None)
    return decide(part)


def main(path: Path) -> None:
    """Print the table."""
    counts, elsewhere, relabeled = (Counter[tuple[int, Label]]() for _figure in range(3))
    files, sources = 0, set()
    for _label, source, analysis in read(path):
        if len(analysis.timestamps) < max(MOMENTS):
            continue
        files, end = files + 1, first(analysis, ALL).verdict.label
        sources.add(source)
        for moments in MOMENTS:
            label = first(analysis, moments).verdict.label
            key = moments, label
            counts[key] += 1
            relabeled[key] += label is not end
            elsewhere[key] += label.side is Side.FAKE and end.side is not Side.FAKE
    print(f"{files} files of {len(sources)} sources")
    for key in sorted(counts, key=str):
        moments, label = key
        text = f"{moments} moments, {label}: {counts[key]} files, {relabeled[key]} end otherwise"
        taken = f", {elsewhere[key]} on no answer towards fake" if label.side is Side.FAKE else ""
        print(text + taken)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
