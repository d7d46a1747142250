"""The recipe of *CLIP, whole picture*: one linear layer on the trunk as published.

Sources of genuine pictures and of generated ones differ in file type, shape, size and compression,
which would be learned in place of what generators leave. So the layer learns from copies alone,
drawn alike for both labels. A generated picture is left out together with everything of its
generator and of its source.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from detector import media, paths
from detector.errors import MediaError, UsageError
from detector.evaluation.labels import Item, hash_of, read_labels
from detector.models import registry
from detector.models.families import picture
from detector.models.pictures import normalized, roughly
from detector.schema.analysis import Question
from detector.schema.base import StrictModel
from detector.sentences import _
from lab.training import left_out
from lab.training.augment import jpeg
from lab.training.features import Arrays, cached
from lab.training.fit import TrainingOptions, begin_run
from lab.training.layer import fit_rows
from lab.training.left_out import LeftOutLogit

ID = "picture"
AS_IS = "as it is"
FOLDS = 5
SHORTEST = 230  # px of a copy
SMALL = 0.6  # Of the size of the picture: below this, other ways than averaging alias
RESIZES = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


class CopyRecipe(StrictModel):
    """How a copy is drawn."""

    side: tuple[int, int]
    """px of its longer side: drawn evenly on a log scale, never enlarged"""
    unchanged: float = 0.0  # Share of copies as large as the picture, unless it is larger
    longest: float = 1.0
    """The longer side over the shorter one of a crop, at most; 1: nothing is cropped"""
    shown: tuple[float, float] = (0.8, 1.0)  # Of the sides of the largest crop of that shape
    quality: tuple[int, int] = (60, 97)
    encoders: tuple[float, float] = (0.7, 0.2)  # Shares of JPEG and WebP; the others: none
    compressed: float = 0.8  # Share of lossless files that are JPEGs first, as most on the web are
    compressed_quality: tuple[int, int] = (80, 96)


class PictureRecipe(StrictModel):
    """How the layer is learned."""

    frames: int = 2  # of a video
    windows: int = 1  # of a copy
    copies: dict[str, CopyRecipe] = {
        "copy": CopyRecipe(side=(320, 1024), longest=1.8),
        "larger copy": CopyRecipe(side=(400, 1536), unchanged=0.3),
    }
    """Versions that the layer learns from."""
    decay: float = 0.1


def train(plan: PictureRecipe, data: Path, run: TrainingOptions, *, folds: bool = False) -> Path:
    """Fit the layer on labelled pictures and videos; return `run.out`/model.safetensors, fitted to
    all files. Raise InputError, UsageError.

    With `folds` sources and generators are left out in turn: the logits of what was left out go to
    `run.out`/left_out.csv, the calibration that they give to calibration.toml."""
    begin_run(plan, run)
    items = read_labels(data)
    if len({item.label for item in items}) < 2:
        raise UsageError(_("The recipe picture needs genuine and generated files."))
    copies = [features(items, version, plan, run) for version in plan.copies]
    rows: list[LeftOutLogit] = []
    if folds:
        versions = dict(zip(plan.copies, copies, strict=True))
        versions[AS_IS] = features(items, AS_IS, plan, run)
        for fold in range(FOLDS):
            taught, out = split(items, fold)
            some = [items[i] for i in taught]
            weights, bias = fit_rows(some, [values[taught] for values in copies], plan.decay)
            for version, values in versions.items():
                logits = values[out] @ weights + bias
                rows += [
                    LeftOutLogit(f"pictures-{fold}", version, items[i], float(logit))
                    for i, logit in zip(out, logits, strict=True)
                ]
        left_out.write(rows, run.out, ID, Question.PICTURE)
    target = run.out / "model.safetensors"
    save_file(layer(*fit_rows(items, copies, plan.decay)), target)
    return target


def layer(weights: np.ndarray, bias: float) -> dict[str, torch.Tensor]:
    """Return the tensors that ship, of weights of the windows and of the shrunk view."""
    window, shrunk = torch.from_numpy(weights.astype(np.float32)).view(2, 1, -1)
    return {
        "window.weight": window.clone(),
        "window.bias": torch.tensor([bias]).float(),
        "shrunk.weight": shrunk.clone(),
    }


def split(items: Sequence[Item], fold: int) -> tuple[list[int], list[int]]:
    """Return which files are learned from, and which are left out: genuine ones by their source,
    generated ones by their generator. Nothing is learned from the sources and generators of what is
    left out."""
    names = [item.method if item.label else item.source for item in items]
    out = [i for i, name in enumerate(names) if int(hash_of(name), 16) % FOLDS == fold]
    sources = {items[i].source for i in out}
    methods = {items[i].method for i in out if items[i].label}
    taught = [
        i
        for i, item in enumerate(items)
        if item.source not in sources and not (item.label and item.method in methods)
    ]
    return taught, out


def features(
    items: Sequence[Item], version: str, plan: PictureRecipe, run: TrainingOptions
) -> np.ndarray:
    """Return class tokens of the windows, on average, and of the shrunk view: float32 [files,
    2 * tokens]; cached for each file in the run's folder."""

    def reader() -> Callable[[Item], Arrays]:
        model = registry.load_family(registry.get_spec(ID), _files(), run.device)
        assert isinstance(model, picture.PictureModel)
        return lambda item: {"tokens": _described(item, version, plan, model)}

    folder = run.out / "features"
    found = cached(items, folder, version, reader, partial(run.report, version))
    return np.stack([arrays["tokens"] for arrays in found]).astype(np.float32)


def _files() -> list[Path]:
    return [paths.bundled_file(f"{name}.safetensors") for name in ("clip_b16", "picture")]


def _described(
    item: Item, version: str, plan: PictureRecipe, model: picture.PictureModel
) -> np.ndarray:
    """Return float16 [2 * tokens], the mean of the frames of a video."""
    recipe, windows = model.spec.crop, picture.WINDOWS
    shown = [roughly(rgb, recipe) for rgb in _frames(item, plan)]
    if version != AS_IS:
        chance = np.random.default_rng(int(hash_of(f"{item.name} {version}"), 16) % 2**32)
        lossless, windows = item.file.suffix.lower() == ".png", plan.windows
        shown = [copy(rgb, plan.copies[version], chance, lossless=lossless) for rgb in shown]
    found = []
    for rgb in shown:
        batch = normalized(picture.views(rgb, recipe, windows), model.spec)[None]
        tokens = model.tokens(batch)[0].numpy()
        found.append(np.concatenate([tokens[:-1].mean(0), tokens[-1]]))
    return np.mean(found, 0).astype(np.float16)


def _frames(item: Item, plan: PictureRecipe) -> Iterator[np.ndarray]:
    info = media.probe(item.file)
    length = info.duration or 0.0
    times = [(n + 0.5) / plan.frames * length for n in range(plan.frames)] if length else [0.0]
    try:
        for frame in media.decode(item.file, info, times, notes=[]):
            yield frame.rgb
    except MediaError as error:
        raise UsageError(
            _("{name}: {message}").format(name=item.name, message=error.message)
        ) from error


def copy(
    rgb: np.ndarray, plan: CopyRecipe, chance: np.random.Generator, *, lossless: bool
) -> np.ndarray:
    """Return a smaller, recompressed copy of a picture, uint8 [H, W, 3]. `lossless`: it was not
    compressed before."""
    if lossless and chance.random() < plan.compressed:
        rgb = jpeg(rgb, int(chance.integers(*plan.compressed_quality)))
    if plan.longest > 1:
        rgb = _cropped(rgb, plan, chance)
    height, width = rgb.shape[:2]
    wanted = float(np.exp(chance.uniform(*np.log(plan.side)))) / max(height, width)
    scale, how = max(wanted, SHORTEST / min(height, width)), RESIZES[chance.integers(len(RESIZES))]
    kept = max(height, width) <= plan.side[1] and chance.random() < plan.unchanged
    if scale < 1 and not kept:
        size = round(width * scale), round(height * scale)
        rgb = cv2.resize(rgb, size, interpolation=how if scale > SMALL else cv2.INTER_AREA)
    drawn, quality = chance.random(), int(chance.integers(*plan.quality))
    if drawn < sum(plan.encoders):
        return jpeg(rgb, quality, webp=drawn >= plan.encoders[0])
    return rgb


def _cropped(rgb: np.ndarray, plan: CopyRecipe, chance: np.random.Generator) -> np.ndarray:
    """Return most of a picture in a drawn shape: squares are what many generators make."""
    height, width = rgb.shape[:2]
    shape = float(np.exp(chance.uniform(0, np.log(plan.longest))))
    shape = shape if chance.random() < 0.5 else 1 / shape
    share = chance.uniform(*plan.shown)
    wide, high = (
        int(max(picture.SIDE, min(side, most * share)))
        for side, most in (
            (width, min(width, height * shape)),
            (height, min(height, width / shape)),
        )
    )
    left, top = (int(chance.integers(0, spare + 1)) for spare in (width - wide, height - high))
    return np.ascontiguousarray(rgb[top : top + high, left : left + wide])
