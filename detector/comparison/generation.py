"""Which of two files of the same footage looks like the younger. A hint, never proof."""

from __future__ import annotations

from typing import Literal

from detector.schema.analysis import Media
from detector.schema.comparison import Generation, GenerationHint, SpaceAlignment

SMALLER, FEWER_BITS = 0.95, 0.6
"""Ratios of size, and of bits a pixel and second, that tell."""
SOFTER = 0.8
"""px of a Gaussian, at the size at which faces are measured"""
SHORTER = 0.9
"""of the other's length"""


def generation(copy: Media, original: Media, space: SpaceAlignment, softer: float) -> Generation:
    """Return what tells which of the two is the younger.

    Parameters
    ----------
    copy, original : Media
    space : SpaceAlignment
        Of the copy in the original.
    softer : float
        px of a Gaussian by which the copy is softer; below 0: the original is.
    """
    votes: list[tuple[float, GenerationHint]] = []

    def say(code: str, of_copy: bool, weight: float, **params: str | int | float) -> None:
        which: Literal["copy", "original"] = "copy" if of_copy else "original"
        votes.append((weight, GenerationHint(code=code, younger=which, params=params)))

    # A picture that shows less of the scene can't be what the wider one was made from.
    if space.cropped and space.frame is None:
        say("cropped", True, 4.0)
    if abs(space.scale - 1.0) > 1 - SMALLER:
        small = copy if space.scale < 1 else original
        say("smaller", space.scale < 1, 2.0, width=small.width, height=small.height)
    if abs(softer) >= SOFTER:
        say("softer", softer > 0, 1.5)
    rates = _bits(copy), _bits(original)
    if min(rates) > 0 and copy.codec == original.codec:
        share = min(rates) / max(rates)
        if share < FEWER_BITS:
            say("fewer_bits", rates[0] < rates[1], 1.0, share=round(100 * share))
    ours, theirs = copy.duration or 0.0, original.duration or 0.0
    if min(ours, theirs) > 0 and min(ours, theirs) < SHORTER * max(ours, theirs):
        say("shorter", ours < theirs, 1.0)
    total = sum(weight if hint.younger == "copy" else -weight for weight, hint in votes)
    votes.sort(key=lambda vote: -vote[0])
    return Generation(
        younger="copy" if total >= 1.0 else "original" if total <= -1.0 else None,
        hints=[hint for _, hint in votes],
    )


def _bits(media: Media) -> float:
    """Return bits a second and megapixel."""
    return (media.bit_rate or 0.0) / max(1, media.width * media.height) * 1e6
