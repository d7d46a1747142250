"""Pictures of one size, for what asks of a file many that are small: brought to it in the process
that decodes them, so that little goes from there to here.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Literal

import cv2
import numpy as np
from av.error import FFmpegError

from detector.errors import Canceled
from detector.isolation import Frame
from detector.media.container import open_media, picture_stream, undecodable, unsmoothed
from detector.media.facts import probe_video
from detector.media.stills import decode_still, probe_still
from detector.media.upright import Upright
from detector.media.video import pictures
from detector.schema.analysis import Media

Size = tuple[int, int]  # width and height, px


@dataclass(frozen=True)
class Spacing:
    """Which pictures of a file are wanted, where these need not stand at certain times."""

    dense: float
    """s: up to this length all frames are looked through but those between two others (B), which
    take most of a decoder's time; of longer footage the key frames, which encoders put where shots
    begin, and which cost a tenth to read"""
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
    """Yield the pictures on screen at ascending `times`, each once, averaged to a size; raise
    MediaError, Canceled."""
    if media.kind == "video":
        upright = Upright(media.width, media.height, framed=True)
        for index, time, picture in pictures(path, times, notes=notes, cancel=cancel):
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
    """Yield pictures of a file, averaged to a size, whatever their shape; of a video up to where it
    is damaged, of a sound none. Raise MediaError, Canceled."""
    length = media.duration or 0.0
    if media.kind == "video":
        dense = length <= spacing.dense
        skip: Literal["BIDIR", "NONKEY"] = "BIDIR" if dense else "NONKEY"
        gap = spacing.gap if dense else spacing.key_gap
        yield from _some(path, size, skip, gap, spacing.most, length or math.inf, cancel)
    elif media.kind == "image":
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
    """Yield what a file is, then its pictures as `decode_spaced` does."""
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
                if index >= most or time + gap > length:  # nothing wanted follows
                    return
        except FFmpegError:
            if not index:
                raise undecodable() from None


def resized(rgb: np.ndarray, size: Size) -> np.ndarray:
    """Return a picture averaged down to a size, uint8 [height, width, 3]."""
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    return np.ascontiguousarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
