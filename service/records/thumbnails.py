"""The small picture of a record: the moment that speaks most, as WebP of at most 10 kB.

It is as private as the file: it stands in the record, and goes with it.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
from PIL import Image

from detector import media
from detector.errors import UnmaskError
from detector.schema.analysis import Analysis
from service.records.model import MAX_THUMBNAIL_BYTES

log = logging.getLogger(__name__)

SIDE = 320
"""px of the longer side"""


def of(path: Path, analysis: Analysis) -> bytes | None:
    """The picture of a file at the most suspicious person's best moment; None where it can't be
    read, which is no reason to lose a result."""
    if analysis.judged:
        time = analysis.judged[0].thumbnail_time
    else:
        time = analysis.moments[len(analysis.moments) // 2] if analysis.moments else 0.0
    try:
        return small(media.frame_at(path, analysis.media, time).rgb)
    except (UnmaskError, OSError, ValueError) as error:
        log.warning("a thumbnail could not be made: %s", type(error).__name__)
        return None


def small(rgb: np.ndarray) -> bytes:
    """A picture (uint8 [H, W, 3]) as a thumbnail."""
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
