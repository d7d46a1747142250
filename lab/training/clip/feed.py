"""Feed the CLIP recipe: crops of faces, the class of each file, and batches of originals beside
their fakes with the same augmentation.

Originals also give pseudo-fakes: a region of the face is blended with a slightly changed copy of
the picture (self-blended images, Shiohara and Yamasaki 2022), with another frame of the clip, or
with another person's face.
"""

import os
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

from detector.evaluation.labels import Item, hash_of, questions
from detector.models.base import CropRecipe
from detector.schema.analysis import Question
from detector.vision.alignment import TEMPLATES, WIDE, WIDE_SIDE
from lab.training import augment
from lab.training.cache import CacheSpec, Faces
from lab.training.recipe import ClipRecipe

TEMPLATE = np.array(TEMPLATES["arcface"]) * 112  # Landmarks in template units
SAME, FRAME, PERSON = 0, 1, 2
"""Source of a pseudo-fake: the picture itself, another frame of the clip, another person."""

_SHAPES = tomllib.loads(Path(__file__).with_name("outlines.toml").read_text("utf-8"))
OUTLINES: list[list[tuple[int, int]]] = [
    _SHAPES[name]
    for name in ("face", "face", "head", "inner", "inner", "lower", "mouth", "eyes", "nose_mouth")
]
SPEAKING = (5, 6, 8)  # Outlines of regions that move in speech


def affine(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Fit the affine map [2, 3] from points [N, 2] to others by least squares."""
    rows = np.column_stack([points, np.ones(len(points))])
    return np.asarray(np.linalg.lstsq(rows, onto, rcond=None)[0].T)


def _moved(picture: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Warp a picture: the pixel at p moves to affine(p)."""
    return augment.resample(picture, cv2.invertAffineTransform(affine), len(picture))


def _mask(
    outline: list[tuple[int, int]], points: np.ndarray, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw a soft mask of an outline about landmarks, float32 [size, size]."""
    shape, unit = np.array(outline, float), size / 224
    middle = shape.mean(0)
    stretch = rng.uniform(0.8, 1.12) * (1 + 0.08 * rng.standard_normal(2))
    shape = middle + (shape - middle) * stretch + 1.2 * rng.standard_normal(shape.shape)
    shape = cv2.transform(shape[None], affine(TEMPLATE, points))
    filled = cv2.fillPoly(np.zeros((size, size), np.uint8), [shape[0].round().astype(np.int32)], 1)
    inside, outside = (cv2.distanceTransform(x, cv2.DIST_L2, 5) for x in (filled, 1 - filled))
    bend = rng.standard_normal((6, 6), np.float32) * rng.uniform(0, 7) * unit
    distance = inside - outside + cv2.resize(bend, (size, size), interpolation=cv2.INTER_CUBIC)
    edge, soft = rng.uniform(-2, 6) * unit, np.exp(rng.uniform(*np.log([0.8, 9]))) * unit
    return np.asarray(expit((distance - edge) / soft * 2), np.float32)


def pseudo(
    base: np.ndarray, points: np.ndarray, other: np.ndarray, theirs: np.ndarray, kind: int,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Blend a region into the face of an original: for the kinds `FRAME` and `PERSON` of another
    face. `points` and `theirs` are the landmarks of both, float [5, 2], px."""
    size = len(base)
    which = int(rng.integers(len(OUTLINES)))
    if kind == FRAME and rng.random() < 0.7:
        which = int(rng.choice(SPEAKING))
    mask = _mask(OUTLINES[which], points, size, rng)
    source = target = base
    if kind != SAME:
        source = _moved(other, affine(theirs, points))
    if kind == PERSON:
        matched = _matched(source, base, (mask > 0.5).astype(np.uint8))
        source = cv2.addWeighted(matched, 1 - (own := rng.uniform(0, 0.25)), source, own, 0)
    if rng.random() < 0.75:
        source = _changed(source, rng)
    else:
        target = _changed(target, rng)
    scale = rng.uniform(0.96, 1.04, 2)
    shift = 0.015 * size * rng.uniform(-1, 1, 2) + points.mean(0) * (1 - scale)
    source = _moved(source, np.column_stack([np.diag(scale), shift]))
    ratio = 1.0 if kind == PERSON else rng.choice([0.4, 0.6, 0.8, 1, 1, 1])
    weight = (mask * np.float32(ratio))[..., None]
    return np.asarray((weight * source + (1 - weight) * target).round().astype(np.uint8))


def _matched(source: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Match the mean and deviation of the source's colors to the target's under the mask."""
    (mean, spread), (goal, goal_spread) = (cv2.meanStdDev(x, mask=mask) for x in (source, target))
    gain = goal_spread / np.maximum(spread, 1)
    return cv2.transform(source, np.column_stack([np.diag(gain[:, 0]), goal - gain * mean]))


def _changed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change color, sharpness, size and compression a little."""
    x: np.ndarray = picture
    if rng.random() < 0.75:
        x = augment.color(x, 0.14, rng)
    if rng.random() < 0.35:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.8))
    if rng.random() < 0.3:
        x = augment.sharpen(x, rng.uniform(0.3, 1.2))
    if rng.random() < 0.35:
        x = augment.shrink(x, rng.uniform(0.35, 0.8), rng)
    if rng.random() < 0.25:
        x = augment.shifted_jpeg(x, rng.uniform(40, 90), rng)
    return x


UNITS = WIDE * 112
"""Side of a cached crop in units of ArcFace's template (112 units wide); it has `WIDE_SIDE` px."""
SPEC = CacheSpec(
    "upright-320", CropRecipe(kind="upright", scale=WIDE, size=WIDE_SIDE),
    seconds=4.0, step=0.04, most=20, every=1, as_original=False,
)  # fmt: skip
TIGHT = 115.0 / UNITS
"""Files with less room around the face are tight: they are trained with a closer view."""

REAL, ALTERED, GENERATED = 0, 1, 2


def class_of(item: Item) -> int:
    """Return `REAL`, `ALTERED` (a face in real footage) or `GENERATED` (the whole head or picture).

    The label's note decides where it begins with "region" or "whole", else the method's family."""
    if item.label == 0:
        return REAL
    note = item.note.lower()
    if note.startswith(("whole", "region")):
        return GENERATED if note.startswith("whole") else ALTERED
    return ALTERED if questions(item.method) == (Question.MANIPULATION,) else GENERATED


MOST = 8  # Maximum number of files of a source that increase its sampling weight
APART = (3, 10)
"""Range of the distance, in frames, to the frame that is blended in."""
SAME_SHARE, FRAME_SHARE = 0.6, 0.22
"""Shares of the pseudo-fakes that are self-blended, and blended with another frame."""
TOGETHER = 0.8  # Share of the fakes with an original that are drawn beside it


class BlendSource(NamedTuple):
    """Source of a pseudo-fake: its kind, and a frame of a file."""

    kind: int
    entry: Faces
    frame: int


class BatchSample(NamedTuple):
    """A picture of a batch: a frame of a file, or a pseudo-fake of it. Both pictures of a pair have
    the same seed."""

    entry: Faces
    frame: int
    cls: int
    seed: tuple[int, ...]
    blended: BlendSource | None = None


class Feed:
    """Samples batches by step. Sources weigh as the square root of their number of files over the
    number of sources of their kind of fake."""

    def __init__(self, entries: Sequence[Faces], plan: ClipRecipe) -> None:
        self.plan = plan
        self.sources: dict[int, list[list[Faces]]] = {}
        self.weights: dict[int, np.ndarray] = {}
        self.originals: dict[tuple[str, str], list[Faces]] = defaultdict(list)
        for cls in (REAL, ALTERED, GENERATED):
            by_source: dict[tuple[str, int], list[Faces]] = defaultdict(list)
            for entry in entries:
                if class_of(entry) == cls:
                    # A collection of stills shows many people, a source of clips few.
                    part = int(hash_of(entry.group), 16) % 6 if entry.kind == "image" else 0
                    by_source[entry.source, part].append(entry)
            sources = list(by_source.values())
            alike = Counter(files[0].method for files in sources)
            each = [(min(len(s), MOST) / alike[s[0].method]) ** 0.5 for s in sources]
            self.sources[cls], self.weights[cls] = sources, np.array(each) / sum(each or [1])
        for entry in entries:
            if entry.label == 0:
                self.originals[entry.source, entry.group].append(entry)

    def draw(self, step: int) -> list[BatchSample]:
        """Draw the pictures of a step."""
        rng = np.random.default_rng([self.plan.seed, step])
        out: list[BatchSample] = []
        unit = max(1, self.plan.batch // 16)
        for _ in range(self.plan.pseudo * unit):
            entry, frame = self._face(REAL, rng)
            seed = (self.plan.seed, step, len(out))
            blended = self._blended(entry, frame, rng)
            out.append(BatchSample(entry, frame, REAL, seed))
            out.append(BatchSample(entry, frame, ALTERED, seed, blended))
        for cls, share in ((ALTERED, self.plan.altered), (GENERATED, self.plan.generated)):
            for _ in range(share * unit if self.sources[cls] else 0):
                entry, frame = self._face(cls, rng)
                seed = (self.plan.seed, step, len(out))
                out.append(BatchSample(entry, frame, cls, seed))
                beside = self.originals.get((entry.source, entry.group))
                if beside and rng.random() < TOGETHER:
                    first = beside[rng.integers(len(beside))]
                    out.append(BatchSample(first, min(frame, first.count - 1), REAL, seed))
        while len(out) < self.plan.batch:
            entry, frame = self._face(REAL, rng)
            out.append(BatchSample(entry, frame, REAL, (self.plan.seed, step, len(out))))
        return out

    def _face(self, cls: int, rng: np.random.Generator) -> tuple[Faces, int]:
        source = self.sources[cls][rng.choice(len(self.sources[cls]), p=self.weights[cls])]
        entry = source[rng.integers(len(source))]
        return entry, int(rng.integers(entry.count))

    def _blended(self, entry: Faces, frame: int, rng: np.random.Generator) -> BlendSource:
        share = rng.random()
        if share > SAME_SHARE + FRAME_SHARE:
            return BlendSource(PERSON, *self._face(REAL, rng))
        if share > SAME_SHARE and entry.count > 2 * APART[0]:
            near = frame + int(rng.choice([-1, 1]) * rng.integers(*APART))
            return BlendSource(FRAME, entry, min(max(near, 0), entry.count - 1))
        return BlendSource(SAME, entry, frame)


class Views:
    """Renders samples as augmented pictures on a device."""

    def __init__(self, plan: ClipRecipe, device: str) -> None:
        self.plan, self.device, self.side = plan, torch.device(device), WIDE_SIDE
        self.pool = ThreadPoolExecutor(os.cpu_count())

    def __call__(self, drawn: Sequence[BatchSample]) -> tuple[Tensor, Tensor]:
        """Return pictures, float [N, 3, S, S] in 0..1, and classes, int [N]."""
        pictures = list(self.pool.map(self._picture, drawn))
        return self._batch(pictures), torch.tensor([one.cls for one in drawn], device=self.device)

    def _picture(self, drawn: BatchSample) -> np.ndarray:
        rng, plan, size = np.random.default_rng(drawn.seed), self.plan, self.plan.size
        side = rng.uniform(*(plan.close if drawn.entry.room < TIGHT else plan.wide))
        side *= self.side / UNITS
        middle = (self.side - 1) / 2 + rng.uniform(-0.055, 0.055, 2) * side
        view = augment.view(middle, side, size, rng.normal(0, 0.07), rng.random() < 0.5)
        picture, points = self._seen(drawn.entry, drawn.frame, view)
        if drawn.blended is not None:
            kind, entry, frame = drawn.blended
            other, theirs = self._seen(entry, frame, view)
            own = np.random.default_rng((*drawn.seed, 1))
            picture = pseudo(picture, points, other, theirs, kind, own)
        return augment.degraded(picture, rng)

    def _seen(self, entry: Faces, frame: int, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a view of a frame, and the face's landmarks in it."""
        shown = augment.resample(entry.crop(frame), view, self.plan.size)
        inverse = cv2.invertAffineTransform(view)
        return shown, cv2.transform(entry.landmarks(frame)[None], inverse)[0]

    def _batch(self, pictures: Sequence[np.ndarray]) -> Tensor:
        batch = torch.from_numpy(np.stack(pictures)).to(self.device)
        return batch.permute(0, 3, 1, 2).float() / 255

    def plain(self, entry: Faces, frames: Iterable[int]) -> Tensor:
        """Return frames of a file as at inference, without augmentation."""
        middle, side = np.full(2, (self.side - 1) / 2), self.plan.seen * self.side / UNITS
        view = augment.view(middle, side, self.plan.size)
        return self._batch([self._seen(entry, frame, view)[0] for frame in frames])
