"""Thumbnail of a record: its strongest moment, as WebP of at most 10 kB.

It is as private as the file: it is stored in the record and deleted with it.
"""

import io
import logging
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from detector import media
from detector.errors import UnmaskError
from detector.pipeline import Progress
from detector.schema.analysis import Analysis
from detector.threads import Supervised
from service.records.model import MAX_THUMBNAIL_BYTES

log = logging.getLogger(__name__)

MAX_SECONDS = 60.0  # that a result waits for its thumbnail
SIDE = 320  # px of the longer side


def moment(analysis: Analysis) -> float:
    """Return the strongest moment, s: the most suspicious person's best one."""
    if analysis.seen:
        return analysis.seen[0].thumbnail_time
    return analysis.timestamps[len(analysis.timestamps) // 2] if analysis.timestamps else 0.0


class EarlyThumbnail:
    """Thumbnail of a file that is being analyzed, made while its faces are scored. The moment is
    known by then, unless the scores make another person the most suspicious one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._time: float | None = None
        self._thread: Supervised[bytes | None] | None = None

    def look(self, progress: Progress) -> None:
        """Start once all faces were detected."""
        known = progress.partial
        if self._thread is None and known and known.seen:
            if progress.sampled < progress.sampled_total:
                return
            self._time = moment(known)
            self._thread = Supervised(
                "thumbnail",
                partial(of, self._path, known),
                owner=self,
                stop=lambda: None,  # it takes a moment
                on_error=lambda error: None,  # raised in the task, which waits for it
            ).start()

    def of(self, analysis: Analysis) -> bytes | None:
        """Return the thumbnail of a finished analysis; as `of`."""
        if self._thread is None or self._time != moment(analysis):
            return of(self._path, analysis)
        try:
            return self._thread.ended.result(MAX_SECONDS)
        except TimeoutError:
            log.warning("a thumbnail took longer than %g s", MAX_SECONDS)
            return None


def of(path: Path, analysis: Analysis) -> bytes | None:
    """Return a file's thumbnail at its moment; None for a sound or an unreadable file."""
    if analysis.media.kind == "audio":
        return None
    time = moment(analysis)
    try:
        return small(media.frame_at(path, analysis.media, time).rgb)
    except (UnmaskError, OSError, ValueError) as error:
        log.warning("a thumbnail could not be made: %s", type(error).__name__)
        return None


def small(rgb: np.ndarray) -> bytes:
    """Return a picture (uint8 [H, W, 3]) as a thumbnail."""
    image = Image.fromarray(rgb)
    side = SIDE
    while True:
        image.thumbnail((side, side), reducing_gap=2)
        for quality in (75, 60, 45, 30):
            out = io.BytesIO()
            image.save(out, "WEBP", quality=quality, method=4)
            if out.tell() <= MAX_THUMBNAIL_BYTES:
                return out.getvalue()
        side = side * 3 // 4  # noise, which no quality makes small
