"""What happens to speech on its way: encoders, telephones, noise, rooms; alike for a group."""

from __future__ import annotations

import zlib

import numpy as np
from scipy import signal

from detector.perturbation import sounds
from detector.perturbation.conditions import Condition
from detector.perturbation.sounds import Generator, SoundChange, encoded, noisy, room
from research.voice.clips import SAMPLE_RATE, SAMPLES, Clip

CONDITIONS: dict[str, SoundChange] = {
    "MP3 32 kbit/s": sounds.change(Condition("mp3", 32)),
    "8 kHz telephone": sounds.change(Condition("phone")),
    "Opus 16 kbit/s": sounds.change(Condition("opus", 16)),
    "noise 10 dB": sounds.change(Condition("snr", 10)),
    "room": sounds.change(Condition("room")),
}
"""What the card tells of, as robustness trials do it."""

ENCODERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("libmp3lame", "mp3", (24_000, 32_000, 48_000)),
    ("libopus", "ogg", (12_000, 16_000, 24_000)),
    ("aac", "adts", (24_000, 32_000, 48_000)),
)


def degraded(x: np.ndarray, rng: Generator) -> np.ndarray:
    """Return float64 [m] of speech as a path at random leaves it."""
    if rng.random() < 0.5:
        x = signal.resample_poly(x, 100, int(rng.choice([94, 96, 98, 102, 104, 106])))[:SAMPLES]
    if rng.random() < 0.35:
        tail = rng.standard_normal(int(rng.uniform(0.15, 0.6) * SAMPLE_RATE))
        x = room(x, tail, rng.uniform(2, 8))
    if rng.random() < 0.5:
        noise, color = rng.standard_normal(len(x)), rng.uniform(-0.5, 0.98)
        x = noisy(x, noise, rng.uniform(8, 35), color)
    if rng.random() < 0.4:
        x = signal.lfilter([1, rng.uniform(-0.4, 0.4)], [1], x)
    x = x / (np.abs(x).max() + 1e-9) * rng.uniform(0.3, 0.95)
    path = int(rng.integers(0, 9))
    if path < len(ENCODERS):
        codec, container, rates = ENCODERS[path]
        return encoded(x, codec, container, int(rng.choice(rates)))
    if path == 3:
        return encoded(x, "pcm_mulaw", "wav", rate=8_000)
    if path == 4:
        low = signal.butter(8, rng.uniform(3_200, 7_200), fs=SAMPLE_RATE, output="sos")
        return np.asarray(signal.sosfilt(low, x))
    if path == 5:
        return encoded(x, "libmp3lame", "mp3", 32_000)
    if path == 6:
        band = signal.butter(4, [300, 3_400], "bandpass", fs=SAMPLE_RATE, output="sos")
        return np.asarray(signal.sosfilt(band, x))
    return x


def generator(clip: Clip, version: int) -> Generator:
    """Return the chance of one version of a clip: the same for all of its group."""
    return np.random.default_rng([zlib.crc32(clip.group.encode()), version])


def packed(x: np.ndarray) -> np.ndarray:
    """Return int16 [m], m at most 64,000, at one loudness."""
    x = x[:SAMPLES] / max(float(np.abs(x).max(initial=0)), 1e-4) * 0.9
    scaled: np.ndarray = (np.clip(x, -1, 1) * 32_767).astype(np.int16)
    return scaled
