"""Put a comparison's finding together: what differs in full pixels, and which file is younger.

Which of two files is the younger is a hint from what they state of themselves and from their
pictures; a camera's trusted signature alone proves it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Literal

import numpy as np

from detector.comparison import align
from detector.comparison.decide import Decided, Part
from detector.comparison.measure import MeasuredMoment
from detector.provenance.file_traces import FACTOR, QUALITY, FileTraces
from detector.schema.comparison import (
    ComparedMoment,
    Comparison,
    ComparisonFinding,
    FaceDifference,
    Generation,
    GenerationHint,
    Grading,
    SpaceAlignment,
    TimeAlignment,
)
from detector.schema.subject import letter

SMALLER, FEWER_BITS, SHORTER = 0.95, 0.6, 0.9
"""Ratios of size, of bits a pixel and second, and of length that count."""
LATER = timedelta(hours=26)
"""Cameras write local time, and time zones lie up to 26 hours apart."""
COARSER = {FACTOR.format("x264"): 4.0, FACTOR.format("x265"): 4.0, QUALITY: -10.0}
"""Difference that counts. 6 of a rate factor halve the bits."""
_Vote = tuple[float, GenerationHint]


def generation(
    result: Comparison, space: SpaceAlignment, traces: tuple[FileTraces, FileTraces]
) -> Generation:
    """Return which of the two is the younger, and the hints for it; `traces` are of the copy and
    of the original."""
    if traces[0].captured != traces[1].captured:
        copied: Literal["copy", "original"] = "original" if traces[0].captured else "copy"
        signed = GenerationHint(code="captured", younger=copied)
        return Generation(younger=copied, proven=True, hints=[signed])
    votes = [*_picture_votes(result, space), *_trace_votes(*traces)]
    total = sum(weight if hint.younger == "copy" else -weight for weight, hint in votes)
    votes.sort(key=lambda vote: -vote[0])
    return Generation(
        younger="copy" if total >= 1.0 else "original" if total <= -1.0 else None,
        hints=[hint for _, hint in votes],
    )


def _picture_votes(result: Comparison, space: SpaceAlignment) -> Iterator[_Vote]:
    copy, original = result.copy_media, result.original_media
    if space.cropped and space.frame is None:
        yield _vote("cropped", True, 4.0)
    if abs(space.scale - 1.0) > 1 - SMALLER:
        small = copy if space.scale < 1 else original
        yield _vote("smaller", space.scale < 1, 2.0, width=small.width, height=small.height)
    rates = [(m.bit_rate or 0.0) / max(1, m.width * m.height) for m in (copy, original)]
    if min(rates) > 0 and copy.codec == original.codec:
        share = min(rates) / max(rates)
        if share < FEWER_BITS:
            yield _vote("fewer_bits", rates[0] < rates[1], 1.0, share=round(100 * share))
    ours, theirs = copy.duration or 0.0, original.duration or 0.0
    # How long a copy of several films lasts does not say which of the two is the younger.
    if result.excerpt is None and 0 < min(ours, theirs) < SHORTER * max(ours, theirs):
        yield _vote("shorter", ours < theirs, 1.0)


def _trace_votes(copy: FileTraces, original: FileTraces) -> Iterator[_Vote]:
    if copy.made and original.made and abs(copy.made - original.made) > LATER:
        latest = max(copy.made, original.made)
        yield _vote("later_date", copy.made == latest, 1.0, date=latest.date().isoformat())
    for younger, older in ((copy, original), (original, copy)):
        if younger.writer and older.camera and not older.writer:
            yield _vote("rewritten", younger is copy, 1.5, software=younger.writer)
    if copy.compression and original.compression:
        (by, ours), (other, theirs) = copy.compression, original.compression
        steps = (ours - theirs) / COARSER[by] if by == other else 0.0
        if abs(steps) >= 1:
            worse, better = (ours, theirs) if steps > 0 else (theirs, ours)
            yield _vote("coarser", steps > 0, 0.5, by=by, worse=worse, better=better)


def _vote(code: str, of_copy: bool, weight: float, **params: str | int | float) -> _Vote:
    younger: Literal["copy", "original"] = "copy" if of_copy else "original"
    return weight, GenerationHint(code=code, younger=younger, params=params)


def finding(
    decided: Decided, space: SpaceAlignment, grading: Grading, time: TimeAlignment
) -> ComparisonFinding:
    """Return the finding about two files that are the same footage."""
    parts = [person.changed_region for person in decided.people]
    if any(edit.kind == "area" for edit in decided.edits):
        return ComparisonFinding.OTHER_EDITS
    if "face" in parts:
        return ComparisonFinding.FACE_DIFFERS
    if "mouth" in parts:
        return ComparisonFinding.MOUTH_DIFFERS
    if decided.edits:
        return ComparisonFinding.OTHER_EDITS
    shape = space.cropped or space.mirrored or space.frame is not None
    moved = space.turned or space.tilted
    played = time.backwards or time.retimed
    changed = shape or moved or played or grading.graded
    return ComparisonFinding.TRANSFORMED if changed else ComparisonFinding.NOTHING_DIFFERS


def space_of(result: Comparison, found: Sequence[MeasuredMoment]) -> SpaceAlignment:
    """Return how the original's picture lies in the copy's, at the middle moment."""
    original, copy = result.original_media, result.copy_media
    sizes = (original.width, original.height), (copy.width, copy.height)
    return align.described(_full_matrix(found[len(found) // 2], result), *sizes)


def _full_matrix(moment: MeasuredMoment, result: Comparison) -> np.ndarray:
    """Return a moment's homography of full pictures."""
    original, copy, pair = result.original_media, result.copy_media, moment.pair
    return align.moved_to(
        pair.matrix,
        (pair.original.shape[1::-1], (original.width, original.height)),
        (pair.copy.shape[1::-1], (copy.width, copy.height)),
    )


def compared_moment(
    found: MeasuredMoment,
    parts: Mapping[int, Part],
    limits: Mapping[int, float],
    limit: float,
    result: Comparison,
    full: tuple[float, float],
) -> ComparedMoment:
    """Return a moment in pixels of the copy, of which `full` are one of the layers; `limit` is the
    noise threshold of the background."""
    faces = []
    boxes = {number: face.box for number, face in found.layers.faces}
    for face in found.faces:
        x0, y0, x1, y1 = boxes[face.person]
        faces.append(
            FaceDifference(
                person=letter(face.person),
                box=(x0 * full[0], y0 * full[1], x1 * full[0], y1 * full[1]),
                difference=round(face.inside.difference, 2),
                mouth=round(face.lower.difference, 2),
                rim=round(face.rim.difference, 2),
                noise_threshold=round(limits[face.person], 2),
                changed_region=parts.get(face.person, "none"),
            )
        )
    a, b, c, d, e, f, g, h, i = (round(float(x), 8) for x in _full_matrix(found, result).ravel())
    return ComparedMoment(
        time=round(found.pair.time, 4),
        original_time=round(found.pair.original_time, 4),
        background_difference=round(found.rest.difference, 2),
        noise_threshold=round(limit, 2),
        faces=faces,
        transform=(a, b, c, d, e, f, g, h, i),
    )
