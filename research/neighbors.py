"""Does what changes from one frame to the next tell more than single frames do?

    python -m research.neighbors LABELS.csv --begin lite0.safetensors --kept described.npz

Each clip is described by some runs of three frames that follow each other, all cut at one place:
by what `texture` sees of each of them; by how much the same maps change between them (`change`);
and by what the same stages see of the difference of two frames itself, made stronger (`shown`).
One layer is fitted on each, on their union, and the logits of two are added, with whole sources
left out in turn, by source alone and by kind (`detector.evaluation.groups`). Descriptions are kept
in a file, so that a stopped call goes on.

The table: AUC, with 95 % intervals from resampling sources, and its difference to `texture`. With
`--beside MODEL` a second table weighs those logits with the model's own, by a logistic regression
on the other folds, and says how many clips stand above 96 % of the originals, and how many of them
are fakes. The model must not know these clips.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from detector.cli.common import ProgressBar
from detector.evaluation import groups, metrics
from detector.evaluation.labels import Item, Sourced, filled, pairs, read_labels
from detector.models.base import CropRecipe
from detector.models.families.texture import DEPTHS, TextureNet, _statistics
from detector.models.registry import load_model
from detector.training.cache import Faces
from detector.training.layer import COPIES, _begin, fitted
from detector.training.recipe import read_recipe
from detector.vision import FaceDetector, cut, load_detector
from detector.vision.types import widest

Array = np.ndarray
RUNS = (5, 16)
"""First frames of the runs, from the clip's start: the newer clips are 24 frames."""
LENGTH = 3
STRONGER = 8.0
"""times the difference of two frames, cut off at the range of a picture"""
SMALLEST = 40
"""px of a face"""
LEAST = 1e-4
"""below it a change is none"""
VIEWS = ("texture", "change", "shown")
WAYS: dict[str, Callable[[Sourced], str]] = {
    "sources": groups.source_fold_of, "kinds": groups.fold_of
}  # fmt: skip
"""of leaving out"""
ALARMS = 0.04
"""of the originals"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("--begin", type=Path, required=True, help="the trunk of EfficientNet-Lite0")
    parser.add_argument("--kept", type=Path, required=True, help="a file of descriptions")
    parser.add_argument("--where", default="", help="only files with this column filled")
    parser.add_argument("--beside", default="", help="a frame model that looks as well")
    args = parser.parse_args()
    clips = [item for item in read_labels(args.labels) if item.kind == "video"]
    if args.where:
        named = filled(args.labels, args.where)
        clips = [clip for clip in clips if clip.name in named]
    described = _described(clips, args.begin, args.kept)
    clips = [clip for clip in clips if clip.name in described]
    views = {
        view: np.stack([described[clip.name][number] for clip in clips])
        for number, view in enumerate(VIEWS)
    }
    moving = np.hstack([views["change"], views["shown"]])
    table(clips, views | {"both": moving, "all": np.hstack([views["texture"], moving])})
    if args.beside:
        weighed(clips, views["texture"], moving, _judged(clips, args.beside), args.beside)


def _described(clips: Sequence[Item], begin: Path, kept: Path) -> dict[str, list[Array]]:
    """Describe clips, each view by itself; without those that show no face, or too few frames."""
    torch.set_num_threads(1)
    network = TextureNet()
    network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    _begin(network, begin)
    crop, detector = read_recipe("texture").crop, load_detector()
    found: dict[str, Array] = dict(np.load(kept)) if kept.exists() else {}
    bar = ProgressBar("clips")
    for number, clip in enumerate(clips):
        if clip.name not in found:
            runs = [describe(network, run) for run in _runs(clip.file, detector, crop)]
            found[clip.name] = np.mean(runs, 0) if runs else np.zeros(0)
            if number % 50 == 0:
                _keep(kept, found)
        bar(number + 1, len(clips))
    _keep(kept, found)
    ends = np.cumsum([len(part) for part in _views(network, torch.zeros(LENGTH, 3, 256, 256))])
    return {name: np.split(one, ends[:-1]) for name, one in found.items() if len(one) == ends[-1]}


def _judged(clips: Sequence[Item], id: str) -> Array:
    """Return the mean logit of a model on the middle frames of each clip's runs."""
    model, detector, bar = load_model(id), load_detector(), ProgressBar("clips")
    logits = []
    for number, clip in enumerate(clips):
        middle = [run[LENGTH // 2] for run in _runs(clip.file, detector, model.spec.crop)]
        logits.append(model.score(np.stack(middle)).mean())
        bar(number + 1, len(clips))
    return np.array(logits)


def _keep(kept: Path, found: dict[str, Array]) -> None:
    part = kept.with_name(f"part-{kept.name}")
    np.savez(part, **found)  # type: ignore[arg-type]  # its stub knows no names
    part.replace(kept)


def _runs(file: Path, detector: FaceDetector, crop: CropRecipe) -> Iterator[Array]:
    """Yield uint8 [LENGTH, S, S, 3] of the widest face, at the place where a middle frame has it:
    a place that follows it would itself change from frame to frame."""
    with av.open(str(file)) as media:
        decoded = islice(media.decode(video=0), RUNS[-1] + LENGTH)
        frames = [frame.to_ndarray(format="rgb24") for frame in decoded]
    if len(frames) < LENGTH:
        return
    face = widest(detector.detect(frames[len(frames) // 2], SMALLEST))
    if face is None:
        return
    for first in [first for first in RUNS if first + LENGTH <= len(frames)] or [0]:
        yield np.stack([cut(frame, face.box, crop) for frame in frames[first : first + LENGTH]])


@torch.inference_mode()
def describe(network: TextureNet, run: Array) -> Array:
    """Describe a run of frames, uint8 [LENGTH, S, S, 3]: all views, one after another."""
    x = torch.from_numpy(run).permute(0, 3, 1, 2).float() / 127.5 - 1
    views = _views(network, x.contiguous(memory_format=torch.channels_last))
    described: Array = torch.cat(views).double().numpy()
    return described


def _views(network: TextureNet, x: Tensor) -> list[Tensor]:
    """Return the three descriptions of frames [LENGTH, 3, S, S] in -1..1."""
    apart = ((x[1:] - x[:-1]) * STRONGER).clamp(-1, 1)
    shown = [torch.cat(_statistics(m, network.faces[d]), 1) for d, m in _maps(network, apart)]
    shown += [torch.cat(_statistics(m), 1) for _, m in _maps(network, _near(network, apart))]
    change = []
    for depth, maps in _maps(network, x):
        once, twice = maps[1:] - maps[:-1], maps[2:] - 2 * maps[1:-1] + maps[:-2]
        for moved in (once, twice):
            change.append(torch.cat(_statistics(moved.abs(), network.faces[depth]), 1).mean(0))
    for _, maps in _maps(network, _near(network, x)):
        change.append(torch.cat(_statistics((maps[1:] - maps[:-1]).abs()), 1).mean(0))
    return [
        network.embed(x).mean(0),
        (torch.cat(change).abs() + LEAST).log(),
        torch.cat(shown, 1).mean(0),
    ]


def _maps(network: TextureNet, x: Tensor) -> list[tuple[int, Tensor]]:
    return [(d, maps.float()) for d, maps in enumerate(network.features(x)) if d in DEPTHS]


def _near(network: TextureNet, x: Tensor) -> Tensor:
    """Return the face enlarged, as `TextureNet.embed` does."""
    side, edge = x.shape[-1], network.middle
    face = x[..., edge : side - edge, edge : side - edge]
    return F.interpolate(face, (side, side), mode="bilinear")


def left_out(clips: Sequence[Item], described: Array, fold_of: Callable[[Item], str]) -> Array:
    """Return the logit of each clip by a layer that learned from none of its fold."""
    recipe = read_recipe("texture")
    folds = np.array([fold_of(clip) for clip in clips])
    faces = [Faces(c.name, c.label, c.kind, c.method, c.group, c.source, c.person, 0, 1, [], 0.0)
             for c in clips]  # fmt: skip
    logits = np.zeros(len(clips))
    for fold in sorted(set(folds)):
        held = folds == fold
        seen, known = (
            described[~held],
            [face for face, out in zip(faces, held, strict=True) if not out],
        )
        # It is told of worse copies as well, of which there are none here.
        layer = fitted(np.repeat(seen[None], len(COPIES), 0), known, recipe)
        logits[held] = layer.judge(torch.from_numpy(described[held]))
    return logits


def table(clips: Sequence[Item], views: dict[str, Array]) -> None:
    """Print what each view reaches, alone and added to `texture`."""
    y = np.array([clip.label for clip in clips])
    sources, couples = [clip.source for clip in clips], pairs(clips)
    print(f"{int((1 - y).sum())} untouched and {int(y.sum())} altered clips, {len(couples)} pairs")
    for left, fold_of in WAYS.items():
        logits = {view: left_out(clips, x, fold_of) for view, x in views.items()}
        added = {
            f"texture + {v}": logits["texture"] + x for v, x in logits.items() if v != "texture"
        }
        for name, x in (logits | added).items():
            found = metrics.bootstrap(metrics.auc, x, y, sources)
            more = metrics.bootstrap(metrics.auc, x, y, sources, less=logits["texture"])
            won = metrics.paired_ranking_accuracy(x, couples)
            print(f"{left:8} {name:18} {found}  {more.value:+.3f} "
                  f"[{more.low:+.3f}, {more.high:+.3f}]  pairs {won:.2f}")  # fmt: skip


def weighed(clips: Sequence[Item], texture: Array, moving: Array, beside: Array, name: str) -> None:
    """Print what the descriptions of single frames and of their changes are worth beside a model,
    whose logits are `beside`."""
    y, sources = np.array([clip.label for clip in clips]), [clip.source for clip in clips]
    weight = np.array([sources.count(source) ** -0.5 for source in sources])
    for left, fold_of in WAYS.items():
        folds = np.array([fold_of(clip) for clip in clips])
        seen = {"texture": texture, "change and shown": moving}
        logits = {view: left_out(clips, x, fold_of) for view, x in seen.items()} | {name: beside}
        without = np.zeros(0)
        for sets in (("texture", name), ("change and shown", name), tuple(logits)):
            x = np.stack([logits[one] for one in sets], 1)
            found = np.zeros(len(y))
            for fold in set(folds):
                held = folds == fold
                fit = make_pipeline(StandardScaler(), LogisticRegression())
                fit.fit(x[~held], y[~held], logisticregression__sample_weight=weight[~held])
                found[held] = fit.decision_function(x[held])
            without = found if len(without) == 0 else without
            reached = metrics.bootstrap(metrics.auc, found, y, sources)
            more = metrics.bootstrap(metrics.auc, found, y, sources, less=without)
            called = found > np.quantile(found[y == 0], 1 - ALARMS)
            print(f"{left:8} {' + '.join(sets):36} {reached}  {more.value:+.3f} "
                  f"[{more.low:+.3f}, {more.high:+.3f}]  called {called.mean():.1%}, "
                  f"right {y[called].mean():.0%}")  # fmt: skip


if __name__ == "__main__":
    main()
