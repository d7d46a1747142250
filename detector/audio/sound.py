"""Reading sound, of a recording or of a video: mono samples in blocks, from the confined readers.

What comes out is float32 at 16 kHz in -1..1, resampled once; memory does not grow with the length.
Of long recordings evenly spread stretches are heard (`stretches`).
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from threading import Event

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from detector.errors import Canceled, MediaError
from detector.isolation import Frame, stream_isolated
from detector.media import open_media
from detector.media.container import RESTARTING, clock_origin, demuxer, packets, seek, sound_stream
from detector.sentences import _

SAMPLE_RATE = 16_000  # Hz; what every voice model here was trained on
BLOCK = 3 * 8_000
"""Samples of a block, 1.5 s: a multiple of three, since the readers' shared memory holds pixels of
three bytes, and three samples are two of them."""
LONGEST = 1_800.0  # s that are heard of one recording; of a longer one, stretches
STRETCH = 30.0  # s of each of these
GAP = 0.1  # s that a frame may come late before silence is put in its place: containers round
DAMAGED = _("The sound is damaged: what could be decoded was heard.")

Span = tuple[float, float]  # Start and end, s


@dataclass(frozen=True)
class SoundBlock:
    """Consecutive samples."""

    start: float  # s from the beginning of the picture, or of the sound where there is none
    samples: np.ndarray  # float32 [n], mono, 16 kHz, -1..1

    @property
    def end(self) -> float:
        """When the next one begins, s."""
        return self.start + len(self.samples) / SAMPLE_RATE


def stretches(start: float, end: float) -> list[Span]:
    """Return what is heard of a part: all of it, or evenly spread stretches of 30 s."""
    if end - start <= LONGEST:
        return [(start, end)]
    count = round(LONGEST / STRETCH)
    step = (end - start - STRETCH) / (count - 1)
    return [(start + i * step, start + i * step + STRETCH) for i in range(count)]


def read(
    path: str | os.PathLike[str],
    spans: Sequence[Span],
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[SoundBlock]:
    """Stream the first sound stream of a file within ascending `spans`, s, each beginning with a
    block of its own; `notes` gets a sentence where it is damaged. Raise MediaError where there is
    no sound (`no_sound`) or none that can be decoded; Canceled."""
    most = sum(math.ceil((end - start) * SAMPLE_RATE / BLOCK) + 2 for start, end in spans)
    frames = stream_isolated(
        _read, path, tuple(spans), size=(BLOCK * 2 // 3, 1), count=most, notes=notes, cancel=cancel
    )
    for frame in frames:
        samples = frame.rgb.reshape(-1).view("<i2").astype(np.float32) / 32_768
        yield SoundBlock(frame.time, samples)


def _read(
    path: str | os.PathLike[str],
    spans: Sequence[Span],
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """Yield the blocks as pictures one row high, for the readers' shared memory."""
    with open_media(path) as container:
        stream = sound_stream(container)
        if stream is None:
            raise MediaError("There is no sound in this file.", code="no_sound")
        reader = _Reader(container, stream, notes, cancel)
        index = 0
        for span in spans:
            for at, block in _blocks(reader.pieces(span)):
                yield Frame(index, at, block.view(np.uint8).reshape(1, -1, 3))
                index += 1
        if not index:
            raise MediaError("The sound of this file can't be decoded.", code="undecodable")


class _Reader:
    """One stream's samples, on the clock of the file's picture."""

    def __init__(
        self, container: InputContainer, stream: AudioStream, notes: list[str], cancel: Event | None
    ) -> None:
        self._container, self._stream = container, stream
        self._notes, self._cancel = notes, cancel
        self._origin = clock_origin(container)
        # Where times are no places, one pass goes through all spans.
        self._pass = self._frames() if demuxer(container) in RESTARTING else None

    def pieces(self, span: Span) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (start, int16 [n]) of one span, without holes: what is missing is silence."""
        start, end = span
        if start > 0 and self._pass is None:
            ticks = int((start + self._origin) / float(self._stream.time_base or 1))
            seek(self._container, self._stream, ticks)
            self._stream.codec_context.flush_buffers()
        mono = Mono()
        at: float | None = None
        for frame in self._pass or self._frames():
            time = at if frame.time is None else frame.time - self._origin
            if time is None or time > end:
                break
            samples = mono(frame)
            if at is None:
                at = time
            elif time - at > GAP:
                yield at, np.zeros(round((min(time, end) - at) * SAMPLE_RATE), np.int16)
                at = time
            first = max(0, math.ceil((start - at) * SAMPLE_RATE))
            last = max(0, math.floor((end - at) * SAMPLE_RATE))
            if first < min(last, len(samples)):
                yield at + first / SAMPLE_RATE, samples[first:last]
            at += len(samples) / SAMPLE_RATE
            if at >= end:
                return

    def _frames(self) -> Iterator[AudioFrame]:
        """Decode on past errors."""
        demuxed = packets(self._container, self._stream, lambda _: self._damaged())
        for packet in chain(demuxed, [None]):  # at the end, what the decoder held back
            if self._cancel is not None and self._cancel.is_set():
                raise Canceled()
            try:
                yield from self._stream.codec_context.decode(packet)
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, ValueError):
                self._damaged()

    def _damaged(self) -> None:
        if DAMAGED not in self._notes:
            self._notes.append(DAMAGED)


class Mono:
    """Frames of one stream, of any format, rate and number of channels -> int16 [n], mono,
    16 kHz. A frame loses its time."""

    def __init__(self) -> None:
        self._format: tuple[str, str, int] | None = None

    def __call__(self, frame: AudioFrame) -> np.ndarray:
        format = frame.format.name, frame.layout.name, frame.sample_rate
        if format != self._format:  # at first, and where files of two formats were joined
            self._format = format
            # Interleaved first: PyAV reads past the end where each of eight channels has its plane.
            self._interleave = AudioResampler("flt")
            self._resample = AudioResampler("s16", "mono", SAMPLE_RATE)
        frame.pts = None
        whole = frame.format.name[:3] not in ("flt", "dbl")
        frames = [frame] if whole else map(_cleaned, self._interleave.resample(frame))
        parts = [
            part.to_ndarray().reshape(-1) for one in frames for part in self._resample.resample(one)
        ]
        return np.concatenate(parts).astype(np.int16) if parts else np.zeros(0, np.int16)


def _cleaned(frame: AudioFrame) -> AudioFrame:
    """Put silence for what is no number: floats hold it, integers don't."""
    values = np.nan_to_num(frame.to_ndarray(), nan=0.0, posinf=1.0, neginf=-1.0)
    clean = AudioFrame.from_ndarray(values.astype(np.float32), "flt", frame.layout.name)
    clean.sample_rate = frame.sample_rate
    return clean


def _blocks(pieces: Iterator[tuple[float, np.ndarray]]) -> Iterator[tuple[float, np.ndarray]]:
    """Cut pieces of any length into blocks; the last one is filled up to a multiple of three."""
    waiting: list[np.ndarray] = []
    begun, held = 0.0, 0
    for at, piece in pieces:
        begun = begun if held else at
        waiting.append(piece)
        held += len(piece)
        while held >= BLOCK:
            joined = np.concatenate(waiting)
            yield begun, np.ascontiguousarray(joined[:BLOCK])
            waiting, held, begun = [joined[BLOCK:]], held - BLOCK, begun + BLOCK / SAMPLE_RATE
    if held:
        joined = np.concatenate(waiting)
        yield begun, np.pad(joined, (0, -len(joined) % 3))
