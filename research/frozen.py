"""Which frozen trunk, at which size, tells most?

    python -m research.frozen describe LABELS.csv --cache FACES --trunk FILE --kept OUT.npz
    python -m research.frozen table LABELS.csv --cache FACES [--beside GRAIN.npz] --kept OUT.npz …

Recipe `texture` with another trunk or another size: of three stages, at 1/4, 1/8 and 1/16 of the
picture, mean and spread of each channel over the face, around it and over the face enlarged; with
them what the filters leave. FILE is what `research.training.trunks` wrote of an EfficientNet-Lite,
a MobileNetV2 under torchvision's names, or `grain` for the counts of recipe `grain`. Faces are
cached for the size, as that recipe would cut them. `--made` names fakes that are made of originals
and described, too: `pasted` (`detector.training.pasted`), or `self`, `neighbor` and `mouth`
(`detector.training.hulls`, by a face landmarker of MediaPipe, `--mesh`).

The table fits one layer on each, with the fakes that `--made` names in the fit, and on the sum with
`--beside`, with whole kinds left out, then whole sources (`detector.evaluation.groups`): AUC over
all clips that are asked about (`--where`), of altered faces, of whole heads, pairs in order, with
95 % intervals of the first from resampling sources. With `--alone` the layer learns from originals
and what was made of them alone, and no fake at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from detector.cli.common import ProgressBar
from detector.evaluation import groups, methods, metrics
from detector.evaluation.labels import filled, pairs, read_labels
from detector.models import lite
from detector.models.families.cooccurrence import CooccurrenceNet
from detector.models.families.mobilenet import MobileNetV2
from detector.models.families.texture import DEPTHS, TextureNet
from detector.models.layer import Layer
from detector.models.mesh import Mesh
from detector.schema.codes import Question
from detector.training import layer
from detector.training.cache import FaceCache, Faces
from detector.training.input_transform import OwnInput
from detector.training.recipe import MadeKind, Recipe, read_recipe
from detector.training.run import faces
from detector.weights import load_state
from research.families.lite import TRUNKS
from research.neighbors import WAYS

Array = np.ndarray
RECIPE = read_recipe("texture")
KINDS = get_args(MadeKind)
STRIDES = tuple(DEPTHS.values())


class Early(nn.Module):
    """Three stages of any trunk, where `EarlyLite` gives five: those that are not described are
    left empty."""

    def __init__(self, stages: Callable[[Tensor], Sequence[Tensor]]) -> None:
        super().__init__()
        self.stages = stages

    def forward(self, x: Tensor) -> list[Tensor]:
        found = dict(zip(DEPTHS, self.stages(x), strict=True))
        return [found.get(depth, x) for depth in range(max(DEPTHS) + 1)]


def network_of(trunk: str, side: int) -> layer.Layered:
    """Return a network that describes pictures of a side by a trunk's file, or by counts."""
    if trunk == "grain":
        counts: layer.Layered = CooccurrenceNet().eval()
        return counts
    network = TextureNet(side)
    state = load_state(Path(trunk))
    if "features.0.0.weight" in state:
        network.features = Early(_mobilenet(state))
    elif state["features.blocks.1.0.conv_pwl.weight"].shape[0] == lite.STAGES[1][3] and (
        "features.blocks.1.2.conv_pwl.weight" not in state
    ):  # its early stages may be all that the file holds
        layer._begin(network, Path(trunk))
    else:
        network.features = Early(_lite(state))
    ready: layer.Layered = (
        network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    )
    return ready


def _mobilenet(state: dict[str, Tensor]) -> Callable[[Tensor], list[Tensor]]:
    """Return the last stages of a MobileNetV2 at each of the strides."""
    whole = MobileNetV2()
    own = whole.features.state_dict(prefix="features.")
    whole.load_state_dict({name: state[name].float() for name in own}, strict=False)
    features: nn.Sequential = whole.features.eval().requires_grad_(False)
    features = features.to(memory_format=torch.channels_last)
    ends = {4: 4, 8: 7, 16: 14}  # layers down to each stride: table 2 of the paper

    def stages(x: Tensor) -> list[Tensor]:
        found, first = [], 0
        for stride in STRIDES:
            x = features[first : ends[stride]](x)
            first = ends[stride]
            found.append(x)
        return found

    return stages


def _lite(state: dict[str, Tensor]) -> Callable[[Tensor], list[Tensor]]:
    """Return the last stages of another EfficientNet-Lite at each of the strides."""
    import timm

    for name in TRUNKS:
        trunk = timm.create_model(name, features_only=True, out_indices=(1, 2, 3))
        own = trunk.state_dict()
        given = {key: state.get(f"features.{key}") for key in own}
        if all(v is not None and v.shape == own[key].shape for key, v in given.items()):
            trunk.load_state_dict(given)
            stages: Callable[[Tensor], list[Tensor]] = (
                trunk.eval().requires_grad_(False).to(memory_format=torch.channels_last)
            )
            return stages
    raise SystemExit("The trunk is none that is known here.")


def describe(args: argparse.Namespace) -> None:
    """Describe every clip; what a stopped call had is kept."""
    torch.set_num_threads(args.threads)
    cache, look = _cache(args.labels, args.cache, args.size)
    network = network_of(args.trunk, args.size)
    mesh = Mesh(args.mesh) if args.mesh else None
    file = args.kept[0]
    found: dict[str, Array] = dict(np.load(file)) if file.exists() else {}
    bar = ProgressBar("clips")
    for number, entry in enumerate(cache.entries):
        if entry.name not in found:
            found[entry.name] = layer.describe(network, cache, entry, look, look.crop)
        for kind in args.made if entry.label == 0 else ():
            if f"{kind} {entry.name}" not in found:
                found[f"{kind} {entry.name}"] = layer.describe_made(
                    network, cache, entry, transform=look, mesh=mesh, kind=kind
                )
        if number % 100 == 99 or number + 1 == len(cache.entries):
            np.savez(file.with_suffix(".part.npz"), **found)  # type: ignore[arg-type]
            file.with_suffix(".part.npz").replace(file)
        bar(number + 1, len(cache.entries))


def _cache(labels: Path, folder: Path, side: int) -> tuple[FaceCache, OwnInput]:
    recipe = RECIPE.model_copy(update={"crop": RECIPE.crop.model_copy(update={"size": side})})
    caches = faces(recipe, read_labels(labels), folder, lambda *_: None)
    return next(iter(caches.values())), OwnInput(recipe.crop)


def left_out(
    described: dict[str, Array],
    clips: Sequence[Faces],
    way: Callable[[Faces], str],
    made: Sequence[str] = (),
    *,
    plan: Recipe = RECIPE,
    alone: bool = False,
) -> Array:
    """Return what a layer says of each clip that never saw its fold: float [clips].

    Parameters
    ----------
    plan : Recipe
        Its ridge, its bound, and what `made` weighs.
    alone : bool
        Learn from that alone.
    """
    folds = np.array([way(clip) for clip in clips])
    logits = np.full(len(clips), np.nan)
    for fold in sorted(set(folds)):
        kept = {clip.name for clip in groups.leave_out(clips, fold)[0]}
        learned = [clip for clip in clips if clip.name in kept]
        known = np.stack([described[clip.name] for clip in learned], 1)
        fakes = _made(described, learned, made, plan.made_weight) if made else None
        if alone:
            assert fakes is not None
            judge = _of_made(fakes, layer.standard(known[0], plan.bound))
        else:
            judge = layer.fitted(known, learned, plan, fakes)
        for k in np.flatnonzero(folds == fold).tolist():
            logits[k] = judge.judge(torch.from_numpy(described[clips[k].name][0]))
    return logits


def _made(
    described: dict[str, Array], clips: Sequence[Faces], kinds: Sequence[str], weight: float
) -> layer.Made:
    """Return what was made of the originals among the clips, by each of the kinds."""
    found = [
        (k, one)
        for kind in kinds
        for k, clip in enumerate(clips)
        if clip.label == 0 and (one := described.get(f"{kind} {clip.name}", np.zeros(0))).size
    ]
    places, pictures = zip(*found, strict=True)
    return layer.Made(np.array(places), np.stack(pictures, 1), weight)


def _of_made(made: layer.Made, usual: Layer) -> Layer:
    """Return a layer that was fitted to originals and what was made of them, in order."""
    apart = usual.apart(torch.from_numpy(made.described)).numpy() * layer.SPREAD
    before, after = apart.reshape(2, -1, apart.shape[-1])
    x = np.concatenate([before, after])
    y = np.repeat([0, 1], len(before))
    fit = LogisticRegression(C=1 / (2 * RECIPE.decay * len(x)), max_iter=2000).fit(x, y)
    return usual._replace(weights=torch.from_numpy(fit.coef_[0] * layer.SPREAD))


def figures(logits: Array, clips: Sequence[Faces]) -> str:
    """Return AUC with its interval, of altered faces and of whole heads, and pairs in order."""
    labels = np.array([clip.label for clip in clips])
    question = np.array(
        [str(methods.question(clip.method)) if clip.label else "" for clip in clips]
    )
    sources = [clip.source for clip in clips]
    whole = metrics.bootstrap(metrics.auc, logits, labels, sources)
    about = [(labels == 0) | (question == str(asked)) for asked in Question]
    of = [
        f"{metrics.auc(logits[here], labels[here]):.3f}"
        for here in about
        if len(set(labels[here])) > 1
    ]
    order = metrics.paired_ranking_accuracy(logits, pairs(clips))
    return f"{whole}, {', '.join(of)}, {order:.0%}"


def table(args: argparse.Namespace) -> None:
    """Print one row for each file of descriptions."""
    cache, _ = _cache(args.labels, args.cache, args.size)
    asked = filled(args.labels, args.where) if args.where else None
    beside = dict(np.load(args.beside)) if args.beside else None
    plan = RECIPE.model_copy(update={"made_weight": args.weight, "bound": args.bound})
    for file in args.kept:
        described = dict(np.load(file))
        clips = [clip for clip in cache.entries if clip.name in described]
        for name, way in sorted(WAYS.items()):
            own = left_out(described, clips, way, args.made, plan=plan, alone=args.alone)
            here = [k for k, clip in enumerate(clips) if asked is None or clip.name in asked]
            shown = [clips[k] for k in here]
            row = [f"{file.stem}, {name} left out", figures(own[here], shown)]
            if beside is not None:
                other = left_out(beside, clips, way, args.made, plan=plan, alone=args.alone)
                both = _standard(own[here]) + _standard(other[here])
                row += [f"both {figures(both, shown)}"]
            print(" | ".join(row), flush=True)


def _standard(logits: Array) -> Array:
    standard: Array = (logits - logits.mean()) / logits.std()
    return standard


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["describe", "table"])
    parser.add_argument("labels", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder of cached faces")
    parser.add_argument("--kept", type=Path, nargs="+", required=True, help="descriptions")
    parser.add_argument("--trunk", default="grain")
    parser.add_argument("--size", type=int, default=256, help="px of the crop")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--made", nargs="*", default=[], choices=KINDS)
    parser.add_argument("--weight", type=float, default=RECIPE.made_weight, help="of these")
    parser.add_argument("--bound", type=float, default=RECIPE.bound, help="deviations that count")
    parser.add_argument("--mesh", type=Path, help="face_landmarker_v2_with_blendshapes.task")
    parser.add_argument("--alone", action="store_true", help="learn from no fake")
    parser.add_argument("--where", default="", help="ask only files with this column filled")
    parser.add_argument("--beside", type=Path, help="descriptions whose logits are added")
    args = parser.parse_args()
    {"describe": describe, "table": table}[args.what](args)


if __name__ == "__main__":
    main()
