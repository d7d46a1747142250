"""One thing changed at a time: what each augmentation, loss and part of a recipe gives.

Every variant (`VARIANTS`) sees equally many pictures, if it is not about their number, drawn by the
same seeds, and learns from no clip of the sources that have pairs of clips
(`research.learning_curve.CHOICES`). It is asked about all clips of these, as they are and as worse
copies, and about the tight stills of people held out. Beside each figure stands what it has more
than the recipe as it is, paired: the same seeds, the same people resampled.

    python -m research.ablation labels.csv pairs --cache faces --begin trunk.pt --images 9600 \
        --out runs/ablation --seeds 5 6

Scores are kept in the folder: what is there is not trained again, and `--table` trains nothing.
`--only` names the variants to train, by parts of their names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector.evaluation import metrics
from detector.evaluation.labels import pairs
from detector.training.cache import FaceCache, Faces
from detector.training.recipe import Part, Recipe
from research import register
from research.frames import auc, logits_of
from research.learning_curve import CHOICES
from research.sources import (
    Bench,
    frame_model,
    frame_model_parser,
    frame_model_setup,
    left_out,
)

AS_IS = "the recipe as it is"
VARIANTS: dict[str, dict[str, Any]] = {
    AS_IS: {},
    "no original softened": {"soften": 0.0},
    "no change of color": {"without": ["color"]},
    "no change of size": {"without": ["size"]},
    "no blur": {"without": ["blur"]},
    "no grain": {"without": ["noise"]},
    "no JPEG": {"without": ["jpeg"]},
    "no H.264": {"h264": 0.0},
    "none of the five": {"without": ["size", "blur", "noise", "jpeg"], "h264": 0.0},
    "a quarter changed in color alone": {"clean": 0.25},
    "no ranking within the pair": {"pair_weight": 0.0},
    "focal loss": {"loss": "focal"},
    "alignment and uniformity": {"align_weight": 0.1, "uniform_weight": 0.5},
    "contrastive loss": {"contrast_weight": 0.1},
    "no averaged weights": {"average": 0.0},
    "no self-blended clips": {"drop": ["cameras"]},
    "self-blended stills as well": {
        "add": Part(name="blended", kind="image", mode="blend", match=["DFDC_faces"], tight=True,
                    share=0.2),
    },
    "half as many pictures": {"times": 0.5},
    "twice as many pictures": {"times": 2},
    "four times as many pictures": {"times": 4},
    "a quarter of the rate": {"slower": 4},
    "kernels as ImageNet left them": {"options": {"tune": "norms"}},
    "128 px": {"size": 128},
    "224 px": {"size": 224},
}  # fmt: skip
"""What is changed of a recipe, by the words of the table. `size` is of its crop, `drop` and `add`
are of its parts, `times` and `slower` of its pictures and rate; all else are its settings. Weights
of alignment and uniformity as LNCLIP-DF's."""
COPIES = ("half", "crf-32")


def variant(plan: Recipe, name: str, seed: int) -> Recipe:
    """Return a recipe with one thing changed."""
    change = dict(VARIANTS[name])
    dropped = change.pop("drop", [])
    parts = [part for part in plan.parts if part.name not in dropped]
    if extra := change.pop("add", None):
        parts.append(extra)
    crop = plan.crop.model_copy(update={"size": change.pop("size", plan.crop.size)})
    if times := change.pop("times", None):
        change["images"] = round(times * plan.images)
    if slower := change.pop("slower", None):
        change["rate"] = plan.rate / slower
    changed = plan.model_copy(update={"seed": seed, "parts": parts, "crop": crop, **change})
    return Recipe.model_validate(changed.model_dump())


class Ablation:
    """Trains the variants, and keeps what each says of every clip and still."""

    def __init__(self, bench: Bench, plan: Recipe, stills: FaceCache, scores: Path) -> None:
        self.bench, self.plan, self.folder = bench, plan, scores
        self.clips = [e for e in bench.cache.entries if new(e)]
        self.stills = [entry for entry in stills.entries if entry.person in bench.kept]
        self._asked = {"clips": (bench.cache, self.clips, "")}
        self._asked |= {how: (bench.cache, self.clips, how) for how in COPIES}
        self._asked["stills"] = (stills, self.stills, "")

    def scores(self, name: str, seed: int, train: bool = True) -> dict[str, np.ndarray] | None:
        """Logits by what is asked; None where nothing is kept and nothing may be trained."""
        words = "-".join(name.lower().replace(".", "").split())
        kept = self.folder / f"{words}-seed-{seed}.json"
        if not kept.is_file():
            if not train:
                return None
            plan = variant(self.plan, name, seed)
            weights = self.folder / kept.stem / "model.safetensors"
            if not weights.is_file():
                weights = frame_model(self.bench, plan, weights.parent, new)
            told = {
                asked: logits_of(weights, plan.crop.size, plan.crop.scale, shelf, entries, how)
                for asked, (shelf, entries, how) in self._asked.items()
            }
            kept.write_text(json.dumps({asked: some.tolist() for asked, some in told.items()}))
        return {asked: np.array(some) for asked, some in json.loads(kept.read_text()).items()}


def new(entry: Faces) -> bool:
    """Whether a face is of the sources that are left out."""
    return any(left_out(entry.source, fold) for fold in CHOICES)


def by_fold(clips: Sequence[Faces]) -> Callable[[np.ndarray, np.ndarray], float]:
    """Return the mean AUC over the sources left out, of logits [rows, seeds] and rows of
    `clips`."""
    labels = np.array([entry.label for entry in clips])
    folds = np.array([next(f for f in CHOICES if left_out(e.source, f)) for e in clips])

    def figure(scores: np.ndarray, rows: np.ndarray) -> float:
        here = [folds[rows] == fold for fold in CHOICES]
        means = [auc(scores[some], labels[rows][some]) for some in here if some.any()]
        # A source of which no original was drawn has no figure in this round.
        known = [mean for mean in means if np.isfinite(mean)]
        return float(np.mean(known)) if known else float("nan")

    return figure


def table(
    found: dict[tuple[str, int], dict[str, np.ndarray]],
    clips: Sequence[Faces],
    stills: Sequence[Faces],
) -> Iterator[str]:
    """Lines of Markdown: a row a variant, each against the recipe as it is at the same seeds."""
    yield "| | seeds | clips | pairs won | half size | CRF 32 | stills |"
    yield "|---|---|---|---|---|---|---|"
    rows = np.arange(len(clips))
    people = {"clips": [e.person for e in clips], "stills": [e.person for e in stills]}
    labels = np.array([entry.label for entry in stills])
    couples = pairs(clips)
    for name in VARIANTS:
        seeds = [seed for other, seed in found if other == name and (AS_IS, seed) in found]
        if not seeds:
            continue
        cells = [name, " and ".join(map(str, seeds))]
        for asked in ("clips", "pairs won", *COPIES, "stills"):
            if asked == "pairs won":
                each = [
                    metrics.paired_ranking_accuracy(found[name, s]["clips"], couples) for s in seeds
                ]
                cells.append(f"{np.mean(each):.2f}")
                continue
            mine = np.stack([found[name, seed][asked] for seed in seeds], 1)
            base = np.stack([found[AS_IS, seed][asked] for seed in seeds], 1)
            figure, truth = (auc, labels) if asked == "stills" else (by_fold(clips), rows)
            groups = people["stills" if asked == "stills" else "clips"]
            if name == AS_IS:
                told = metrics.bootstrap(figure, mine, truth, groups)
                cells.append(f"{told.value:.3f} [{told.low:.2f}, {told.high:.2f}]")
                continue
            gain = metrics.bootstrap(figure, mine, truth, groups, less=base)
            more = f"{gain.value:+.3f} [{gain.low:+.2f}, {gain.high:+.2f}]"
            cells.append(f"{figure(mine, truth):.3f} ({more})")
        yield "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = frame_model_parser(__doc__)
    parser.add_argument("--only", nargs="+", default=[""], help="parts of names of variants")
    asked = parser.parse_args()
    bench, plan = frame_model_setup(asked)
    ablation = Ablation(bench, plan, FaceCache(asked.cache / "image-tight"), asked.out)
    found = {}
    for seed in asked.seeds:
        for name in VARIANTS:
            wanted = name == AS_IS or any(part in name for part in asked.only)
            scores = ablation.scores(name, seed, train=wanted and not asked.table)
            if scores is not None:
                found[name, seed] = scores
                print(name, seed, flush=True)
    print("\n".join(["", *table(found, ablation.clips, ablation.stills)]))


if __name__ == "__main__":
    register()
    main()
