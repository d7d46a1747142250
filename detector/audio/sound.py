"""Audio decoding in sandboxed workers: blocks of mono samples of a recording or a video.

Output is float32 at 16 kHz in -1..1, resampled once; memory does not grow with the duration. Of
long recordings evenly spaced segments are analyzed (`stretches`)."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from threading import Event
from typing import cast

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.plane import AudioPlane
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer

from detector.errors import Canceled, MediaError
from detector.isolation import Frame, run_isolated, stream_isolated
from detector.media import open_media
from detector.media.container import RESTARTING, clock_origin, demuxer, packets, seek, sound_streams
from detector.media.files import open_file
from detector.schema.media import SoundSource
from detector.sentences import _

SAMPLE_RATE = 16_000  # Hz, of all voice models' training data
BLOCK = 3 * 8_000
"""Samples of a block, 1.5 s: a multiple of three, since the workers' shared memory holds pixels of
three bytes, two for each three samples."""
LONGEST = 1_800.0  # s that are heard of one recording; of a longer one, stretches
STRETCH = 30.0  # s of each of these
MARGIN = 5.0  # s about speech that are heard, so that its pauses can be measured
GAP = 0.1  # s that a frame may be late before silence is inserted: containers round
DAMAGED = _("The sound is damaged: only what could be decoded was analyzed.")

MOST_CHANNELS = 64
DOWNMIX = {"FC": 1.0, "LFE": 0.0, "LFE2": 0.0}
DOWNMIX |= dict.fromkeys(("FL", "FR", "FLC", "FRC", "BC"), 0.7071)
DOWNMIX |= dict.fromkeys(("BL", "BR", "SL", "SR"), 0.5)
"""How loud a channel of a layout is in the mix of all: ITU-R BS.775, as FFmpeg and players do."""
CLIPPED_AT = {"u8": 128.0, "s16": 32_768.0, "s32": 2.0**31, "s64": 2.0**63, "flt": 1.0, "dbl": 1.0}
"""Full scale of a sample format."""
LOUDEST = 1e12
"""of full scale: larger samples are damage, infinite, or overflow float32 when squared. Clipped
there, a cloned voice became a square wave, and "probably real"."""

Span = tuple[float, float]  # Start and end, s


@dataclass(frozen=True)
class SoundBlock:
    """Consecutive samples."""

    start: float  # s from the beginning of the picture, or of the sound without one
    samples: np.ndarray  # float32 [n], mono, 16 kHz, -1..1

    @property
    def end(self) -> float:
        """Return when the next one begins, s."""
        return self.start + len(self.samples) / SAMPLE_RATE


def stretches(start: float, end: float) -> list[Span]:
    """Return the sound of a part: all of it, or evenly spread stretches of 30 s."""
    if end - start <= LONGEST:
        return [(start, end)]
    count = round(LONGEST / STRETCH)
    step = (end - start - STRETCH) / (count - 1)
    return [(start + i * step, start + i * step + STRETCH) for i in range(count)]


def around(spoken: Sequence[Span], start: float, end: float) -> list[Span]:
    """Return the sound about spans of speech, s, joined and widened, at most `LONGEST` of it."""
    found: list[list[float]] = []
    left = LONGEST
    for first, last in spoken:
        first, last = max(start, first - MARGIN), min(end, last + MARGIN)
        if found and first <= found[-1][1]:
            found[-1][1] = max(last, found[-1][1])
        else:
            found.append([first, last])
    spans: list[Span] = []
    for first, last in found:
        last = min(last, first + left)
        if last > first:
            spans.append((first, last))
            left -= last - first
    return spans


def read(
    path: str | os.PathLike[str],
    spans: Sequence[Span],
    *,
    notes: list[str],
    cancel: Event | None = None,
    source: SoundSource | None = None,
) -> Iterator[SoundBlock]:
    """Stream the analyzed sound of a file (`source`; by default the mix of its first sound) within
    ascending `spans`, s, each of which begins a new block; `notes` receives a sentence about
    damage. Raise MediaError for no sound (`no_sound`) or none that can be decoded; Canceled."""
    source = source or SoundSource()
    arguments = (_read, path, tuple(spans), source.track, source.channel, source.gain)
    for at, block in _streamed(*arguments, rows=1, notes=notes, cancel=cancel):
        yield SoundBlock(at, block[0].astype(np.float32) / 32_768)


def read_channels(
    path: str | os.PathLike[str],
    spans: Sequence[Span],
    track: int,
    channels: int,
    *,
    cancel: Event | None = None,
) -> Iterator[tuple[float, np.ndarray]]:
    """Stream the mix and each of `channels` of a file's `track`: start, s, and float32 [1 +
    channels, n] at 16 kHz, not limited to -1..1. Raise as `read`."""
    arguments = (_read_channels, path, tuple(spans), track, channels)
    rows = 1 + channels
    for at, block in _streamed(*arguments, rows=2 * rows, notes=[], cancel=cancel):
        yield at, np.ascontiguousarray(block).reshape(-1).view(np.float32).reshape(rows, -1)


def tracks(path: str | os.PathLike[str], *, cancel: Event | None = None) -> list[tuple[int, int]]:
    """Return the sounds of a file that can be decoded, the one that players choose first: the
    number in the file, from 1, and how many channels."""
    found: list[tuple[int, int]] = run_isolated(
        _tracks, path, returns=list[tuple[int, int]], cancel=cancel
    )
    return found


def _tracks(path: str | os.PathLike[str], cancel: Event | None = None) -> list[tuple[int, int]]:
    with open_media(path) as container:
        numbers = {stream.index: n for n, stream in enumerate(container.streams.audio, 1)}
        return [
            (numbers[stream.index], stream.codec_context.channels)
            for stream in sound_streams(container)
        ]


def _streamed(
    function: Callable[..., Iterator[Frame]],
    path: str | os.PathLike[str],
    spans: Sequence[Span],
    *arguments: object,
    rows: int,
    notes: list[str],
    cancel: Event | None,
) -> Iterator[tuple[float, np.ndarray]]:
    """Stream a worker's blocks, transferred as pictures: start, s, and int16 [rows, n]."""
    most = sum(math.ceil((end - start) * SAMPLE_RATE / BLOCK) + 2 for start, end in spans)
    frames = stream_isolated(
        function, path, spans, *arguments, size=(BLOCK * 2 // 3, rows), count=most, notes=notes,
        cancel=cancel,
    )  # fmt: skip
    for frame in frames:
        yield frame.time, frame.rgb.reshape(rows, -1).view("<i2")


def _read(
    path: str | os.PathLike[str],
    spans: Sequence[Span],
    track: int,
    channel: int | None,
    gain: float,
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """Yield the blocks as pictures one row high, for the workers' shared memory."""

    def heard() -> Mono:
        return Mono(channel, gain)

    decoded = _decoded(path, spans, track, heard, notes, cancel)
    for index, (at, block) in enumerate(decoded):
        yield Frame(index, at, _limited(block).view(np.uint8).reshape(1, -1, 3))


def _read_channels(
    path: str | os.PathLike[str],
    spans: Sequence[Span],
    track: int,
    channels: int,
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """Yield the blocks as pictures, two rows for each row of floats."""

    def heard() -> Channels:
        return Channels(channels)

    decoded = _decoded(path, spans, track, heard, notes, cancel)
    for index, (at, block) in enumerate(decoded):
        data = np.ascontiguousarray(block, np.float32)
        yield Frame(index, at, data.view(np.uint8).reshape(2 * (1 + channels), -1, 3))


def _decoded(
    path: str | os.PathLike[str],
    spans: Sequence[Span],
    track: int,
    heard: Callable[[], "Channels"],
    notes: list[str],
    cancel: Event | None,
) -> Iterator[tuple[float, np.ndarray]]:
    with open_media(path) as container:
        streams = sound_streams(container)
        if not streams:
            raise MediaError(_("There is no sound in this file."), code="no_sound")
        stream = streams[min(track, len(streams) - 1)]
        decoder = _big_endian(path, stream) or stream.codec_context
        reader = _Reader(container, stream, decoder, heard, notes, cancel)
        empty = True
        for span in spans:
            for at, block in _blocks(reader.pieces(span)):
                empty = False
                yield at, block
        if empty:
            raise MediaError(_("The sound of this file can't be decoded."), code="undecodable")


def _big_endian(path: str | os.PathLike[str], stream: AudioStream) -> AudioCodecContext | None:
    """Return the decoder of a RIFX file, which libav reads as little-endian; else None."""
    with open_file(path) as file:
        head = file.read(12)
    told = stream.codec_context
    name = told.codec.canonical_name
    if (head[:4], head[8:]) != (b"RIFX", b"WAVE") or not name.endswith("le"):
        return None
    decoder = cast(AudioCodecContext, CodecContext.create(f"{name[:-2]}be", "r"))
    decoder.sample_rate, decoder.layout = told.sample_rate, told.layout
    return decoder


def _limited(block: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(block * 32_768), -32_768, 32_767).astype("<i2")


class _Reader:
    """Decoder of one stream's samples, on the clock of the file's picture."""

    def __init__(
        self,
        container: InputContainer,
        stream: AudioStream,
        decoder: AudioCodecContext,
        heard: Callable[[], "Channels"],
        notes: list[str],
        cancel: Event | None,
    ) -> None:
        self._container, self._stream = container, stream
        self._decoder, self._heard = decoder, heard
        self._notes, self._cancel = notes, cancel
        self._origin = clock_origin(container)
        # Without seeking, one pass serves all spans.
        self._pass = self._frames() if demuxer(container) in RESTARTING else None

    def pieces(self, span: Span) -> Iterator[tuple[float, np.ndarray]]:
        """Yield (start, float32 [rows, n]) of one span; gaps are filled with silence."""
        start, end = span
        if start > 0 and self._pass is None:
            ticks = int((start + self._origin) / float(self._stream.time_base or 1))
            seek(self._container, self._stream, ticks)
            self._decoder.flush_buffers()
        heard = self._heard()
        at: float | None = None
        for frame in self._pass or self._frames():
            time = at if frame.time is None else frame.time - self._origin
            if time is None or time > end:
                break
            samples = heard(frame)
            if at is None:
                at = time
            elif time - at > GAP:
                missing = round((min(time, end) - at) * SAMPLE_RATE)
                yield at, np.zeros((len(samples), missing), np.float32)
                at = time
            first = max(0, math.ceil((start - at) * SAMPLE_RATE))
            last = max(0, math.floor((end - at) * SAMPLE_RATE))
            if first < min(last, samples.shape[1]):
                yield at + first / SAMPLE_RATE, samples[:, first:last]
            at += samples.shape[1] / SAMPLE_RATE
            if at >= end:
                return

    def _frames(self) -> Iterator[AudioFrame]:
        """Decode on past errors."""
        demuxed = packets(self._container, self._stream, lambda _: self._damaged())
        for packet in chain(demuxed, [None]):  # None flushes the decoder
            if self._cancel is not None and self._cancel.is_set():
                raise Canceled()
            try:
                yield from self._decoder.decode(packet)
            except av.error.EOFError:
                return
            except (av.error.FFmpegError, ValueError):
                self._damaged()

    def _damaged(self) -> None:
        if DAMAGED not in self._notes:
            self._notes.append(DAMAGED)


class Channels:
    """Frames of one stream, of any format, rate and layout -> float32 [1 + channels, n] at 16 kHz:
    the mix, then each channel; one that a frame lacks is silent, and a frame of one is all."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._rate = 0

    def __call__(self, frame: AudioFrame) -> np.ndarray:
        rows = self.rows(planes(frame), frame.layout)
        if frame.sample_rate != self._rate:  # at first, and if files were concatenated
            self._rate = frame.sample_rate
            # Mono each: there is no layout for any number of channels.
            self._resamplers = [AudioResampler("flt", "mono", SAMPLE_RATE) for _ in rows]
        heard = [_resampled(*both, self._rate) for both in zip(self._resamplers, rows, strict=True)]
        return np.stack(heard)

    def rows(self, channels: np.ndarray, layout: AudioLayout) -> np.ndarray:
        """Return the analyzed mix of a frame's channels: float32 [channels, n] -> [rows, n]."""
        mix = weights(layout) @ channels
        if len(channels) == 1:  # mono after stereo: players give it to all of them
            channels = np.repeat(channels, self._channels, axis=0)
        missing = max(0, self._channels - len(channels))
        return np.pad(np.vstack([mix, channels[: self._channels]]), ((0, missing), (0, 0)))


class Mono(Channels):
    """The same as one row: one channel, by default the mix."""

    def __init__(self, channel: int | None = None, gain: float = 1.0) -> None:
        super().__init__(0)
        self._channel, self._gain = channel, gain

    def rows(self, channels: np.ndarray, layout: AudioLayout) -> np.ndarray:
        """Return the analyzed mix of a frame's channels: float32 [channels, n] -> [1, n]."""
        if self._channel is not None and self._channel < len(channels):
            heard = channels[self._channel]
        else:
            heard = weights(layout) @ channels
        return (heard * np.float32(self._gain))[None]

    def samples(self, frame: AudioFrame) -> np.ndarray:
        """Return a frame as int16 [n]."""
        return _limited(self(frame))[0]


def planes(frame: AudioFrame) -> np.ndarray:
    """Return a frame's samples, invalid ones as silence: float32 [channels, n] of full scale 1. The
    frame's own `to_ndarray` reads past the end of eight planes."""
    kind = frame.format.name.removesuffix("p")
    count = frame.layout.nb_channels
    type = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}[kind]

    def plane(index: int, length: int) -> np.ndarray:
        stored = cast(bytes, AudioPlane(frame, index))  # its stub hides that it is a buffer
        return np.frombuffer(stored, np.dtype(type), length)

    if frame.format.is_planar:
        stored = np.stack([plane(n, frame.samples) for n in range(count)])
    else:
        stored = plane(0, frame.samples * count).reshape(-1, count).T
    samples: np.ndarray = stored.astype(np.float64 if kind in ("s32", "s64", "dbl") else np.float32)
    if kind == "u8":
        samples = samples - 128
    samples = samples / CLIPPED_AT[kind]
    return np.where(np.abs(samples) <= LOUDEST, samples, 0.0).astype(np.float32)


def weights(layout: AudioLayout) -> np.ndarray:
    """Return the weight of each channel in the mix, float32 [channels], sum 1. Of ambisonics only
    the first channel counts; without a layout all count alike."""
    names = [channel.name for channel in layout.channels]
    if names[0] == "AMBI0":
        loud = np.eye(1, len(names))[0]
    elif all(name in DOWNMIX for name in names) and any(DOWNMIX[name] for name in names):
        loud = np.array([DOWNMIX[name] for name in names])
    else:
        loud = np.ones(len(names))
    return (loud / loud.sum()).astype(np.float32)


def _resampled(resampler: AudioResampler, samples: np.ndarray, rate: int) -> np.ndarray:
    """Return float32 [n] at 16 kHz; the last samples may be returned by the next call."""
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), "flt", "mono")
    frame.sample_rate = rate
    parts = [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _blocks(pieces: Iterator[tuple[float, np.ndarray]]) -> Iterator[tuple[float, np.ndarray]]:
    """Cut pieces [rows, n] of any length into blocks; pads the last to a multiple of three."""
    waiting: list[np.ndarray] = []
    begun, held = 0.0, 0
    for at, piece in pieces:
        begun = begun if held else at
        waiting.append(piece)
        held += piece.shape[1]
        while held >= BLOCK:
            joined = np.concatenate(waiting, axis=1)
            yield begun, np.ascontiguousarray(joined[:, :BLOCK])
            waiting, held, begun = [joined[:, BLOCK:]], held - BLOCK, begun + BLOCK / SAMPLE_RATE
    if held:
        joined = np.concatenate(waiting, axis=1)
        yield begun, np.pad(joined, ((0, 0), (0, -joined.shape[1] % 3)))
