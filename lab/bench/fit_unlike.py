"""Fit how far an input lies from all that was tested, and the classifier of graphics.

    python -m lab.bench.fit_unlike DIR --faces LABELS.csv --faces … --pictures … --graphics …
        --voices …

Each list is a CSV of labelled files. `--graphics` are drawings and graphics
(`datasets/graphics.csv`, `python -m lab.bench.graphics`); `--pictures` are all others. Features are
those of *CLIP, generated head* of the widest face, of *CLIP, whole picture*, and of *Timbre*. DIR
caches them and gets unlike.safetensors, for weights/ (`detector.models.unlike`)."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import cv2
import numpy as np
from safetensors.numpy import save_file
from typer import Option

from detector import media, vision
from detector.audio.recording import Recording
from detector.evaluation.labels import Item, hash_of, read_labels
from detector.models import registry
from detector.models.base import repeated
from detector.models.pictures import fit as fit_picture
from detector.models.unlike import Gaussian, Reference, store
from lab.bench import command
from lab.evaluation.features import Arrays, cached, widest_faces
from lab.training.augment import jpeg
from lab.training.linear import fit_rows

FILE = "unlike.safetensors"
FACE, PICTURE, VOICE = "clip-generated", "picture", "timbre"
WIDTH = 768  # Features of a block
BLOCKS = (0, 6 * WIDTH)
"""First features of the blocks that a distance is measured in. The fourth block knows textures and
colors, whatever the compression; the tenth, what is shown."""
AXES = 48
UNLIKE = {FACE: 0.02, PICTURE: 0.004, VOICE: 0.02}
"""Share of the files of sources left out that are beyond the limit. Photographs without a face are
the most varied of the pictures: 1 % of them are."""
FOLDS = 6
PLACES = (0.2, 0.7)  # Of a clip's length
DECAY = 1e-3  # Of the layer of graphics
MARGIN = 1.5  # Log odds from which on a picture is a graphic: few generated pictures are lost
REDUCED, QUALITY = 0.6, 72  # Of the copies that the layer of graphics learns from too


class Rows(NamedTuple):
    """Features of files: float32 [rows, features], and of each row its file and source."""

    values: np.ndarray
    files: np.ndarray
    sources: np.ndarray


def distances(rows: Rows, start: int, width: int, scaled: bool) -> tuple[Gaussian, np.ndarray]:
    """Return the Gaussian of one block, and the log distance of each row to that of the folds of
    sources that it is not in."""
    folds = np.array([int(hash_of(source), 16) % FOLDS for source in rows.sources])
    own = rows.values[:, start : start + width]
    left = np.zeros(len(own))
    for fold in np.unique(folds):
        one = _gaussian(own[folds != fold], start, scaled)
        left[folds == fold] = np.log(one._replace(start=0).distance(own[folds == fold]))
    fitted = _gaussian(own, start, scaled)
    return fitted._replace(center=float(left.mean()), spread=float(left.std())), left


def _gaussian(own: np.ndarray, start: int, scaled: bool) -> Gaussian:
    mean, scale = own.mean(0), np.ones(own.shape[1])
    if scaled:
        scale = 1 / (own.std(0) + 1e-4 * np.abs(own).mean())
    _, lengths, axes = np.linalg.svd((own - mean) * scale, full_matrices=False)
    variances = lengths**2 / len(own)
    along = axes[:AXES] / np.sqrt(variances[:AXES, None])
    rest = float(variances[AXES:].sum())
    return Gaussian(start, mean, scale, along, rest, 0.0, 1.0)


def reference(
    rows: Rows, blocks: Sequence[int], width: int, share: float, *, scaled: bool = False
) -> Reference:
    """Fit the reference of one question; the limit is for the mean over the rows of a file."""
    fitted, left = zip(*(distances(rows, at, width, scaled) for at in blocks), strict=True)
    far = sum((own - one.center) / one.spread for one, own in zip(fitted, left, strict=True))
    _, owner = np.unique(rows.files, return_inverse=True)
    of_files = np.bincount(owner, far) / np.bincount(owner)
    return Reference(fitted, float(np.quantile(of_files, 1 - share)))


def graphics_layer(kinds: Sequence[Item], versions: Sequence[np.ndarray]) -> np.ndarray:
    """Return offset and weights of the layer, [1 + D], for blocks of pictures, [N, D] each;
    `kinds` have label 1 for graphics."""
    layer = fit_rows(kinds, versions, DECAY)
    return np.append(layer.bias - MARGIN, layer.weights).astype(np.float32)


def left_out_graphics(kinds: Sequence[Item], versions: Sequence[np.ndarray]) -> np.ndarray:
    """Return the log odds of each version of each picture by layers that never saw its source:
    [versions, N]."""
    folds = np.array([int(hash_of(kind.source), 16) % FOLDS for kind in kinds])
    out = np.zeros((len(versions), len(kinds)))
    for fold in np.unique(folds):
        taught, held = np.flatnonzero(folds != fold).tolist(), folds == fold
        layer = graphics_layer([kinds[i] for i in taught], [x[taught] for x in versions])
        out[:, held] = [x[held] @ layer[1:] + layer[0] for x in versions]
    return out


def read_face(item: Item) -> Arrays:
    """Return the features of the widest face at some moments."""
    model = registry.load_model(FACE)
    shown = [
        vision.cut(frame.rgb, face.box, model.spec.crop)
        for frame, face in widest_faces(item.file, PLACES if item.kind == "video" else (0.0,))
    ]
    return {"rows": model.read(np.stack(shown))[:, 1:] if shown else np.zeros((0, 0))}


def read_picture(item: Item) -> Arrays:
    """Return the features of a picture, or of a video's middle, and of a reduced JPEG copy."""
    model, info = registry.load_model(PICTURE), media.probe(item.file)
    times = [(info.duration or 0.0) / 2]
    rgb = next(iter(media.decode(item.file, info, times, notes=[]))).rgb
    small = cv2.resize(rgb, None, fx=REDUCED, fy=REDUCED, interpolation=cv2.INTER_AREA)
    copy = jpeg(small if min(small.shape[:2]) > 150 else rgb, QUALITY)
    shown = [fit_picture(one, model.spec.crop) for one in (rgb, copy)]
    return {"rows": model.read(np.stack(shown))[:, 1:]}


def read_voice(item: Item) -> Arrays:
    """Return the features of a recording's first window of speech."""
    model = registry.load_model(VOICE)
    assert model.spec.sound
    heard = Recording.of(item.file, [(0.0, model.spec.sound.seconds)], notes=[])
    window = next(iter(heard.windows(model.spec.sound.seconds, 1)), None)
    if window is None:
        return {"rows": np.zeros((0, 0))}
    samples = repeated(heard.samples(window), model.spec.sound.samples)
    return {"rows": model.read(samples[None])[:, 1:]}


def read(
    lists: Sequence[Path], folder: Path, name: str, reader: Callable[[Item], Arrays]
) -> tuple[list[Item], list[np.ndarray]]:
    """Return labelled files and the features of each; files without any are left out."""
    items = [item for path in lists for item in read_labels(path)]
    found = cached(items, folder, name, lambda: reader, partial(_progress, name))
    every = [(item, own["rows"]) for item, own in zip(items, found, strict=True)]
    kept = [(item, rows) for item, rows in every if len(rows)]
    return [item for item, _ in kept], [rows for _, rows in kept]


def _progress(name: str, done: int, total: int) -> None:
    print(f"\r{name} {done} of {total}", end="", file=sys.stderr, flush=True)


def rows_of(items: Sequence[Item], found: Sequence[np.ndarray]) -> Rows:
    """Return the features of files as rows."""
    counts = [len(rows) for rows in found]
    return Rows(
        np.concatenate(found).astype(np.float32),
        np.repeat([str(item.file) for item in items], counts),
        np.repeat([item.source for item in items], counts),
    )


def tensors(
    of_faces: Rows,
    others: Rows,
    speech: Rows,
    kinds: Sequence[Item],
    versions: Sequence[np.ndarray],
) -> Mapping[str, np.ndarray]:
    """Return the tensors of unlike.safetensors."""
    picture = reference(others, BLOCKS, WIDTH, UNLIKE[PICTURE])
    layer = graphics_layer(kinds, [x[:, BLOCKS[1] : BLOCKS[1] + WIDTH] for x in versions])
    return store(
        {
            FACE: reference(of_faces, BLOCKS, WIDTH, UNLIKE[FACE]),
            PICTURE: picture._replace(graphic=layer, at=BLOCKS[1]),
            VOICE: reference(speech, (0,), speech.values.shape[1], UNLIKE[VOICE], scaled=True),
        }
    )


Lists = Annotated[list[Path], Option()]


def main(out: Path, faces: Lists, pictures: Lists, graphics: Lists, voices: Lists) -> None:
    seen = read(faces, out, "faces", read_face)
    others, plain = read(pictures, out, "pictures", read_picture)
    drawn, made = read(graphics, out, "graphics", read_picture)
    heard = read(voices, out, "voices", read_voice)
    kinds = [replace(item, label=int(n >= len(others))) for n, item in enumerate([*others, *drawn])]
    versions = [np.stack([rows[n] for rows in [*plain, *made]]) for n in (0, 1)]
    block = [x[:, BLOCKS[1] : BLOCKS[1] + WIDTH] for x in versions]
    for title, odds in zip(("as they are", "copies"), left_out_graphics(kinds, block), strict=True):
        told = odds > 0
        print(
            f"{title}: {told[: len(others)].mean():.3f} of the pictures and "
            f"{told[len(others) :].mean():.3f} of the graphics are called graphics"
        )
    first = rows_of(others, [rows[:1] for rows in plain])
    found = tensors(rows_of(*seen), first, rows_of(*heard), kinds, versions)
    save_file({name: np.ascontiguousarray(x) for name, x in found.items()}, out / FILE)


if __name__ == "__main__":
    command(main)
