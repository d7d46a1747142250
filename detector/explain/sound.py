"""What the score of a voice rests on: parts of a window's spectrogram are hidden, and it is scored
again.

A tile of time and frequency is hidden by noise of its own loudness, as a blur hides a part of a
picture: what is fine in it is gone, while level and bandwidth stay, since a hole would be a trace
by itself. How much the log odds of "made" fall is how much the tile mattered. Zeiler and Fergus,
ECCV 2014, arXiv:1311.2901, on spectrograms.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

from detector.audio.pictures import mel_edges
from detector.audio.sound import SAMPLE_RATE, Span, read
from detector.models import registry
from detector.models.base import Model, repeated
from detector.schema.media import SoundSource

ROWS, COLUMNS = 5, 8
"""tiles of a window: bands as high as each other in the drawn spectrogram, and parts of its time"""
BATCH = 8  # windows that are scored at once
TAPS, HOP = 512, 128  # samples of the transform in which tiles are hidden, 32 and 8 ms


@dataclass(frozen=True)
class SoundMap:
    """What hiding each tile does."""

    falls: np.ndarray  # float32 [5, 8], how far the logit of P(fake) falls, lowest band first
    bands: np.ndarray  # float [6], Hz, edges of the bands
    times: np.ndarray  # float [9], s, edges of the parts, on the file's clock
    before: float  # the logit with nothing hidden

    @property
    def map(self) -> np.ndarray:
        """Return float32 [5, 8] in 0..1: the falls beside the largest, 0 where there is none."""
        mattered: np.ndarray = np.maximum(self.falls, 0)
        return mattered / max(float(mattered.max()), 1e-9)

    @property
    def strongest(self) -> tuple[int, int]:
        """Return the row and column of the tile that matters most."""
        row, column = np.unravel_index(int(self.falls.argmax()), self.falls.shape)
        return int(row), int(column)


def window_map(
    path: str | os.PathLike[str],
    span: Span,
    model_id: str,
    on_progress: Callable[[float], object] | None = None,
    source: SoundSource | None = None,
) -> SoundMap:
    """Read a window and hide each of its tiles (`sound_map`); raise MediaError, ModelError,
    ValueError."""
    model = registry.load_model(model_id)
    blocks = [block.samples for block in read(path, [span], notes=[], source=source)]
    return sound_map(np.concatenate(blocks), span, model, on_progress)


def sound_map(
    samples: np.ndarray,
    span: Span,
    model: Model,
    on_progress: Callable[[float], object] | None = None,
) -> SoundMap:
    """Hide each tile of a window (float32 [n], mono, 16 kHz, -1..1; `span`: when it is, s) in turn,
    running a model of voices 41 times. Raise ValueError for another model, ModelError."""
    recipe = model.spec.sound
    if recipe is None:
        raise ValueError(f"{model.spec.id} hears nothing")
    # The same noise for the same length, so that a map can be drawn again.
    noise = _spectrum(np.random.default_rng(0).standard_normal(len(samples)))
    spectrum = _spectrum(samples)
    # By bands and moments, so that noise has the loudness of what it hides.
    noise *= _smooth(np.abs(spectrum)) / np.maximum(_smooth(np.abs(noise)), 1e-9)
    bands = mel_edges()[np.linspace(0, len(mel_edges()) - 1, ROWS + 1).round().astype(int)]
    rows = np.searchsorted(np.linspace(0, SAMPLE_RATE / 2, len(spectrum)), bands)
    rows[-1] = len(spectrum)
    columns = np.linspace(0, spectrum.shape[1], COLUMNS + 1).round().astype(int)
    tiles = [(row, column) for row in range(ROWS) for column in range(COLUMNS)]
    before = float(model.score(repeated(samples, recipe.samples)[None])[0])
    falls = np.zeros((ROWS, COLUMNS), np.float32)
    for start in range(0, len(tiles), BATCH):
        some = tiles[start : start + BATCH]
        hidden = []
        for row, column in some:
            changed = spectrum.copy()
            where = np.s_[rows[row] : rows[row + 1], columns[column] : columns[column + 1]]
            changed[where] = noise[where]
            hidden.append(repeated(_sound(changed, len(samples)), recipe.samples))
        for (row, column), logit in zip(some, model.score(np.stack(hidden)), strict=True):
            falls[row, column] = before - float(logit)
        if on_progress:
            on_progress((start + len(some)) / len(tiles))
    return SoundMap(falls, bands, np.linspace(*span, COLUMNS + 1), before)


def _spectrum(samples: np.ndarray) -> np.ndarray:
    """Return complex [257, T]."""
    _, _, spectrum = signal.stft(
        samples, SAMPLE_RATE, nperseg=TAPS, noverlap=TAPS - HOP, boundary="zeros", padded=True
    )
    return np.asarray(spectrum)


def _sound(spectrum: np.ndarray, length: int) -> np.ndarray:
    _, samples = signal.istft(spectrum, SAMPLE_RATE, nperseg=TAPS, noverlap=TAPS - HOP)
    return np.resize(samples, length).astype(np.float32)


def _smooth(values: np.ndarray) -> np.ndarray:
    """Return the mean over 0.4 kHz and 0.1 s around each place: loudness, without what is fine."""
    return np.asarray(ndimage.uniform_filter(values, (13, 13), mode="nearest"))
