"""Measure what the product says of files that are unlike all that was tested.

    python -m lab.bench.unlike LABELS.csv … [--graphics DIR] [--kind KIND …] [--files 12]
        [--frames 8]

Labelled clips with a face (recordings with speech) are covered, filtered or vocoded in ways that
are in no training set and in no fit, written as H.264 (as WAV) and analyzed; of each source one
fake and one genuine file at most. `as it is` and `control …` are what must keep its answer.
--graphics: a folder of drawings and graphics, each of which is analyzed as it is. Prints how many
files of each kind were not judged, how many were called real or fake, or probably so."""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import cv2
import numpy as np
from scipy import signal
from scipy.io import wavfile
from typer import Option

from detector import media, vision
from detector.audio.sound import SAMPLE_RATE, read
from detector.evaluation.labels import Item, read_labels
from detector.media.writer import write_mp4
from detector.pipeline.analyzer import Analyzer
from detector.schema.analysis import Label, Side
from lab.bench import command
from lab.evaluation.tables import markdown

Chance = np.random.Generator
Box = tuple[int, int, int, int]
Change = Callable[[np.ndarray, Box, Chance], np.ndarray]
"""Of a frame, uint8 [H, W, 3], with the box of its face; a new generator of one seed each."""
AS_IS = "as it is"
CRF = "23"
LONGEST = 10.0  # s of a recording


def mosaic(cells: int) -> Change:
    """Pixelate a face, somewhat wider than its box, into so many cells across."""

    def change(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
        wide = (box[2] - box[0]) * 0.08
        x0, y0 = max(0, round(box[0] - wide)), max(0, round(box[1] - wide))
        x1, y1 = min(rgb.shape[1], round(box[2] + wide)), min(rgb.shape[0], round(box[3] + wide))
        return _pixelated(rgb, (x0, y0, x1, y1), cells)

    return change


def _pixelated(rgb: np.ndarray, box: Box, cells: int) -> np.ndarray:
    x0, y0, x1, y1 = box
    part, out = rgb[y0:y1, x0:x1], rgb.copy()
    if not part.size:
        return out
    size = cells, max(2, round(cells * (y1 - y0) / (x1 - x0)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    out[y0:y1, x0:x1] = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)
    return out


def _behind(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    """Pixelate all but the face and what is close to it."""
    high, wide = rgb.shape[:2]
    out = _pixelated(rgb, (0, 0, wide, high), 24)
    x0, y0, x1, y1 = box
    margin = (x1 - x0) // 4
    clear = slice(max(0, y0 - margin), y1 + margin), slice(max(0, x0 - margin), x1 + margin)
    out[clear] = rgb[clear]
    return out


def _plate(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    x0, _, x1, y1 = box
    high = (x1 - x0) // 4
    return _pixelated(rgb, (x0, min(y1 + 4, rgb.shape[0] - high), x1, rgb.shape[0]), 12)


def _bar(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    x0, y0, x1, y1 = box
    out, eyes, half = rgb.copy(), y0 + 0.4 * (y1 - y0), 0.1 * (y1 - y0)
    out[round(eyes - half) : round(eyes + half), max(0, x0 - 4) : x1 + 4] = 0
    return out


def _emoji(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    x0, y0, x1, y1 = box
    out, radius = rgb.copy(), round(0.55 * max(x1 - x0, y1 - y0))
    x, y = (x0 + x1) // 2, (y0 + y1) // 2
    cv2.circle(out, (x, y), radius, (255, 205, 50), -1, cv2.LINE_AA)
    for side in (-1, 1):
        eye = x + round(side * 0.35 * radius), y - radius // 5
        cv2.circle(out, eye, radius // 8, (80, 50, 10), -1, cv2.LINE_AA)
    mouth, size = (x, y + radius // 7), (radius // 2, round(0.4 * radius))
    cv2.ellipse(out, mouth, size, 0, 10, 170, (80, 50, 10), max(2, radius // 14), cv2.LINE_AA)
    return out


def _stickers(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    out, (x0, y0, x1, y1) = rgb.copy(), box
    for _ in range(5):
        x, y = int(chance.uniform(x0, x1)), int(chance.uniform(y0, y1))
        radius = int((x1 - x0) * chance.uniform(0.1, 0.2))
        cv2.circle(out, (x, y), radius, chance.integers(0, 256, 3).tolist(), -1, cv2.LINE_AA)
    return out


def _scribbled(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    out, (x0, y0, x1, y1) = rgb.copy(), box
    points = chance.uniform((x0, y0), (x1, y1), (26, 2)).astype(np.int32)
    width = max(2, (x1 - x0) // 20)
    cv2.polylines(out, [points], False, chance.integers(0, 256, 3).tolist(), width, cv2.LINE_AA)
    return out


def _gray(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def _three(gray: np.ndarray) -> np.ndarray:
    return np.stack([gray.astype(np.uint8)] * 3, -1)


def _posterized(levels: int) -> Change:
    return lambda rgb, box, chance: (
        np.floor(rgb / 256 * levels) * (255 / (levels - 1))
    ).astype(np.uint8)  # fmt: skip


def _colored(name: int) -> Change:
    return lambda rgb, box, chance: cv2.cvtColor(
        cv2.applyColorMap(_gray(rgb), name), cv2.COLOR_BGR2RGB
    )


def _sketched(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    gray = _gray(rgb)
    return _three(cv2.divide(gray, 255 - cv2.GaussianBlur(255 - gray, (0, 0), 6), scale=256))


def _cartoon(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    smooth = rgb
    for _ in range(3):
        smooth = cv2.bilateralFilter(smooth, 9, 60, 9)
    mean = cv2.ADAPTIVE_THRESH_MEAN_C
    lines = cv2.adaptiveThreshold(cv2.medianBlur(_gray(rgb), 5), 255, mean, cv2.THRESH_BINARY, 9, 6)
    return np.where(lines[..., None] > 0, _posterized(7)(smooth, box, chance), 0).astype(np.uint8)


def _night(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    gray = np.clip(_gray(rgb) * 0.8 + chance.normal(0, 14, rgb.shape[:2]), 0, 255)
    return (gray[..., None] * (0.15, 1.0, 0.2)).astype(np.uint8)


def _halftone(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    rows, columns = np.indices(rgb.shape[:2])
    screen = (np.sin(columns * np.pi / 3) + np.sin(rows * np.pi / 3)) / 4 + 0.5
    return _three(255 * (_gray(rgb) / 255 > screen))


def _turned_colors(rgb: np.ndarray, box: Box, chance: Chance) -> np.ndarray:
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV).astype(int)
    hsv[..., 0] = (hsv[..., 0] + 90) % 180
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


CHANGES: Mapping[str, Change] = {
    AS_IS: lambda rgb, box, chance: rgb,
    "control gray": lambda rgb, box, chance: _three(_gray(rgb)),
    "control mosaic behind": _behind,
    "control mosaic below": _plate,
    **{f"mosaic of {n}": mosaic(n) for n in (8, 12, 16, 24, 30)},
    "bar over the eyes": _bar,
    "emoji": _emoji,
    "stickers": _stickers,
    "scribbled on": _scribbled,
    "3 levels": _posterized(3),
    "5 levels": _posterized(5),
    "edges": lambda rgb, box, chance: _three(cv2.Canny(_gray(rgb), 50, 120)),
    "sketch": _sketched,
    "cartoon": _cartoon,
    "halftone": _halftone,
    "thermal": _colored(cv2.COLORMAP_INFERNO),
    "rainbow": _colored(cv2.COLORMAP_JET),
    "inverted": lambda rgb, box, chance: 255 - rgb,
    "turned colors": _turned_colors,
    "night vision": _night,
}


def _bands(sound: np.ndarray, count: int, chance: Chance, *, tones: bool) -> np.ndarray:
    """Return noise, or tones, with the envelopes of bands of a sound."""
    edges, out = np.geomspace(100, 7500, count + 1), np.zeros_like(sound)
    noise, time = chance.standard_normal(len(sound)), np.arange(len(sound)) / SAMPLE_RATE
    slow = signal.butter(2, 40, fs=SAMPLE_RATE, output="sos")
    for low, high in pairwise(edges):
        band = signal.butter(3, [low, high], "band", fs=SAMPLE_RATE, output="sos")
        envelope = signal.sosfiltfilt(slow, np.abs(signal.sosfilt(band, sound))).clip(0)
        tone = np.sin(2 * np.pi * np.sqrt(low * high) * time)
        out += envelope * (tone if tones else signal.sosfilt(band, noise))
    return out


def _griffin_lim(sound: np.ndarray, chance: Chance) -> np.ndarray:
    """Return a sound from the magnitudes of its spectrum (Griffin and Lim 1984)."""
    size = {"fs": SAMPLE_RATE, "nperseg": 512, "noverlap": 384}
    magnitude = np.abs(signal.stft(sound, **size)[2])
    phase = np.exp(2j * np.pi * chance.random(magnitude.shape))
    for _ in range(32):
        again = signal.istft(magnitude * phase, **size)[1][: len(sound)]
        phase = np.exp(1j * np.angle(signal.stft(again, **size)[2][:, : phase.shape[1]]))
    return np.asarray(signal.istft(magnitude * phase, **size)[1][: len(sound)])


SOUNDS: Mapping[str, Callable[[np.ndarray, Chance], np.ndarray]] = {
    AS_IS: lambda sound, chance: sound,
    "reversed": lambda sound, chance: sound[::-1],
    "Griffin-Lim": _griffin_lim,
    "noise in 4 bands": lambda sound, chance: _bands(sound, 4, chance, tones=False),
    "noise in 8 bands": lambda sound, chance: _bands(sound, 8, chance, tones=False),
    "8 tones": lambda sound, chance: _bands(sound, 8, chance, tones=True),
    "ring modulated": lambda sound, chance: (
        sound * np.sin(2 * np.pi * 80 * np.arange(len(sound)) / SAMPLE_RATE)
    ),
}


def _frames(item: Item, most: int) -> list[tuple[np.ndarray, Box]]:
    """Return the first frames of a file with the box of the widest face; none without one."""
    info, detector, found = media.probe(item.file), vision.load_detector(), []
    rate = info.fps or 25
    times = [0.0] if info.kind == "image" else [n / rate for n in range(most)]
    for frame in media.decode(item.file, info, times, notes=[]):
        face = vision.widest(detector.detect(frame.rgb, 40))
        if face is not None:
            x0, y0, x1, y1 = (round(x) for x in face.box)
            high, wide = frame.rgb.shape[:2]
            found.append((frame.rgb, (max(0, x0), max(0, y0), min(wide, x1), min(high, y1))))
    return found


def _made(
    item: Item, kinds: Sequence[str], frames: int, folder: Path
) -> Iterator[tuple[str, Path]]:
    """Yield each kind of copy of a file, and where it was written."""
    if item.kind == "audio":
        sound = np.concatenate([b.samples for b in read(item.file, [(0.0, LONGEST)], notes=[])])
        for kind in (name for name in SOUNDS if not kinds or name in kinds):
            changed = SOUNDS[kind](sound, np.random.default_rng(0))
            loud = changed / max(1e-6, float(np.abs(changed).max()))
            path = folder / "copy.wav"
            wavfile.write(path, SAMPLE_RATE, (0.8 * 32767 * loud).astype(np.int16))
            yield kind, path
        return
    shown = _frames(item, frames)
    for kind in (name for name in CHANGES if shown and (not kinds or name in kinds)):
        pictures = [CHANGES[kind](rgb, box, np.random.default_rng(0)) for rgb, box in shown]
        path = folder / ("copy.png" if item.kind == "image" else "copy.mp4")
        if item.kind == "image":
            cv2.imwrite(str(path), cv2.cvtColor(pictures[0], cv2.COLOR_RGB2BGR))
        else:
            write_mp4(path, ((rgb, n / 12) for n, rgb in enumerate(pictures)), {"crf": CRF}, 12)
        yield kind, path


def _chosen(lists: Sequence[Path], files: int) -> list[Item]:
    """Return as many fakes and genuine files, one of a source and label at most."""
    seen, count, out = set[tuple[str, int]](), Counter[int](), []
    for item in (item for path in lists for item in read_labels(path)):
        if (item.source, item.label) not in seen and count[item.label] < files:
            seen.add((item.source, item.label))
            count[item.label] += 1
            out.append(item)
    return out


def _state(label: Label) -> str:
    if label.side is None:
        return "not judged" if label is Label.NOT_APPLICABLE else "can't tell"
    return "real" if label.side is Side.REAL else str(label.value)


STATES = ("not judged", "can't tell", "real", "PROBABLY_FAKE", "FAKE")


def main(
    labels: list[Path],
    graphics: Annotated[Path | None, Option(help="a folder of drawings and graphics")] = None,
    kind: Annotated[list[str] | None, Option(help="kinds of copies; default: all")] = None,
    files: Annotated[int, Option(help="fakes, and genuine files, at most")] = 12,
    frames: Annotated[int, Option(help="frames of a copy")] = 8,
) -> None:
    analyzer = Analyzer()
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def judge(path: Path, *named: str) -> None:
        name, label = named
        state = _state(analyzer.analyze(path, scores_only=True).verdict.label)
        print(f"{name}, {label}: {state}", file=sys.stderr, flush=True)
        counts[name, label][state] += 1

    with TemporaryDirectory() as folder:
        for item in _chosen(labels, files):
            for name, path in _made(item, kind or (), frames, Path(folder)):
                judge(path, name, "fake" if item.label else "genuine")
    for path in sorted(graphics.rglob("*.*") if graphics else ()):
        judge(path, f"graphics of {path.parent.name}", "genuine")
    rows = [
        [name, label, str(sum(found.values())), *(str(found[state]) for state in STATES)]
        for (name, label), found in counts.items()
    ]
    print(markdown(("kind", "label", "files", *STATES), rows))


if __name__ == "__main__":
    command(main)
