"""Which models, and which way to put the two questions together, do best on sources left out.

    python -m research.together labels.csv --recipe pairs --store held.jsonl

Scores the clips that a recipe held out (as `unmask calibrate`, whose store it shares), then prints
three tables, every source judged by what the others fit: the question of face manipulation by each
set of models (`--add ID` puts one more into them); all clips by each way to make one number of both
questions' logits, with how much more that is than the way in use (paired, 95 % interval by
resampling groups); and each model's logits less what the material alone makes it say of originals.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from detector.cli.common import ProgressBar
from detector.decision.numbers import pooled
from detector.evaluation import metrics, scores
from detector.evaluation.calibration import held_out_items, held_out_logits
from detector.evaluation.labels import read_labels
from detector.evaluation.subjects import Clip, clip_of
from detector.models import registry
from detector.schema.analysis import QUESTION_OF, Question
from detector.training.recipe import read_recipe
from research import register

IN_USE = tuple(registry.manifest().ensembles[Question.MANIPULATION].models)
SETS = (
    ("pairs",), ("detail",), ("motion",), ("pairs", "detail"), ("pairs", "motion"),
    ("detail", "motion"), IN_USE,
)  # fmt: skip
WAYS: dict[str, Callable[[np.ndarray], float]] = {
    "log of the mean ratio (in use)": lambda row: pooled(row.tolist()),
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
    parser.add_argument("--add", nargs="+", default=[], metavar="ID", help="models to try")
    asked = parser.parse_args()
    items = held_out_items(
        [i for i in read_labels(asked.labels) if i.kind == "video"], read_recipe(asked.recipe)
    )
    every = [*IN_USE, "synthesis", *asked.add]
    sets = list(SETS)
    for id in asked.add:
        sets += [(id,), (id, *IN_USE[1:]), (*IN_USE, id)]
    scoring = scores.Scoring(store=asked.store, on_progress=ProgressBar("scored"))
    scored = scores.score_files(items, models=every, scoring=scoring)
    clips = [clip_of(one) for one in scored]
    labels = np.array([clip.label for clip in clips])
    groups = np.array([f"{one.source}/{one.group}" for one in scored])

    def auc(logits: np.ndarray, some: np.ndarray) -> str:
        found = metrics.bootstrap(metrics.auc, logits[some], labels[some], groups[some].tolist())
        return f"{found.value:.3f} [{found.low:.2f}, {found.high:.2f}]"

    print("| models | face manipulation |\n|---|---|")
    own = np.array([clip.question in (None, Question.MANIPULATION) for clip in clips])
    held = {ids: held_out_logits(clips, Question.MANIPULATION, ids) for ids in sets}
    for ids, logits in held.items():
        print(f"| {', '.join(ids)} | {auc(logits, own & np.isfinite(logits))} |")
    both = np.stack(
        [held[IN_USE], held_out_logits(clips, Question.SYNTHESIS, ["synthesis"])], axis=1
    )
    seen = np.isfinite(both).all(1)
    rows = {name: np.array([way(row) for row in both[seen]]) for name, way in WAYS.items()}
    first = next(iter(rows.values()))
    print("\n| both questions | all clips | more |\n|---|---|---|")
    for name, logits in rows.items():
        more = metrics.bootstrap(
            metrics.auc, logits, labels[seen], groups[seen].tolist(), less=first
        )
        whole = np.full(len(clips), np.nan)
        whole[seen] = logits
        gain = f"{more.value:+.3f} [{more.low:+.2f}, {more.high:+.2f}]"
        print(f"| {name} | {auc(whole, seen)} | {gain} |")

    print("\n| less what the material tells | as it is | less | more |\n|---|---|---|---|")
    for id in every:
        plain, less = less_material(clips, id)
        some = np.isfinite(less)
        about = QUESTION_OF[registry.get_spec(id).task]
        some &= np.array([clip.question in (None, about) for clip in clips])
        more = metrics.bootstrap(
            metrics.auc, less[some], labels[some], groups[some].tolist(), less=plain[some]
        )
        gain = f"{more.value:+.3f} [{more.low:+.2f}, {more.high:+.2f}]"
        print(f"| {id} | {auc(plain, some)} | {auc(less, some)} | {gain} |")


def less_material(clips: Sequence[Clip], id: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a model's logits of the people seen most, and these less what is expected of an
    original of such a width, sharpness and compression (ridge regression on the originals of other
    sources).

    Returns
    -------
    two float arrays [clips]
        NaN where the model could not look.
    """
    plain = np.array([c.people[0].logits.get(id, np.nan) if c.people else np.nan for c in clips])
    known = np.flatnonzero(np.isfinite(plain))
    found = [clips[int(n)].people[0].material for n in known]
    fair = [1.0 if m.compression is None else m.compression for m in found]
    rows = [[m.width or 1.0, m.sharpness or 1.0, b] for m, b in zip(found, fair, strict=True)]
    x = np.log(rows)
    x = np.c_[(x - x.mean(0)) / x.std(0), np.ones(len(x))]
    sources = np.array([clips[int(n)].source for n in known])
    original = np.array([clips[int(n)].label == 0 for n in known])
    less = np.full(len(clips), np.nan)
    for source in set(sources):
        learned = x[original & (sources != source)]
        seen = plain[known][original & (sources != source)]
        weights = np.linalg.solve(
            learned.T @ learned + np.diag([5.0, 5.0, 5.0, 0.0]), learned.T @ seen
        )
        here = sources == source
        less[known[here]] = plain[known[here]] - x[here] @ weights
    return plain, less


if __name__ == "__main__":
    register()
    main()
