"""Corruptions of sounds, as by a messenger, a telephone or a room.

`lab.training.voice` measures the voice model under the same ones. Samples are float64 [n], mono,
16 kHz, -1..1.
"""

import functools
import io
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, cast

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from detector import media
from detector.audio import sound
from detector.audio.sound import SAMPLE_RATE
from detector.errors import MediaError
from detector.perturbation.conditions import Condition
from detector.sentences import _

Generator = np.random.Generator
SoundChange = Callable[[np.ndarray, Generator], np.ndarray]

TELEPHONE = 8_000  # Hz at which a telephone line samples
ROOMS = 12  # different ones to draw from
SPEED = 343.0  # of sound, m/s
NOISES = {"hiss": 0.0, "fan": 1.0, "traffic": 2.0}
"""Spectral exponents of noises: white, pink, brown."""


def change(condition: Condition) -> SoundChange:
    """Return the function of a condition on samples: float64 [n] and a generator -> float64 [n]."""
    kind, level = condition.kind, condition.level
    if kind == "mp3":
        return lambda x, _: encoded(x, "libmp3lame", "mp3", round(level * 1000))
    if kind == "opus":
        return lambda x, _: encoded(x, "libopus", "ogg", round(level * 1000))
    if kind == "phone":
        return lambda x, _: encoded(x, "pcm_mulaw", "wav", rate=TELEPHONE)
    if kind == "snr":
        return lambda x, chance: noisy(x, noise(len(x), chance), level)
    if kind == "room":
        return lambda x, chance: echoed(x, room(int(chance.integers(ROOMS))))
    if kind == "denoise":
        return lambda x, _: denoised(x)
    if kind == "quiet":
        return lambda x, _: x * 10 ** (-level / 20)
    return lambda x, _: x


def generator(name: str) -> Generator:
    """Return a random generator seeded by a file's name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def apply(
    path: Path,
    condition: Condition,
    folder: Path,
    *,
    part: tuple[float, float | None] = (0.0, None),
    cancel: Event | None = None,
) -> Path:
    """Write a recording, or the sound of a clip, under a condition as WAV: the `part` (start, end),
    s, at most half an hour. Raise MediaError without a readable sound; Canceled."""
    start, end = part
    last = math.inf if end is None else end
    last = min(last, media.probe(path).duration or math.inf, start + sound.LONGEST)
    blocks = [b.samples for b in sound.read(path, [(start, last)], notes=[], cancel=cancel)]
    if not blocks:
        raise MediaError(_("There is no sound in this part."), code="no_sound")
    changed = change(condition)(np.concatenate(blocks).astype(np.float64), generator(path.name))
    return write(folder / f"{path.stem}-{condition.name}.wav", changed)


def write(path: Path, samples: np.ndarray) -> Path:
    """Write samples as WAV of 16 bits, scaled down if they exceed -1..1."""
    samples = samples / max(1.0, float(np.abs(samples).max(initial=0.0)))
    path.write_bytes(encode(samples, "pcm_s16le", "wav", 0, SAMPLE_RATE).getvalue())
    return path


def encoded(
    x: np.ndarray, codec: str, container: str, bits: int = 0, rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Encode and decode samples, float64 [n], at `bits` a second and `rate` Hz."""
    from scipy import signal  # takes half a second, and most files are pictures

    y = x if rate == SAMPLE_RATE else signal.resample_poly(x, rate, SAMPLE_RATE)
    z = decoded(encode(y, codec, container, bits, rate))[: len(x)]
    return np.pad(z, (0, len(x) - len(z)))


def encode(x: np.ndarray, codec: str, container: str, bits: int, rate: int) -> io.BytesIO:
    """Return an encoded file of these samples, at `bits` a second if given."""
    samples = (np.clip(x, -1, 1) * 32_767).astype(np.int16)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = cast(AudioStream, out.add_stream(codec, rate=rate, layout="mono"))
        if bits:
            stream.bit_rate = bits
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    buffer.seek(0)
    return buffer


def decoded(source: Any) -> np.ndarray:
    """Decode a trusted file or stream."""
    parts: list[np.ndarray] = []
    with cast(InputContainer, av.open(source)) as container:
        resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        for frame in [*container.decode(audio=0), None]:
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts or [np.zeros(0)]).astype(np.float64)


@functools.cache
def room(number: int) -> np.ndarray:
    """Return the impulse response of one of `ROOMS`, float64 [n] of norm 1, the direct sound first:
    a talker and a microphone in a rectangular room by the image method (Allen and Berkley 1979).

    Rooms are 3 to 8 m long with a reverberation time (60 dB) of 0.2 to 0.9 s; the microphone is 0.4
    to 3 m from the talker."""
    chance = np.random.default_rng(number)
    size = chance.uniform((3.0, 2.5, 2.4), (8.0, 6.0, 3.2))
    decay = chance.uniform(0.15, 0.5)
    talker = chance.uniform(0.2, 0.8, 3) * size
    toward = chance.standard_normal(3)
    away = chance.uniform(0.4, 3.0) * toward / np.linalg.norm(toward)
    microphone = np.clip(talker + away, 0.1 * size, 0.9 * size)
    # Eyring's formula: pressure reflection of a wall.
    walls = 2 * (size[0] * size[1] + size[0] * size[2] + size[1] * size[2])
    given_back = math.exp(-24 * math.log(10) * size.prod() / (SPEED * walls * decay) / 2)
    along = []
    for side, a, b in zip(size, talker, microphone, strict=True):
        farthest = math.ceil(SPEED * decay / side)
        turns = np.arange(-farthest, farthest + 1)
        images = np.concatenate([2 * turns * side + a, 2 * turns * side - a]) - b
        hits = np.concatenate([2 * abs(turns), abs(2 * turns - 1)])
        along.append((images**2, hits))
    (x, of_x), (y, of_y), (z, of_z) = along
    far = np.sqrt(x[:, None, None] + y[:, None] + z).ravel()
    hits = (of_x[:, None, None] + of_y[:, None] + of_z).ravel()
    at = np.round((far - far.min()) / SPEED * SAMPLE_RATE).astype(int)
    near = at < 2 * decay * SAMPLE_RATE
    response = np.bincount(at[near], given_back ** hits[near] / far[near])
    return np.asarray(response / np.linalg.norm(response))


def echoed(x: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return samples in a room."""
    from scipy import signal

    return signal.fftconvolve(x, response)[: len(x)]


def noise(count: int, chance: Generator) -> np.ndarray:
    """Return noise of one of five kinds: one of `NOISES`, mains hum, or the murmur of a crowd, in
    the band and with the modulation of speech."""
    kind = chance.choice([*NOISES, "hum", "murmur"])
    time, frequency = np.arange(count) / SAMPLE_RATE, np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    white = chance.standard_normal(count)
    if kind == "hum":
        mains = chance.choice([50, 60]) * np.arange(1, 16)
        phases = chance.uniform(0, 2 * np.pi, len(mains))
        tones = np.sin(2 * np.pi * np.outer(time, mains) + phases) / np.arange(1, 16)
        return tones.sum(1) + 0.1 * white
    if kind == "murmur":
        level = (frequency > 100) / (1 + (frequency / 500) ** 2)
        slow = np.fft.irfft(np.fft.rfft(chance.standard_normal(count)) * (frequency < 8), count)
        return np.fft.irfft(np.fft.rfft(white) * level, count) * np.exp(slow / (slow.std() + 1e-9))
    level = np.maximum(frequency, 20.0) ** (-NOISES[kind] / 2)
    return np.fft.irfft(np.fft.rfft(white) * level, count)


def denoised(x: np.ndarray) -> np.ndarray:
    """Return samples with their noise reduced by a spectral gate (Boll 1979): each frequency is
    attenuated by up to 25 dB where it is near its own level in pauses."""
    from scipy import ndimage, signal

    _, _, spectrum = signal.stft(x, SAMPLE_RATE, nperseg=512)
    power = ndimage.uniform_filter(np.abs(spectrum) ** 2, (1, 5))
    floor = np.quantile(power, 0.15, axis=1, keepdims=True)
    gain = np.clip(1 - 4 * floor / (power + 1e-12), 10 ** (-25 / 20), 1.0)
    _, y = signal.istft(spectrum * ndimage.uniform_filter(gain, 3), SAMPLE_RATE, nperseg=512)
    return np.asarray(np.pad(y, (0, max(0, len(x) - len(y))))[: len(x)])


def noisy(x: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """Return samples with noise `snr` dB below them."""
    power = (np.mean(x**2) + 1e-9) / 10 ** (snr / 10)
    return x + noise * np.sqrt(power / np.mean(noise**2))
