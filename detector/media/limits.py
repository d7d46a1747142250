"""Resource limits for untrusted media, each with its reason."""

from detector.isolation import Limits
from detector.schema.media import LEAST_SIDE, MOST_ASPECT, Media
from detector.sentences import _

MAX_BYTES = 4 * 1024**3
"""Largest file. An hour of 1080p at 8 Mbit/s is 3.6 GB; beyond that time is the problem, not
memory. A server sets its own, smaller limit on uploads."""

MAX_PIXELS = 120_000_000
"""Largest still picture: phones take 108 megapixels, 324 MB as RGB."""

MAX_VIDEO_PIXELS = 36_000_000
"""Largest video frame: 8K cinema (8192 x 4320). A decoder buffers several."""

MAX_SIDE = 32_768
"""Longest side: libav and swscale use 16-bit sizes in places."""

MAX_ANIMATION_FRAMES = 3_000
"""Frames of a GIF, WebP or PNG animation; Pillow decodes each to reach the next."""

MAX_NAME = 120  # Characters of a file name that are shown

SNIFF_BYTES = 4_096  # Bytes that identify a file

MAX_INDEX_BYTES = 64 * 1024**2
"""Bytes of an MP4 index searched for references to other files: a 4-hour clip has 20 MB."""

WORKER_PASS_SECONDS = 1800.0
"""Timeout of a worker's answer that needs a pass through the whole clip."""

WORKER = Limits(
    # The most that a file within the limits takes is 3.5 GB (120 megapixels of 16-bit gray), an 8K
    # video 1.5 GB.
    memory=4 * 1024**3,
    # More than an hour of 1080p, decoded whole at 50 frames a second; ends infinite loops.
    cpu=3600,
    # The longest honest wait is a clip that is one single group of pictures: between two of 32
    # moments of its hour lie 2,700 frames.
    timeout=120.0,
    # It needs about ten.
    files=64,
    frame=3 * MAX_PIXELS,
)
"""Limits of a worker that reads one file."""

WORKER_PRELOAD = ("detector.media", "detector.audio.sound", "detector.provenance")
"""Modules imported once for all such workers."""


def narrow_note(media: Media) -> str:
    """Return the note on a picture refused for its shape (`Media.too_narrow`)."""
    text = _(
        "The picture has {width} × {height} pixels. Pictures are judged from {least_side} px on,"
        " and where one side is at most {most_aspect} times the other."
    )
    return text.format(
        width=media.width, height=media.height, least_side=LEAST_SIDE, most_aspect=MOST_ASPECT
    )
