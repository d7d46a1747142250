"""What a strong published model would decide here, before anybody has its weights.

    python -m bench.published dev/labels.csv --store dev.jsonl

Scores labelled clips with the bundled models (kept in the store), puts made logits of a published
model beside them and decides each clip by the policy as it ships. The made logits are honest ones
at the AUC that GenD's authors report (0.96 on Celeb-DF v2: two normals whose log odds are the value
itself), and the same from a model half, a third and twice as sure as it should be. Without the
bundled models, and with them alone, for comparison. The table says how many untouched clips are
cleared, how many fakes found, and how many of each are called the other; means over many draws.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
from scipy.stats import norm

from detector.cli.common import ProgressBar
from detector.decision import decide
from detector.evaluation import scores
from detector.evaluation.labels import read_labels
from detector.models import registry
from detector.pipeline import initial_results
from detector.schema.analysis import Analysis, Label

ID = "gend_clip_l14"
AUC = 0.96
SURENESS = {"as sure as it should be": 1.0, "half as sure": 0.5, "a third": 1 / 3, "twice": 2.0}
WANTED = {1.0: (75, 65), 0.5: (65, 40), 1 / 3: (55, 25), 2.0: (75, 75)}
"""percent of untouched clips cleared and of fakes found, at least"""
ALARMS = 5
"""percent of untouched clips called FAKE, at most"""


def with_logit(analysis: Analysis, logit: float) -> Analysis:
    """The analysis as if the published model had given every scored face this logit."""
    spec = registry.get_spec(ID)
    subjects = [
        track.model_copy(
            update={
                "frames": [
                    face.model_copy(update={"logits": {**face.logits, ID: logit}})
                    if face.logits
                    else face
                    for face in track.frames
                ]
            }
        )
        for track in analysis.subjects
    ]
    there = initial_results.result(spec).model_copy(update={"scored": 32})
    models = [*(m for m in analysis.models if m.id != ID), there]
    return analysis.model_copy(update={"subjects": subjects, "models": models})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("--store", type=Path, help="keep scores; go on from them")
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    items = [item for item in read_labels(asked.labels) if item.kind == "video"]
    # A store may hold other models' scores as well.
    bundled = [spec.id for spec in registry.list_models() if spec.bundled and spec.default]
    scored = scores.score_files(
        items,
        models=bundled,
        scoring=scores.Scoring(store=asked.store, on_progress=ProgressBar("scored")),
    )
    judged = [s for s in scored if s.analysis is not None and s.analysis.judged]
    analyses = [scores.refreshed(s.analysis) for s in judged if s.analysis is not None]
    labels = np.array([s.label for s in judged])
    rng = np.random.default_rng(asked.seed)
    spread = math.sqrt(2) * float(norm.ppf(AUC))
    print(
        f"{len(labels)} clips ({(labels == 0).sum()} untouched), {asked.draws} draws, made logits "
        f"at an AUC of {AUC}\n\n"
        "| | untouched cleared | wanted | fakes found | wanted | untouched called FAKE | wanted | "
        "fakes cleared | decided | of these right |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for name, sure in SURENESS.items():
        said = []
        for _ in range(asked.draws):
            centers = np.where(labels == 1, spread**2 / 2, -(spread**2) / 2)
            made = rng.normal(centers, spread) * sure
            said.append(
                [
                    decide(with_logit(a, float(x)), models=[*bundled, ID]).verdict.label
                    for a, x in zip(analyses, made, strict=True)
                ]
            )
        print(_row(name, np.array(said), labels, WANTED[sure]))
    alone = np.array([[decide(a, models=bundled).verdict.label for a in analyses]])
    print(_row("the bundled models alone", alone, labels, None))


def _row(name: str, said: np.ndarray, labels: np.ndarray, wanted: tuple[int, int] | None) -> str:
    real, fake = said[:, labels == 0], said[:, labels == 1]
    cleared, found = (real == Label.REAL).mean(), (fake == Label.FAKE).mean()
    alarms, missed = (real == Label.FAKE).mean(), (fake == Label.REAL).mean()
    decided = (said == Label.REAL) | (said == Label.FAKE)
    right = np.where(labels == 1, said == Label.FAKE, said == Label.REAL)
    share = f"{right.sum() / decided.sum():.0%}" if decided.any() else "–"
    least = (f"≥ {wanted[0]} %", f"≥ {wanted[1]} %", f"≤ {ALARMS} %") if wanted else ("", "", "")
    return (
        f"| {name} | {cleared:.1%} | {least[0]} | {found:.1%} | {least[1]} | {alarms:.1%} | "
        f"{least[2]} | {missed:.1%} | {decided.mean():.0%} | {share} |"
    )


if __name__ == "__main__":
    main()
