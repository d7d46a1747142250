"""Do ours beat published detectors and plain features on sources that nobody trained on?

    python -m research.against LABELS.csv --where face_px --held held.jsonl --store others.jsonl

Ours are asked as `unmask calibrate LABELS.csv --where face_px --store held.jsonl` asks them: each
clip by weights that never saw its kind (`research.left_out` puts those scores into the store), and
by an ensemble that was fitted to the other kinds. Beside them every published detector whose
weights are on this computer, on the same clips through the same pipeline, and the features of
`detector.evaluation.baselines` in the better of their two directions. The table: AUC over all
clips; what ours have more, with its 95 % interval, paired, whole sources resampled; the same of
altered faces alone. A clip that a detector could not judge counts against it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from detector.cli.common import ProgressBar
from detector.evaluation import baselines, calibration, groups, methods, scores
from detector.evaluation.labels import filled, read_labels
from detector.evaluation.scores import Scored, Scoring
from detector.evaluation.subjects import Clip, clip_of
from detector.evaluation.tallies import Column, couples_of, figure_of
from detector.models import registry
from detector.schema.analysis import QUESTION_OF, Question


def ours(clips: Sequence[Clip], models: Sequence[str]) -> dict[Question | None, np.ndarray]:
    """Return what our ensembles say of clips whose `source` they do not know: float [clips] of each
    question, and under None of all together; NaN where nobody could be judged."""
    of = {id: QUESTION_OF[registry.get_spec(id).task] for id in models}
    held: dict[Question | None, np.ndarray] = {}
    for question in dict.fromkeys(of.values()):
        asked = [id for id in models if of[id] is question]
        held[question] = calibration._fit_question(clips, question, asked).held
    labels = np.array([clip.label for clip in clips])
    sources = np.array([clip.source for clip in clips])
    told = {question: x for question, x in held.items() if question is not None}
    return {**held, None: calibration._combined(told, labels, sources)}


def by_kind(scored: Sequence[Scored]) -> list[Clip]:
    """Return clips of which whole kinds are left out: a clip's `source` is its fold."""
    return [replace(clip, source=groups.fold_of(clip)) for clip in map(clip_of, scored)]


def rows(others: Sequence[Scored], ids: Sequence[str], logits: np.ndarray, title: str) -> list[str]:
    """Return the table's rows: ours, then what stands beside it."""
    by_source = [one.model_copy(update={"person": one.source}) for one in others]
    values = [float(x) if np.isfinite(x) else None for x in logits]
    column = Column.of(values, by_source)
    own = figure_of(column)
    found = [f"| **{title}** | **{own.value:.2f}** [{own.low:.2f}, {own.high:.2f}] | |"]
    for one in baselines.compare(by_source, ids, column, couples_of(by_source)):
        found.append(
            f"| {one.title}{' alone' if one.kind == 'feature' else ''}, {one.judged} judged "
            f"| {one.auc.value:.2f} [{one.auc.low:.2f}, {one.auc.high:.2f}] "
            f"| {one.difference:+.2f} [{one.low:.2f}, {one.high:.2f}], {one.beaten} |"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--where", default="", help="only files with this column filled")
    parser.add_argument("--held", type=Path, required=True, help="store of ours, left out")
    parser.add_argument("--store", type=Path, required=True, help="of the others; added to")
    parser.add_argument("--published", default="all", help="ids, separated by commas")
    asked = parser.parse_args()
    items = [item for item in read_labels(asked.labels) if item.kind == "video"]
    if asked.where:
        names = filled(asked.labels, asked.where)
        items = [item for item in items if item.name in names]
    models = [spec.id for spec in registry.choose() if spec.kind != "audio"]
    ids, _missing = baselines.published(asked.published, models)
    held = scores.score_files(items, models=models, scoring=Scoring(store=asked.held))
    logits = ours(by_kind(held), models)
    scoring = Scoring(store=asked.store, on_progress=ProgressBar("scored"))
    others = scores.score_files(items, models=ids, scoring=scoring)
    altered = [
        k
        for k, one in enumerate(others)
        if not one.label or methods.question(one.method) is Question.MANIPULATION
    ]
    print("| all clips | AUC | ours have more |\n|---|---|---|")
    print("\n".join(rows(others, ids, logits[None], "ours, all together")))
    print("\n| altered faces against all originals | AUC | ours have more |\n|---|---|---|")
    faces = [others[k] for k in altered]
    print(
        "\n".join(rows(faces, ids, logits[Question.MANIPULATION][altered], "ours, that question"))
    )


if __name__ == "__main__":
    main()
