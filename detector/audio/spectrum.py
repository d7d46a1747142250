"""The power of a sound over time and frequency, as `scipy.signal.spectrogram` has it, whose module
brings its statistics and optimizers along: two thirds of a second before a first verdict.
"""

import numpy as np

from detector.audio.sound import SAMPLE_RATE


def hann(taps: int) -> np.ndarray:
    """Return the periodic window of this name: float [taps]."""
    return np.hanning(taps + 1)[:-1]


def tukey(taps: int, tapered: float = 0.25) -> np.ndarray:
    """Return the periodic window of this name, a share of which is `tapered`: float [taps]."""
    edge = int(tapered * taps / 2)
    rise = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(edge + 1) / (tapered * taps))
    return np.concatenate([rise, np.ones(taps - 2 * edge - 1), rise[:0:-1]])


def spectrogram(
    samples: np.ndarray, window: np.ndarray, hop: int, *, centered: bool = False
) -> np.ndarray:
    """Return the one-sided power density of each frame, float [..., taps / 2 + 1, frames], of
    samples [..., n] at 16 kHz, one frame each `hop`; `centered` subtracts each frame's mean."""
    taps = len(window)
    frames = np.lib.stride_tricks.sliding_window_view(samples, taps, axis=-1)[..., ::hop, :]
    if centered:
        frames = frames - frames.mean(-1, keepdims=True)
    scale = np.sqrt(1 / (SAMPLE_RATE * np.sum(window**2)))
    power = np.abs(np.fft.rfft(frames * (window * scale).astype(frames.dtype))) ** 2
    power[..., 1:-1] *= 2  # the other side's
    return np.swapaxes(power, -1, -2)
