"""Train *CLIP, whole picture* (recipe `picture`): a linear layer on the published trunk.

Genuine and generated pictures differ in file type, shape, size and compression by their source, and
a layer would learn these shortcuts. So it is trained on re-encoded copies alone, drawn equally for
both labels. A generated picture is left out together with all files of its generator and source.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from sklearn.ensemble import GradientBoostingRegressor

from detector import media, paths
from detector.errors import MediaError, UsageError
from detector.evaluation.labels import Item, hash_of, read_labels
from detector.models import registry
from detector.models.families import clip_vit
from detector.models.pictures import fit, normalized, resize
from detector.schema.analysis import Question
from detector.schema.base import StrictModel
from detector.sentences import _
from lab.evaluation.calibration import Calibrated
from lab.evaluation.features import Arrays, cached
from lab.training import results
from lab.training.augment import jpeg
from lab.training.crossfit import Head, Rows, Split, apart, judge, require_both_labels
from lab.training.fit import TrainingOptions, begin_run
from lab.training.linear import FrozenLayer, LinearHead, fit_rows

ID = "picture"
COPY, AS_IS = "copy", "as it is"
PAGE = 800, 1280
"""height and width of the page of a screenshot, px"""
FACE = "face"
"""Note of clips and pictures that are cropped to twice the face box."""
ALL, FACES = "all without a face", "frames of faces"
PARTS = {"video": "videos", "image": "pictures"}
FOLDS = 5
SIDE = 224  # px of what the trunk sees
SHORTEST = 230  # px of a copy
LONGEST = 2048
"""px; larger pictures are reduced to it first: cameras are finer than any generator."""
SMALL = 0.6  # Of the size of the picture: below this, other ways than averaging alias
RESIZES = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


class CopyRecipe(StrictModel):
    """Distribution of re-encoded copies."""

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
    """Settings of the layer's fit."""

    frames: int = 2  # of a video
    copies: dict[str, CopyRecipe] = {
        "copy": CopyRecipe(side=(320, 1024), longest=1.8),
        "larger copy": CopyRecipe(side=(400, 1536), unchanged=0.3),
    }
    """A file is copied in one of these ways; its name decides."""
    measured: int = 1
    """Files of a source and label that are measured as they are and, without a face, under each of
    `CONDITIONS`, too"""
    decay: float = 0.3


def train(
    plan: PictureRecipe, data: Path, run: TrainingOptions, *, folds: Sequence[str] = ()
) -> Path:
    """Fit the layer on labelled pictures and videos; return `run.out`/model.safetensors, fitted to
    all files. Raise InputError, UsageError.

    With `folds` sources and generators are left out in turn: the logits of what was left out go to
    `run.out`/left_out.csv, the calibration that they give to calibration.toml, figures by kind of
    file, condition, generator and genuine material to pictures.md, and what files tell without
    their pixels."""
    begin_run(plan, run)
    items = read_labels(data)
    require_both_labels("picture", items)
    copies = features(items, (COPY,), plan, run)[COPY]
    layer = FrozenLayer("picture", items, [copies], partial(fit_rows, decay=plan.decay))
    if folds:
        measured = _first(items, plan.measured)
        faceless = [i for i in measured if items[i].note != FACE]
        versions: dict[str, tuple[Rows, np.ndarray]] = {COPY: (range(len(items)), copies)}
        for rows, names in ((measured, (AS_IS,)), (faceless, tuple(CONDITIONS))):
            found = features([items[i] for i in rows], names, plan, run)
            versions |= {name: (rows, values) for name, values in found.items()}
        splits = [split(items, fold) for fold in range(FOLDS)]
        scores = layer.judge(splits, versions)
        limits = _as_stills(scores[~scores["version"].isin(CONDITIONS)])
        calibrated = results.write(limits, run.out, ID, Question.PICTURE)
        trivial = judge_without_pixels(items, splits, plan, run)
        (run.out / "pictures.md").write_text(report(scores, trivial, calibrated))
    target = run.out / "model.safetensors"
    save_file(tensors(layer.fit()), target)
    return target


def tensors(layer: LinearHead) -> dict[str, torch.Tensor]:
    """Return the tensors that ship. `clip_vit` takes all tokens as one vector of length 1; the
    length of layer-normalized ones is the root of how many numbers they hold."""
    scaled = layer.weights * np.sqrt(len(layer.weights))
    return {
        "head.weight": torch.from_numpy(scaled.astype(np.float32))[None],
        "head.bias": torch.tensor([layer.bias], dtype=torch.float32),
        "scale": torch.zeros(()),
    }


def split(items: Sequence[Item], fold: int) -> Split:
    """Leave out genuine files by their source, generated ones by their generator; no file of these
    sources and generators is in training."""
    held = [i for i, item in enumerate(items) if _fold(item) == fold]
    return apart(items, f"pictures-{fold}", held, "source")


def _fold(item: Item) -> int:
    return int(hash_of(item.method if item.label else item.source), 16) % FOLDS


def _first(items: Sequence[Item], count: int) -> list[int]:
    """Return the places of the first `count` files of each source and label."""
    seen: Counter[tuple[str, int]] = Counter()
    found = []
    for i, item in enumerate(items):
        seen[item.source, item.label] += 1
        if seen[item.source, item.label] <= count:
            found.append(i)
    return found


def report(scores: pd.DataFrame, trivial: pd.DataFrame, found: Calibrated) -> str:
    """Return figures in Markdown: AUC by version and kind of file, by condition of the same files,
    and of facts without pixels (`trivial`); detection rates of generators and false alarm rates of
    genuine material at the limits of the calibration."""
    changed = scores["version"].isin(CONDITIONS)
    faceless = scores["file"].isin(scores["file"][changed]) & (scores["version"] == AS_IS)
    plain = scores[~changed]
    face, part = plain["note"] == FACE, plain["kind"].map(PARTS).mask(plain["note"] == FACE, FACES)
    ranked = (
        plain.assign(version=plain["version"] + ", " + part).sort_values("version", kind="stable"),
        pd.concat([scores[changed], scores[faceless]]),
        trivial,
    )
    known = plain["method"].where(plain["label"] == 1, plain["note"])
    named = plain.assign(name=part.where(face | (known == ""), known))
    named = pd.concat([named, named[~face].assign(name=ALL)])
    by_name = results.by_name(named, found, ID, ("genuine", "generator"))
    return "\n\n".join([*map(results.ranking, ranked), by_name])


def _as_stills(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of videos as those of pictures, since their frames are scored separately."""
    frames = scores["file"].where(scores["kind"] != "video", scores["file"] + "#frames")
    return scores.assign(file=frames, kind=scores["kind"].replace("video", "image"))


def features(
    items: Sequence[Item], versions: Sequence[str], plan: PictureRecipe, run: TrainingOptions
) -> dict[str, np.ndarray]:
    """Return class tokens by version, float32 [files, tokens]; cached for each file in the run's
    folder. A file is decoded once for all versions."""

    def reader() -> Callable[[Item], Arrays]:
        spec = registry.get_spec(ID)
        tokens = clip_vit.tokens_of(spec, [paths.bundled_file("clip_b16.safetensors")], run.device)

        def read(item: Item) -> Arrays:
            frames = list(_frames(item, plan))
            shown = [
                fit(rgb, spec.crop)
                for version in versions
                for rgb in _shown(item, frames, version, plan)
            ]
            found = tokens(normalized(np.stack(shown), spec))[0]
            means = found.reshape(len(versions), len(frames), -1).mean(1).astype(np.float16)
            return dict(zip(versions, means, strict=True))

        return read

    name = "+".join(versions)
    found = cached(items, run.out / "features", name, reader, partial(run.report, name))
    return {
        version: np.stack([arrays[version] for arrays in found]).astype(np.float32)
        for version in versions
    }


def _shown(
    item: Item, frames: Sequence[np.ndarray], version: str, plan: PictureRecipe
) -> list[np.ndarray]:
    """Return the frames of a file, or copies of them: uint8 [H, W, 3] each."""
    if version == AS_IS:
        return list(frames)
    if version in CONDITIONS:
        return [CONDITIONS[version](rgb) for rgb in frames]
    return [made.rgb for made in _copies(item, frames, plan)]


def _copies(item: Item, frames: Sequence[np.ndarray], plan: PictureRecipe) -> list["Copy"]:
    ways = list(plan.copies)
    way = ways[int(hash_of(item.name), 16) % len(ways)]
    chance = np.random.default_rng(int(hash_of(f"{item.name} {way}"), 16) % 2**32)
    lossless = item.file.suffix.lower() == ".png"
    return [copy(rgb, plan.copies[way], chance, lossless=lossless) for rgb in frames]


def judge_without_pixels(
    items: Sequence[Item], splits: Sequence[Split], plan: PictureRecipe, run: TrainingOptions
) -> pd.DataFrame:
    """Return cross-fitted scores of gradient-boosted trees on facts beside the pixels."""
    labels, parts = np.array([item.label for item in items]), list[pd.DataFrame]()
    for name, known in without_pixels(items, plan, run).items():

        def trees(split: Split, known: np.ndarray = known) -> Head:
            regressor = GradientBoostingRegressor(random_state=0)
            return regressor.fit(known[split.taught], labels[split.taught]).predict

        parts.append(judge(items, splits, {name: (range(len(items)), known)}, trees))
    return pd.concat(parts)


def without_pixels(
    items: Sequence[Item], plan: PictureRecipe, run: TrainingOptions
) -> dict[str, np.ndarray]:
    """Return facts about files beside their pixels, float [files, facts]; cached for each file in
    the run's folder."""

    def read(item: Item) -> Arrays:
        frames = list(_frames(item, plan))
        height, width = frames[0].shape[:2]
        size, types = np.log([height, width, item.file.stat().st_size]), (".jpg", ".png", ".webp")
        suffix = item.file.suffix.lower().replace("jpeg", "jpg")
        found = _copies(item, frames, plan)
        copies = [(np.log(min(one.rgb.shape[:2])), one.quality, one.webp) for one in found]
        return {
            "type, size, shape and bytes of files": np.array([*size, *map(suffix.__eq__, types)]),
            "side, encoder and quality of copies": np.mean(copies, 0),
        }

    name = "without pixels"
    found = cached(items, run.out / "features", name, lambda: read, partial(run.report, name))
    return {fact: np.stack([arrays[fact] for arrays in found]) for fact in found[0]}


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


class Copy(NamedTuple):
    """A picture after downscaling and recompression."""

    rgb: np.ndarray  # uint8 [H, W, 3]
    quality: int = 0
    """of its JPEG or WebP; 0: not compressed"""
    webp: bool = False


def copy(rgb: np.ndarray, plan: CopyRecipe, chance: np.random.Generator, *, lossless: bool) -> Copy:
    """Return a smaller, recompressed copy of a picture, uint8 [H, W, 3]. `lossless`: it was not
    compressed before."""
    rgb = _bounded(rgb)
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
        webp = drawn >= plan.encoders[0]
        return Copy(jpeg(rgb, quality, webp=webp), quality, webp)
    return Copy(rgb)


def _halved(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def _screenshot(rgb: np.ndarray) -> np.ndarray:
    """Return a white page with a picture in its middle, nine tenths of its height at most."""
    page = np.full((*PAGE, 3), 255, np.uint8)
    height, width = rgb.shape[:2]
    scale = min(1.0, 0.9 * PAGE[0] / height, PAGE[1] / width)
    shown = cv2.resize(rgb, (round(width * scale), round(height * scale)))
    top, left = ((whole - side) // 2 for whole, side in zip(PAGE, shown.shape[:2], strict=True))
    page[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return page


def _cornered(rgb: np.ndarray) -> np.ndarray:
    return rgb[: rgb.shape[0] * 3 // 4, : rgb.shape[1] * 3 // 4]


CONDITIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "JPEG 95": partial(jpeg, quality=95),
    "JPEG 75": partial(jpeg, quality=75),
    "JPEG 60": partial(jpeg, quality=60),
    "WebP 75": partial(jpeg, quality=75, webp=True),
    "half size": _halved,
    "half size, JPEG 75": lambda rgb: jpeg(_halved(rgb), quality=75),
    "screenshot": _screenshot,
    "crop": _cornered,
}
"""Single perturbations of pictures on the web."""


def _bounded(rgb: np.ndarray) -> np.ndarray:
    """Return a picture whose longer side is at most `LONGEST`, the shorter one at least `SIDE`."""
    height, width = rgb.shape[:2]
    scale = max(min(1.0, LONGEST / max(height, width)), SIDE / min(height, width))
    size = max(SIDE, round(width * scale)), max(SIDE, round(height * scale))
    return resize(rgb, size, "area-cubic")


def _cropped(rgb: np.ndarray, plan: CopyRecipe, chance: np.random.Generator) -> np.ndarray:
    """Return most of a picture in a drawn shape: squares are what many generators make."""
    height, width = rgb.shape[:2]
    shape = float(np.exp(chance.uniform(0, np.log(plan.longest))))
    shape = shape if chance.random() < 0.5 else 1 / shape
    share = chance.uniform(*plan.shown)
    wide, high = (
        int(max(SIDE, min(side, most * share)))
        for side, most in (
            (width, min(width, height * shape)),
            (height, min(height, width / shape)),
        )
    )
    left, top = (int(chance.integers(0, spare + 1)) for spare in (width - wide, height - high))
    return np.ascontiguousarray(rgb[top : top + high, left : left + wide])
