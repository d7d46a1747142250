"""Audio visualizations: waveform, log-mel spectrogram and MFCCs in a fixed number of columns.

Blocks are folded into the columns as they are read, so memory does not grow with the duration."""

import os
from dataclasses import dataclass
from threading import Event

import numpy as np

from detector.audio.sound import SAMPLE_RATE, read, stretches
from detector.schema.media import SoundSource

BANDS, COEFFICIENTS = 80, 20  # of the mel spectrogram up to 8 kHz, and of the MFCCs
FRAME, HOP = 400, 160  # samples, 25 and 10 ms
DEPTH = 80.0  # dB under the loudest that are shown


@dataclass(frozen=True)
class SoundPicture:
    """Plot data of a sound; NaN where there is none."""

    peaks: np.ndarray  # float32 [C, 2], lowest and highest sample of each column, -1..1
    mel: np.ndarray  # float32 [80, C], dB under the loudest, -80..0; lowest band first
    mfcc: np.ndarray  # float32 [20, C], coefficients of the mel spectrum


def draw(
    path: str | os.PathLike[str],
    seconds: float,
    columns: int,
    *,
    source: SoundSource | None = None,
    cancel: Event | None = None,
) -> SoundPicture:
    """Return the plot data of a file's sound of this duration, s, in `columns` columns; raise as
    `sound.read`."""
    from scipy import fft  # the first page has no use for it

    scale = columns / seconds

    def places(times: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip((times * scale).astype(int), 0, columns - 1))

    peaks = np.full((columns, 2), np.nan, np.float32)
    summed, count = np.zeros((columns, BANDS)), np.zeros(columns, int)
    filters = _filters()
    left, end = np.zeros(0, np.float32), -1.0
    for block in read(path, stretches(0.0, seconds), notes=[], cancel=cancel, source=source):
        samples = block.samples
        at = places(block.start + np.arange(len(samples)) / SAMPLE_RATE)
        edges = np.flatnonzero(np.diff(at, prepend=-1))
        at = at[edges]
        peaks[at, 0] = np.fmin(peaks[at, 0], np.minimum.reduceat(samples, edges))
        peaks[at, 1] = np.fmax(peaks[at, 1], np.maximum.reduceat(samples, edges))
        # A frame may reach over from the block before.
        samples = np.concatenate([left, samples]) if abs(block.start - end) < 1e-3 else samples
        end = block.end
        frames = max(0, (len(samples) - FRAME) // HOP + 1)
        left = samples[frames * HOP :]
        if not frames:
            continue
        heard = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
        power = np.abs(np.fft.rfft(heard * np.hanning(FRAME), 512)) ** 2 @ filters
        start = end - len(samples) / SAMPLE_RATE
        middles = places(start + (np.arange(frames) * HOP + FRAME / 2) / SAMPLE_RATE)
        np.add.at(summed, middles, power)
        np.add.at(count, middles, 1)

    known = count > 0
    mean = np.full_like(summed, np.nan)
    mean[known] = summed[known] / count[known, None]
    loudest = np.nanmax(mean) if known.any() else 1.0
    mel = 10 * np.log10(np.maximum(mean, 1e-12) / max(loudest, 1e-12))
    mel = np.clip(mel, -DEPTH, 0).astype(np.float32)
    mfcc = np.full((columns, COEFFICIENTS), np.nan, np.float32)
    mfcc[known] = fft.dct(mel[known], norm="ortho", axis=1)[:, :COEFFICIENTS]
    # A column between two frames of 10 ms takes its neighbor's.
    near = np.maximum.accumulate(np.where(known, np.arange(columns), -1))
    close = (near >= 0) & (np.arange(columns) - near <= 2 * scale * HOP / SAMPLE_RATE + 1)
    mel[close], mfcc[close] = mel[near[close]], mfcc[near[close]]
    return SoundPicture(peaks, mel.T, mfcc.T)


def mel_edges() -> np.ndarray:
    """Return the edges of the overlapping mel bands (start, peak and end), Hz: float [82]
    (O'Shaughnessy 1987)."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    return np.asarray(700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1))


def _filters() -> np.ndarray:
    """Triangles of the mel scale: float [257, 80]."""
    edges = mel_edges()
    bins = np.fft.rfftfreq(512, 1 / SAMPLE_RATE)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.asarray(np.maximum(np.minimum(rising, falling), 1e-6 * (bins <= edges[-1])))
