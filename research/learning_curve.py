"""What more people and more sources would be worth: the learning curves of a frame model's recipe.

Every run sees equally many pictures.

- Along people it learns from a share of those of each source (a smaller share is part of a larger
  one; who is alone in a source stays), and is asked about the people that the recipe holds out.
- Along sources it learns from the tight stills, and from every choice among the sources of pairs of
  clips (`CHOICES`); it is asked about all clips of those that it never saw, and about the held-out
  people of those that it saw.

    python -m research.learning_curve labels.csv pairs --cache faces --begin trunk.pt \
        --images 9600 --out runs/curve --seeds 5 6

Scores are kept in the folder: what is there is not trained again, and `--table` trains nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np

from detector.evaluation import metrics
from detector.evaluation.labels import held_out, pairs
from detector.training.cache import FaceCache, Faces
from detector.training.recipe import Recipe
from research import register
from research.frames import auc, logits_of
from research.sources import (
    Bench,
    Without,
    frame_model,
    frame_model_parser,
    frame_model_setup,
    left_out,
)

SHARES = (0.125, 0.25, 0.5, 1.0)
CHOICES = ("live swaps", "FF++ and DFD", "app swaps")
"""Folds of `research.sources` that the clips with pairs are of."""


@dataclass(frozen=True)
class CurveRun:
    """One training: by a share of the people, or without some of the sources."""

    seed: int
    share: float = 1.0
    unseen: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        without = "".join(f"-no-{fold.split()[0]}" for fold in self.unseen)
        return f"people-{100 * self.share:g}{without}-seed-{self.seed}"


def runs(seeds: Sequence[int], along: Sequence[str]) -> Iterator[CurveRun]:
    """Every run of the curves, those along people first."""
    for seed in seeds:
        if "people" in along:
            yield from (CurveRun(seed, share=share) for share in SHARES)
    for seed in seeds:
        if "sources" in along:
            for count in range(len(CHOICES) + 1):
                yield from (CurveRun(seed, unseen=some) for some in combinations(CHOICES, count))


class LearningCurve:
    """Trains the runs that are asked for, and keeps what each says of every clip and still."""

    def __init__(self, bench: Bench, plan: Recipe, stills: FaceCache, scores: Path) -> None:
        self.bench, self.plan, self.folder = bench, plan, scores
        self.clips = bench.cache.entries
        self.stills = [entry for entry in stills.entries if entry.person in bench.kept]
        self._shelves = {"clips": (bench.cache, self.clips), "stills": (stills, self.stills)}

    def without(self, run: CurveRun) -> Without:
        """Whom a run learns nothing from; people that the recipe holds out are left out anyway."""
        rest = [item for item in self.bench.items if item.person not in self.bench.kept]
        alone = {item.source: item.person for item in rest}
        several = {item.source for item in rest if alone[item.source] != item.person}
        taught = held_out(rest, {"image": run.share, "video": run.share}, seed=1)

        def left(entry: Faces) -> bool:
            if any(left_out(entry.source, fold) for fold in run.unseen):
                return True
            return run.share < 1 and entry.source in several and entry.person not in taught

        return left

    def scores(self, run: CurveRun, train: bool = True) -> dict[str, np.ndarray] | None:
        """Logits of all clips and of the held-out stills; None where nothing is kept."""
        kept = self.folder / f"{run.name}.json"
        if not kept.is_file():
            if not train:
                return None
            plan = self.plan.model_copy(update={"seed": run.seed})
            weights = frame_model(self.bench, plan, self.folder / run.name, self.without(run))
            crop = plan.crop
            told = {
                kind: logits_of(
                    weights,
                    crop.size,
                    crop.scale,
                    shelf,
                    entries,
                    reference=float(plan.options.get("reference", 0)),
                ).tolist()
                for kind, (shelf, entries) in self._shelves.items()
            }
            kept.write_text(json.dumps(told))
        return {kind: np.array(found) for kind, found in json.loads(kept.read_text()).items()}


def along_people(curve: LearningCurve, found: dict[CurveRun, dict[str, np.ndarray]]) -> list[str]:
    """Lines of Markdown: a row a share of the people."""
    held = np.array([entry.person in curve.bench.kept for entry in curve.clips])
    clips = [entry for entry, chosen in zip(curve.clips, held, strict=True) if chosen]
    lines = ["| people | clips | more by all people | pairs won | stills | more by all people |"]
    lines.append("|---|---|---|---|---|---|")
    by_share: dict[float, dict[str, np.ndarray]] = {}
    for share in SHARES:
        some = [s for run, s in found.items() if run.share == share and not run.unseen]
        if some:
            by_share[share] = {
                "clips": np.stack([s["clips"][held] for s in some], 1),
                "stills": np.stack([s["stills"] for s in some], 1),
            }
    for share, columns in by_share.items():
        cells = [f"{100 * share:g} %"]
        for kind, entries in (("clips", clips), ("stills", curve.stills)):
            labels = np.array([entry.label for entry in entries])
            people = [entry.person for entry in entries]
            cells.append(_said(metrics.bootstrap(auc, columns[kind], labels, people)))
            most = by_share[max(by_share)][kind]
            gain = metrics.bootstrap(auc, most, labels, people, less=columns[kind])
            cells.append("" if share == max(by_share) else _said(gain, "+"))
            if kind == "clips":
                couples = pairs(entries)
                won = [metrics.paired_ranking_accuracy(seed, couples) for seed in columns[kind].T]
                cells.append(f"{np.mean(won):.2f} of {len(couples)}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def along_sources(curve: LearningCurve, found: dict[CurveRun, dict[str, np.ndarray]]) -> list[str]:
    """Lines of Markdown: what is said of sources never seen, a row for how many others were; and of
    held-out people of sources that were seen."""
    labels = np.array([entry.label for entry in curve.clips])
    people = [entry.person for entry in curve.clips]
    held = np.array([entry.person in curve.bench.kept for entry in curve.clips])
    folds = np.array(
        [next((f for f in CHOICES if left_out(e.source, f)), "") for e in curve.clips], dtype=object
    )
    couples = pairs(curve.clips)
    rows = np.arange(len(labels))
    full = [(run, s["clips"]) for run, s in found.items() if run.share == 1]

    def columns(seen: int, asked: str) -> np.ndarray:
        """Logits [clips, runs] of the runs that saw so many sources; NaN what is not asked."""
        out = []
        for run, scores in full:
            if len(CHOICES) - len(run.unseen) == seen:
                new = np.isin(folds, run.unseen)
                out.append(np.where(new if asked == "new" else held & ~new, scores, np.nan))
        return np.stack(out, 1) if out else np.empty((len(rows), 0))

    mean_auc = partial(_over, folds, labels, CHOICES)
    head = ["sources seen", "asked about", "runs", *CHOICES, "mean", "more by them", "pairs won"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    none = columns(0, "new")
    for asked, counts in (("new", range(len(CHOICES))), ("seen", range(1, len(CHOICES) + 1))):
        for seen in counts:
            scores = columns(seen, asked)
            if not scores.size:
                continue
            what = "sources never seen" if asked == "new" else "new people of those seen"
            cells = [str(seen), what, str(scores.shape[1])]
            cells += [f"{_over(folds, labels, [fold], scores, rows):.3f}" for fold in CHOICES]
            cells.append(_said(metrics.bootstrap(mean_auc, scores, rows, people)))
            gain = metrics.bootstrap(mean_auc, scores, rows, people, less=none)
            cells.append(_said(gain, "+") if asked == "new" and seen and none.size else "")
            lines.append("| " + " | ".join([*cells, f"{_won(folds, couples, scores):.2f}"]) + " |")
    return lines


def _over(
    folds: np.ndarray,
    labels: np.ndarray,
    asked: Sequence[str],
    scores: np.ndarray,
    rows: np.ndarray,
) -> float:
    """Return the mean AUC over these sources, of logits [rows, runs] and rows of the clips."""
    means: list[float] = []
    for fold in asked:
        here = folds[rows] == fold
        each = [
            metrics.auc(column[some], labels[rows][some])
            for column in scores.T
            if (some := here & np.isfinite(column)).any()
        ]
        means.append(float(np.mean(each)) if each else float("nan"))
    # A source without an original among the new people has no figure.
    known = [mean for mean in means if np.isfinite(mean)]
    return float(np.mean(known)) if known else float("nan")


def _won(folds: np.ndarray, couples: Sequence[tuple[int, int]], scores: np.ndarray) -> float:
    """Return the mean share of pairs won over the sources, of logits [clips, runs]."""
    shares = []
    for column in scores.T:
        those = [pair for pair in couples if np.isfinite(column[list(pair)]).all()]
        by_fold = [[p for p in those if folds[p[0]] == fold] for fold in CHOICES]
        shares += [metrics.paired_ranking_accuracy(column, some) for some in by_fold if some]
    return float(np.mean(shares)) if shares else float("nan")


def _said(interval: metrics.Interval, sign: str = "") -> str:
    return f"{interval.value:{sign}.3f} [{interval.low:{sign}.2f}, {interval.high:{sign}.2f}]"


def main() -> None:
    parser = frame_model_parser(__doc__)
    parser.add_argument("--along", nargs="+", default=["people", "sources"])
    asked = parser.parse_args()
    bench, plan = frame_model_setup(asked)
    curve = LearningCurve(bench, plan, FaceCache(asked.cache / "image-tight"), asked.out)
    found = {}
    for run in dict.fromkeys(runs(asked.seeds, asked.along)):
        if (scores := curve.scores(run, train=not asked.table)) is not None:
            found[run] = scores
            print(run.name, flush=True)
    if "people" in asked.along:
        print("\n".join(["", *along_people(curve, found)]))
    if "sources" in asked.along:
        print("\n".join(["", *along_sources(curve, found)]))


if __name__ == "__main__":
    register()
    main()
