"""Perceptual fingerprints of footage: PDQ hashes of sampled frames, black borders cut away, and of
the faces in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from threading import Event
from typing import Literal

import cv2
import numpy as np
from av.error import FFmpegError

from detector.comparison.face_hashes import FaceHasher
from detector.comparison.pdq import HASH_BYTES, pdq
from detector.errors import Canceled
from detector.isolation import Frame, stream_isolated
from detector.media import probe
from detector.media.container import open_media, picture_stream, undecodable, unsmoothed
from detector.media.stills import decode_still
from detector.media.upright import Upright
from detector.schema.analysis import Media

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
_READ = 256
"""px that frames are brought to, both ways"""
_BORDER_FRAMES = 64
"""in which what stays black is a border"""
_BLACK = 28
"""levels up to which limited range and noise leave black"""


@dataclass(frozen=True)
class Hashes:
    """Of whole frames, or of faces."""

    times: np.ndarray
    """float32 [N], s from the first frame, ascending; of two faces in a frame the wider comes
    first"""
    hashes: np.ndarray
    """uint8 [N, 32]"""
    mirrored: np.ndarray
    """uint8 [N, 32]: of the same pictures, left and right exchanged"""

    @classmethod
    def of(cls, rows: Sequence[tuple[float, np.ndarray, np.ndarray]]) -> Hashes:
        """Return those of times, hashes and mirrored hashes."""
        hashes = np.array([row[1:] for row in rows], np.uint8).reshape(-1, 2, HASH_BYTES)
        times = np.array([row[0] for row in rows], np.float32)
        return cls(times, hashes[:, 0].copy(), hashes[:, 1].copy())


NO_HASHES = Hashes.of([])


@dataclass(frozen=True)
class Fingerprints(Hashes):
    """What is kept of footage in place of it: of whole frames, and of the faces in some of them."""

    faces: Hashes = NO_HASHES


def fingerprint(
    path: str | os.PathLike[str],
    media: Media | None = None,
    *,
    to_keep: bool = False,
    cancel: Event | None = None,
) -> Fingerprints:
    """Return the fingerprints of a video or picture; none of what is flat all over.

    Parameters
    ----------
    to_keep : bool
        They are kept and not looked for, and had in two thirds of the time (`FaceHasher`).

    Raises
    ------
    MediaError
        It can't be read.
    Canceled
    """
    media = media or probe(path)
    if media.kind == "audio":
        return _hashed(iter(()), 0, 0, to_keep=True)
    length = media.duration or 0.0
    notes: list[str] = []
    dense = length <= DENSE_SECONDS
    count = max(1, int(length / DENSE_GAP)) if dense else MAX_FRAMES
    times = tuple((i + 0.5) * length / count for i in range(count)) if dense else ()
    frames = stream_isolated(
        _squashed, path, media, times,
        size=(_READ, _READ), count=count + 1, notes=notes, cancel=cancel,
    )  # fmt: skip
    found = _hashed(frames, media.width, media.height, to_keep=to_keep)
    if cancel is not None and cancel.is_set():
        raise Canceled
    return found


def of_frames(frames: Iterable[tuple[np.ndarray, float]]) -> Fingerprints:
    """Return the fingerprints of frames that are at hand, to look for them.

    Parameters
    ----------
    frames : iterable of (uint8 array [H, W, 3], float)
        Pictures of one size and their times in s, ascending.
    """
    shown = iter(frames)
    first = next(shown, None)
    if first is None:
        return _hashed(iter(()), 0, 0, to_keep=False)
    height, width = first[0].shape[:2]
    squashed = (
        Frame(index, time, _resized(rgb)) for index, (rgb, time) in enumerate(chain([first], shown))
    )
    return _hashed(squashed, width, height, to_keep=False)


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


def _hashed(frames: Iterator[Frame], width: int, height: int, *, to_keep: bool) -> Fingerprints:
    """Return the hashes of squashed frames of a picture of `width` x `height`; of many, few are in
    memory at a time."""
    first = list(islice(frames, _BORDER_FRAMES))
    inner = _inside([frame.rgb for frame in first])
    shape = _fitting(width, height)
    rows: list[tuple[float, np.ndarray, np.ndarray]] = []
    faces: list[tuple[float, np.ndarray, np.ndarray]] = []
    faces_of = FaceHasher(to_keep=to_keep)
    for frame in chain(first, frames):
        hash, turned, quality = pdq(frame.rgb[inner])
        if quality >= MIN_QUALITY:
            rows.append((frame.time, hash, turned))
        upright = cv2.resize(frame.rgb, shape, interpolation=cv2.INTER_AREA)
        faces += [(frame.time, *both) for both in faces_of(upright, frame.time)]
    whole = Hashes.of(rows)
    return Fingerprints(whole.times, whole.hashes, whole.mirrored, Hashes.of(faces))


def _fitting(width: int, height: int) -> tuple[int, int]:
    """Return the largest width and height of this shape that a squashed frame has the pixels of."""
    share = _READ / max(width, height, 1)
    return max(1, round(width * share)), max(1, round(height * share))


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
