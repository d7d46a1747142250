"""Whether what is heard is music or singing: measured, not learned. Pure functions of samples."""

import numpy as np

from detector.audio.sound import SAMPLE_RATE
from detector.audio.spectrum import spectrogram, tukey

HOP, FRAME = 160, 640  # samples, 10 and 40 ms
PITCHES = (70.0, 500.0)  # Hz between which a voice's pitch is looked for
VOICED = 0.6  # Autocorrelation from which on a frame has a pitch
STEADY = 20.0
"""cents by which a note moves in 0.1 s, at most; a voice that speaks moves by 100 and more."""
NOTE = 20  # frames that a note lasts at least, 0.2 s
VIBRATO = 15  # frames over which the pitch is averaged: nearly a swing of vibrato
LOUD = 10 ** (-50 / 20)  # Root mean square of what is there to be heard at all, -50 dB
FLAT = 0.02  # Flatness of a spectrum (0 tones, 1 noise) under which it holds tones


def sustained_ratio(samples: np.ndarray) -> float | None:
    """Return the share of voiced speech (float32 [n], 16 kHz) that stays on a note for 0.2 s and
    more, 0..1; None where less than a second is voiced."""
    from scipy import ndimage  # here: most files are pictures

    cents = _pitch(samples)
    voiced = ~np.isnan(cents)
    if voiced.sum() < 100:
        return None
    notes = 0
    for first, last in _runs(voiced):
        if last - first < NOTE:
            continue
        smooth = ndimage.uniform_filter1d(cents[first:last], VIBRATO, mode="nearest")
        slope = np.abs(smooth[10:] - smooth[:-10])
        still = np.pad(slope < STEADY, (5, 5), mode="edge")
        notes += sum(b - a for a, b in _runs(still) if b - a >= NOTE)
    return float(notes / voiced.sum())


def music_ratio(samples: np.ndarray) -> float:
    """Return the share of seconds that are loud and hold tones, 0..1: float32 [n] of no speech."""
    count = len(samples) // SAMPLE_RATE
    if not count:
        return 0.0
    seconds = samples[: count * SAMPLE_RATE].reshape(count, SAMPLE_RATE)
    loud = np.sqrt(np.mean(seconds**2, axis=1)) >= LOUD
    power = spectrogram(seconds, tukey(1024), 512, centered=True)
    power = power[:, 4:] + 1e-12  # below 60 Hz the mains hum
    flatness = np.exp(np.log(power).mean(1)) / power.mean(1)
    return float(np.mean(loud & (np.median(flatness, axis=1) < FLAT)))


def _pitch(samples: np.ndarray) -> np.ndarray:
    """Pitch of each 10 ms in cents over 55 Hz, NaN where there is none: float [frames]."""
    if len(samples) < FRAME:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP] * np.hanning(FRAME)
    size = 2 * FRAME
    alike = np.fft.irfft(np.abs(np.fft.rfft(frames, size)) ** 2, size)[:, :FRAME]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(FRAME), size)) ** 2, size)[:FRAME]
    shortest, longest = (round(SAMPLE_RATE / pitch) for pitch in reversed(PITCHES))
    alike = alike[:, : longest + 2] / (window[: longest + 2] / window[0])
    alike = alike / np.maximum(alike[:, :1], 1e-9)
    # The shortest lag that is nearly as good as the best: the best may be twice the period.
    among = alike[:, shortest : longest + 1]
    inner = alike[:, shortest - 1 : longest + 2]
    peak = (among >= inner[:, :-2]) & (among >= inner[:, 2:])
    good = peak & (among >= np.maximum(0.9 * among.max(1, keepdims=True), VOICED))
    lag = good.argmax(1) + shortest
    rows = np.arange(len(alike))
    a, b, c = (alike[rows, lag + step] for step in (-1, 0, 1))
    curve = np.minimum(a - 2 * b + c, -1e-9)
    bend = np.clip((a - c) / (2 * curve), -0.5, 0.5)
    cents = 1200 * np.log2(SAMPLE_RATE / (lag + bend) / 55)
    quiet = np.sqrt((frames**2).mean(1)) < 1e-3
    return np.where(good.any(1) & ~quiet, cents, np.nan)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return (first, one past the last) of each run of what is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
