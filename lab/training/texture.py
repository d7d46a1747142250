"""Train Texture (recipe `texture`): logistic regression on descriptions of whole clips
(`families/texture_cnn.py`), without gradient descent over pictures.

A clip is the mean description of some of its faces: as they are, and as degraded copies of both
labels (`COPIES`), without which a small face resembles a fake. Clips have the weights of
`source_weights`. Beside cross-entropy the fit has a ranking loss on pairs of the same footage
(`pair_weight`). `decay` is the ridge. Outliers are limited to about `bound` deviations: an unknown
camera is not a fake. Fakes `pasted` from every original are added, with their own weight and in the
ranking loss.
"""

import hashlib
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from detector.errors import WeightsError
from detector.evaluation.labels import Labelled, hash_of, pairs, read_labels
from detector.models.base import CropRecipe
from detector.models.families.texture_cnn import FEATURES, TextureNet
from detector.models.pictures import fit
from detector.schema.analysis import Question
from detector.sentences import _
from detector.vision import cut
from detector.weights import load_state
from lab.evaluation.features import Arrays, cached
from lab.training import pasted, results
from lab.training.augment import jpeg
from lab.training.cache import CacheSpec, Faces, open_cache
from lab.training.crossfit import by_fold, require_both_labels
from lab.training.fit import TrainingOptions, begin_run, half_precision, save_halves
from lab.training.linear import FrozenLayer, logistic, source_weights
from lab.training.recipe import TextureRecipe

ID = "texture"
FRAMES = 4  # of a clip, evenly over it; of each worse copy half as many
COPIES = {"as it is": 0.5, "smaller": 0.25, "compressed": 0.25}  # Weight of each copy of a clip
SMALLER, QUALITY = (0.3, 0.7), {"smaller": (50, 95), "compressed": (25, 70)}
"""Range of the side of a smaller copy, in sides of the crop; ranges of JPEG quality. Originals and
their fakes get the same values."""
MADE, ORDERED = 2, 0.5
"""Pasted fakes of each original, and the weight of their pairs beside all others
(`pair_weight`)."""
SPREAD = 0.3
"""scale of the features in the fit, so that `decay` has the same effect for another trunk"""
SOFTENED = 0.05  # of a label: label smoothing

WIDE = 1.2  # Side of a cached crop, in sides of the network's input

Array = np.ndarray


def train(
    plan: TextureRecipe,
    data: Path,
    run: TrainingOptions,
    *,
    cache: Path | None = None,
    begin: str | Path | None = None,
    folds: Sequence[str] = (),
) -> Path:
    """Fit the layer to labelled clips; return `run.out`/model.safetensors. `begin` is the file of a
    trunk, `cache` a folder of cut faces that runs share (default: `run.out`/faces). `folds` of
    sources are left out in turn: logits, figures and calibration go to `run.out`
    (`results.write`). Raise WeightsError without a trunk or for that of another network, InputError
    without both labels."""
    network = TextureNet(plan.crop.size)
    network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    clips = [item for item in read_labels(data) if item.kind == "video"]
    _begin(network, Path(begin) if begin else None)
    spec, folder = cache_spec(plan.crop), cache or run.out / "faces"
    entries = open_cache(folder, spec, clips, run)
    require_both_labels(ID, entries)
    begin_run(plan, run)
    described = _described(
        run, entries, folder / spec.name / description_folder(network, plan.crop),
        lambda entry: describe(network, entry, plan.crop),
    )  # fmt: skip
    versions = list(np.stack(described, 1))
    if plan.made_weight:
        pasted_on = _described(
            run, [entry for entry in entries if entry.label == 0],
            folder / spec.name / description_folder(network, plan.crop, "pasted"),
            lambda entry: describe_made(network, entry, plan.crop),
        )  # fmt: skip
        # Rows of fakes have none.
        made = np.full((2 * MADE, len(entries), described[0].shape[1]), np.nan)
        made[:, [k for k, entry in enumerate(entries) if entry.label == 0]] = np.stack(
            [one.reshape(2 * MADE, -1) for one in pasted_on], 1
        )
        versions += list(made)
    layer = FrozenLayer("texture", entries, versions, lambda some, x: fitted(some, x, plan))
    if folds:
        as_it_is = {"as it is": (range(len(entries)), versions[0])}
        judged = layer.judge(by_fold(entries, folds), as_it_is)
        results.write(judged, run.out, ID, Question.MANIPULATION)
    layer.fit().load_into(network)
    target = run.out / "model.safetensors"
    save_halves(network, target)
    return target


def _begin(network: TextureNet, path: Path | None) -> None:
    if path is None:
        raise WeightsError(_("The recipe needs a trunk: name one with --begin."))
    state = load_state(path)
    own = network.features.state_dict(prefix="features.")
    if lacking := sorted(set(own) - set(state)):
        raise WeightsError(
            _("The trunk {name} does not fit: it has no {lacking}.").format(
                name=path.name, lacking=lacking[0]
            )
        )
    network.load_state_dict({name: state[name] for name in own}, strict=False)


def cache_spec(crop: CropRecipe) -> CacheSpec:
    """Return the cache for a crop: a second of each clip, since many clips help more than long
    ones."""
    margin, side = round(crop.scale * WIDE, 2), round(crop.size * WIDE)
    name = f"video-{margin:g}-{side}-{crop.border}"
    return CacheSpec(name, CropRecipe(scale=margin, size=side, border=crop.border), seconds=1.0)


def seen(cached: Array, crop: CropRecipe) -> Array:
    """Return the network's input from a cached crop: uint8 [S, S, 3]."""
    middle = len(cached) / 2
    half = middle / round(crop.scale * WIDE, 2) * crop.scale
    box = (middle - half, middle - half, middle + half, middle + half)
    return cut(cached, box, crop.model_copy(update={"scale": 1.0}))


def batch(pictures: Sequence[Array]) -> torch.Tensor:
    """Return float32 [N, 3, S, S] in -1..1."""
    stack = np.stack(pictures).astype(np.float32)
    return torch.from_numpy((stack / 127.5 - 1.0).transpose(0, 3, 1, 2))


def _described(
    run: TrainingOptions, clips: Sequence[Faces], folder: Path, described: Callable[[Faces], Array]
) -> list[Array]:
    """Return the descriptions of clips, cached beside the faces for runs with other folds."""

    def read(entry: Faces) -> Arrays:
        return {"values": described(entry)}

    report = partial(run.report, "training")
    found = cached(clips, folder, "described", lambda: read, report)
    return [arrays["values"] for arrays in found]


def trunk_hash(network: TextureNet) -> str:
    """Return a hash of the trunk's weights and of the number of features."""
    made_by = hashlib.sha256(str(FEATURES).encode())
    for tensor in network.features.state_dict().values():
        made_by.update(tensor.contiguous().numpy().tobytes())
    return made_by.hexdigest()


def description_folder(network: TextureNet, crop: CropRecipe, of: str = "") -> str:
    """Return the name of the folder of descriptions beside the faces: with a hash of all that
    they depend on, and the kind of fakes (`of`)."""
    seen = [crop.model_dump(), FRAMES, COPIES, SMALLER, QUALITY, trunk_hash(network)]
    if of:
        seen += [MADE, inspect.getsource(pasted)]
    made_by = hashlib.sha256(repr(seen).encode()).hexdigest()
    return "-".join(part for part in ("texture", of, made_by[:12]) if part)


@torch.inference_mode()
def describe(network: TextureNet, entry: Faces, crop: CropRecipe) -> Array:
    """Return the mean description of some faces of a clip: float64 [copies, features]."""
    out = []
    for copy in COPIES:
        count = FRAMES if copy not in QUALITY else FRAMES // 2
        shown = [seen(entry.crop(i), crop) for i in evenly(entry.count, count)]
        if copy in QUALITY:
            shown = [
                worse(picture, crop, copy, f"{entry.source} {entry.group} {k}")
                for k, picture in enumerate(shown)
            ]
        out.append(_mean(network, shown))
    return np.stack(out)


def evenly(count: int, most: int = FRAMES) -> list[int]:
    """Return the indices of at most `most` evenly spaced frames of a clip."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(int)).tolist()


def _mean(network: TextureNet, pictures: Sequence[Array]) -> Array:
    x = batch(pictures).to(memory_format=torch.channels_last)
    with half_precision(x.device):
        return network.embed(x).double().mean(0).numpy()


@torch.inference_mode()
def describe_made(network: TextureNet, entry: Faces, crop: CropRecipe) -> Array:
    """Return the mean description of re-encoded faces of an original, and of fakes pasted from
    them: float64 [2, MADE, features]."""
    shown = np.stack([seen(entry.crop(i), crop) for i in evenly(entry.count)])
    rng = np.random.default_rng(int(hash_of(f"{entry.name} pasted")[:12], 16))
    pairs = [pasted.pasted(shown, rng) for _ in range(MADE)]
    described = [[_mean(network, list(pictures)) for pictures in pair] for pair in pairs]
    return np.array(described).swapaxes(0, 1)


def worse(picture: np.ndarray, crop: CropRecipe, copy: str, footage: str) -> np.ndarray:
    """Return a degraded copy of a picture, uint8 [S, S, 3]; equal for all files of one footage."""
    rng = np.random.default_rng(int(hash_of(f"{footage} {copy}")[:12], 16))
    side, low_high = len(picture), QUALITY[copy]
    if copy == "smaller":
        small = max(8, round(side * rng.uniform(*SMALLER)))
        picture = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
    return fit(jpeg(picture, int(rng.integers(*low_high))), crop)


@dataclass(frozen=True)
class Layer:
    """Linear layer over bounded deviations of a description from the mean."""

    center: torch.Tensor  # float [features]
    scale: torch.Tensor  # float [features], one over the deviation of each
    bound: float  # deviations, about, that a feature counts at most
    weights: torch.Tensor  # float [features]
    offset: float

    def __call__(self, described: Array) -> Array:
        """Return the logit of each description, float [rows, features]."""
        logits = self.deviations(torch.from_numpy(described)) @ self.weights + self.offset
        return np.asarray(logits.numpy())

    def deviations(self, described: torch.Tensor) -> torch.Tensor:
        """Return descriptions, float [..., features], as deviations bounded by tanh."""
        return self.bound * torch.tanh((described - self.center) * self.scale / self.bound)

    def load_into(self, network: TextureNet) -> None:
        """Set the network's classifier."""
        network.classifier.weight.copy_(self.weights[None])
        network.classifier.bias.fill_(self.offset)
        network.center.copy_(self.center)
        network.scale.copy_(self.scale)
        network.bound.fill_(self.bound)


def fitted(clips: Sequence[Labelled], versions: Sequence[Array], plan: TextureRecipe) -> Layer:
    """Fit the layer to descriptions of clips, float [clips, features] each: of `COPIES`; then
    `MADE` of originals as they were encoded, and `MADE` of the fakes pasted on these, if any.

    Over the clips as they are its logits have mean 0 and deviation 1, which makes runs with other
    folds comparable."""
    described, made = np.stack(versions[: len(COPIES)]), versions[len(COPIES) :]
    deviation, center = described[0].std(0), torch.from_numpy(described[0].mean(0))
    scale = torch.from_numpy(1 / (deviation + 1e-3 * deviation.mean()))
    usual = Layer(center, scale, plan.bound, torch.zeros_like(center), 0.0)

    def deviations_of(some: Array) -> Array:
        return usual.deviations(torch.from_numpy(some)).numpy() * SPREAD

    scaled = deviations_of(described)
    x = scaled.reshape(-1, scaled.shape[-1])
    y = np.tile([clip.label for clip in clips], len(COPIES))
    weight = np.outer(list(COPIES.values()), source_weights(clips)).ravel()
    # Originals, the fakes of them, and what each pair of each copy weighs.
    first, second = np.array(pairs(clips), int).reshape(-1, 2).T
    beside = Counter(clips[fake].source for fake in second)
    each = np.array([1 / np.sqrt(beside[clips[fake].source]) for fake in second])
    every = plan.pair_weight * each / max(each.sum(), 1e-12)
    share = np.outer(list(COPIES.values()), every).ravel()
    differences = (scaled[:, second] - scaled[:, first]).reshape(-1, x.shape[1])
    if made:
        places = [k for k, clip in enumerate(clips) if clip.label == 0]
        pasted_on = deviations_of(np.stack(made)[:, places])
        before, after = pasted_on.reshape(2, -1, x.shape[1])
        each = np.tile(source_weights([clips[place] for place in places]) * 2 / MADE, MADE)
        x = np.concatenate([x, before, after])
        y = np.concatenate([y, np.zeros(len(before)), np.ones(len(after))])
        weight = np.concatenate([weight, *(plan.made_weight / 2 * each for _ in range(2))])
        differences = np.concatenate([differences, after - before])
        share = np.concatenate([share, ORDERED * plan.pair_weight * each])
    target = np.where(y == 1, 1 - SOFTENED, SOFTENED)

    best = logistic(x, target, weight, differences, share, plan.decay)
    z = scaled[0] @ best[:-1]
    weights = torch.from_numpy(best[:-1] * SPREAD / z.std())
    return replace(usual, weights=weights, offset=float(-z.mean() / z.std()))
