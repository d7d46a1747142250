"""Leaving whole sources out: how a recipe ranks clips of cameras and methods it never saw.

For each fold (`FOLDS`: sources of a kind, by words in their names) a recipe is trained on all
others and asked about the fold's clips. The figure is the mean AUC over the folds, and the pairs
won. Clip models learn from one pool of maps, whose rows of the fold are left out; frame models are
trained from the pictures. The trunk under a clip model is given (`--begin`) and may have seen a
fold's people itself, which flatters: with `--people pairs` nothing is learned from the people that
this recipe held out, and only they are asked about.

    python -m research.sources labels.csv --cache faces --begin weights/pairs.safetensors \
        --out runs/sources motion lrcn gru

Scores are kept in the folder, so that a table can be printed again (`--table`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from detector.evaluation import metrics
from detector.evaluation.groups import held_out_people
from detector.evaluation.labels import pairs, read_labels
from detector.models.families.videomae import HybridVideoMae
from detector.models.maps import MapNetwork
from detector.training import clips, masking, motion, pool, run, sample, start
from detector.training.cache import FaceCache, Faces
from detector.training.fit import TrainingOptions, fit, packed
from detector.training.input_transform import OwnInput
from detector.training.job import TrainingJob
from detector.training.recipe import Recipe, read_recipe
from research import register
from research.families.temporal import Temporal
from research.frames import logits_of

FOLDS = {
    "live swaps": ("iperov/DeepFaceLive",),
    "FF++ and DFD": ("hyunkeup/", "rohitcodism/", "ayhm23/"),
    "app swaps": ("merinkuriakose22/",),
    "talking heads": ("neeek2303/", "EDTalk", "yuangan/eat", "styletalk", "zhangbo2008/"),
    "one label": (
        "dreamtalk", "celebv-text", "spectre", "intel-iot", "wyhsirius", "antonibigata",
        "ashawkey", "loopyavatar", "omnihuman", "real3d", "Wav2Lip-HD",
    ),
}  # fmt: skip
"""What is left out together. "one label" holds sources of originals only and of fakes only, so its
figure rests on what differs between sources as well, and is not in the mean."""
FRAMES = ("mobilenet", "residual", "reference")
"""Families of frame models."""
WINDOWS = (0.0, 1.0)
"""Of a clip that is judged: its first window and its last."""

Without = Callable[[Faces], bool]
"""Which faces are left out."""


def left_out(source: str, fold: str) -> bool:
    """Whether a source belongs to a fold."""
    return any(word in source for word in FOLDS[fold])


def network_of(plan: Recipe) -> MapNetwork:
    """Return the untrained clip model that a recipe asks for."""
    return clips.network_of(plan, Temporal if plan.family == "temporal" else HybridVideoMae)


class Bench:
    """Data of a run: faces, the maps of all clips to judge and of a pool to learn from."""

    def __init__(
        self,
        labels: Path,
        faces: Path,
        begin: Path,
        out: Path,
        rows: int | None = None,
        people: str | None = None,
    ) -> None:
        self.items = read_labels(labels)
        self.rows = rows
        self.kept = held_out_people(self.items, read_recipe(people)) if people else set()
        self.faces, self.begin, self.out = faces, begin, out
        self.cache = FaceCache(faces / "video")
        self.entries = [e for e in self.cache.entries if not people or e.person in self.kept]

    def judged(self, plan: Recipe) -> np.ndarray:
        """Return maps of clean windows: float16 [entries, windows, T, 96, h, w]."""

        def make(index: int) -> list[np.ndarray]:
            entry = self.entries[index]
            return [
                clips.window(self.cache, entry, plan.crop, plan.clip_frames, where)
                for where in WINDOWS
            ]

        return self._fill(f"judged-{plan.crop.size}", make, len(self.entries), plan)

    def learned(self, plan: Recipe) -> tuple[np.ndarray, list[set[str]]]:
        """Return a pool of pairs by a recipe's parts, and the sources of each row."""
        sources = self.sources(plan)

        def make(index: int) -> tuple[np.ndarray, np.ndarray]:
            source, first, second, rng = motion.pick(sources, plan, index)
            return motion.one_pair(source, first, second, plan, rng)

        size = self.rows or int(plan.options.get("pool", 1000))
        maps = self._fill(f"pool-{_parts(plan)}-{plan.crop.size}", make, size, plan)
        names = []
        for index in range(size):
            _, first, second, _ = motion.pick(sources, plan, index)
            names.append({entry.source for entry in (first, second) if entry is not None})
        return maps[:size], names

    def sources(
        self, plan: Recipe, without: Without = lambda entry: False
    ) -> list[sample.PairSource]:
        """Return the parts of a recipe, without the faces that are left out."""
        caches = run.faces(plan, self.items, self.faces, lambda *_: None)
        found = []
        for part in plan.parts:
            source = sample.gather(part, caches[OwnInput(plan.crop).cached(part).name], self.kept)
            groups = [
                [couple for couple in group if not any(e and without(e) for e in couple)]
                for group in source.groups
            ]
            found.append(replace(source, groups=[group for group in groups if group]))
        return [source for source in found if source.groups]

    def _fill(self, name: str, make: pool.Make, count: int, plan: Recipe) -> np.ndarray:
        network = network_of(plan)
        network.trunk.load_state_dict(start.trunk_state(self.begin))
        return pool.fill(
            make, count, network, self.out / f"{name}.npy", resume=True,
            progress=lambda done, total: print(f"\r{name} {done}/{total}", end="", flush=True),
        )  # fmt: skip


def clip_scores(bench: Bench, plan: Recipe, fold: str) -> np.ndarray:
    """Logits of all entries by a clip model that was trained without a fold; NaN of others."""
    judged, (maps, names) = bench.judged(plan), bench.learned(plan)
    keep = [n for n, found in enumerate(names) if not any(left_out(s, fold) for s in found)]
    mine = maps[keep]
    torch.manual_seed(plan.seed)
    network = network_of(plan)
    network.trunk.load_state_dict(start.trunk_state(bench.begin))
    pool.set_scale(network, mine)
    out = bench.out / f"{plan.name}-{fold.split()[0]}"
    if plan.pretrain is not None:
        # Clips of the fold are left out here too, and both clips of each pair are learned from.
        masking.pretrain(network, plan, mine, TrainingOptions(out / "pretrain"))
    learned = plan.model_copy(update={"check_every": 10**9})
    trained = fit(
        clips.OnMaps(network),
        learned,
        lambda step: pool.draw_pairs(mine, learned, step),
        TrainingOptions(out),
    ).eval()
    scores = np.full(len(bench.entries), np.nan)
    with torch.inference_mode():
        for index, entry in enumerate(bench.entries):
            if left_out(entry.source, fold):
                row = torch.from_numpy(np.asarray(judged[index], np.float32))
                scores[index] = float(trained(row).mean())
    return scores


def frame_model(bench: Bench, plan: Recipe, out: Path, without: Without) -> Path:
    """Return the weights of a frame model that was trained without some of the faces."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(plan.seed)
    sources = bench.sources(plan, without)
    plan = plan.model_copy(update={"check_every": 10**9})
    job = TrainingJob(plan, sources, [], set(), TrainingOptions(out), bench.begin)
    save_file(packed(run.TRAINERS[plan.family](job)), out / "model.safetensors")
    return out / "model.safetensors"


def frame_scores(bench: Bench, plan: Recipe, fold: str) -> np.ndarray:
    """Return the same by a frame model."""
    out = bench.out / f"{plan.name}-{fold.split()[0]}"
    weights = frame_model(bench, plan, out, lambda entry: left_out(entry.source, fold))
    asked = [n for n, entry in enumerate(bench.entries) if left_out(entry.source, fold)]
    scores = np.full(len(bench.entries), np.nan)
    scores[asked] = logits_of(
        weights, plan.crop.size, plan.crop.scale, bench.cache, [bench.entries[n] for n in asked],
        reference=float(plan.options.get("reference", 0)),
    )  # fmt: skip
    return scores


def figures(scores: np.ndarray, entries: Sequence[Faces]) -> dict[str, float]:
    """AUC and pairs won of each fold, and the mean AUC of those that have one.

    Parameters
    ----------
    scores : float [entries]
        NaN where nothing was asked.
    """
    labels = np.array([entry.label for entry in entries])
    found = pairs(entries)
    out: dict[str, float] = {}
    for fold in FOLDS:
        inside = np.array([left_out(entry.source, fold) for entry in entries])
        inside &= np.isfinite(scores)
        couples = [couple for couple in found if inside[list(couple)].all()]
        out[fold] = metrics.auc(scores[inside], labels[inside])
        out[f"{fold}: pairs won"] = metrics.paired_ranking_accuracy(scores, couples)
    both = [out[fold] for fold in FOLDS if fold != "one label"]
    out["mean AUC"] = float(np.nanmean(both)) if np.isfinite(both).any() else float("nan")
    return out


def table(columns: dict[str, np.ndarray], entries: Sequence[Faces]) -> str:
    """Markdown: a column a recipe, and the mean of the first (a frame model) with each other."""
    first = next(iter(columns.values()))
    shown = dict(columns)
    for name, column in list(columns.items())[1:]:
        shown[f"first + {name}"] = first / np.nanstd(first) + column / np.nanstd(column)
    rows = {name: figures(column, entries) for name, column in shown.items()}
    names = list(next(iter(rows.values())))
    lines = ["| | " + " | ".join(rows) + " |", "|---|" + "---|" * len(rows)]
    for name in names:
        lines.append(
            f"| {name} | " + " | ".join(f"{row[name]:.3f}" for row in rows.values()) + " |"
        )
    return "\n".join(lines)


def frame_model_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return the options of a script that trains a frame model in many ways."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("recipe", help="of a frame model")
    parser.add_argument("--cache", type=Path, required=True, help="folder of cut faces")
    parser.add_argument("--begin", type=Path, required=True, help="trunk")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, help="instead of the recipe's")
    parser.add_argument("--seeds", type=int, nargs="+", default=[5])
    parser.add_argument("--table", action="store_true", help="only print what was scored before")
    return parser


def frame_model_setup(asked: argparse.Namespace) -> tuple[Bench, Recipe]:
    """Return the data of such a script, and its recipe."""
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    plan = read_recipe(asked.recipe)
    if asked.images:
        plan = plan.model_copy(update={"images": asked.images})
    return Bench(asked.labels, asked.cache, asked.begin, asked.out, people=asked.recipe), plan


def _parts(plan: Recipe) -> str:
    """Return a name for what a pool was drawn from, so that recipes of the same parts share it."""
    told = f"{plan.seed} {plan.soften} {plan.h264} {plan.options.get('pool')} {plan.parts}"
    return f"{sum(ord(c) * (n + 1) for n, c in enumerate(told)) % 10**6:06d}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--cache", type=Path, required=True, help="folder of cut faces")
    parser.add_argument("--begin", type=Path, required=True, help="frame model or trunk")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frame", nargs="*", default=[], help="FILE:SIDE, trained as they are")
    parser.add_argument("--images", type=int, help="instead of the recipes'")
    parser.add_argument("--rows", type=int, help="of the pool, instead of the recipes'")
    parser.add_argument(
        "--people", metavar="RECIPE", help="learn nothing from those it held out, ask them"
    )
    parser.add_argument("--only", nargs="*", default=list(FOLDS), help="folds to leave out")
    parser.add_argument("--table", action="store_true", help="only print what was scored before")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(asked.labels, asked.cache, asked.begin, asked.out, asked.rows, asked.people)
    columns: dict[str, np.ndarray] = {}
    for text in asked.frame:
        file, _, side = text.rpartition(":")
        kept = asked.out / f"{Path(file).stem}-{side}.json"
        if not kept.is_file():
            scores = logits_of(Path(file), int(side), 0.9, bench.cache, bench.entries)
            kept.write_text(json.dumps(scores.tolist()))
        columns[kept.stem] = np.array(json.loads(kept.read_text()))
    for name in asked.recipes:
        plan = read_recipe(name)
        if asked.images:
            plan = plan.model_copy(update={"images": asked.images})
        total = np.full(len(bench.entries), np.nan)
        for fold in asked.only:
            kept = asked.out / f"{plan.name}-{fold.split()[0]}.json"
            if not kept.is_file():
                if asked.table:
                    continue
                score = frame_scores if plan.family in FRAMES else clip_scores
                kept.write_text(json.dumps(score(bench, plan, fold).tolist()))
            found = np.array(json.loads(kept.read_text()))
            total = np.where(np.isfinite(found), found, total)
        columns[plan.name] = total
    print(table(columns, bench.entries))


if __name__ == "__main__":
    register()
    main()
