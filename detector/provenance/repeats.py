"""Pictures that occur more than once in a video, and how a picture can be found again."""

from __future__ import annotations

import hashlib
import os
import time
from threading import Event
from typing import Any

import av
import cv2
import imagehash
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from detector import media
from detector.media.container import Decoder, open_media, packets, picture_stream, unsmoothed
from detector.schema.analysis import Media
from detector.schema.origin import FrameHash, Repeats

FRAMES = 300
"""decoded frames compared with the one before, from the beginning; at most `SECONDS` of them"""
PACKETS = 20_000
"""compressed pictures compared with all earlier ones: 13 minutes at 25 a second"""
SECONDS, BUSY = 1.5, 4
"""s of this thread's work that each of the two may take; how many times that on the clock of a
computer that is busy, so that the same file gives the same answer there"""
SMALL = 400
"""bytes; a smaller picture says "nothing has changed", equals others by chance, begins no run"""
RUN = 3
"""pictures in a row that have to be the same as an earlier run before they count as copied"""
WIDTH = 320
"""px that two frames are compared at"""
NEAR, SHARE = 0.3, 0.1
"""levels of 255, and share of the clip's usual change (its upper quartile), under which a frame
repeats the one before: encoders polish a repeat a little (up to 0.5 with x264 at CRF 20 to 36)"""
PLACES = (0.1, 0.5, 0.9)
"""of a clip's length, where its perceptual hashes are taken"""


def perceptual_hashes(path: str | os.PathLike[str], info: Media) -> list[FrameHash]:
    """Return the hash of a picture, or of three moments of a clip (Zauner 2010; ImageHash's
    `phash`)."""
    if info.kind == "image" or not info.duration:
        return [FrameHash(phash=_hash(media.frame_at(path, info, 0.0)))]
    times = [place * info.duration for place in PLACES]
    frames = media.decode(path, info, times, notes=[])
    return [FrameHash(time=round(frame.time, 3), phash=_hash(frame)) for frame in frames]


def _hash(frame: media.Frame) -> str:
    return str(imagehash.phash(Image.fromarray(frame.rgb)))


def find_repeats(path: str | os.PathLike[str], *, cancel: Event | None = None) -> Repeats:
    """Count pictures that repeat the one before, and compressed ones that were copied from
    elsewhere in the file.

    A sensor never gives the same picture twice, and a film that moves doesn't stop for one frame.
    A raised frame rate, a frozen call, a still or a slide does.

    Raises
    ------
    MediaError
    """
    with open_media(path) as container:
        stream = picture_stream(container)
        decoder = Decoder(container, stream, tolerant=True)
        unsmoothed(decoder.context)
        changes, copies = _Changes(), _Copies()
        begun = time.perf_counter(), time.thread_time()
        for packet in packets(container, stream):
            waited, worked = time.perf_counter() - begun[0], time.thread_time() - begun[1]
            spent = max(worked, waited / BUSY)
            if copies.count >= PACKETS or spent > 2 * SECONDS or (cancel and cancel.is_set()):
                break
            if len(changes.differences) < FRAMES and spent < SECONDS:
                changes.add(decoder, packet)
            copies.add(packet)
    return Repeats(
        frames=len(changes.differences),
        repeated=changes.repeated(),
        packets=copies.count,
        copied=copies.copied,
    )


class _Changes:
    """How much each frame differs from the one before, mean of |difference| in levels of 255."""

    def __init__(self) -> None:
        self.differences: list[float] = []
        self._last: np.ndarray | None = None
        self._scaler = VideoReformatter()  # a frame's own would compute its filters for each frame

    def add(self, decoder: Decoder, packet: av.Packet[Any]) -> None:
        try:
            shown = decoder.decode(packet)
        except av.error.FFmpegError:
            return
        for _, frame in shown:
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
    """Runs of compressed pictures that are, byte for byte, an earlier run."""

    def __init__(self) -> None:
        self.copied = self._run = 0
        self._names: list[bytes] = []
        self._places: dict[bytes, int] = {}
        self._next = 0  # where the picture stands that would go on with the run

    @property
    def count(self) -> int:
        return len(self._names)

    def add(self, packet: av.Packet[Any]) -> None:
        name = hashlib.blake2b(bytes(packet), digest_size=16).digest()
        if self._run and self._names[self._next] == name:
            self._run, self._next = self._run + 1, self._next + 1
        elif packet.size >= SMALL and name in self._places:
            self._run, self._next = 1, self._places[name] + 1
        else:
            self._run = 0
        # A run counts from its first picture, once it is long enough not to be chance.
        self.copied += RUN if self._run == RUN else 1 if self._run > RUN else 0
        self._places.setdefault(name, len(self._names))
        self._names.append(name)
