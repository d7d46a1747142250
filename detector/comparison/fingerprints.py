"""Perceptual fingerprints of footage: PDQ hashes of sampled frames, black borders cut away.

PDQ (Facebook 2019) of the picture averaged down to 128 x 128 px, where its own blur is the
identity: equal bit for bit to the reference on that picture, and about 12 of 256 bits from it on
the full one.
Written here because its package has no wheels, and building it wants a compiler on every machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from threading import Event
from typing import Literal

import cv2
import numpy as np
from av.error import FFmpegError

from detector.errors import Canceled
from detector.isolation import Frame, stream_isolated
from detector.media import probe
from detector.media.container import open_media, picture_stream, undecodable, unsmoothed
from detector.media.stills import decode_still
from detector.media.upright import Upright
from detector.schema.analysis import Media

HASH_BYTES = 32
"""of a hash: 256 bits"""
DENSE_SECONDS = 30.0
"""Up to this length all frames are looked through but those between two others (B), which take most
of a decoder's time; of longer footage the key frames, which encoders put where shots begin, and
which cost a tenth to read."""
DENSE_GAP, KEY_GAP = 0.5, 1.0
"""s between two frames, at least"""
MAX_FRAMES = 50_000
"""of a file"""
MIN_QUALITY = 30
"""0..100; flatter pictures look like many others (the reference suggests 50)"""
MAX_BORDER = 0.3
"""of the picture's side that black borders may take on each side"""
_READ, _SIDE, _BUFFER = 256, 128, 64
_BORDER_FRAMES = 64
"""in which what stays black is a border"""
_BLACK = 28
"""levels up to which limited range and noise leave black"""

_rows, _columns = np.arange(16)[:, None], np.arange(_BUFFER)[None]
_DCT = np.sqrt(2 / _BUFFER) * np.cos(np.pi / (2 * _BUFFER) * (_rows + 1) * (2 * _columns + 1))


@dataclass(frozen=True)
class Fingerprints:
    """What is kept of footage in place of it."""

    times: np.ndarray
    """float32 [N], s from the first frame, ascending"""
    hashes: np.ndarray
    """uint8 [N, 32]"""
    mirrored: np.ndarray
    """uint8 [N, 32]: of the same pictures, left and right exchanged"""


def fingerprint(
    path: str | os.PathLike[str], media: Media | None = None, *, cancel: Event | None = None
) -> Fingerprints:
    """Return the fingerprints of a video or picture; none of what is flat all over.

    Raises
    ------
    MediaError
        It can't be read.
    Canceled
    """
    media = media or probe(path)
    if media.kind == "audio":
        return _hashed(iter(()))
    length = media.duration or 0.0
    notes: list[str] = []
    dense = length <= DENSE_SECONDS
    count = max(1, int(length / DENSE_GAP)) if dense else MAX_FRAMES
    times = tuple((i + 0.5) * length / count for i in range(count)) if dense else ()
    frames = stream_isolated(
        _squashed, path, media, times,
        size=(_READ, _READ), count=count + 1, notes=notes, cancel=cancel,
    )  # fmt: skip
    found = _hashed(frames)
    if cancel is not None and cancel.is_set():
        raise Canceled
    return found


def _squashed(
    path: str | os.PathLike[str],
    media: Media,
    times: tuple[float, ...],
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    """Yield frames of 256 x 256 px, whatever their shape: of pictures that move little at `times`,
    of videos with them about as many, and else the key frames."""
    if media.kind != "video":
        for frame in decode_still(path, media, times or (0.0,), cancel=cancel):
            yield Frame(frame.index, frame.time, _resized(frame.rgb))
        return
    upright = Upright(media.width, media.height)
    if times:
        yield from _sampled(path, upright, "BIDIR", DENSE_GAP, cancel)
    else:
        yield from _sampled(path, upright, "NONKEY", KEY_GAP, cancel)


def _sampled(
    path: str | os.PathLike[str],
    upright: Upright,
    skip: Literal["BIDIR", "NONKEY"],
    gap: float,
    cancel: Event | None,
) -> Iterator[Frame]:
    """Yield frames at least `gap` s apart, without those that the decoder is told to skip, up to
    where the video is damaged."""
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
                yield Frame(index, time, _resized(upright(picture)))
                last, index = time, index + 1
                if index >= MAX_FRAMES:
                    return
        except FFmpegError:
            if not index:
                raise undecodable() from None


def _resized(rgb: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(cv2.resize(rgb, (_READ, _READ), interpolation=cv2.INTER_AREA))


def _hashed(frames: Iterator[Frame]) -> Fingerprints:
    """Return the hashes of frames; of many, few are in memory at a time."""
    first = list(islice(frames, _BORDER_FRAMES))
    inner = _inside([frame.rgb for frame in first])
    rows: list[tuple[float, np.ndarray, np.ndarray]] = []
    for frame in chain(first, frames):
        hash, mirrored, quality = pdq(frame.rgb[inner])
        if quality >= MIN_QUALITY:
            rows.append((frame.time, hash, mirrored))
    hashes = np.array([row[1:] for row in rows], np.uint8).reshape(-1, 2, HASH_BYTES)
    times = np.array([row[0] for row in rows], np.float32)
    return Fingerprints(times, hashes[:, 0].copy(), hashes[:, 1].copy())


def _inside(frames: list[np.ndarray]) -> tuple[slice, slice]:
    """Return rows and columns of the picture without the black borders that all frames share."""
    if not frames:
        return slice(None), slice(None)
    brightest = np.maximum.reduce(frames)
    bright = np.maximum.reduce([brightest[..., channel] for channel in range(3)])
    return _span(np.quantile(bright, 0.9, axis=1)), _span(np.quantile(bright, 0.9, axis=0))


def _span(levels: np.ndarray) -> slice:
    lit = np.flatnonzero(levels > _BLACK)
    most = round(MAX_BORDER * len(levels))
    if not len(lit) or lit[0] > most or len(levels) - 1 - lit[-1] > most:
        return slice(None)
    return slice(int(lit[0]), int(lit[-1]) + 1)


def pdq(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the PDQ hash of a picture, that of its mirror image, and how much there is to hash.

    Parameters
    ----------
    rgb : uint8 [H, W, 3]

    Returns
    -------
    hash, mirrored : uint8 [32]
        256 bits, the highest frequency first, as the reference prints them.
    quality : int
        0..100
    """
    small = cv2.resize(rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    luma = small.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    buffer = luma[1::2, 1::2]
    coefficients = _DCT @ buffer @ _DCT.T
    # Left and right exchanged, the odd frequencies across change their sign.
    signs = np.where(np.arange(16) % 2, 1.0, -1.0)
    return _bits(coefficients), _bits(coefficients * signs), _quality(buffer)


def _bits(coefficients: np.ndarray) -> np.ndarray:
    flat = coefficients.ravel()
    median = np.partition(flat, 127)[127]  # the lower of the two in the middle
    return np.packbits((flat > median)[::-1])


def _quality(buffer: np.ndarray) -> int:
    """Return the reference's measure: steep steps between neighbors, counted in hundredths."""
    steps = sum(
        int(np.abs(np.trunc(np.diff(buffer, axis=axis) * 100 / 255)).sum()) for axis in (0, 1)
    )
    return min(100, steps // 90)
