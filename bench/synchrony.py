"""What chance reaches where the movement of faces is held against that of others, and what they
reach that a model moved: `unmask compare`'s answer where the pictures are not the same footage.

    python -m bench.synchrony DATA [--pairs 10000] [--most N] [--together]

`DATA` holds `train.csv`. Pairs of clips of different sources are unrelated as far as the list
knows, drawn with a fixed seed; the highest are named, to be looked at. Pairs of untouched clips of
one source and different groups show the same people, studios and sentences. Those of one group are
an original and what was made of it, or what it drove. `--together` asks every pair of different
sources that is equally long, at the one offset at which both begin and end.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from bench.comparison import rows_of, trials
from detector import media
from detector.comparison import movement
from detector.comparison.movement import Movement
from detector.comparison.reading import FootageReader
from detector.comparison.synchrony import (
    COPY_SECONDS,
    WHOLE,
    equally_long,
    score_together,
    synchrony,
)
from detector.errors import UnmaskError

NAMED = 12
OF_A_SOURCE = 200
"""pairs at most"""
Row = dict[str, str]


def read(data: Path, rows: list[Row]) -> dict[str, Movement]:
    """Return how faces move, by file."""
    moved = {}
    for row in rows:
        path = str(data / row["file"])
        try:
            reader = FootageReader(path, media.probe(path), [], Event())
            found = movement.read(reader, 0.0, COPY_SECONDS)
        except UnmaskError as error:
            print(f"{row['file']}: {error.message}")
            continue
        if found is not None:
            moved[row["file"]] = found
    return moved


def unrelated(rows: list[Row], pairs: int) -> Iterator[tuple[Row, Row]]:
    """Yield pairs of clips of different sources."""
    rng = np.random.default_rng(1)
    while pairs:
        a, b = (rows[i] for i in rng.choice(len(rows), 2, replace=False))
        if a["source"] != b["source"]:
            pairs -= 1
            yield a, b


def of_one_source(rows: list[Row]) -> Iterator[tuple[Row, Row]]:
    """Yield pairs of untouched clips of one source and different groups."""
    rng = np.random.default_rng(2)
    sources: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["label"] == "real":
            sources[row["source"]].append(row)
    for members in sources.values():
        different = [
            (a, b)
            for a, b in combinations(members, 2)
            if (a["group"] or a["file"]) != (b["group"] or b["file"])
        ]
        rng.shuffle(different)
        yield from different[:OF_A_SOURCE]


def show(title: str, pairs: Iterator[tuple[Row, Row]], moved: dict[str, Movement]) -> None:
    """Print quantiles of the score, how many are told, and the highest."""
    found = [
        (held, a["file"], b["file"])
        for a, b in pairs
        if {a["file"], b["file"]} <= moved.keys()
        and (held := synchrony(moved[a["file"]], moved[b["file"]])) is not None
    ]
    if not found:
        print(f"\n{title}: no pairs among these clips")
        return
    scores = np.array([held.score for held, _a, _b in found])
    told = sum(held.surely for held, _a, _b in found)
    middle, high, most = np.quantile(scores, [0.5, 0.99, 0.999])
    print(f"\n{title}: {len(found)} pairs, {told} told; half under {middle:.1f}, 99 % under "
          f"{high:.1f}, 99.9 % under {most:.1f}, highest {scores.max():.1f}")  # fmt: skip
    for held, a, b in sorted(found, key=lambda entry: -entry[0].score)[:NAMED]:
        print(f"  {held.score:5.1f} of {held.needed:.1f}{'' if held.steady else ' (unsteady)'}: "
              f"head {held.head:.2f}, features {held.features:.2f}, {held.seconds:.1f} s, "
              f"lag {held.lag}{', mirrored' if held.mirrored else ''}: {a}, {b}")  # fmt: skip


def together(rows: list[Row], moved: dict[str, Movement]) -> None:
    """Print how many of all unrelated pairs that are equally long are told by that, and the
    highest."""
    found = []
    for a, b in combinations(rows, 2):
        one, other = moved[a["file"]], moved[b["file"]]
        if a["source"] == b["source"] or not equally_long(one, other):
            continue
        if (score := score_together(one, other)) is not None:
            found.append((score, a["file"], b["file"]))
    found.sort(reverse=True)
    told = sum(score >= WHOLE for score, _a, _b in found)
    print(f"\nequally long, different sources, begun together: {len(found)} pairs, {told} told")
    for score, *names in found[:NAMED]:
        print(f"  {score:5.2f} of {WHOLE:.1f}: {', '.join(names)}")


def main() -> None:
    """Read all clips, hold pairs against each other, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--pairs", type=int, default=10_000, help="of unrelated clips")
    parser.add_argument("--most", type=int, default=10_000, help="clips")
    parser.add_argument("--together", action="store_true", help="all that are equally long")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rows = rows_of(args.data)[: args.most]
    moved = read(args.data, rows)
    print(f"{len(moved)} of {len(rows)} clips show a face for long enough")
    seen = [row for row in rows if row["file"] in moved]
    if args.together:
        together(seen, moved)
        return
    show("unrelated, different sources", unrelated(seen, args.pairs), moved)
    show("untouched, one source, different groups", of_one_source(seen), moved)
    for title, truth in (("made whole", "whole"), ("pasted", "region")):
        pairs = (
            (trial.row, trial.second)
            for trial in trials(args.data)
            if trial.kind == "matched" and trial.truth == truth and trial.second is not None
        )
        show(f"{title}, beside their originals", pairs, moved)


if __name__ == "__main__":
    main()
