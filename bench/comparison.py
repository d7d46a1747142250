"""How often `unmask compare` is right: copies of real clips whose truth is known.

    python -m bench.comparison DATA --out results.jsonl [--only made,carried,…] [--draw N]
    python -m bench.comparison --table results.jsonl

`DATA` holds `train.csv` (file, label, group, method, note, person) with originals and fakes of the
same footage. Clips are divided by group into two halves: limits were chosen on "tune", what counts
is "report". Every comparison is one line of the results, so that a run can be interrupted and goes
on where it was. Seeds are fixed: the same clips give the same copies. Another draw takes other
clips, other people's faces and other ways: limits were chosen on what the first gives, so that it
flatters, in both halves.

What is right is what a newsroom that knows the truth would call so. Of an untouched copy: that
nothing else differs; of a pasted face: that a face or mouth differs; of a caption: an edit; of
other footage: that it is none of this. A head that a model made as a whole beside its original
footage is not that recording, though it may show its every move. Right is then that something was
changed, or that it moves as the original does, and wrong is every all-clear. "Not the same footage"
says that the comparison can tell nothing about manipulation, so of such heads it is no answer,
neither right nor wrong; "not comparable" is none of any copy. Shares are of the answers; how many
tries had one stands beside them.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np

from bench import made_copies
from bench.made_copies import Frames, Way
from detector import media, vision
from detector.comparison import compare
from detector.comparison.reading import FootageReader
from detector.decision.numbers import wilson
from detector.errors import UnmaskError

WAYS = ("plain", "size", "crop", "mirror", "grade", "rate", "screen", "hard")
TAKE = 20
"""frames of a stretch of a take: of shorter ones the two lie too close together"""
FRAMES = 90
"""of a clip that are copied"""
WHOLE = ("whole", "src cap4d", "driv")
"""In a note: not pasted into the footage, so that more than a face differs."""
WHOLE_METHODS = ("EAT", "HyperReenact (self-reenactment)")
"""Methods that make the whole picture from one portrait, whose notes don't say so; some of EAT's
are of another person than the original of their group."""


@dataclass(frozen=True)
class Trial:
    """One comparison to be made."""

    key: str
    kind: str
    """made, carried, untouched, matched, other"""
    what: str
    """manipulation, or method"""
    way: str
    half: str
    truth: str
    """none, face, mouth, caption, region, whole, other"""
    row: dict[str, str]
    second: dict[str, str] | None = None


def half_of(name: str) -> str:
    """Return the half that a group belongs to."""
    return "tune" if hashlib.sha256(name.encode()).digest()[0] % 2 else "report"


def rows_of(data: Path) -> list[dict[str, str]]:
    """Return the clips of the list."""
    with (data / "train.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["file"].startswith("clips/")]


def _group(row: dict[str, str]) -> str:
    return row["group"] or row["source"]


def trials(data: Path, draw: int = 0) -> Iterator[Trial]:
    """Yield all trials of a draw, so that any beginning of them holds some of each kind."""
    rows = rows_of(data)
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        groups[_group(row)].append(row)
    queues = [list(_matched(groups)), list(_made(rows, draw)), list(_untouched(rows))]
    queues += [list(_other(rows)), list(_carried(rows, draw))]
    rng = np.random.default_rng([1, draw] if draw else 1)
    for queue in queues:
        rng.shuffle(queue)
    longest = max(len(queue) for queue in queues)
    for i in range(longest):
        for queue in queues:
            if i < len(queue):
                trial = queue[i]
                yield replace(trial, key=f"draw {draw}/{trial.key}") if draw else trial


def _matched(groups: dict[str, list[dict[str, str]]]) -> Iterator[Trial]:
    for name, members in sorted(groups.items()):
        originals = [row for row in members if row["label"] == "real"]
        fakes = [row for row in members if row["label"] == "fake"]
        for fake in fakes:
            if not originals or not fake["group"]:
                continue
            window = Path(fake["file"]).stem.rpartition("_w")[2]
            same = [r for r in originals if Path(r["file"]).stem.endswith(f"_w{window}")]
            text = (fake["note"] + fake["method"]).lower()
            whole = fake["method"] in WHOLE_METHODS or any(word in text for word in WHOLE)
            truth = "whole" if whole else "region"
            yield Trial(
                f"matched/{fake['file']}", "matched", fake["method"], "as found", half_of(name),
                truth, fake, (same or originals)[0],
            )  # fmt: skip


def _made(rows: list[dict[str, str]], draw: int) -> Iterator[Trial]:
    real = [row for row in rows if row["label"] == "real"]
    rng = np.random.default_rng([2, draw] if draw else 2)
    for what in ("self-blend", "swap", "mouth", "caption", "nothing"):
        truth = "face" if what == "swap" else made_copies.MADE[what][0]
        for way in WAYS:
            for number in rng.permutation(len(real))[:40]:
                row, donor = real[number], real[int(rng.integers(len(real)))]
                key = f"made/{what}/{way}/{row['file']}"
                yield Trial(key, "made", what, way, half_of(_group(row)), truth, row, donor)


def _carried(rows: list[dict[str, str]], draw: int) -> Iterator[Trial]:
    """Yield copies that were cut, turned, framed and filtered on their way."""
    real = [row for row in rows if row["label"] == "real"]
    for seed, ways in ((3, made_copies.ALSO), (4, made_copies.LATER)):
        rng = np.random.default_rng([seed, draw] if draw else seed)
        for what in ("self-blend", "swap", "nothing"):
            truth = "face" if what == "swap" else made_copies.MADE[what][0]
            for way in ways:
                for number in rng.permutation(len(real))[:20]:
                    row, donor = real[number], real[int(rng.integers(len(real)))]
                    key = f"carried/{what}/{way}/{row['file']}"
                    plain = what == "nothing" and way == "watermark"
                    yield Trial(
                        key, "carried", what, way, half_of(_group(row)),
                        "caption" if plain else truth, row, donor,
                    )  # fmt: skip


def _untouched(rows: list[dict[str, str]]) -> Iterator[Trial]:
    real = [row for row in rows if row["label"] == "real"]
    for number in range(600):
        row = real[number % len(real)]
        half = half_of(_group(row))
        way = "drawn" if number < len(real) else "drawn again"
        yield Trial(
            f"untouched/{way}/{row['file']}", "untouched", "nothing", way, half, "none", row
        )


def _other(rows: list[dict[str, str]]) -> Iterator[Trial]:
    """Yield other footage of the same person, studio or series."""
    real = [row for row in rows if row["label"] == "real"]
    by_source: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in real:
        by_source[row["source"]].append(row)
        yield Trial(
            f"other/halves/{row['file']}", "other", "another moment of the same take", "halves",
            half_of(_group(row)), "other", row,
        )  # fmt: skip
    for members in by_source.values():
        for first, second in pairwise(members):
            yield Trial(
                f"other/source/{first['file']}", "other", "same person or series", "as found",
                half_of(_group(first)), "other", first, second,
            )  # fmt: skip


class Runner:
    """Makes the copies and compares them."""

    def __init__(self, data: Path, folder: Path) -> None:
        self._data, self._folder = data, folder
        self._detector = vision.load_detector()
        self._crf: int | None = None
        """of the copy that was made last"""

    def run(self, trial: Trial) -> dict[str, Any] | None:
        """Return what came of a trial; None where it can't be made of this clip."""
        self._crf = None
        pair = self._pair(trial)
        if pair is None:
            return None
        result = compare(*pair, detector=self._detector)
        people = [
            {"part": p.part, "levels": p.difference, "limit": p.limit, "spans": len(p.spans)}
            for p in result.people
        ]
        return {
            "finding": str(result.finding), "why": result.why, "inside": result.inside,
            "elsewhere": result.elsewhere, "people": people, "seconds": result.seconds,
            "edits": [(e.kind, [round(x) for x in e.box], e.difference) for e in result.edits],
            "space": result.space.model_dump(), "graded": result.grading.graded,
            "rate": result.time.rate, "motion": result.time.motion,
            "matched": [result.time.matched, result.time.compared],
            "younger": result.generation.younger, "crf": self._crf,
        }  # fmt: skip

    def _pair(self, trial: Trial) -> tuple[Path, Path] | None:
        path = self._data / trial.row["file"]
        if trial.kind == "matched" or (trial.kind == "other" and trial.second):
            assert trial.second is not None
            return path, self._data / trial.second["file"]
        frames, fps = self._frames(path)
        seed = int.from_bytes(hashlib.sha256(trial.key.encode()).digest()[:4], "big")
        rng = np.random.default_rng(seed)
        copy = self._folder / "copy.mp4"
        if trial.kind == "other":
            return self._halves(frames, fps)
        if trial.kind == "untouched":
            rate = float(rng.choice([15, 24, 30, 50, 60])) if rng.random() < 0.5 else None
            way = Way(int(rng.integers(18, 41)), float(rng.uniform(0.5, 2)), rate)
            self._crf = way.crf
            return made_copies.written(copy, frames, fps, way), path
        way = made_copies.drawn(trial.way, rng)
        changed = self._manipulated(trial, frames, rng)
        if changed is None:
            return None
        text = rng if trial.what == "caption" else None
        return made_copies.written(copy, changed, fps, way, text), path

    def _halves(self, frames: Frames, fps: float) -> tuple[Path, Path] | None:
        """Return two stretches of one take without a moment in common; None where it stands still,
        so that they are the same footage to anybody."""
        third = len(frames) // 3
        if third < TAKE:
            return None
        first, last = frames[:third], frames[-third:]
        small = [cv2.resize(f, (64, 64)).astype(float) for f in (*first[::4], *last[::4])]
        split = len(first[::4])
        nearest = min(np.abs(a - b).mean() for a in small[:split] for b in small[split:])
        if nearest < 3.0:
            return None
        return tuple(
            made_copies.written(self._folder / f"{name}.mp4", part, fps, Way(18))
            for name, part in (("first", first), ("last", last))
        )  # type: ignore[return-value]

    def _frames(self, path: Path) -> tuple[Frames, float]:
        about = media.probe(path)
        source = FootageReader(path, about, [], Event())
        times = source.spread(10_000)[:FRAMES]
        return [frame.rgb for frame in source.frames(times, 960)], about.fps or 25.0

    def _points(self, frames: Frames) -> list[np.ndarray | None]:
        search = vision.FaceSearch(self._detector, 32)
        found: list[np.ndarray | None] = []
        for number, rgb in enumerate(frames):
            largest = vision.widest(search.find(number / 25, rgb))
            found.append(None if largest is None else np.array(largest.landmarks, np.float32))
        return found

    def _manipulated(self, trial: Trial, frames: Frames, rng: np.random.Generator) -> Frames | None:
        if trial.what in ("nothing", "caption"):
            return frames
        points = self._points(frames)
        if sum(p is not None for p in points) < 0.8 * len(points):
            return None
        if trial.what != "swap":
            changed = made_copies.MADE[trial.what][1](frames, points, rng)
            return changed if made_copies.seen(frames, changed, points, trial.what) else None
        assert trial.second is not None
        if _group(trial.second) == _group(trial.row):
            return None
        donors, _ = self._frames(self._data / trial.second["file"])
        donors = donors[:8]
        theirs = self._points(donors)
        if not any(p is not None for p in theirs):
            return None
        return made_copies.swap(frames, points, donors, theirs)


RIGHT = {
    "none": ("nothing_differs", "transformed"),
    "face": ("face_differs",),
    "mouth": ("mouth_differs",),
    "region": ("face_differs", "mouth_differs"),
    "caption": ("other_edits",),
    "other": ("not_same_footage",),
    "whole": ("face_differs", "mouth_differs", "other_edits", "same_movement"),
}
"""Truth -> the findings that are right."""


def answered(line: dict[str, Any]) -> bool:
    """Whether a result is an answer about what was done to the copy."""
    refused = line["truth"] == "whole" and line["finding"] == "not_same_footage"
    return not refused and line["finding"] != "not_comparable"


def table(lines: list[dict[str, Any]], half: str) -> str:
    """Return the share of right findings by kind, manipulation and way, as Markdown."""
    counted: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if line["half"] == half and "finding" in line:
            what = line["truth"] if line["kind"] == "matched" else line["what"]
            counted[line["kind"], what, line["way"]].append(line)
            counted[line["kind"], what, "all"].append(line)
            if line["kind"] == "untouched" and (crf := line.get("crf")):
                counted["untouched", what, "CRF 18–32" if crf <= 32 else "CRF 33–40"].append(line)
            if line["kind"] == "made" and line["way"] != "hard":
                counted["made", "all of these", "CRF 18–32"].append(line)
            if line["kind"] == "carried":
                counted["carried", "all of these", "all"].append(line)
    out = ["| kind | what | way | right | of answers | tries | share | 95 % interval | else |",
           "|---|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for (kind, what, way), members in sorted(counted.items()):
        right = sum(m["finding"] in RIGHT[m["truth"]] for m in members)
        told = sum(answered(m) for m in members)
        low, high = wilson(right, told) if told else (0.0, 1.0)
        share = f"{right / told:.0%}" if told else "–"
        wrong: dict[str, int] = defaultdict(int)
        for m in members:
            if m["finding"] not in RIGHT[m["truth"]]:
                wrong[m["finding"]] += 1
        rest = ", ".join(f"{n} {name}" for name, n in sorted(wrong.items(), key=lambda w: -w[1]))
        out.append(
            f"| {kind} | {what} | {way} | {right} | {told} | {len(members)} | {share} "
            f"| {low:.0%}–{high:.0%} | {rest} |"
        )
    return "\n".join(out)


def main() -> None:
    """Run trials that have no line yet, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, metavar="DATA")
    parser.add_argument("--out", type=Path, default=Path("comparison.jsonl"))
    parser.add_argument("--only", default="made,carried,untouched,matched,other")
    parser.add_argument("--ways", help="of copies, as vignette,fade: these alone")
    parser.add_argument("--half", choices=["tune", "report"])
    parser.add_argument("--most", type=int, default=10_000)
    parser.add_argument("--draw", type=int, default=0, help="another one, that nobody looked at")
    parser.add_argument("--table", type=Path, nargs="+", help="results of several calls")
    args = parser.parse_args()
    if args.table or args.data is None:
        files = args.table or [args.out]
        lines = [json.loads(line) for file in files for line in file.open(encoding="utf-8")]
        for half in ("tune", "report"):
            print(f"\n{half}\n\n{table(lines, half)}")
        return
    cv2.setNumThreads(1)
    done = set()
    if args.out.exists():
        done = {json.loads(line)["key"] for line in args.out.open()}
    kinds = args.only.split(",")
    with tempfile.TemporaryDirectory() as folder, args.out.open("a") as out:
        runner = Runner(args.data, Path(folder))
        ways = args.ways.split(",") if args.ways else None
        wanted = (
            t for t in trials(args.data, args.draw)
            if t.kind in kinds and (ways is None or t.way in ways) and t.key not in done
        )  # fmt: skip
        for number, trial in enumerate(t for t in wanted if args.half in (None, t.half)):
            if number >= args.most:
                break
            about = {k: v for k, v in asdict(trial).items() if k not in ("row", "second")}
            try:
                found = runner.run(trial)
            except UnmaskError as error:
                found = {"error": error.message}
            print(json.dumps(about | (found or {"skipped": True})), file=out, flush=True)


if __name__ == "__main__":
    main()
