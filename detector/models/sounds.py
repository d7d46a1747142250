"""Model input of a window of sound: its samples, or Timbre's spectra of them.

Spectra are computed in float64: in float32 the quietest bins are rounding errors, which moved
Timbre's logits by up to 0.01.
"""

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from detector.models.base import ModelSpec, repeated

HOP = 160
"""Samples from one frame to the next, 10 ms at 16 kHz."""
LONG_FRAME = 400  # Samples of a frame of Whisper's and of the modulation spectrum, 25 ms
MELS, BANDS = 80, 8
MODULATIONS = (1, 5, 10, 20, 40, 80, 150, 256)
"""Edges in bins of 0.195 Hz: 0.2, 1, 2, 4, 8, 16, 29 and 50 Hz."""
TRANSFORM = 512  # Points of the transform of a frame, and of that over time
SAMPLES = 64_000  # of a window that spectra are made of, 4 s


class Spectrogram(NamedTuple):
    """A spectrogram as a picture: samples of a frame and from one to the next."""

    frame: int
    hop: int


SPECTROGRAMS = (Spectrogram(512, HOP), Spectrogram(256, 64), Spectrogram(128, 32))
SHAPES = (
    *((frame // 2, SAMPLES // hop) for frame, hop in SPECTROGRAMS),
    (MELS, SAMPLES // HOP),
    (BANDS * (len(MODULATIONS) - 1),),
)
"""Parts of `spectra`, in turn."""


def prepared(samples: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Return a window, mono -1..1 at the recipe's rate, as its network takes it, float32 [n]; it is
    repeated where it is too short. Raise ValueError."""
    recipe = spec.sound
    if recipe is None or samples.ndim != 1 or not samples.size or samples.dtype.kind != "f":
        raise ValueError(
            f"{spec.id} takes mono sound as float32 [samples], "
            f"got {samples.dtype} {list(samples.shape)}"
        )
    window = repeated(samples, recipe.samples)
    if recipe.normalize:
        window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    return (spectra(window) if recipe.spectra else window).astype(np.float32)


def spectra(samples: np.ndarray) -> np.ndarray:
    """Return all that Timbre is shown of a window of 4 s at any level, parts of `SHAPES` one after
    the other: float [64000] -> float64 [n]."""
    loud = samples / max(float(np.abs(samples).max()), 1e-6)
    parts = [*(picture(loud, kind) for kind in SPECTROGRAMS), log_mels(loud), modulation(loud)]
    return np.concatenate([part.ravel() for part in parts])


def picture(samples: np.ndarray, kind: Spectrogram) -> np.ndarray:
    """Return the logarithmic spectrogram, each frequency less its mean, so that microphone and
    channel count little: float [n] of peak 1 -> [frame / 2, n / hop]."""
    magnitude = np.sqrt(_power(_centered(samples, kind.frame), *kind)[:-1, :-1])
    levels = np.log(TRANSFORM / kind.frame * magnitude + 1e-4)
    levels -= levels.mean(1, keepdims=True)
    return np.clip(levels / (2 * levels.std(ddof=1) + 1e-6), -1.5, 1.5)


def log_mels(samples: np.ndarray) -> np.ndarray:
    """Return Whisper's log-mel spectrum: float [n] of peak 1 -> [80, n / 160]."""
    power = _power(_centered(samples, LONG_FRAME), LONG_FRAME, HOP)[:, :-1]
    mels = np.log10(np.maximum(_mel_filters() @ power, 1e-10))
    return (np.maximum(mels, mels.max() - 8) + 4) / 4


def modulation(samples: np.ndarray) -> np.ndarray:
    """Return of each of 8 bands how its level changes is spread over 7 ranges of speed: float [n]
    -> [7, 8]."""
    edges = np.linspace(0, TRANSFORM / 2 + 1, BANDS + 2)
    filters = _triangles(edges, np.arange(TRANSFORM // 2 + 1.0))
    levels = np.log(filters @ (_power(samples, LONG_FRAME, HOP, TRANSFORM) + 1e-9))
    levels -= levels.mean(1, keepdims=True)
    power = np.abs(np.fft.rfft(levels * np.hanning(levels.shape[1]), TRANSFORM)) ** 2
    bands = np.stack([power[:, a:b].sum(1) for a, b in pairwise(MODULATIONS)])
    return np.log(bands / (power[:, 1:].sum(1) + 1e-9) + 1e-6)


def _centered(samples: np.ndarray, frame: int) -> np.ndarray:
    """Return samples with mirrored ends, so that a frame's middle is at each hop."""
    return np.pad(samples, frame // 2, mode="reflect")


def _power(samples: np.ndarray, frame: int, hop: int, points: int = 0) -> np.ndarray:
    """Return the power spectrum under a Hann window: [n] -> float64 [points / 2 + 1, frames]."""
    window = np.hanning(frame + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(samples, frame)[::hop] * window
    values = np.fft.rfft(frames, points or frame).T
    return np.asarray(values.real**2 + values.imag**2)


def _triangles(edges: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Return triangular filters between every third of `edges`: [len(edges) - 2, frequencies]."""
    widths = np.diff(edges)[:, None]
    rising = (frequencies - edges[:-2, None]) / widths[:-1]
    falling = (edges[2:, None] - frequencies) / widths[1:]
    return np.maximum(np.minimum(rising, falling), 0.0)


@lru_cache(maxsize=1)
def _mel_filters() -> np.ndarray:
    """Return Slaney's mel filters, each of area 1: [80, 201]."""
    step = np.log(6.4) / 27
    mels = np.linspace(0, 15 + np.log(8.0) / step, MELS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * step))
    filters = _triangles(edges, np.linspace(0, 8000, LONG_FRAME // 2 + 1))
    return np.asarray(filters * (2 / (edges[2:] - edges[:-2]))[:, None])
