"""A sound to look at: its waveform, a log-mel spectrogram and MFCCs, in so many columns.

Memory grows with the columns, not with the length: blocks are folded into them as they are read.
"""

import os
from dataclasses import dataclass
from threading import Event

import numpy as np

from detector.audio.sound import SAMPLE_RATE, SoundBlock, read, stretches

BANDS, COEFFICIENTS = 80, 20  # of the mel spectrogram up to 8 kHz, and of the MFCCs
FRAME, HOP = 400, 160  # samples, 25 and 10 ms
DEPTH = 80.0  # dB under the loudest that are shown


@dataclass(frozen=True)
class SoundPicture:
    """What is drawn of a sound; NaN where nothing was heard."""

    peaks: np.ndarray  # float32 [C, 2], lowest and highest sample of each column, -1..1
    mel: np.ndarray  # float32 [80, C], dB under the loudest, -80..0; lowest band first
    mfcc: np.ndarray  # float32 [20, C], coefficients of the mel spectrum


def draw(
    path: str | os.PathLike[str], seconds: float, columns: int, *, cancel: Event | None = None
) -> SoundPicture:
    """Return what a file's sound of so many seconds looks like in so many columns; raise as
    `sound.read`."""
    folded = _Columns(seconds, columns)
    for block in read(path, stretches(0.0, seconds), notes=[], cancel=cancel):
        folded.add(block)
    return folded.picture()


class _Columns:
    def __init__(self, seconds: float, columns: int) -> None:
        self._scale, self._last = columns / seconds, columns - 1
        self._peaks = np.full((columns, 2), np.nan, np.float32)
        self._power = np.zeros((columns, BANDS))
        self._count = np.zeros(columns, int)
        self._filters = _filters()
        self._left, self._end = np.zeros(0, np.float32), -1.0

    def add(self, block: SoundBlock) -> None:
        samples = block.samples
        places = self._places(block.start + np.arange(len(samples)) / SAMPLE_RATE)
        edges = np.flatnonzero(np.diff(places, prepend=-1))
        for which, reduce in enumerate((np.minimum, np.maximum)):
            ends = reduce.reduceat(samples, edges)
            fold = np.fmin if which == 0 else np.fmax
            at = places[edges]
            self._peaks[at, which] = fold(self._peaks[at, which], ends)
        # A frame may reach over from the block before.
        joined = abs(block.start - self._end) < 1e-3
        self._end = block.end
        samples = np.concatenate([self._left, samples]) if joined else samples
        start = block.end - len(samples) / SAMPLE_RATE
        count = max(0, (len(samples) - FRAME) // HOP + 1)
        self._left = samples[count * HOP :]
        if not count:
            return
        frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
        power = np.abs(np.fft.rfft(frames * np.hanning(FRAME), 512)) ** 2 @ self._filters
        middles = start + (np.arange(len(power)) * HOP + FRAME / 2) / SAMPLE_RATE
        np.add.at(self._power, self._places(middles), power)
        np.add.at(self._count, self._places(middles), 1)

    def _places(self, times: np.ndarray) -> np.ndarray:
        return np.asarray(np.clip((times * self._scale).astype(int), 0, self._last))

    def picture(self) -> SoundPicture:
        from scipy import fft  # the first page has no use for it

        heard = self._count > 0
        power = np.full_like(self._power, np.nan)
        power[heard] = self._power[heard] / self._count[heard, None]
        loudest = np.nanmax(power) if heard.any() else 1.0
        mel = 10 * np.log10(np.maximum(power, 1e-12) / max(loudest, 1e-12))
        mel = np.clip(mel, -DEPTH, 0).astype(np.float32)
        mfcc = np.full((len(mel), COEFFICIENTS), np.nan, np.float32)
        mfcc[heard] = fft.dct(mel[heard], norm="ortho", axis=1)[:, :COEFFICIENTS]
        # A column between two frames of 10 ms takes its neighbor's.
        near = np.maximum.accumulate(np.where(heard, np.arange(len(heard)), -1))
        reach = 2 * self._scale * HOP / SAMPLE_RATE + 1
        close = (near >= 0) & (np.arange(len(heard)) - near <= reach)
        mel[close], mfcc[close] = mel[near[close]], mfcc[near[close]]
        return SoundPicture(self._peaks, mel.T, mfcc.T)


def mel_edges() -> np.ndarray:
    """Return where the mel bands begin, have their top and end, Hz: float [82], one next to the
    other (O'Shaughnessy 1987)."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    return np.asarray(700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1))


def _filters() -> np.ndarray:
    """Triangles of the mel scale: float [257, 80]."""
    edges = mel_edges()
    bins = np.fft.rfftfreq(512, 1 / SAMPLE_RATE)[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.asarray(np.maximum(np.minimum(rising, falling), 1e-6 * (bins <= edges[-1])))
