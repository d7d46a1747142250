"""Media reading: identify a file, choose timestamps, decode the pictures there.

Files are untrusted. They are identified by content, read through whitelists within limits, and
never followed to other files or addresses. Independent of faces and models.

A program that serves others calls `isolate` once: parsers then run in sandboxed workers
(`detector.isolation`). The functions here are the same either way."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from threading import Event

import cv2
import numpy as np

from detector import isolation
from detector.errors import MediaError
from detector.isolation import Frame as Frame
from detector.isolation import isolated as isolated
from detector.isolation import run_isolated as run_isolated
from detector.isolation import stream_isolated
from detector.media.container import open_media as open_media
from detector.media.facts import probe_video
from detector.media.files import Identity as Identity
from detector.media.files import identify as identify
from detector.media.files import safe_name as safe_name
from detector.media.film import film_name as film_name
from detector.media.film import open_film as open_film
from detector.media.limits import WORKER, WORKER_PRELOAD
from detector.media.limits import narrow_note as narrow_note
from detector.media.sampling import Shot as Shot
from detector.media.sampling import busiest as busiest
from detector.media.sampling import every_frame as every_frame
from detector.media.sampling import part as part
from detector.media.sampling import plan as plan
from detector.media.sampling import seen as seen
from detector.media.sampling import shots as shots
from detector.media.sampling import stored as stored
from detector.media.sampling import with_every_shot as with_every_shot
from detector.media.stills import decode_still, probe_still
from detector.media.video import Spacing as Spacing
from detector.media.video import decode_scaled as decode_scaled
from detector.media.video import decode_spaced as decode_spaced
from detector.media.video import decode_video, probe_and_decode
from detector.media.webm import playable as playable
from detector.schema.analysis import Media
from detector.sentences import _


def isolate() -> isolation.Sandbox:
    """Parse media in sandboxed workers from here on (`detector.isolation.isolate`); raise
    UnmaskError where the system has none."""
    return isolation.isolate(WORKER, WORKER_PRELOAD)


def probe(path: str | os.PathLike[str], *, name: str | None = None) -> Media:
    """Return the metadata of a file, decoding at most a video's first frame; `name` is its display
    name, sanitized.

    Raise MediaError: missing, empty, too large, damaged, not media, or a reference. `code` is one
    of not_found, unreadable, not_a_file, empty, too_large, too_many_pixels, unsupported,
    unsupported_codec, encrypted, reference, no_picture, index_missing, undecodable; isolated also
    reader_crashed, reader_memory, reader_timeout."""
    this = identify(path, name=name)
    return this.of(run_isolated(probe_still if this.picture else probe_video, path, returns=Media))


def open_spaced(
    path: str | os.PathLike[str],
    this: Identity,
    size: tuple[int, int],
    spacing: Spacing,
    *,
    cancel: Event | None = None,
) -> tuple[Media, Iterator[Frame]]:
    """Probe a file and stream pictures of it from the same worker, area-averaged to `size` (width,
    height) whatever their shape; none for sound. Raise as `probe` and `decode`."""
    frames = stream_isolated(
        probe_and_decode, path, this.picture, size, spacing,
        head=Media, size=size, count=spacing.most, notes=[], cancel=cancel,
    )  # fmt: skip
    return this.of(next(frames)), frames


def decode(
    path: str | os.PathLike[str],
    media: Media,
    times: Sequence[float],
    *,
    notes: list[str],
    cancel: Event | None = None,
    beside: bool = False,
) -> Iterator[Frame]:
    """Stream the pictures on screen at ascending `times`, s from the first frame: each is the last
    one that starts at or before its time, and is yielded once.

    Only these are converted to RGB, and unneeded stretches are skipped, so memory and time do not
    grow with the clip. `notes` receives a sentence if the file is damaged or stops early; `beside`
    leaves half of the cores to other work. Raise MediaError if nothing can be decoded, Canceled."""
    # As the workers know it: upright by its own tags.
    source = turned(media, -media.turned) if media.turned else media
    frames = stream_isolated(
        _decode,
        path,
        source,
        tuple(times),
        beside,
        size=(source.width, source.height),
        count=len(times),
        notes=notes,
        cancel=cancel,
    )
    if not media.turned:
        return frames
    return (replace(frame, rgb=turn(frame.rgb, media.turned)) for frame in frames)


def turned(media: Media, degrees: int) -> Media:
    """Return the metadata rotated clockwise by a multiple of 90 degrees: `decode` and `frame_at`
    rotate its pictures."""
    change: dict[str, object] = {"turned": (media.turned + degrees) % 360}
    if degrees % 180:
        change |= {"width": media.height, "height": media.width}
    return media.model_copy(update=change, deep=True)


def turn(rgb: np.ndarray, degrees: int) -> np.ndarray:
    """Rotate a picture [H, W, 3] clockwise by a multiple of 90 degrees; contiguous."""
    code = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    return np.ascontiguousarray(rgb) if degrees % 360 == 0 else cv2.rotate(rgb, code[degrees % 360])


def _decode(
    path: str | os.PathLike[str],
    media: Media,
    times: Sequence[float],
    beside: bool,
    *,
    notes: list[str],
    cancel: Event | None = None,
) -> Iterator[Frame]:
    if media.kind == "video":
        return decode_video(path, media, times, notes=notes, cancel=cancel, beside=beside)
    return decode_still(path, media, times, cancel=cancel)


def frame_at(path: str | os.PathLike[str], media: Media, time: float) -> Frame:
    """Seek to `time` and return the picture on screen, the same as `decode` gives."""
    end = media.duration or 0.0
    for frame in decode(path, media, [min(max(time, 0.0), end)], notes=[]):
        return frame
    raise MediaError(_("There is no picture at this moment."), code="undecodable")
