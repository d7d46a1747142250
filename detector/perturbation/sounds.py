"""A sound under worse conditions: what a messenger, a telephone or a room does to a voice.

The same that the card of our model of voices was measured under (`lab.training.voice` takes
them from here). Samples are float64 [n], mono, 16 kHz, -1..1.
"""

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
TAIL = 6_400  # samples until the echo of the room is 60 dB down, 0.4 s
DIRECT = 4.0  # Of the sound that comes straight, beside an echo that begins at one


def change(condition: Condition) -> SoundChange:
    """Return what happens to samples: float64 [n] and chance -> float64 [n]."""
    kind, level = condition.kind, condition.level
    if kind == "mp3":
        return lambda x, _: encoded(x, "libmp3lame", "mp3", round(level * 1000))
    if kind == "opus":
        return lambda x, _: encoded(x, "libopus", "ogg", round(level * 1000))
    if kind == "phone":
        return lambda x, _: encoded(x, "pcm_mulaw", "wav", rate=TELEPHONE)
    if kind == "snr":
        return lambda x, chance: noisy(x, chance.standard_normal(len(x)), level)
    if kind == "room":
        return lambda x, chance: room(x, chance.standard_normal(TAIL), DIRECT)
    if kind == "quiet":
        return lambda x, _: x * 10 ** (-level / 20)
    return lambda x, _: x


def generator(name: str) -> Generator:
    """Return the chance of a file: the same each time for the same name."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def apply(
    path: Path,
    condition: Condition,
    folder: Path,
    *,
    part: tuple[float, float | None] = (0.0, None),
    cancel: Event | None = None,
) -> Path:
    """Write what a condition leaves of a recording, or of the sound of a clip, as WAV: of the
    `part` (start, end), s, at most half an hour. Raise MediaError without a readable sound;
    Canceled."""
    start, end = part
    last = math.inf if end is None else end
    last = min(last, media.probe(path).duration or math.inf, start + sound.LONGEST)
    blocks = [b.samples for b in sound.read(path, [(start, last)], notes=[], cancel=cancel)]
    if not blocks:
        raise MediaError(_("There is no sound in this part."), code="no_sound")
    changed = change(condition)(np.concatenate(blocks).astype(np.float64), generator(path.name))
    return write(folder / f"{path.stem}-{condition.name}.wav", changed)


def write(path: Path, samples: np.ndarray) -> Path:
    """Write samples as WAV of 16 bits, quieter where they don't fit into -1..1."""
    samples = samples / max(1.0, float(np.abs(samples).max(initial=0.0)))
    path.write_bytes(_encode(samples, "pcm_s16le", "wav", 0, SAMPLE_RATE).getvalue())
    return path


def encoded(
    x: np.ndarray, codec: str, container: str, bits: int = 0, rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Return float64 [n] after an encoder of `bits` a second at `rate` Hz and back."""
    from scipy import signal  # half a second, and most files are pictures

    y = x if rate == SAMPLE_RATE else signal.resample_poly(x, rate, SAMPLE_RATE)
    z = decoded(_encode(y, codec, container, bits, rate))[: len(x)]
    return np.pad(z, (0, len(x) - len(z)))


def _encode(x: np.ndarray, codec: str, container: str, bits: int, rate: int) -> io.BytesIO:
    """Return a file with these samples."""
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
    """Return the samples of a file or stream that we wrote ourselves, or trust."""
    parts: list[np.ndarray] = []
    with cast(InputContainer, av.open(source)) as container:
        resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        for frame in [*container.decode(audio=0), None]:
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts or [np.zeros(0)]).astype(np.float64)


def room(x: np.ndarray, tail: np.ndarray, direct: float) -> np.ndarray:
    """Return `x` in a room: a direct sound, then noise (`tail`) that decays by 60 dB."""
    from scipy import signal

    n = len(tail)
    response = tail * np.exp(-6.9 * np.arange(n) / n)
    response[0] = direct
    return signal.fftconvolve(x, response / np.linalg.norm(response))[: len(x)]


def noisy(x: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """Return `x` with noise `snr` dB below it."""
    power = (np.mean(x**2) + 1e-9) / 10 ** (snr / 10)
    return x + noise * np.sqrt(power / np.mean(noise**2))
