"""Which of two files of the same footage looks like the younger: a hint, unless a camera's
signature proves it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from detector.comparison.traces import FACTOR, QUALITY, FileTraces
from detector.schema.analysis import Media
from detector.schema.comparison import Generation, GenerationHint, SpaceAlignment

SMALLER, FEWER_BITS = 0.95, 0.6
"""Ratios of size, and of bits a pixel and second, that tell."""
SOFTER = 0.8
"""px of a Gaussian, at the size at which faces are measured"""
SHORTER = 0.9
"""of the other's length"""
LATER = timedelta(hours=26)
"""Between two dates that tell: cameras write the time of where they are, and time zones lie up to
26 hours apart."""
COARSER = {FACTOR.format("x264"): 4.0, FACTOR.format("x265"): 4.0, QUALITY: -10.0}
"""More of it that tells, less below 0. 6 of a rate factor halve the bits."""
Vote = tuple[float, GenerationHint]
"""Weight, and what it is for"""


def generation(
    copy: Media,
    original: Media,
    space: SpaceAlignment,
    softer: float,
    traces: tuple[FileTraces, FileTraces],
) -> Generation:
    """Return what tells which of the two is the younger.

    Parameters
    ----------
    copy, original : Media
    space : SpaceAlignment
        Of the copy in the original.
    softer : float
        px of a Gaussian by which the copy is softer; below 0: the original is.
    traces : pair of FileTraces
        Of the copy and of the original.
    """
    if traces[0].captured != traces[1].captured:
        copied: Literal["copy", "original"] = "original" if traces[0].captured else "copy"
        signed = GenerationHint(code="captured", younger=copied)
        return Generation(younger=copied, proven=True, hints=[signed])
    votes = [*_of_pictures(copy, original, space, softer), *_of_traces(*traces)]
    total = sum(weight if hint.younger == "copy" else -weight for weight, hint in votes)
    votes.sort(key=lambda vote: -vote[0])
    return Generation(
        younger="copy" if total >= 1.0 else "original" if total <= -1.0 else None,
        hints=[hint for _, hint in votes],
    )


def _of_pictures(
    copy: Media, original: Media, space: SpaceAlignment, softer: float
) -> Iterator[Vote]:
    # A picture that shows less of the scene can't be what the wider one was made from.
    if space.cropped and space.frame is None:
        yield _vote("cropped", True, 4.0)
    if abs(space.scale - 1.0) > 1 - SMALLER:
        small = copy if space.scale < 1 else original
        yield _vote("smaller", space.scale < 1, 2.0, width=small.width, height=small.height)
    if abs(softer) >= SOFTER:
        yield _vote("softer", softer > 0, 1.5)
    rates = _bits(copy), _bits(original)
    if min(rates) > 0 and copy.codec == original.codec:
        share = min(rates) / max(rates)
        if share < FEWER_BITS:
            yield _vote("fewer_bits", rates[0] < rates[1], 1.0, share=round(100 * share))
    ours, theirs = copy.duration or 0.0, original.duration or 0.0
    if min(ours, theirs) > 0 and min(ours, theirs) < SHORTER * max(ours, theirs):
        yield _vote("shorter", ours < theirs, 1.0)


def _of_traces(copy: FileTraces, original: FileTraces) -> Iterator[Vote]:
    if copy.made and original.made and abs(copy.made - original.made) > LATER:
        latest = max(copy.made, original.made)
        yield _vote("later_date", copy.made == latest, 1.0, date=latest.date().isoformat())
    for younger, older in ((copy, original), (original, copy)):
        # One that names a camera and no program may still be what the camera wrote.
        if younger.writer and older.camera and not older.writer:
            yield _vote("rewritten", younger is copy, 1.5, software=younger.writer)
    if copy.compression and original.compression:
        (by, ours), (other, theirs) = copy.compression, original.compression
        steps = (ours - theirs) / COARSER[by] if by == other else 0.0
        if abs(steps) >= 1:
            worse, better = (ours, theirs) if steps > 0 else (theirs, ours)
            # Half as much as bits, which say it too: who encodes again may do so generously.
            yield _vote("coarser", steps > 0, 0.5, by=by, worse=worse, better=better)


def _vote(code: str, of_copy: bool, weight: float, **params: str | int | float) -> Vote:
    younger: Literal["copy", "original"] = "copy" if of_copy else "original"
    return weight, GenerationHint(code=code, younger=younger, params=params)


def _bits(media: Media) -> float:
    """Return bits a second and megapixel."""
    return (media.bit_rate or 0.0) / max(1, media.width * media.height) * 1e6
