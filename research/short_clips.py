"""What a model of runs of frames says of clips that are too short for its window.

    python -m research.short_clips labels.csv --where face_px --store held.jsonl --own motion.jsonl

A clip of one second holds no window of Motion (16 frames, 0.08 s apart), so a calibration on such
clips would know nothing of it. Here its frames are taken closer together, which shows it slower
motion than it learned from: what it says so is put into the store beside the others' scores, for
`unmask calibrate … --store held.jsonl`. Prints its AUC on these clips. A lower bound, most likely.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from detector.cli.common import ProgressBar
from detector.evaluation import metrics, scores
from detector.evaluation.labels import filled, read_labels
from detector.evaluation.scores import Scoring
from detector.evaluation.subjects import clip_of
from detector.models import registry
from detector.schema.analysis import Analysis, ModelResult, Subject
from research import register


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("--where", default="", help="only clips with something in this column")
    parser.add_argument("--store", type=Path, required=True, help="of unmask calibrate; added to")
    parser.add_argument("--own", type=Path, required=True, help="keep these; go on from them")
    parser.add_argument("--model", default="motion")
    parser.add_argument("--step", type=float, default=0.055, help="s between two frames")
    asked = parser.parse_args()
    items = [item for item in read_labels(asked.labels) if item.kind == "video"]
    if asked.where:
        names = filled(asked.labels, asked.where)
        items = [item for item in items if item.name in names]
    bundled = [s.id for s in registry.list_models() if s.bundled and s.default]
    others = [id for id in bundled if id != asked.model]
    before = scores.score_files(
        items,
        models=[*others, asked.model],
        scoring=Scoring(store=asked.store, on_progress=ProgressBar("scored")),
    )
    spec = registry.get_spec(asked.model)
    usual, spec.clip_step = spec.clip_step, asked.step  # of this process alone
    closer = scores.score_files(
        items,
        models=[asked.model],
        scoring=Scoring(frames=4, store=asked.own, on_progress=ProgressBar("closer")),
    )
    spec.clip_step = usual
    changed = {}
    for one, other in zip(before, closer, strict=True):
        if one.analysis is None or other.analysis is None or asked.model in one.logits:
            continue
        if (merged := joined(one.analysis, other.analysis, asked.model)) is not None:
            changed[one.name] = merged
    scores.replace(asked.store, changed, [*others, asked.model])
    after = scores.score_files(
        items, models=[*others, asked.model], scoring=Scoring(store=asked.store)
    )
    clips = [clip_of(one) for one in after]
    said = [c.people[0].logits.get(asked.model, np.nan) if c.people else np.nan for c in clips]
    labels, x = np.array([clip.label for clip in clips]), np.array(said)
    seen = np.isfinite(x)
    origins = [clip.origin for clip, here in zip(clips, seen, strict=True) if here]
    found = metrics.bootstrap(metrics.auc, x[seen], labels[seen], origins)
    print(
        f"{asked.model}: AUC {found} on {seen.sum()} of {len(items)} clips, {len(changed)} of them "
        f"by frames {asked.step:g} s apart"
    )


def joined(analysis: Analysis, closer: Analysis, id: str) -> Analysis | None:
    """Return the first with the windows that the second has of the same people; None without
    any."""
    found = {}
    for track in analysis.judged:
        same = max(closer.judged, key=lambda other: overlap(track, other), default=None)
        if same is not None and overlap(track, same) > 0 and same.spans:
            found[track.id] = same.spans
    if not found:
        return None

    def told(model: ModelResult) -> ModelResult:
        change = {"scored": sum(map(len, found.values())), "not_counted_because": None}
        return model.model_copy(update=change) if model.id == id else model

    subjects = [
        s.model_copy(update={"spans": [*s.spans, *found.get(s.id, [])]}) for s in analysis.subjects
    ]
    return analysis.model_copy(
        update={"subjects": subjects, "models": [told(model) for model in analysis.models]}
    )


def overlap(one: Subject, other: Subject) -> float:
    """Area that the middle boxes of two people share, px²."""
    a, b = (t.frames[len(t.frames) // 2].box for t in (one, other))
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


if __name__ == "__main__":
    register()
    main()
