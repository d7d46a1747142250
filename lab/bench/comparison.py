"""Measure the accuracy of comparisons on copies of real clips with known changes.

    python -m lab.bench.comparison run DATA --out results.jsonl [--most N] [--draw N]
    python -m lab.bench.comparison report results.jsonl
    python -m lab.bench.comparison fit results.jsonl

`DATA` holds `train.csv` (file, label, group, method, note) with originals and fakes of the same
footage. Each comparison is one line of the results, with the inputs of the regressions; an
interrupted run is resumed. Another draw takes other clips and other copies.

`fit` writes the regressions of `decision.json`, with cross-fitted scores (`GroupKFold` by the
original's group): a threshold lies above every left-out trial that would be a false alarm.

For a head that was generated as a whole, findings of a change or of the same movement are correct,
and "not the same footage" counts as no answer; so does "not comparable" always.
"""

import hashlib
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice, zip_longest
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from detector import media, vision
from detector.comparison.align import FootageReader
from detector.comparison.decide import PERSISTS, face_features
from detector.comparison.engine import compare_footage
from detector.comparison.movement import with_movement
from detector.decision.numbers import wilson
from lab.bench import Row, command, read_rows, resume
from lab.evaluation.tables import markdown
from tests.support.copies import CopyOptions, clips_of, fakes_of, write_copy

FRAMES, TAKE = 90, 20
"""frames of a clip that are copied, and of a stretch of one take"""
SEEN = 4.0
"""minimum change inside the region for a manipulation, gray levels"""
WAYS: dict[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    "plain": lambda rng: {},
    "hard": lambda rng: {"crf": int(rng.integers(33, 41))},
    "size": lambda rng: {"scale": float(rng.uniform(0.5, 2.0))},
    "crop": lambda rng: {"crop": tuple(rng.uniform(0, 0.2, 4))},
    "mirror": lambda rng: {"mirror": True},
    "grade": lambda rng: {"grade": (rng.uniform(0.7, 1.4), *rng.uniform(0.85, 1.15, 2))},
    "rate": lambda rng: {"fps": float(rng.choice([15, 24, 30, 50, 60]))},
}
TRUTHS = {"self-blend": "face", "swap": "face", "mouth": "mouth", "caption": "caption"}
RIGHT = {
    "none": ("nothing_differs", "transformed"),
    "face": ("face_differs",),
    "mouth": ("mouth_differs",),
    "region": ("face_differs", "mouth_differs"),
    "caption": ("other_edits",),
    "other": ("not_same_footage",),
    "whole": ("face_differs", "mouth_differs", "other_edits", "same_movement"),
}
SAME, FACE = LogisticRegression(C=10.0, max_iter=5000), LogisticRegression(C=1.0, max_iter=5000)
SAME_MARGIN, FACE_MARGIN = 0.64, 1.0
"""Of log odds, above the highest left-out negative. Two takes of a synthetic scene, which is in no
trial, exceed it by 0.48 (tests/integration/detector/test_comparison.py)."""
FOLDS = 5
DECISION = Path("detector/comparison/decision.json")
Frames = list[np.ndarray]
Points = list[np.ndarray | None]
"""five landmarks of the widest face of each frame"""


@dataclass(frozen=True)
class Trial:
    """One comparison."""

    key: str
    kind: str
    what: str
    way: str
    truth: str
    row: dict[str, str]
    second: dict[str, str] | None = None

    @property
    def group(self) -> str:
        """Return the footage, the unit of the folds."""
        return self.row["group"] or self.row["source"]


def trials(data: Path, draw: int) -> Iterator[Trial]:
    """Yield all trials of a draw, the kinds in turn."""
    rows = clips_of(data)
    real = [row for row in rows if row["label"] == "real"]
    rng = np.random.default_rng([5, draw])
    queues: list[list[Trial]] = [[], [], [], []]
    for row, original, whole in fakes_of(rows):
        key, truth = f"matched/{row['file']}", "whole" if whole else "region"
        queues[0].append(Trial(key, "matched", row["method"], "as found", truth, row, original))
    for row in real:
        queues[1].append(Trial(f"untouched/{row['file']}", "untouched", "", "drawn", "none", row))
        key = f"other/{row['file']}"
        queues[2].append(Trial(key, "other", "two moments of a take", "halves", "other", row))
        what, way = str(rng.choice([*TRUTHS])), str(rng.choice([*WAYS]))
        donor = real[int(rng.integers(len(real)))]
        key = f"made/{what}/{way}/{row['file']}"
        queues[3].append(Trial(key, "made", what, way, TRUTHS[what], row, donor))
    for queue in queues:
        rng.shuffle(queue)
    for turn in zip_longest(*queues):
        yield from (trial for trial in turn if trial is not None)


class Runner:
    """Make copies and compare them."""

    def __init__(self, data: Path, folder: Path) -> None:
        self._data, self._folder = data, folder
        self._detector = vision.load_detector()

    def measure(self, trial: Trial) -> Row:
        """Return the result of a trial; `skipped` if it can't be made of this clip."""
        fields = ("kind", "what", "way", "truth", "group")
        about = {name: getattr(trial, name) for name in fields}
        pair = self._pair(trial)
        if pair is None:
            return {**about, "skipped": True}
        clock = time.perf_counter()
        copy, original = (FootageReader(path, media.probe(path), [], Event()) for path in pair)
        result, evidence = compare_footage(copy, original, self._detector, lambda share: None)
        result = with_movement(result, copy, original)
        found: Row = about | {
            "finding": str(result.finding), "reason": result.reason,
            "seconds": round(time.perf_counter() - clock, 2),
        }  # fmt: skip
        if evidence is not None:
            found["same"] = evidence.sameness.features
            found["faces"] = [
                {"person": face.person, "features": face_features(face, moment)}
                for moment in evidence.moments
                for face in moment.faces
            ]
        return found

    def _pair(self, trial: Trial) -> tuple[Path, Path] | None:
        path = self._data / trial.row["file"]
        if trial.kind == "matched":
            assert trial.second is not None
            return path, self._data / trial.second["file"]
        frames, fps = self._frames(path)
        rng = np.random.default_rng(
            int.from_bytes(hashlib.sha256(trial.key.encode()).digest()[:4], "big")
        )
        if trial.kind == "other":
            return self._halves(frames, fps)
        crf = int(rng.integers(18, 41 if trial.kind == "untouched" else 33))
        way = {"scale": float(rng.uniform(0.5, 2))} if trial.kind == "untouched" else {}
        options = CopyOptions(**({"crf": crf} | (way or WAYS.get(trial.way, WAYS["plain"])(rng))))
        changed = frames if trial.kind == "untouched" else self._changed(trial, frames, rng)
        if changed is None:
            return None
        return write_copy(self._folder / "copy.mp4", changed, fps, options), path

    def _halves(self, frames: Frames, fps: float) -> tuple[Path, Path] | None:
        """Return two stretches of one take; None for a static one."""
        third = len(frames) // 3
        if third < TAKE:
            return None
        parts = frames[:third], frames[-third:]
        a, b = ([cv2.resize(f, (64, 64)).astype(float) for f in part[::4]] for part in parts)
        if min(np.abs(x - y).mean() for x in a for y in b) < 3.0:
            return None
        first, last = (
            write_copy(self._folder / f"{name}.mp4", part, fps, CopyOptions(crf=18))
            for name, part in zip(("first", "last"), parts, strict=True)
        )
        return first, last

    def _frames(self, path: Path) -> tuple[Frames, float]:
        about = media.probe(path)
        source = FootageReader(path, about, [], Event())
        times = source.spread(10_000)[:FRAMES]
        return [frame.rgb for frame in source.frames(times, 960)], about.fps or 25.0

    def _points(self, frames: Frames) -> Points:
        search = vision.FaceSearch(self._detector, 32)
        faces = [vision.widest(search.find(n / 25, rgb)) for n, rgb in enumerate(frames)]
        return [None if face is None else np.array(face.landmarks, np.float32) for face in faces]

    def _changed(self, trial: Trial, frames: Frames, rng: np.random.Generator) -> Frames | None:
        if trial.what == "caption":
            return [caption(rgb) for rgb in frames]
        points = self._points(frames)
        known = [i for i, five in enumerate(points) if five is not None]
        if len(known) < 0.8 * len(points):
            return None
        donors, donor_points = frames, points
        if trial.what == "swap":
            assert trial.second is not None
            if trial.second["source"] == trial.row["source"]:
                return None
            donors, _ = self._frames(self._data / trial.second["file"])
            donors = donors[:8]
            donor_points = self._points(donors)
        sources = [(f, p) for f, p in zip(donors, donor_points, strict=True) if p is not None]
        if not sources:
            return None
        part = "mouth" if trial.what == "mouth" else "face"
        shift, zoom, color = (
            rng.uniform(-0.06, 0.06, 2),
            rng.uniform(0.96, 1.05),
            rng.uniform(-14, 14, 3),
        )
        out, changes = list(frames), []
        for place, i in enumerate(known):
            five = points[i]
            assert five is not None
            inner = ellipse(frames[i].shape, five, part)
            if trial.what == "self-blend":
                center, span = five.mean(0), float(np.linalg.norm(five[1] - five[0]))
                move = np.array([[zoom, 0, 0], [0, zoom, 0]])
                move[:, 2] = center - zoom * center + shift * span
                other = warped(frames[i], move, frames[i].shape) + color
            else:
                step = place + len(known) // 2 if part == "mouth" else i
                donor, theirs = sources[step % len(sources)]
                move, _ = cv2.estimateAffinePartial2D(theirs, five, method=cv2.LMEDS)
                if move is None:
                    continue
                other = warped(donor, move, frames[i].shape)
            if trial.what == "swap":
                a, b = other[inner[..., 0] > 0.5], frames[i][inner[..., 0] > 0.5]
                other = (other - a.mean(0)) / np.maximum(a.std(0), 4) * b.std(0) + b.mean(0)
            mixed = np.clip(frames[i] * (1 - inner) + other * inner, 0, 255)
            out[i] = mixed.astype(np.uint8)
            changes.append(np.abs(mixed - frames[i])[inner[..., 0] > 0.5].mean())
        return out if float(np.median(changes)) >= SEEN else None


def warped(rgb: np.ndarray, move: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    moved = cv2.warpAffine(rgb, move, shape[1::-1], borderMode=cv2.BORDER_REFLECT)
    return moved.astype(np.float32)


def ellipse(shape: tuple[int, ...], points: np.ndarray, part: str) -> np.ndarray:
    """Return a soft mask of a face or its mouth, float32 [H, W, 1]."""
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    span, drop = float(np.linalg.norm(points[1] - points[0])), float(np.linalg.norm(mouth - eyes))
    at, axes = (mouth, (0.75 * span, 0.38 * drop)) if part == "mouth" else (
        (eyes + mouth) / 2, (span, 1.05 * drop)
    )  # fmt: skip
    angle = float(np.degrees(np.arctan2(*(points[1] - points[0])[::-1])))
    center = round(float(at[0])), round(float(at[1]))
    size = max(2, round(axes[0])), max(2, round(axes[1]))
    mask = np.zeros(shape[:2], np.float32)
    cv2.ellipse(mask, center, size, angle, 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.8, 0.08 * span))[:, :, None])


def caption(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    size, low, copy = max(0.35, width / 640), round(0.95 * height), rgb.copy()
    cv2.rectangle(copy, (0, low - round(26 * size)), (width, low + 6), (20, 20, 60), -1)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(copy, "BREAKING NEWS TODAY", (6, low), font, size, (255, 255, 255), 1)
    return copy


def table(lines: list[Row]) -> str:
    """Return the share of correct findings by kind and manipulation, as Markdown."""
    counted: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for line in lines:
        if "finding" in line:
            what = line["truth"] if line["kind"] == "matched" else line["what"]
            for key in ((line["kind"], what), (line["kind"], "all")):
                counted[key].append(line)
    rows = []
    for (kind, what), members in sorted(counted.items()):
        wrong = Counter(m["finding"] for m in members if m["finding"] not in RIGHT[m["truth"]])
        right = len(members) - wrong.total()
        none = wrong["not_comparable"]
        if what == "whole":
            none += wrong["not_same_footage"]
        low, high = wilson(right, len(members) - none) if len(members) > none else (0.0, 1.0)
        rest = ", ".join(f"{n} {name}" for name, n in wrong.items())
        counts = right, len(members) - none, len(members)
        rows.append((kind, what, *counts, f"{low:.0%}–{high:.0%}", rest))
    return markdown(("kind", "what", "right", "of answers", "tries", "95 %", "else"), rows)


def differs(trial: Row) -> bool | None:
    """Return True if the face of a trial was changed; None if unknown."""
    if trial["truth"] in ("none", "caption"):
        return False
    one = len({face["person"] for face in trial["faces"]}) == 1
    return True if trial["truth"] in ("face", "mouth", "region") and one else None


def fit_same(trials: list[Row]) -> Row:
    """Fit the regression of "same recording"; generated heads are excluded."""
    used = [t for t in trials if t["truth"] != "whole"]
    names = list(used[0]["same"])
    x = np.array([[t["same"][name] for name in names] for t in used])
    y = np.array([t["truth"] != "other" for t in used])
    groups = [t["group"] for t in used]
    scores = cross_val_predict(
        SAME, x, y, groups=groups, cv=GroupKFold(FOLDS), method="decision_function"
    )
    model = SAME.fit(x, y)
    certain = round(float(scores[~y].max()) + SAME_MARGIN, 3)
    print(f"same: {y.sum()} of one recording, {(~y).sum()} not; left out at {certain:.2f}: "
          f"{(scores[y] < certain).sum()} refused")  # fmt: skip
    return _weights(names, model) | {"likely": round(min(0.0, certain), 3), "certain": certain}


def fit_face(trials: list[Row]) -> Row:
    """Fit the regression of "face differs" at one moment, and its threshold."""
    used = [(t, label) for t in trials if t["faces"] and (label := differs(t)) is not None]
    rows = [(t, face, label) for t, label in used for face in t["faces"]]
    names = list(rows[0][1]["features"])
    x = np.array([[face["features"][name] for name in names] for _, face, _ in rows])
    y = np.array([label for _, _, label in rows])
    weights = np.array([1 / len(t["faces"]) for t, _, _ in rows])
    groups = [t["group"] for t, _, _ in rows]
    odds = cross_val_predict(
        FACE, x, y, groups=groups, cv=GroupKFold(FOLDS), method="decision_function",
        params={"sample_weight": weights},
    )  # fmt: skip
    people: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, (t, face, _) in enumerate(rows):
        people[t["key"], face["person"]].append(index)

    def highest(indices: list[int]) -> float:
        """Return the highest threshold at which a person differs."""
        needed = int(np.ceil(max(min(2, len(indices)), PERSISTS * len(indices))))
        return float(np.sort(odds[indices])[-needed])

    same = [i for i in people.values() if not y[i[0]]]
    others = [i for i in people.values() if y[i[0]]]
    threshold = max(0.0, max(map(highest, same)) + FACE_MARGIN)
    told = sum(highest(i) >= threshold for i in others)
    print(f"face: {len(same)} unchanged, {len(others)} changed; left out at {threshold:.2f}: "
          f"{told} detected")  # fmt: skip
    return _weights(names, FACE.fit(x, y, weights)) | {"moment": round(threshold, 3)}


def _weights(names: list[str], model: LogisticRegression) -> Row:
    return {
        "weights": {
            name: round(float(w), 3) for name, w in zip(names, model.coef_[0], strict=True)
        },
        "bias": round(float(model.intercept_[0]), 3),
    }


def run(
    data: Path, out: Path = Path("comparison.jsonl"), most: int = 10_000, draw: int = 0
) -> None:
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(data, Path(folder))
        some = islice(trials(data, draw), most)
        resume(out, "key", ((trial.key, partial(runner.measure, trial)) for trial in some))


def report(files: list[Path]) -> None:
    """Print the table of results."""
    print(table(list(read_rows(*files).values())))


def fit(files: list[Path]) -> None:
    """Fit both regressions to results, and write them."""
    trials = [row for row in read_rows(*files).values() if row.get("same")]
    models = {"same": fit_same(trials), "face": fit_face(trials)}
    DECISION.write_text(json.dumps(models, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    command(run, report, fit)
