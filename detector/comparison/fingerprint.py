"""Perceptual fingerprints of footage: PDQ hashes of sampled frames and of the faces in them.

The hash of a whole frame changes once a tenth of the picture is cut off. The hash of an aligned
face is independent of its surroundings, so it also matches cropped and reframed footage.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from threading import Event

import cv2
import numpy as np

from detector.comparison import align
from detector.errors import Canceled
from detector.isolation import Frame, stream_isolated
from detector.media import Identity, Spacing, decode_spaced, identify, open_spaced
from detector.media.video import resized
from detector.schema.analysis import Media
from detector.vision.alignment import similarity
from detector.vision.detection import Detection, widest
from detector.vision.mtcnn import Mtcnn

SPACING = Spacing(dense=30.0, gap=0.5, key_gap=1.0, most=50_000)  # Which frames are hashed
HASH_BYTES = 32
MIN_QUALITY = 30  # 0..100; flatter pictures resemble many others (the reference suggests 50)
MAX_BORDER = 0.3  # Share of the side that a black border may take
MIN_FACE, MAX_FACES = 20, 2  # px; the widest faces of a frame
SEARCH_SECONDS = 4.0  # Interval between full face searches, for fingerprints that are stored
POINTS = ((0.385, 0.425), (0.615, 0.425), (0.5, 0.552), (0.407, 0.676), (0.593, 0.676))
"""Positions of eyes, nose and mouth corners in an aligned face, as shares of its square."""
_SIZE = 256, 256
_BORDER_FRAMES, _BLACK = 64, 28
_FACE_SIDE = 128
_PDQ_SIDE, _BUFFER = 128, 64
_rows, _columns = np.arange(16)[:, None], np.arange(_BUFFER)[None]
_DCT = np.sqrt(2 / _BUFFER) * np.cos(np.pi / (2 * _BUFFER) * (_rows + 1) * (2 * _columns + 1))

_Row = tuple[float, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Hashes:
    """Hashes of whole frames, or of faces."""

    times: np.ndarray
    """float32 [N], s from the first frame, ascending; the wider of two faces comes first"""
    hashes: np.ndarray  # uint8 [N, 32]
    mirrored: np.ndarray  # uint8 [N, 32]: of the mirrored pictures

    @classmethod
    def of(cls, rows: Sequence[_Row]) -> Hashes:
        """Build from rows of time, hash and mirrored hash."""
        hashes = np.array([row[1:] for row in rows], np.uint8).reshape(-1, 2, HASH_BYTES)
        times = np.array([row[0] for row in rows], np.float32)
        return cls(times, hashes[:, 0].copy(), hashes[:, 1].copy())


NO_HASHES = Hashes.of([])


@dataclass(frozen=True)
class Fingerprints(Hashes):
    """Hashes of whole frames and of the faces in them."""

    faces: Hashes = NO_HASHES


def fingerprint(
    path: str | os.PathLike[str],
    media: Media | None = None,
    *,
    to_keep: bool = False,
    cancel: Event | None = None,
) -> Fingerprints:
    """Compute the fingerprints of a video or picture; none for flat pictures. Those `to_keep` are
    for storage and not for queries, which takes two thirds of the time. Raise MediaError,
    Canceled."""
    if media is None:
        return probe_and_fingerprint(path, identify(path), to_keep=to_keep, cancel=cancel)[1]
    frames = stream_isolated(
        decode_spaced, path, media, _SIZE, SPACING,
        size=_SIZE, count=SPACING.most, notes=[], cancel=cancel,
    )  # fmt: skip
    return _hash_frames(frames, media.width, media.height, to_keep=to_keep, cancel=cancel)


def probe_and_fingerprint(
    path: str | os.PathLike[str],
    this: Identity,
    *,
    to_keep: bool = False,
    cancel: Event | None = None,
) -> tuple[Media, Fingerprints]:
    """Probe and fingerprint a file in one process, which saves a fifth of the time of short clips.
    Parameters and errors as of `fingerprint`, and of `detector.media.probe`."""
    media, frames = open_spaced(path, this, _SIZE, SPACING, cancel=cancel)
    found = _hash_frames(frames, media.width, media.height, to_keep=to_keep, cancel=cancel)
    return media, found


def of_frames(frames: Iterable[tuple[np.ndarray, float]]) -> Fingerprints:
    """Compute the fingerprints of decoded frames for a query: pictures of one size, uint8 [H, W,
    3], and their times in s, ascending."""
    shown = iter(frames)
    first = next(shown, None)
    if first is None:
        return _hash_frames([], 0, 0, to_keep=False)
    height, width = first[0].shape[:2]
    squashed = (
        Frame(index, time, resized(rgb, _SIZE))
        for index, (rgb, time) in enumerate(chain([first], shown))
    )
    return _hash_frames(squashed, width, height, to_keep=False)


def _hash_frames(
    frames: Iterable[Frame], width: int, height: int, *, to_keep: bool, cancel: Event | None = None
) -> Fingerprints:
    """Hash frames squashed from `width` x `height`, without borders that the first ones share."""
    share = _SIZE[0] / max(width, height, 1)
    shape = max(1, round(width * share)), max(1, round(height * share))
    face_hasher = FaceHasher(to_keep=to_keep)
    shown = iter(frames)
    first = list(islice(shown, _BORDER_FRAMES))
    inner = slice(None), slice(None)
    if first:
        bright = np.maximum.reduce([frame.rgb for frame in first]).max(axis=2)
        inner = _lit(np.quantile(bright, 0.9, axis=1)), _lit(np.quantile(bright, 0.9, axis=0))
    whole: list[_Row] = []
    faces: list[_Row] = []
    for frame in chain(first, shown):
        upright = cv2.resize(frame.rgb, shape, interpolation=cv2.INTER_AREA)
        faces += [(frame.time, *pair) for pair in face_hasher(upright, frame.time)]
        hash, mirrored, quality = pdq(frame.rgb[inner])
        if quality >= MIN_QUALITY:
            whole.append((frame.time, hash, mirrored))
    if cancel is not None and cancel.is_set():
        raise Canceled
    prints = Hashes.of(whole)
    return Fingerprints(prints.times, prints.hashes, prints.mirrored, Hashes.of(faces))


def _lit(levels: np.ndarray) -> slice:
    """Return the rows or columns of a picture that are inside its black borders."""
    lit = np.flatnonzero(levels > _BLACK)
    most = round(MAX_BORDER * len(levels))
    if not len(lit) or lit[0] > most or len(levels) - 1 - lit[-1] > most:
        return slice(None)
    return slice(int(lit[0]), int(lit[-1]) + 1)


class FaceHasher:
    """Hashes the faces of one file's frames, in order. For storage, faces are mostly tracked from
    frame to frame; for queries, they are detected in each frame and in its mirror image, which has
    slightly other landmarks."""

    def __init__(self, *, to_keep: bool) -> None:
        self._to_keep = to_keep
        self._faces: list[Detection] = []
        self._searched = -SEARCH_SECONDS

    def __call__(self, rgb: np.ndarray, time: float) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the hash and the mirrored hash of each face in a frame, the widest face first."""
        found = self._detect(rgb, time)
        found.sort(key=lambda face: face.box[0] - face.box[2])
        self._faces = found[:MAX_FACES]
        return [self._hashes(rgb, face) for face in self._faces]

    def _detect(self, rgb: np.ndarray, time: float) -> list[Detection]:
        if self._to_keep and time - self._searched < SEARCH_SECONDS:
            refined = face_detector().refine(rgb, self._faces)
            if len(refined) == len(self._faces):
                return refined
        self._searched = time
        return face_detector().detect(rgb, MIN_FACE)

    def _hashes(self, rgb: np.ndarray, face: Detection) -> tuple[np.ndarray, np.ndarray]:
        hash, mirrored = _hash_face(rgb, face)
        if not self._to_keep:
            turned = np.ascontiguousarray(rgb[:, ::-1])
            about = align.moved_face(face, align.mirrored(rgb.shape[1]))
            there = widest(face_detector().refine(turned, [about]))
            mirrored = _hash_face(turned, there)[0] if there is not None else mirrored
        return hash, mirrored


def _hash_face(rgb: np.ndarray, face: Detection) -> tuple[np.ndarray, np.ndarray]:
    onto = similarity(np.array(face.landmarks), np.array(POINTS) * _FACE_SIDE)
    size = _FACE_SIDE, _FACE_SIDE
    return pdq(cv2.warpAffine(rgb, onto, size, borderMode=cv2.BORDER_REPLICATE))[:2]


@cache
def face_detector() -> Mtcnn:
    """Return the shared detector, which also tracks a face to the next frame."""
    return Mtcnn()


def pdq(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the PDQ hash (Facebook 2019) of a picture, uint8 [32] with the highest frequency
    first, that of its mirror image, and its quality, 0..100.

    Equal bit for bit to the reference on the picture averaged down to 128 x 128 px. The reference's
    package has no wheels.
    """
    small = cv2.resize(rgb, (_PDQ_SIDE, _PDQ_SIDE), interpolation=cv2.INTER_AREA)
    luma = small.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    buffer = luma[1::2, 1::2]
    coefficients = _DCT @ buffer @ _DCT.T
    # Mirroring changes the sign of the odd horizontal frequencies.
    signs = np.where(np.arange(16) % 2, 1.0, -1.0)
    steps = sum(
        int(np.abs(np.trunc(np.diff(buffer, axis=axis) * 100 / 255)).sum()) for axis in (0, 1)
    )
    return _bits(coefficients), _bits(coefficients * signs), min(100, steps // 90)


def _bits(coefficients: np.ndarray) -> np.ndarray:
    flat = coefficients.ravel()
    median = np.partition(flat, 127)[127]  # the lower of the two middle values
    return np.packbits((flat > median)[::-1])
