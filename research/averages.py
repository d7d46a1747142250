"""What averaging over more looks at a face is worth: mirrored, at other scales, more frames.

    python -m research.averages labels.csv --cache faces weights/pairs.safetensors:192

For every clip of people that a recipe held out, a frame model's logits of 16 frames, each plain,
mirrored, cut closer and cut wider; as the clip is, and as a copy of half the size would be (shrunk
to half and enlarged again before the cut). One row a way to average: AUC over all, how much more
that is than six plain frames (paired, 95 % interval by resampling groups), face swaps alone, the
same at half the size, and how many times the six frames' pixels go through the network. "In turns"
shows each frame in one of the views, which costs nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from detector.cli.common import ProgressBar
from detector.evaluation import metrics
from detector.evaluation.groups import held_out_people
from detector.evaluation.labels import read_labels
from detector.evaluation.methods import family
from detector.models.base import CropRecipe
from detector.models.families import mobilenet
from detector.training import augment
from detector.training.augment import Framing
from detector.training.cache import FaceCache, Faces
from detector.training.recipe import read_recipe
from detector.weights import load_state
from research import register
from research.frames import copied

FRAMES = 16
VIEWS = {
    "plain": Framing(1.0, 0.0, 0.0, False),
    "mirrored": Framing(1.0, 0.0, 0.0, True),
    "closer": Framing(0.85, 0.0, 0.0, False),
    "wider": Framing(1.15, 0.0, 0.0, False),
}
FIRST = "plain, 6 frames"
WAYS: dict[str, tuple[tuple[str, ...], int, str]] = {
    FIRST: (("plain",), 6, "mean"),
    "plain, 3 frames": (("plain",), 3, "mean"),
    "plain, 16 frames": (("plain",), 16, "mean"),
    "plain, 16 frames, highest quarter": (("plain",), 16, "top"),
    "plain, 16 frames, median": (("plain",), 16, "median"),
    "and mirrored": (("plain", "mirrored"), 6, "mean"),
    "and closer, wider": (("plain", "closer", "wider"), 6, "mean"),
    "wider alone": (("wider",), 6, "mean"),
    "closer alone": (("closer",), 6, "mean"),
    "all four, 16 frames": (tuple(VIEWS), 16, "mean"),
    "plain, closer, wider in turns, 6 frames": (("plain", "closer", "wider"), 6, "turns"),
    "plain, closer, wider in turns, 16 frames": (("plain", "closer", "wider"), 16, "turns"),
    "plain, closer in turns, 6 frames": (("plain", "closer"), 6, "turns"),
}
"""By its name: the views, the frames of a clip, and how their logits become one."""


@torch.inference_mode()
def look(weights: Path, crop: CropRecipe, cache: FaceCache, entries: Sequence[Faces]) -> np.ndarray:
    """Logits: float [2 (as it is, half size), views, entries, FRAMES]."""
    network = mobilenet.fuse(mobilenet.build(load_state(weights), weights.name))
    network = network.to(memory_format=torch.channels_last)
    tell = ProgressBar("clips")
    out = np.zeros((2, len(VIEWS), len(entries), FRAMES), np.float32)
    for n, entry in enumerate(entries):
        frames = cache.frames(entry)
        rows = np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)
        for half in (0, 1):
            pictures = copied(frames[rows], entry, "half") if half else frames[rows]
            for v, framing in enumerate(VIEWS.values()):
                shown = [augment.frame(p, framing, crop, entry.tight) for p in pictures]
                x = torch.from_numpy(augment.batch_to_array(shown))
                x = x.contiguous(memory_format=torch.channels_last)
                # Not in bf16: of folded weights it moves a clip by 0.23, and the AUC by 0.03.
                out[half, v, n] = network(x).numpy()
        tell(n + 1, len(entries))
    return out


def together(logits: np.ndarray, way: str) -> np.ndarray:
    """One logit a clip by one of `WAYS`, of [views, entries, FRAMES]."""
    views, count, how = WAYS[way]
    rows = np.unique(np.linspace(0, FRAMES - 1, count).round().astype(int))
    shown = logits[[list(VIEWS).index(view) for view in views]][..., rows]
    some = shown.mean(0)
    one: np.ndarray
    if how == "turns":
        turn = np.arange(len(rows)) % len(views)
        one = shown[turn, :, np.arange(len(rows))].mean(0)
    elif how == "top":
        one = np.sort(some, 1)[:, -max(1, len(rows) // 4) :].mean(1)
    else:
        one = np.median(some, 1) if how == "median" else some.mean(1)
    return one


def table(logits: np.ndarray, entries: Sequence[Faces]) -> list[str]:
    """Lines of Markdown."""
    labels = np.array([entry.label for entry in entries])
    groups = [f"{entry.source}/{entry.group}" for entry in entries]
    swaps = np.array([not e.label or family(e.method) == "face swap" for e in entries])
    first = [together(part, FIRST) for part in logits]
    lines = [
        "| | all | more than 6 frames | face swaps | half size | its loss | pixels |",
        "|---|---|---|---|---|---|---|",
    ]
    for way, (views, count, how) in WAYS.items():
        whole, half = (together(part, way) for part in logits)
        more = metrics.bootstrap(metrics.auc, whole, labels, groups, less=first[0])
        loss = metrics.bootstrap(metrics.auc, half, labels, groups, less=whole)
        cost = count / 6 * (1 if how == "turns" else len(views))
        cells = [
            f"{metrics.auc(whole, labels):.3f}",
            _signed(more),
            f"{metrics.auc(whole[swaps], labels[swaps]):.3f}",
            f"{metrics.auc(half, labels):.3f}",
            _signed(loss),
            f"{cost:.1f}",
        ]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return lines


def _signed(gain: metrics.Interval) -> str:
    return f"{gain.value:+.3f} [{gain.low:+.2f}, {gain.high:+.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labels", type=Path)
    parser.add_argument("weights", help="FILE:SIDE")
    parser.add_argument("--cache", type=Path, required=True, help="folder of cut faces")
    parser.add_argument("--recipe", default="pairs", help="whose held-out people are asked")
    parser.add_argument("--keep", type=Path, metavar="FILE.npy", help="logits, to go on from")
    parser.add_argument("--scale", type=float, default=0.9)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    cache = FaceCache(asked.cache / "video")
    kept = held_out_people(read_labels(asked.labels), read_recipe(asked.recipe))
    entries = [entry for entry in cache.entries if entry.person in kept]
    file, _, side = asked.weights.rpartition(":")
    crop = CropRecipe(scale=asked.scale, size=int(side))
    if asked.keep and asked.keep.is_file():
        logits = np.load(asked.keep)
    else:
        logits = look(Path(file), crop, cache, entries)
        if asked.keep:
            np.save(asked.keep, logits)
    print("\n".join(table(logits, entries)))


if __name__ == "__main__":
    register()
    main()
