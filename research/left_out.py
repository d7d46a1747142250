"""What a model says of clips that it was not trained on, as its own in a store of scores.

    python -m research.left_out RUNS --id surround --store held.jsonl

RUNS holds the runs that `python -m research.folds` has judged: a clip's logits are there by the
model that never saw its fold. They are put into the store beside the other models' of the same
clips, under the id of the model that ships and was trained by the same recipe on everything. Then
`unmask calibrate … --models surround,… --store held.jsonl` fits ensembles and thresholds on what
was left out. Clips that the store does not hold stay away.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.evaluation import scores
from detector.models import registry
from detector.schema.analysis import Analysis, FrameSegment, ModelResult, Subject
from research import register
from research.folds import LEFT_OUT
from research.short_clips import overlap


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("--id", required=True, help="of the model that was trained on everything")
    parser.add_argument("--store", type=Path, required=True, help="of unmask calibrate; added to")
    asked = parser.parse_args()
    count, of = put(asked.runs, asked.id, asked.store)
    print(f"{asked.id}: {count} of {of} clips by a model that never saw their fold")


def put(runs: Path, id: str, store: Path) -> tuple[int, int]:
    """Put what the models of some runs say into a store, as of a model that ships; return of how
    many clips of how many that it holds."""
    known = {name: line for (name, how), line in scores._read(store).items() if how == "none"}
    changed: dict[str, Analysis] = {}
    others: set[str] = set()
    for run in sorted(runs.glob("*/held.jsonl")):
        for (name, _), line in scores._read(run).items():
            before = known.get(name)
            if before is None or before.analysis is None or line.analysis is None:
                continue
            others |= set(before.made_by)
            changed[name] = joined(before.analysis, line.analysis, id)
    scores.replace(store, changed, [*sorted(others - {id}), id])
    return len(changed), len(known)


def joined(analysis: Analysis, own: Analysis, id: str) -> Analysis:
    """Return the first with what the left-out model of the second says of the same people."""
    subjects = [_told(subject, own, id) for subject in analysis.subjects]
    spec = registry.get_spec(id)
    scored = sum(id in face.logits for subject in subjects for face in subject.frames)
    result = next(model for model in own.models if model.id == LEFT_OUT)
    told = result.model_copy(update={"id": id, "title": spec.title, "scored": scored})
    models: list[ModelResult] = [model for model in analysis.models if model.id != id]
    return analysis.model_copy(update={"subjects": subjects, "models": [*models, told]})


def _told(subject: Subject, own: Analysis, id: str) -> Subject:
    same = max(own.judged, key=lambda other: overlap(subject, other), default=None)
    if not subject.frames or same is None or overlap(subject, same) <= 0:
        return subject
    said = {round(face.time, 3): face.logits for face in same.frames}

    def told(face: FrameSegment) -> FrameSegment:
        logits = said.get(round(face.time, 3), {})
        if not face.logits or LEFT_OUT not in logits:
            return face
        return face.model_copy(update={"logits": face.logits | {id: logits[LEFT_OUT]}})

    return subject.model_copy(update={"frames": [told(face) for face in subject.frames]})


if __name__ == "__main__":
    register()
    main()
