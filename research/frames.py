"""How a frame model's weights rank held-out people: without the pipeline, from cut faces.

The figure to steer training by. For every clip of the training labels that a recipe held out (or
of sources named with `--left-out`), the mean logit over some frames; AUC over all, against each
family of methods, and the pairs won, source by source.

    python -m research.frames labels.csv --cache faces --recipe pairs weights/pairs.safetensors:160

Weights are given as FILE:SIDE, the side in px of the crop they take; several seeds of one recipe
as FILE,FILE:SIDE, and the figure is then the mean of theirs. FILE:SIDE:0.5 takes half of what is
said of a coarse copy off (`research.families.reference`). With --stills, tight crops of
held-out people (DFDC's actors, if LABELS.csv names them: `research.actors`) are asked instead. With
`--copies half crf-32` the same is asked of copies of half the size, and of re-encoded ones.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from detector.evaluation import metrics
from detector.evaluation.groups import held_out_people
from detector.evaluation.labels import pairs, read_labels
from detector.evaluation.methods import family
from detector.models.base import CropRecipe
from detector.models.families import mobilenet
from detector.training import augment, codec, input_transform
from detector.training.cache import MARGIN, FaceCache, Faces
from detector.training.precision import half_precision
from detector.training.recipe import read_recipe
from detector.weights import load_state
from research import register
from research.families import reference as reference_net
from research.families import residual

FRAMES = 6
"""Pictures of a clip."""


def copied(frames: np.ndarray, entry: Faces, how: str) -> np.ndarray:
    """Return cached frames uint8 [N, S, S, 3] as they would be of a copy of the file: "half" its
    size, or re-encoded ("crf-32"), at the size that the face has in it."""
    side = frames.shape[1]
    native = side if entry.tight else MARGIN * entry.face
    wanted = (min(side, max(24, round(native / 2 if how == "half" else native))),) * 2
    small = np.stack([cv2.resize(one, wanted, interpolation=cv2.INTER_AREA) for one in frames])
    if how.startswith("crf-"):
        small = codec.h264(small, int(how.removeprefix("crf-")))
    return np.stack([cv2.resize(one, (side, side)) for one in small])


@torch.inference_mode()
def logits_of(
    weights: Path,
    side: int,
    scale: float,
    cache: FaceCache,
    entries: list[Faces],
    how: str = "",
    reference: float = 0.0,
) -> np.ndarray:
    """Mean logit of each entry's frames, as they are or `copied`: float [entries]."""
    state = load_state(weights)
    network: nn.Module
    if any(name.startswith("residual.") for name in state):
        network = residual.build(state, weights.name)
    else:
        network = (
            reference_net.build(state, weights.name, reference)
            if reference
            else mobilenet.build(state, weights.name)
        )
    network = network.to(memory_format=torch.channels_last)
    crop = CropRecipe(scale=scale, size=side)
    out = []
    for entry in entries:
        frames = cache.frames(entry)
        chosen = np.unique(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int))
        some = copied(frames[chosen], entry, how) if how else frames[chosen]
        shown = [input_transform.plain(one, entry.tight, crop) for one in some]
        x = torch.from_numpy(augment.batch_to_array(shown))
        x = x.contiguous(memory_format=torch.channels_last)
        with half_precision(x.device):
            out.append(float(network(x).float().mean()))
    return np.array(out)


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean AUC of several seeds, float [entries, seeds]."""
    return float(np.mean([metrics.auc(seed, labels) for seed in scores.T]))


def table(columns: dict[str, np.ndarray], entries: list[Faces]) -> list[str]:
    """Lines of Markdown: a row a question, a column the logits [entries, seeds] of some weights; in
    brackets what it has more than the first."""
    labels = np.array([entry.label for entry in entries])
    groups = [entry.person for entry in entries]
    names = np.array([family(entry.method) if entry.label else "" for entry in entries])
    real = labels == 0
    rows: dict[str, list[str]] = defaultdict(list)
    first = next(iter(columns.values()))
    for column in columns.values():

        def more(some: np.ndarray, column: np.ndarray = column) -> str:
            if column is first:
                return ""
            who = np.array(groups)[some]
            gain = metrics.bootstrap(auc, column[some], labels[some], who, less=first[some])
            return f" ({gain.value:+.3f} [{gain.low:+.2f}, {gain.high:+.2f}])"

        interval = metrics.bootstrap(auc, column, labels, groups)
        rows[f"all ({real.sum()}/{(~real).sum()})"].append(
            f"{interval.value:.3f} [{interval.low:.2f}, {interval.high:.2f}]"
            + more(np.ones(len(labels), bool))
        )
        for name in sorted(set(names[~real])):
            some = real | (names == name)
            value = auc(column[some], labels[some])
            rows[f"{name} ({(names == name).sum()})"].append(f"{value:.3f}{more(some)}")
        found = pairs(entries)
        by_source: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for couple in found:
            by_source[entries[couple[0]].source].append(couple)
        for source, couples in sorted(by_source.items()):
            won = np.mean([metrics.paired_ranking_accuracy(seed, couples) for seed in column.T])
            chosen = sorted({i for couple in couples for i in couple})
            value = auc(column[chosen], labels[chosen])
            rows[f"{source}: AUC, won of {len(couples)}"].append(f"{value:.3f}, {won:.2f}")
    head = "| | " + " | ".join(columns) + " |"
    lines = [head, "|---|" + "---|" * len(columns)]
    return lines + [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("weights", nargs="+", help="FILE:SIDE, FILE,FILE:SIDE or FILE:SIDE:SHARE")
    parser.add_argument("--cache", type=Path, required=True, help="folder of cut faces")
    parser.add_argument("--recipe", default="pairs", help="whose held-out people are asked")
    parser.add_argument("--left-out", nargs="*", default=None, metavar="SOURCE")
    parser.add_argument("--stills", action="store_true", help="the tight stills, not the clips")
    parser.add_argument("--scale", type=float, default=0.9)
    parser.add_argument("--copies", nargs="*", default=[], help="half, crf-32 ...")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cache = FaceCache(asked.cache / ("image-tight" if asked.stills else "video"))
    if asked.left_out is not None:
        entries = [e for e in cache.entries if any(word in e.source for word in asked.left_out)]
    else:
        kept = held_out_people(read_labels(asked.labels), read_recipe(asked.recipe))
        entries = [e for e in cache.entries if e.person in kept]
    for how in ["", *asked.copies]:
        columns = {}
        for text in asked.weights:
            names, side, *share = text.split(":")
            files = [Path(name) for name in names.split(",")]
            shown = " and ".join(f"{file.parent.name}/{file.stem}" for file in files)
            columns[shown + "".join(f" less {s} of its copy's" for s in share)] = np.stack(
                [
                    logits_of(f, int(side), asked.scale, cache, entries, how, *map(float, share))
                    for f in files
                ],
                1,
            )
        if len(columns) > 1:
            spread = [(c / c.std(0)).mean(1, keepdims=True) for c in columns.values()]
            columns["mean of them"] = np.mean(spread, axis=0)
        print("\n".join(["", how or "as they are", "", *table(columns, entries)]), flush=True)


if __name__ == "__main__":
    register()
    main()
