"""How much of a file was sampled, and how long a closer look would take."""

from collections.abc import Sequence
from itertools import pairwise

from detector import media
from detector.schema.analysis import Analysis, Coverage, Media, Settings

CLOSER = 480
"""frames of a closer look, at most: two a second in four minutes"""

GROUP = 5.0
"""s from one key frame to the next, as is usual: with frames closer than that, all is decoded."""
PASSES = 3
"""times that a closer look decodes a clip: for its shots, and twice for its frames"""
CLOSEST = 0.1
"""s between two frames of a closer look; faces hardly change in less."""


def coverage(
    info: Media, settings: Settings, timestamps: Sequence[float], shots: Sequence[media.Shot] | None
) -> Coverage:
    """Return how much was sampled at `timestamps`, ascending, s; no `shots`: not searched."""
    if not info.duration or info.kind == "image":
        return Coverage(sampled=len(timestamps), frames=info.frame_count or 1, longest_gap=0.0)
    start, end = media.part(info.duration, settings)
    whole = (start, end) == (0.0, info.duration)
    frames = info.frame_count if whole else None
    if frames is None:
        frames = round((end - start) * (info.fps or 0.0))
    edges = [start, *timestamps, end]
    return Coverage(
        sampled=len(timestamps),
        frames=max(frames, len(timestamps)),
        longest_gap=round(max(b - a for a, b in pairwise(edges)), 3),
        shots=None if shots is None else len(shots),
        shots_seen=None if shots is None else sum(media.seen(shots, timestamps)),
    )


def estimate(analysis: Analysis, frames: int = CLOSER) -> float | None:
    """Return the seconds that looking closer would take on the same machine.

    Parameters
    ----------
    analysis : Analysis
        A finished one of the same file with the same models.
    frames : int
        `Settings.frames` of the closer look.

    Returns
    -------
    float or None
        None where there is nothing closer to look at, or no time was measured.
    """
    info, times = analysis.media, analysis.timings
    sampled, total = len(analysis.timestamps), times.get("total", 0.0)
    if info.kind != "video" or not info.duration or not sampled or total <= 0:
        return None
    start, end = media.part(info.duration, analysis.settings)
    more = min(frames, round((end - start) / CLOSEST))
    if more <= sampled:
        return None
    # Decoding, finding faces and scoring run side by side: the slowest sets the pace. Of the
    # decoding, what lies between two frames grows no further once everything is decoded.
    gap = (end - start) / sampled
    decoded = times.get("decode", 0.0) * max(1.0, min(more / sampled, gap / GROUP))
    worked = (total - times.get("read", 0.0)) * more / sampled
    return round(times.get("read", 0.0) + PASSES * decoded + worked, 1)
