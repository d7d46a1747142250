"""Which models, and which way to put the two questions together, do best on sources left out.

    python -m bench.together labels.csv --recipe pairs --store held.jsonl

Scores the clips that a recipe held out (as `unmask calibrate`, whose store it shares), then prints
two tables, every source judged by what the others fit: the question of face manipulation by each
set of models, and all clips by each way to make one number of both questions' logits, with how much
more that is than the way in use (paired, 95 % interval by resampling groups).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from detector import fusion
from detector.cli.common import counter
from detector.results import Question
from detector.training import metrics, scores
from detector.training.calibration import held_out_items, held_out_logits
from detector.training.data import read_labels
from detector.training.people import clip_of

SETS = (
    ("pairs",), ("blend",), ("motion",), ("pairs", "blend"), ("pairs", "motion"),
    ("blend", "motion"), ("pairs", "blend", "motion"),
)  # fmt: skip
WAYS: dict[str, Callable[[np.ndarray], float]] = {
    "log of the mean ratio (in use)": lambda row: fusion.pooled(row.tolist()),
    "mean of the logits": lambda row: float(row.mean()),
    "the higher": lambda row: float(row.max()),
    "face manipulation alone": lambda row: float(row[0]),
    "synthesis alone": lambda row: float(row[1]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("--recipe", default="pairs", help="whose held-out clips are asked")
    parser.add_argument("--store", type=Path, help="keep scores; go on from them")
    asked = parser.parse_args()
    items = held_out_items(
        [i for i in read_labels(asked.labels) if i.kind == "video"], asked.recipe
    )
    every = ["pairs", "blend", "synthesis", "motion"]
    scored = scores.score_files(
        items, models=every, frames=32, device="auto", store=asked.store, progress=counter("scored")
    )
    clips = [clip_of(one) for one in scored]
    labels = np.array([clip.label for clip in clips])
    groups = np.array([f"{one.source}/{one.group}" for one in scored])

    def auc(logits: np.ndarray, some: np.ndarray) -> str:
        found = metrics.bootstrap(metrics.auc, logits[some], labels[some], groups[some].tolist())
        return f"{found.value:.3f} [{found.low:.2f}, {found.high:.2f}]"

    print("| models | face manipulation |\n|---|---|")
    own = np.array([clip.question in (None, Question.MANIPULATION) for clip in clips])
    held = {ids: held_out_logits(clips, Question.MANIPULATION, ids) for ids in SETS}
    for ids, logits in held.items():
        print(f"| {', '.join(ids)} | {auc(logits, own & np.isfinite(logits))} |")
    both = np.stack(
        [held[SETS[-1]], held_out_logits(clips, Question.SYNTHESIS, ["synthesis"])], axis=1
    )
    seen = np.isfinite(both).all(1)
    rows = {name: np.array([way(row) for row in both[seen]]) for name, way in WAYS.items()}
    first = next(iter(rows.values()))
    print("\n| both questions | all clips | more |\n|---|---|---|")
    for name, logits in rows.items():
        more = metrics.bootstrap_difference(
            metrics.auc, logits, first, labels[seen], groups[seen].tolist()
        )
        whole = np.full(len(clips), np.nan)
        whole[seen] = logits
        gain = f"{more.value:+.3f} [{more.low:+.2f}, {more.high:+.2f}]"
        print(f"| {name} | {auc(whole, seen)} | {gain} |")


if __name__ == "__main__":
    main()
