"""What happens to speech on its way: encoders, telephones, noise, rooms; alike for a group."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import av
import numpy as np
from scipy import signal

from research.voice.clips import SAMPLE_RATE, SAMPLES, Clip, decode

Generator = np.random.Generator
NYQUIST = SAMPLE_RATE / 2


def encoded(
    x: np.ndarray, codec: str, container: str, bits: int = 0, rate: int = 16_000
) -> np.ndarray:
    """Return float64 [n] that went through an encoder and back.

    Parameters
    ----------
    bits : int
        A second; 0 where the codec has but one.
    rate : int
        Hz at which it is encoded.
    """
    y = x if rate == SAMPLE_RATE else signal.resample_poly(x, rate, SAMPLE_RATE)
    samples = (np.clip(y, -1, 1) * 32_767).astype(np.int16)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        if bits:
            stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    buffer.seek(0)
    z = decode(buffer)[: len(x)]
    return np.pad(z, (0, len(x) - len(z)))


def room(x: np.ndarray, tail: np.ndarray, direct: float) -> np.ndarray:
    """Return `x` in a room: a direct sound, then noise (`tail`) that decays by 60 dB."""
    n = len(tail)
    response = tail * np.exp(-6.9 * np.arange(n) / n)
    response[0] = direct
    y: np.ndarray = signal.fftconvolve(x, response / np.linalg.norm(response))[: len(x)]
    return y


def noisy(x: np.ndarray, noise: np.ndarray, snr: float, color: float = 0.0) -> np.ndarray:
    """Return `x` with noise `snr` dB below it; `color` -1..1 from bright to dull."""
    noise = signal.lfilter([1], [1, -color], noise)
    power = (np.mean(x**2) + 1e-9) / 10 ** (snr / 10)
    return x + noise * np.sqrt(power / np.mean(noise**2))


CONDITIONS: dict[str, Callable[[np.ndarray, Generator], np.ndarray]] = {
    "MP3 32 kbit/s": lambda x, _: encoded(x, "libmp3lame", "mp3", 32_000),
    "8 kHz telephone": lambda x, _: encoded(x, "pcm_mulaw", "wav", rate=8_000),
    "Opus 16 kbit/s": lambda x, _: encoded(x, "libopus", "ogg", 16_000),
    "noise 10 dB": lambda x, rng: noisy(x, rng.standard_normal(len(x)), 10),
    "room": lambda x, rng: room(x, rng.standard_normal(6_400), 4),
}
"""What the card tells of."""

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
