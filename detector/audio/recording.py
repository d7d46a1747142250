"""Recording: analyzed samples, their speech segments, and quality measures for voice scoring."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import cached_property
from threading import Event

import numpy as np

from detector.audio.sound import SAMPLE_RATE, Span, read
from detector.audio.speech import SpeechDetector
from detector.schema.media import SoundSource, SpeechMeasurement

HOP, FRAME = 160, 640  # samples, 10 and 40 ms
PITCHES = (70.0, 500.0)  # Hz, range of a voice's pitch
VOICED = 0.6  # Autocorrelation from which on a frame has a pitch
STEADY = 20.0
"""cents by which a note moves in 0.1 s, at most; a voice that speaks moves by 100 and more."""
NOTE = 20  # frames that a note lasts at least, 0.2 s
VIBRATO = 15  # frames over which the pitch is averaged: nearly a swing of vibrato
LOUD = 10 ** (-50 / 20)  # RMS of audible sound, -50 dB
LONGEST_CRY = 5.0
"""s of sound without speech, at least, for it to be called tones: of an actor's cry of 3 s 89 %
are"""
FLAT = 0.02  # Spectral flatness (0 tones, 1 noise) below which a spectrum is tonal


def sustained_ratio(samples: np.ndarray) -> float | None:
    """Return the fraction of voiced speech (float32 [n], 16 kHz) that holds a pitch for at least
    0.2 s, 0..1; None with less than a second of voiced speech."""
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
    """Return the fraction of loud, tonal seconds (one each quarter of a second) in non-speech
    samples, float32 [n]: 0..1; 0 for less than `LONGEST_CRY`."""
    if len(samples) < LONGEST_CRY * SAMPLE_RATE:
        return 0.0
    seconds = np.lib.stride_tricks.sliding_window_view(samples, SAMPLE_RATE)[:: SAMPLE_RATE // 4]
    loud = np.sqrt(np.mean(seconds**2, axis=1)) >= LOUD
    power = spectrogram(seconds, tukey(1024), 512, centered=True)
    power = power[:, 4:] + 1e-12  # below 60 Hz the mains hum
    flatness = np.exp(np.log(power).mean(1)) / power.mean(1)
    return float(np.mean(loud & (np.median(flatness, axis=1) < FLAT)))


def _pitch(samples: np.ndarray) -> np.ndarray:
    """Return the pitch of each 10 ms in cents over 55 Hz, NaN if unvoiced: float [frames]."""
    if len(samples) < FRAME:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP] * np.hanning(FRAME)
    size = 2 * FRAME
    alike = np.fft.irfft(np.abs(np.fft.rfft(frames, size)) ** 2, size)[:, :FRAME]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(FRAME), size)) ** 2, size)[:FRAME]
    shortest, longest = (round(SAMPLE_RATE / pitch) for pitch in reversed(PITCHES))
    alike = alike[:, : longest + 2] / (window[: longest + 2] / window[0])
    alike = alike / np.maximum(alike[:, :1], 1e-9)
    # The shortest lag nearly as good as the best, which may be twice the period.
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
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def hann(taps: int) -> np.ndarray:
    """Return the periodic window of this name: float [taps]."""
    return np.hanning(taps + 1)[:-1]


def tukey(taps: int) -> np.ndarray:
    """Return the periodic window of this name, a quarter of which is tapered: float [taps]."""
    edge = int(taps / 8)
    rise = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(edge + 1) / (taps / 4))
    return np.concatenate([rise, np.ones(taps - 2 * edge - 1), rise[:0:-1]])


def spectrogram(
    samples: np.ndarray, window: np.ndarray, hop: int, *, centered: bool = False
) -> np.ndarray:
    """Return the one-sided power density, float [..., taps / 2 + 1, frames], of samples [..., n] at
    16 kHz, one frame each `hop`; `centered` subtracts each frame's mean. Equals
    `scipy.signal.spectrogram`, whose import takes two thirds of a second before a first verdict."""
    taps = len(window)
    frames = np.lib.stride_tricks.sliding_window_view(samples, taps, axis=-1)[..., ::hop, :]
    if centered:
        frames = frames - frames.mean(-1, keepdims=True)
    scale = np.sqrt(1 / (SAMPLE_RATE * np.sum(window**2)))
    power = np.abs(np.fft.rfft(frames * (window * scale).astype(frames.dtype))) ** 2
    power[..., 1:-1] *= 2  # the negative frequencies
    return np.swapaxes(power, -1, -2)


MIN_WINDOW = 1.0  # s of speech below which a stretch is not judged
PAUSE = 0.6  # s between two stretches of speech up to which they are one for a model
SILENCE = 1e-4  # RMS of silence, -80 dB
CLIPPED = 0.999
RATED = 60.0  # s of speech, and of pauses, from which quality is measured
LONG_PAUSES = 2 * SAMPLE_RATE  # samples of pauses that suffice to measure the noise
PITCHED = 30 * SAMPLE_RATE  # samples of speech in which the pitch is followed
TAPS = 512  # samples of a frame of the spectrum, 32 ms
FLOOR = 60.0
"""dB below the strongest band at which a band is empty: natural speech keeps the hiss of s and f
above it, encoders and telephones cut far below."""


class Recording:
    """The sound of a file that was analyzed, at most half an hour (`sound.LONGEST`): stretches of
    mono int16 [n] at 16 kHz, each with its start on the file's clock, and the spans of speech, s,
    ascending."""

    def __init__(
        self, stretches: Sequence[tuple[float, np.ndarray]], speech: Sequence[Span]
    ) -> None:
        self.stretches, self.speech = list(stretches), list(speech)

    @classmethod
    def of(
        cls,
        path: str | os.PathLike[str],
        spans: Sequence[Span],
        *,
        notes: list[str],
        cancel: Event | None = None,
        speech: Sequence[Span] | None = None,
        source: SoundSource | None = None,
    ) -> Recording:
        """Read a file (`sound.read`); `speech`: the known speech segments, s."""
        detector = SpeechDetector()
        blocks = read(path, spans, notes=notes, cancel=cancel, source=source)
        runs: list[tuple[float, list[np.ndarray]]] = []
        end = -1.0
        for block in detector.feed(blocks) if speech is None else blocks:
            if not runs or abs(block.start - end) > 1e-3:
                runs.append((block.start, []))
            runs[-1][1].append((block.samples * 32_768).astype(np.int16))
            end = block.end
        spoken = detector.segments() if speech is None else speech
        return cls([(at, np.concatenate(parts)) for at, parts in runs], spoken)

    @property
    def seconds(self) -> float:
        """s of sound that were analyzed."""
        return sum(len(samples) for _, samples in self.stretches) / SAMPLE_RATE

    @property
    def speech_seconds(self) -> float:
        """s of speech."""
        return sum(end - start for start, end in self.speech)

    @property
    def loud(self) -> list[Span]:
        """Spans of sound that is not silent, s: parts of half a second (`LOUD`)."""
        half = SAMPLE_RATE // 2
        found: list[Span] = []
        for at, samples in self.stretches:
            parts = samples[: len(samples) // half * half].reshape(-1, half) / np.float32(32_768)
            heard = np.sqrt(np.mean(parts**2, axis=1)) >= LOUD
            found += [(at + a / 2, at + b / 2) for a, b in _runs(heard)]
        return found

    def samples(self, span: Span) -> np.ndarray:
        """Return the sound in a span of one stretch: float32 [n], -1..1."""
        for at, samples in self.stretches:
            first, last = (round((t - at) * SAMPLE_RATE) for t in span)
            if first < len(samples) and last > 0:
                return samples[max(first, 0) : last].astype(np.float32) / 32_768
        return np.zeros(0, np.float32)

    def windows(self, seconds: float, most: int) -> list[Span]:
        """Return windows of speech for a model, s, of this length, or shorter if less is spoken,
        with the least overlap; at most `most`, evenly spaced."""
        spans: list[Span] = []
        for start, end in self._joined():
            count = max(1, math.ceil((end - start) / seconds - 0.1))
            step = max(end - start - seconds, 0.0) / max(count - 1, 1)
            starts = [start + i * step for i in range(count)]
            spans += [(at, min(at + seconds, end)) for at in starts]
        spans = [span for span in spans if span[1] - span[0] >= MIN_WINDOW]
        chosen = np.linspace(0, len(spans) - 1, min(most, len(spans))).round().astype(int)
        return [spans[i] for i in dict.fromkeys(chosen.tolist())]

    def _joined(self) -> list[Span]:
        """Return speech with the short pauses in it, within one stretch."""
        edges = [(at, at + len(samples) / SAMPLE_RATE) for at, samples in self.stretches]
        joined: list[list[float]] = []
        for start, end in self.speech:
            within = next((b for a, b in edges if a - 1e-3 <= start < b), start)
            if joined and start - joined[-1][1] <= PAUSE and joined[-1][2] == within:
                joined[-1][1] = end
            else:
                joined.append([start, end, within])
        return [(start, end) for start, end, _ in joined]

    @cached_property
    def measured(self) -> SpeechMeasurement:
        """Return facts about the recording; quality figures only if there is speech above
        silence."""
        facts = SpeechMeasurement(
            seconds=round(self.seconds, 3),
            spans=[(round(start, 3), round(end, 3)) for start, end in self.speech],
            music_ratio=round(music_ratio(self._some(self._pauses())), 4),
        )
        speech = self._some(self.speech)
        level = float(np.sqrt(np.mean(speech**2))) if len(speech) else 0.0
        if level < SILENCE or len(speech) < TAPS:
            return facts
        noise = _noise(speech, self._some(self._pauses()))
        # Highest band whose loud frames are within `FLOOR` of the strongest band's.
        loud = np.quantile(spectrogram(speech, hann(TAPS), TAPS), 0.95, axis=1)
        there = np.flatnonzero(loud > loud.max() * 10 ** (-FLOOR / 10))
        sustained = sustained_ratio(speech[:PITCHED])
        rated = {
            "bandwidth_hz": float(there[-1] * SAMPLE_RATE / TAPS),
            "snr": None if noise is None else round(_db(level / max(noise, SILENCE / 10)), 2),
            "clipped": round(float(np.mean(np.abs(speech) >= CLIPPED)), 5),
            "level_dbfs": round(_db(level), 2),
            "sustained_ratio": None if sustained is None else round(sustained, 4),
        }
        return facts.model_copy(update=rated)

    def _some(self, spans: Sequence[Span]) -> np.ndarray:
        """Return the sound in these, float32 [n]; of much, evenly spread parts."""
        total = sum(end - start for start, end in spans)
        share = min(1.0, RATED / total) if total else 1.0
        parts = [self.samples((start, start + (end - start) * share)) for start, end in spans]
        return np.concatenate([*parts, np.zeros(0, np.float32)])

    def _pauses(self) -> list[Span]:
        """Return the spans of sound without speech, s."""
        pauses: list[Span] = []
        for at, samples in self.stretches:
            end = at + len(samples) / SAMPLE_RATE
            for start, stop in [s for s in self.speech if at <= s[0] < end]:
                pauses.append((at, start))
                at = stop
            pauses.append((at, end))
        return [(a, b) for a, b in pauses if b - a > 0.05]


def _noise(speech: np.ndarray, pauses: np.ndarray) -> float | None:
    """Return the RMS of the noise by minimum statistics over short frames (Martin 2001)."""
    if len(pauses) <= SAMPLE_RATE // 5:
        return None
    long = len(pauses) >= LONG_PAUSES
    heard = pauses if long else np.concatenate([speech, pauses])
    power = (heard[: len(heard) // TAPS * TAPS].reshape(-1, TAPS) ** 2).mean(1)
    return float(np.sqrt(np.quantile(power, 0.5 if long else 0.1)))


def _db(ratio: float) -> float:
    return float(20 * np.log10(ratio))


def search_speech(
    path: str | os.PathLike[str],
    span: Span,
    *,
    cancel: Event | None = None,
    source: SoundSource | None = None,
) -> list[Span]:
    """Return the spans of speech in a whole recording, s, of which nothing is stored."""
    detector = SpeechDetector()
    for _block in detector.feed(read(path, [span], notes=[], cancel=cancel, source=source)):
        pass
    return detector.segments()
