"""Repeated and copied pictures within a video."""

from __future__ import annotations

import hashlib
import os
import time
from threading import Event
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from detector.media.container import Decoder, open_media, packets, picture_stream, unsmoothed
from detector.schema.origin import Repeats

FRAMES, STRETCH = 100, 25
"""number of decoded frames compared with the one before, in runs of this length from a key frame,
spread over the clip; at most `SECONDS` of them"""
PACKETS = 20_000  # compressed pictures compared with all earlier ones: 13 minutes at 25 a second
SECONDS, BUSY = 1.5, 4
"""s of processor time for each of the two checks; their factor in wall-clock time, so that a busy
computer gives the same result"""
LEAST = 8
"""minimum number of frames. No frames are decoded if the clip has fewer, or if they would exceed
the time at the speed so far, as four do for 8K PNG."""
SMALL = 400
"""bytes; smaller packets encode "no change", are equal by chance, and start no run"""
RUN = 3
"""different pictures of at least `SMALL` bytes that a run needs to count as copied: a still, as
black before and after, is the same each time without a copy"""
WIDTH = 320  # px that two frames are compared at
NEAR, SHARE = 0.3, 0.1
"""levels of 255, and fraction of the clip's usual change (its upper quartile), under which a frame
repeats the one before: encoders refine a repeat a little (up to 0.5 with x264 at CRF 20 to 36)"""


def find_repeats(path: str | os.PathLike[str], *, cancel: Event | None = None) -> Repeats:
    """Count frames that repeat the one before, and compressed ones copied within the file. A sensor
    never gives the same picture twice; a raised frame rate, a frozen call, a still or a slide does.
    Raise MediaError."""
    with open_media(path) as container:
        stream = picture_stream(container)
        decoder = Decoder(container, stream, tolerant=True)
        unsmoothed(decoder.context)
        changes, copies = _Changes(_stretch(stream)), _Copies()
        enough = not 0 < stream.frames < LEAST
        length = (container.duration or 0) / av.time_base
        begun = time.perf_counter(), time.thread_time()
        for packet in packets(container, stream):
            waited, worked = time.perf_counter() - begun[0], time.thread_time() - begun[1]
            spent = max(worked, waited / BUSY)
            if copies.count >= PACKETS or spent > 2 * SECONDS or (cancel and cancel.is_set()):
                break
            quick = LEAST * worked <= SECONDS * max(1, changes.fed)
            if enough and quick and spent < SECONDS:
                passed = (decoder.time_of(packet) or 0.0) / length if length > 0 else 1.0
                changes.add(decoder, packet, passed)
            copies.add(packet)
    return Repeats(
        frames=len(changes.differences),
        repeated=changes.repeated(),
        packets=copies.count,
        copied=copies.copied,
    )


def _stretch(stream: VideoStream) -> int:
    """Return the length of a run: all frames if the index has a single key frame."""
    keys = sum(entry.is_keyframe for entry in stream.index_entries)
    return FRAMES if keys == 1 else STRETCH


class _Changes:
    """Mean |difference| of consecutive frames, levels of 255, in runs."""

    def __init__(self, stretch: int) -> None:
        self.differences: list[float] = []
        self.fed = 0  # packets
        self._stretch, self._left = stretch, 0
        self._last: np.ndarray | None = None
        self._scaler = VideoReformatter()  # a frame's own would compute its filters for each frame

    def add(self, decoder: Decoder, packet: av.Packet[Any], passed: float) -> None:
        """Decode a packet if its run is due; `passed` is its relative position."""
        if self._left <= 0:
            due = FRAMES * min(passed, 1.0) - len(self.differences)
            if not packet.is_keyframe or (self.differences and due <= 0):
                return
            decoder.flush()
            self._last, self._left = None, self._stretch
        self.fed += 1
        try:
            shown = decoder.decode(packet)
        except av.error.FFmpegError:
            return
        for _, frame in shown:
            self._left -= 1
            width = min(WIDTH, frame.width)
            height = max(1, round(frame.height * width / frame.width))
            shrunk = self._scaler.reformat(frame, width, height, "gray", threads=1)
            gray = shrunk.to_ndarray()
            if self._last is not None and self._last.shape == gray.shape:
                self.differences.append(cv2.norm(gray, self._last, cv2.NORM_L1) / gray.size)
            self._last = gray

    def repeated(self) -> int:
        if not self.differences:
            return 0
        usual = float(np.percentile(self.differences, 75))
        return sum(change == 0 or change < min(NEAR, SHARE * usual) for change in self.differences)


class _Copies:
    """Runs of compressed pictures that are byte-identical to an earlier run."""

    def __init__(self) -> None:
        self.copied = self._run = 0
        self._different: set[bytes] = set()  # pictures of the run that are large enough
        self._names: list[bytes] = []
        self._places: dict[bytes, int] = {}
        self._next = 0  # index of the picture that would continue the run

    @property
    def count(self) -> int:
        return len(self._names)

    def add(self, packet: av.Packet[Any]) -> None:
        name = hashlib.blake2b(bytes(packet), digest_size=16).digest()
        large = packet.size >= SMALL
        if self._run and self._names[self._next] == name:
            self._run, self._next = self._run + 1, self._next + 1
        elif large and name in self._places:
            self._run, self._next = 1, self._places[name] + 1
            self._different.clear()
        else:
            self._run = 0
        if self._run:
            counted = len(self._different) >= RUN
            if large:
                self._different.add(name)
            if len(self._different) >= RUN:  # then it counts from its first picture
                self.copied += 1 if counted else self._run
        self._places.setdefault(name, len(self._names))
        self._names.append(name)
