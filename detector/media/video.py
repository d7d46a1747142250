"""Video decoding at requested times, and of many small scaled pictures."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from threading import Event
from typing import Any, Literal

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame

from detector.errors import Canceled
from detector.isolation import Frame
from detector.media.container import (
    Decoder,
    demuxer,
    open_media,
    packets,
    picture_stream,
    seek,
    undecodable,
    unsmoothed,
)
from detector.media.facts import probe_video
from detector.media.stills import decode_still, probe_still
from detector.media.upright import Upright, shown_size
from detector.schema.analysis import Media
from detector.sentences import _

_EPSILON = 0.0005
"""Half a millisecond: matches times that were rounded to a millisecond."""

_SLACK = 0.1  # Seconds past its end for which the last frame still answers: headers round

_MAX_BUFFERED = 300
"""Maximum packets buffered until it is known whether they are needed; bounds memory in long
GOPs."""

_JUMP = 10.0  # Seconds ahead from which seeking beats reading on

_JUMP_MARGIN = 1.0
"""Seek this much too early: some demuxers seek by decoding time, which runs ahead."""

_ROUNDED = 2  # px by which two frames may differ and have one size: the shown one is rounded

_JUMPABLE = ("mov", "matroska")
"""Demuxers whose seeks always land on a key frame."""


Answer = tuple[int, float, VideoFrame, int]
"""index of the requested time, display time of the frame, s, the frame, and `Frame.last` of it"""


def decode_video(
    path: str | os.PathLike[str],
    media: Media,
    times: Sequence[float],
    *,
    notes: list[str],
    cancel: Event | None = None,
    skip: bool = True,
    beside: bool = False,
) -> Iterator[Frame]:
    """Yield the frames on screen at `times`; see `detector.media.decode`."""
    upright = Upright(media.width, media.height, framed=True)
    found = pictures(path, times, notes=notes, cancel=cancel, skip=skip, beside=beside)
    for index, time, frame, last in found:
        shown = Frame(index, time, upright(frame), last)
        del frame  # before the next one is decoded: they are the most memory that a run takes
        yield shown
        del shown


def pictures(
    path: str | os.PathLike[str],
    times: Sequence[float],
    *,
    notes: list[str],
    cancel: Event | None = None,
    skip: bool = True,
    beside: bool = False,
) -> Iterator[Answer]:
    """Yield decoded frames for ascending times, unconverted. GOPs without a requested time are not
    decoded, and distant ones not read; `skip=False` decodes every frame, with the same result."""
    wanted = deque(enumerate(times))
    given: float | None = None
    tolerant = False
    while True:
        with open_media(path) as container:
            walk = _Walk(container, wanted, given, notes, cancel, skip, tolerant, beside)
            try:
                yield from walk.run()
                return
            except _NoEntry:
                skip = False
            except _Damaged:
                tolerant = True
            given = walk.given


class _NoEntry(Exception):
    """A key frame can't be decoded without those before it, as with intra refresh."""


class _Damaged(Exception):
    """Multithreaded decoding met damage; the rest is decoded on one thread."""


@dataclass
class _Walk:
    """One pass through a video up to the last requested time.

    Packets are buffered until one reaches past the requested time; a key frame before it makes all
    buffered ones unneeded. B-frames are skipped if a later picture is still not after the requested
    time."""

    container: InputContainer
    wanted: deque[tuple[int, float]]
    given: float | None  # time of the last frame that was handed out
    notes: list[str]
    cancel: Event | None
    skip: bool
    tolerant: bool
    beside: bool
    origin: float | None = None
    previous: tuple[float, VideoFrame] | None = None
    floor: float = -math.inf  # time of the key frame that decoding began at
    high: float = -math.inf  # latest time of a packet so far
    end: float = -math.inf  # of the packets so far, on the stream's own clock
    damaged_at: float | None = None  # on the stream's own clock, s
    size: tuple[int, int] | None = None  # of the last frame, as it is shown
    resized: str | None = None  # the current frame size, if it changed
    ahead: list[float] = field(default_factory=list)  # of packets after the last answer, times
    spared: bool = False

    def __post_init__(self) -> None:
        self.stream = picture_stream(self.container)
        self.decoder = Decoder(
            self.container, self.stream, tolerant=self.tolerant, beside=self.beside
        )
        # AVI knows only decoding times, so a jump into a stream with reordered frames can't be
        # placed exactly: there, everything is decoded.
        self.skip = self.skip and not self.decoder.reordered
        self.jump = self.skip and demuxer(self.container) in _JUMPABLE

    @property
    def start(self) -> float:
        """Return the time of the first picture on the stream's clock, s; 0 until it is known."""
        return self.origin or 0.0

    @property
    def target(self) -> float:
        return self.wanted[0][1] + _EPSILON + self.start

    def run(self) -> Iterator[Answer]:
        """Yield the answers in order, then add notes on damage."""
        yield from self._answers()
        if self.resized is not None and self.resized not in self.notes:
            self.notes.append(self.resized)
        if self.damaged_at is not None and not self.wanted:
            shown = max(0.0, self.damaged_at - self.start)
            text = _("The video is damaged near {shown} s; we used what could be decoded.")
            self.notes.append(text.format(shown=f"{shown:.1f}"))

    def _answers(self) -> Iterator[Answer]:
        buffered: deque[Packet[Any]] = deque()
        reach = -math.inf  # latest time among the buffered packets
        left: float | None = None  # origin of a jump, until it lands on a key frame
        source = self._read()
        while self.wanted:
            self._check()
            packet = next(source, None)
            if packet is None:
                if left is None:
                    break
                source, left = self._rewind(), None
                continue
            time = self.decoder.time_of(packet)
            if packet.is_keyframe and self.origin is not None and time is not None:
                if left is not None:
                    if time > self.target:
                        source, left = self._rewind(), None
                        continue
                    # Landed before the position: long GOPs, or false timestamps.
                    self.jump = time > left
                    left = None
                if self._restarts_at(time):
                    buffered.clear()
                    self.ahead.clear()
                    reach = -math.inf
            if left is not None:
                continue
            buffered.append(packet)
            if time is not None:
                self.ahead.append(time)
            reach = max(reach, math.inf if time is None else time)
            if time is not None:
                self.end = max(self.end, time + self.decoder.length_of(packet))
            full = len(buffered) >= _MAX_BUFFERED or not self.skip
            while buffered and (full or self.origin is None or reach > self.target):
                yield from self._feed(buffered.popleft())
                if not self.wanted:
                    return
            if time is not None:
                self.high = max(self.high, time)
            if self.jump and self.origin is not None and self.target - self.high > _JUMP:
                buffered.clear()
                reach, left = -math.inf, self.high
                source = self._seek(self.target - _JUMP_MARGIN)
        yield from self._drain(buffered)

    def _drain(self, buffered: deque[Packet[Any]]) -> Iterator[Answer]:
        for packet in (*buffered, None):
            yield from self._feed(packet)
            if not self.wanted:
                return
        yield from self._finish()

    def _restarts_at(self, time: float) -> bool:
        """Return True if a key frame makes all before it unneeded, and reset the decoder."""
        if not self.skip or time > self.target:
            return False
        self.decoder.flush()
        self.previous, self.floor = None, time
        return True

    def _feed(self, packet: Packet[Any] | None) -> Iterator[Answer]:
        self._check()
        spare = False  # its picture answers no requested time
        if packet is not None and self.skip and not self.tolerant and self.origin is not None:
            time, target = self.decoder.time_of(packet), self.target
            spare = time is not None and any(time < other <= target for other in self.ahead)
        self.spared = self.spared or spare
        self.decoder.context.skip_frame = "NONREF" if spare else "DEFAULT"
        try:
            frames = self.decoder.decode(packet)
        except av.error.FFmpegError as error:
            if not self.tolerant:
                raise _Damaged() from error
            self._damage(None if packet is None else self.decoder.time_of(packet))
            return
        for clock, frame in frames:
            yield from self._take(clock, frame)

    def _take(self, clock: float, frame: VideoFrame) -> Iterator[Answer]:
        if frame.is_corrupt:
            if not self.tolerant:
                raise _Damaged()
            self._damage(clock)
            return
        if clock < self.floor - _EPSILON:
            return  # leading pictures of a key frame: they reference skipped ones
        entered = self.previous is None and math.isfinite(self.floor)
        if entered and clock > self.floor + _EPSILON:
            raise _NoEntry()
        if self.origin is None:
            self.origin = clock
        time = clock - self.origin
        size = shown_size(frame)
        before = self.size or size
        changes = max(abs(size[0] - before[0]), abs(size[1] - before[1])) > _ROUNDED
        if changes and self.resized is None:
            self.resized = _(
                "The size of the picture changes from {size} × {size_} to "
                "{size__} × {size___} pixels near {time} s; each was judged in its own "
                "proportions."
            ).format(
                size=before[0], size_=before[1], size__=size[0], size___=size[1], time=f"{time:.1f}"
            )
        self.size = size
        if self.previous is not None and time <= self.previous[0]:
            return
        shown, self.previous = self.previous or (time, frame), (time, frame)
        yield from self._answers_until(time - _EPSILON, *shown)

    def _answers_until(self, end: float, time: float, frame: VideoFrame) -> Iterator[Answer]:
        shown = [index for index, _time in takewhile(lambda one: one[1] < end, self.wanted)]
        for _index in shown:
            yield from self._answer(time, frame, shown[-1])

    def _answer(self, time: float, frame: VideoFrame, last: int) -> Iterator[Answer]:
        """Answer the next requested time, unless its frame was already yielded."""
        target, shown = self.target, time + self.start + _EPSILON
        if self.spared and any(shown < other <= target for other in self.ahead):
            # Without the pictures that were left out the decoder took the order for another.
            raise _Damaged()
        self.ahead = [other for other in self.ahead if other > target]
        index, _ = self.wanted.popleft()
        if time != self.given:
            self.given = time
            yield index, time, frame, last

    def _finish(self) -> Iterator[Answer]:
        """Answer the times within the last frame's duration, then end the stream."""
        if self.previous is None and math.isfinite(self.floor):
            raise _NoEntry()
        if self.previous is None and self.given is None:
            raise undecodable()
        last = self.previous
        reached = max(self.end - self.start, 0.0 if last is None else last[0])
        if last is not None:
            yield from self._answers_until(reached + _SLACK, *last)
        if self.wanted:
            text = _("The video stops after {reached} s: the rest is missing or damaged.")
            self.notes.append(text.format(reached=f"{reached:.1f}"))

    def _check(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise Canceled()

    def _read(self) -> Iterator[Packet[Any]]:
        for packet in packets(self.container, self.stream, self._damage):
            self.decoder.tag(packet)
            if self.decoder.turned is not None:
                self.jump = False  # skipped packets may change the orientation
            yield packet

    def _seek(self, clock: float) -> Iterator[Packet[Any]]:
        if not seek(self.container, self.stream, int(clock / self.decoder.base)):
            return self._rewind()
        return self._read()

    def _rewind(self) -> Iterator[Packet[Any]]:
        """Read on from the start after a failed seek, without further seeks."""
        self.jump = False
        if not seek(self.container, self.stream, self.stream.start_time or 0):
            return iter(())
        return self._read()

    def _damage(self, clock: float | None) -> None:
        if self.damaged_at is None:
            self.damaged_at = self.high if clock is None else clock


Size = tuple[int, int]  # width and height, px


@dataclass(frozen=True)
class Spacing:
    """Choice of pictures where exact times do not matter."""

    dense: float
    """s: up to this duration all frames but B-frames, which take most of a decoder's time, are
    decoded; of longer footage the key frames, which encoders place at cuts and which cost a tenth
    to read"""
    gap: float  # s between two pictures, at least
    key_gap: float  # s between two key frames, at least
    most: int  # pictures of a file


def decode_scaled(
    path: str | os.PathLike[str],
    media: Media,
    times: Sequence[float],
    size: Size,
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """Yield the pictures on screen at ascending `times`, each once, area-averaged to a size; raise
    MediaError, Canceled."""
    if media.kind == "video":
        upright = Upright(media.width, media.height, framed=True)
        for index, time, picture, _last in pictures(path, times, notes=notes, cancel=cancel):
            yield Frame(index, time, resized(upright(picture), size))
        return
    for frame in decode_still(path, media, times, cancel=cancel):
        yield Frame(frame.index, frame.time, resized(frame.rgb, size))


def decode_spaced(
    path: str | os.PathLike[str],
    media: Media,
    size: Size,
    spacing: Spacing,
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """Yield pictures of a file, area-averaged to a size whatever their shape; of a video up to any
    damage, of sound none. Raise MediaError, Canceled."""
    length = media.duration or 0.0
    if media.kind == "video":
        dense = length <= spacing.dense
        skip: Literal["BIDIR", "NONKEY"] = "BIDIR" if dense else "NONKEY"
        gap = spacing.gap if dense else spacing.key_gap
        yield from _some(path, size, skip, gap, spacing.most, length or math.inf, cancel)
    elif media.kind != "audio":
        count = min(spacing.most, max(1, int(length / spacing.gap)))
        times = [(i + 0.5) * length / count for i in range(count)]
        yield from decode_scaled(path, media, times, size, notes=notes, cancel=cancel)


def probe_and_decode(
    path: str | os.PathLike[str],
    picture: bool,
    size: Size,
    spacing: Spacing,
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Media | Frame]:
    """Yield a file's metadata, then its pictures as `decode_spaced` does."""
    media = probe_still(path) if picture else probe_video(path)
    yield media
    yield from decode_spaced(path, media, size, spacing, notes=notes, cancel=cancel)


def _some(
    path: str | os.PathLike[str],
    size: Size,
    skip: Literal["BIDIR", "NONKEY"],
    gap: float,
    most: int,
    length: float,
    cancel: Event | None,
) -> Iterator[Frame]:
    upright = Upright(*size, averaged=True)
    with open_media(path) as container:
        stream = picture_stream(container)
        stream.codec_context.skip_frame = skip
        unsmoothed(stream.codec_context)
        begin: float | None = None
        last, index = -gap, 0
        try:
            for picture in container.decode(stream):
                if cancel is not None and cancel.is_set():
                    raise Canceled
                if picture.time is None:
                    continue
                begin = picture.time if begin is None else begin
                time = picture.time - begin
                if time - last < gap:
                    continue
                yield Frame(index, time, upright(picture))
                last, index = time, index + 1
                if index >= most or time + gap > length:  # no requested picture follows
                    return
        except FFmpegError:
            if not index:
                raise undecodable() from None


def resized(rgb: np.ndarray, size: Size) -> np.ndarray:
    """Return a picture averaged down to a size, uint8 [height, width, 3]."""
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    return np.ascontiguousarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
