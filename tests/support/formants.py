"""Synthetic speech: a source and filters (Klatt 1980).

Pulses of a larynx go through the resonances of vowels that follow on one another, with breath
between and hiss of s; a detector of speech takes it for speech.
"""

import numpy as np
from scipy import signal

RATE = 16_000
VOWELS = (
    (730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410),
)  # fmt: skip
"""Hz of the first three formants of a, i, u, e, o (Peterson & Barney 1952)."""


def speech(seconds: float, *, pitch: float = 120.0, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Return float32 [n] of someone talking, a word every half second or so, -1..1."""
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    made = 0.0
    while made < seconds:
        for _ in range(rng.integers(2, 4)):
            parts.append(_syllable(rng, pitch, rate))
        parts.append(np.zeros(int(rng.uniform(0.02, 0.1) * rate)))
        made = sum(map(len, parts)) / rate
    out = np.concatenate(parts)[: int(seconds * rate)]
    out += 1e-4 * rng.standard_normal(len(out))
    loud: np.ndarray = 0.5 * out / np.abs(out).max()
    return loud.astype(np.float32)


def _syllable(rng: np.random.Generator, pitch: float, rate: int) -> np.ndarray:
    """Return a consonant of hiss, then a vowel that moves into another."""
    length = int(rng.uniform(0.14, 0.26) * rate)
    t = np.arange(length) / rate
    f0 = pitch * rng.uniform(0.85, 1.25) * (1 + 0.08 * np.cos(np.pi * t / t[-1]))
    phase = np.cumsum(f0) / rate
    pulses = np.diff(np.floor(phase), prepend=0.0)
    source = signal.lfilter([1], [1, -0.96], pulses) + 0.003 * rng.standard_normal(length)
    first, second = rng.integers(0, len(VOWELS), 2)
    ramp = np.linspace(0, 1, length)
    voiced = (1 - ramp) * _resonate(source, VOWELS[first], rate)
    voiced += ramp * _resonate(source, VOWELS[second], rate)
    voiced *= np.sin(np.pi * ramp) ** 0.5
    hiss = signal.lfilter([1, -0.95], [1], rng.standard_normal(int(0.06 * rate)))
    hiss *= 0.06 * np.abs(voiced).max() * np.hanning(len(hiss))
    return np.concatenate([hiss, voiced])


def _resonate(source: np.ndarray, formants: tuple[int, ...], rate: int) -> np.ndarray:
    out = source
    for frequency, width in zip(formants, (80, 100, 140), strict=True):
        radius = np.exp(-np.pi * width / rate)
        poles = [1, -2 * radius * np.cos(2 * np.pi * frequency / rate), radius**2]
        out = signal.lfilter([sum(poles)], poles, out)
    return np.asarray(signal.lfilter([1, -0.9], [1], out))
