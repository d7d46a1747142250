"""Pictures of one size, for what asks of a file many that are small: brought to it in the process
that decodes them, so that little goes from there to here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from threading import Event
from typing import Literal

import cv2
import numpy as np
from av.error import FFmpegError

from detector.errors import Canceled
from detector.isolation import Frame
from detector.media.container import open_media, picture_stream, undecodable, unsmoothed
from detector.media.stills import decode_still
from detector.media.upright import Upright
from detector.media.video import pictures
from detector.schema.analysis import Media

Size = tuple[int, int]
"""width and height, px"""


def decode_scaled(
    path: str | os.PathLike[str],
    media: Media,
    times: Sequence[float],
    size: Size,
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """Yield the pictures on screen at `times`, ascending, each once, averaged down to a size.

    Raises
    ------
    MediaError, Canceled
    """
    if media.kind == "video":
        upright = Upright(media.width, media.height)
        for index, time, picture in pictures(path, times, notes=notes, cancel=cancel):
            yield Frame(index, time, resized(upright(picture), size))
        return
    for frame in decode_still(path, media, times, cancel=cancel):
        yield Frame(frame.index, frame.time, resized(frame.rgb, size))


def decode_some(
    path: str | os.PathLike[str],
    size: Size,
    skip: Literal["BIDIR", "NONKEY"],
    gap: float,
    most: int,
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """Yield a video's frames up to where it is damaged, averaged to a size, whatever their shape.

    Parameters
    ----------
    skip : "BIDIR" or "NONKEY"
        Frames that are not decoded: those between two others, or all but key frames.
    gap : float
        s between two frames, at least.
    most : int
        Frames.

    Raises
    ------
    MediaError, Canceled
    """
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
                if index >= most:
                    return
        except FFmpegError:
            if not index:
                raise undecodable() from None


def resized(rgb: np.ndarray, size: Size) -> np.ndarray:
    """Return a picture averaged down to a size, uint8 [height, width, 3]."""
    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    return np.ascontiguousarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
