"""Perceptual fingerprints of footage: PDQ hashes of sampled frames, black borders cut away, and of
the faces in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from threading import Event

import cv2
import numpy as np

from detector.comparison.face_hashes import FaceHasher
from detector.comparison.pdq import HASH_BYTES, pdq
from detector.errors import Canceled
from detector.isolation import Frame, stream_isolated
from detector.media import Identity, Spacing, decode_spaced, identify, open_spaced
from detector.media.scaled import resized
from detector.schema.analysis import Media

SPACING = Spacing(dense=30.0, gap=0.5, key_gap=1.0, most=50_000)
"""Which frames are hashed."""
MIN_QUALITY = 30
"""0..100; flatter pictures look like many others (the reference suggests 50)"""
MAX_BORDER = 0.3
"""of the picture's side that black borders may take on each side"""
_SIZE = 256, 256
"""px that frames are brought to, whatever their shape"""
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
    if media is None:
        return probe_and_fingerprint(path, identify(path), to_keep=to_keep, cancel=cancel)[1]
    frames = stream_isolated(
        decode_spaced, path, media, _SIZE, SPACING,
        size=_SIZE, count=SPACING.most, notes=[], cancel=cancel,
    )  # fmt: skip
    return _whole(frames, media, to_keep, cancel)


def probe_and_fingerprint(
    path: str | os.PathLike[str],
    this: Identity,
    *,
    to_keep: bool = False,
    cancel: Event | None = None,
) -> tuple[Media, Fingerprints]:
    """Return what a file is, with its fingerprints, read in one process for both: a second one
    takes a fifth of what a clip of a second or two costs. Parameters and errors as of
    `fingerprint`, and of `detector.media.probe`."""
    media, frames = open_spaced(path, this, _SIZE, SPACING, cancel=cancel)
    return media, _whole(frames, media, to_keep, cancel)


def _whole(
    frames: Iterable[Frame], media: Media, to_keep: bool, cancel: Event | None
) -> Fingerprints:
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
        Frame(index, time, resized(rgb, _SIZE))
        for index, (rgb, time) in enumerate(chain([first], shown))
    )
    return _hashed(squashed, width, height, to_keep=False)


def _hashed(frames: Iterable[Frame], width: int, height: int, *, to_keep: bool) -> Fingerprints:
    """Return the hashes of squashed frames of a picture of `width` x `height`; of many, few are in
    memory at a time. Faces are hashed as the frames come: where these are decoded in a process of
    their own, both go on at once."""
    shape, faces_of = _fitting(width, height), FaceHasher(to_keep=to_keep)
    faces: list[tuple[float, np.ndarray, np.ndarray]] = []
    whole = _WholeHasher()
    for frame in frames:
        upright = cv2.resize(frame.rgb, shape, interpolation=cv2.INTER_AREA)
        faces += [(frame.time, *both) for both in faces_of(upright, frame.time)]
        whole.add(frame)
    found = Hashes.of(whole.rows())
    return Fingerprints(found.times, found.hashes, found.mirrored, Hashes.of(faces))


class _WholeHasher:
    """Hashes frames without the borders that the first of them share."""

    def __init__(self) -> None:
        self._waiting: list[Frame] = []
        self._inner: tuple[slice, slice] | None = None
        self._rows: list[tuple[float, np.ndarray, np.ndarray]] = []

    def add(self, frame: Frame) -> None:
        """Hash a frame, or keep it until there are enough to know the borders by."""
        self._waiting.append(frame)
        if self._inner is not None or len(self._waiting) == _BORDER_FRAMES:
            self._hash()

    def rows(self) -> list[tuple[float, np.ndarray, np.ndarray]]:
        """Return times, hashes and mirrored hashes of all that is not flat."""
        self._hash()
        return self._rows

    def _hash(self) -> None:
        if self._inner is None:
            self._inner = _inside([frame.rgb for frame in self._waiting])
        for frame in self._waiting:
            hash, turned, quality = pdq(frame.rgb[self._inner])
            if quality >= MIN_QUALITY:
                self._rows.append((frame.time, hash, turned))
        self._waiting = []


def _fitting(width: int, height: int) -> tuple[int, int]:
    """Return the largest width and height of this shape that a squashed frame has the pixels of."""
    share = _SIZE[0] / max(width, height, 1)
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
