"""Resource limits for untrusted media, each with its reason."""

from detector.isolation import Limits
from detector.schema.media import LEAST_SIDE, MOST_ASPECT, Media
from detector.sentences import _

MAX_BYTES = 4 * 1024**3
"""Largest file read. An hour of 1080p at 8 Mbit/s is 3.6 GB; beyond that the wait, not the
memory, is the problem. A server sets its own, smaller limit on uploads."""

MAX_PIXELS = 120_000_000
"""Largest still picture: phones make 108 megapixels, which is 324 MB as RGB."""

MAX_VIDEO_PIXELS = 36_000_000
"""Largest video frame: 8K cinema (8192 x 4320). A decoder holds several at once."""

MAX_SIDE = 32_768
"""Longest side of anything: libav and swscale work with 16-bit sizes here and there."""

MAX_ANIMATION_FRAMES = 3_000
"""Pictures read from a GIF, WebP or PNG animation; Pillow has to decode each to reach the next."""

MAX_NAME = 120  # Characters of a file name that are shown

SNIFF_BYTES = 4_096  # How much of a file's beginning says what it is

MAX_INDEX_BYTES = 64 * 1024**2
"""How much of an MP4 index is searched for references to other files: a 4-hour clip has 20 MB."""

WORKER_PASS_SECONDS = 1800.0
"""What a worker may take for one answer that needs a pass through the whole clip: a plan by its
changes, a changed copy."""

WORKER = Limits(
    # The most that a file within the limits takes is 3.5 GB (120 megapixels of 16-bit gray), an 8K
    # video 1.5 GB.
    memory=4 * 1024**3,
    # More than an hour of 1080p, decoded whole at 50 frames a second, and an end to what has none.
    cpu=3600,
    # The longest honest wait is a clip that is one single group of pictures: between two of 32
    # moments of its hour lie 2,700 frames.
    timeout=120.0,
    # It needs about ten.
    files=64,
    frame=3 * MAX_PIXELS,
)
"""What reading one file may take in a process of its own."""

WORKER_PRELOAD = ("detector.media", "detector.audio.sound", "detector.provenance")
"""What is imported once, for all such processes."""


def narrow_note(media: Media) -> str:
    """Return the sentence on a picture that is refused for its shape (`Media.too_narrow`)."""
    text = _(
        "The picture has {width} × {height} pixels. Pictures are judged from {least_side} px on,"
        " and where one side is at most {most_aspect} times the other."
    )
    return text.format(
        width=media.width, height=media.height, least_side=LEAST_SIDE, most_aspect=MOST_ASPECT
    )
