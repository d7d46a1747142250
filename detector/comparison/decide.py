"""Measurements in, a finding out. No picture is read here.

Every limit is a multiple of what re-encoding is expected to leave between these two files, chosen
on one half of the matched clips and made copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np

from detector.comparison.measure import HEAD, TILE, FaceMeasure, MeasuredMoment, Region
from detector.comparison.moments import draw
from detector.comparison.overlays import Overlay
from detector.schema.comparison import (
    ComparedPerson,
    ComparisonFinding,
    Edit,
    Grading,
    SpaceAlignment,
    Span,
    TimeAlignment,
)
from detector.schema.subject import letter

Part = Literal["none", "mouth", "face"]

FACE_LIMIT, MOST_LIMIT = 1.9, 3.2
"""A face's ratio to what is expected, from which it differs: the least, and the most that an uneven
rest may ask for."""
OVER_TILES = 1.3
"""Times the ratio under which 97 % of the tiles elsewhere stay."""
LEAST_LEVELS = 1.4
"""gray levels over what is expected, below which nobody sees a difference"""
CLEARLY, OVER_RIM = 1.5, 1.15
"""Times the limit, from which a face differs whatever is about it; up to there it has to differ by
so much more than its rim does, and by `OVER_RIM_ALL` times as much of what is expected of both. A
bare wall says little of what an encoder leaves of a person."""
OVER_RIM_ALL, OVER_UPPER, SLIGHT, MOSTLY = 1.6, 1.7, 1.3, 0.7
"""Also under the limit a face differs that does so by this many times its rim's ratio, or its mouth
by this many times the upper face's, at least by this many times what is expected, in this share of
the moments: whatever an encoder errs by, it errs by about a face as in it. Of 76 copies in which no
face was changed the most was 1.5."""
MOUTH_ALONE = 1.7
"""How many times the upper face's ratio the lower's is where the mouth alone differs."""
PERSISTS = 0.12
"""Share of a person's moments that have to differ, and at least two of them."""
EDIT_RATIO, EDIT_LEVELS, EDIT_OVER_REST = 3.0, 5.0, 4.0
"""Of a tile that was edited: multiples of what is expected there; gray levels, and multiples of
those of the middle tile: an encoder with few bits leaves much in a few places."""
FEWEST_SLIGHT, LEAST_RATIO = 4, 0.6
"""moments; ratio of a rim that is counted at least"""
SAME_SHAPES = 0.9
"""Correlation of a tile from which it shows the same in other colors."""
EDIT_PERSISTS = 0.25
"""share of the moments"""
EDIT_TILES = 2
"""tiles that hang together"""
UNSETTLED = 1.7
"""Median ratio of a moment's tiles to that of all, from which the moment is badly aligned."""


@dataclass(frozen=True)
class Decided:
    """The result over all moments together."""

    people: list[ComparedPerson]
    parts: list[dict[int, Part]]
    """per moment: person's number and what of their face differs"""
    edits: list[Edit]
    limits: dict[int, float]
    """ratio from which a person's face differs"""
    settled: list[bool]
    """which moments were counted"""
    uneven: bool
    """whether a face differs by more than is expected, if no more than what is about it"""

    @property
    def changed(self) -> bool:
        """Whether anything differs."""
        return bool(self.edits) or any(person.part != "none" for person in self.people)

    @property
    def accuses(self) -> bool:
        """Whether more differs than what was laid over the picture."""
        areas = any(edit.kind == "area" for edit in self.edits)
        return areas or any(person.part != "none" for person in self.people)


def decide(
    moments: Sequence[MeasuredMoment],
    length: float,
    frame: tuple[float, float],
    *,
    slight: bool = False,
) -> Decided:
    """Return what differs.

    Parameters
    ----------
    moments : sequence of MeasuredMoment
        Ascending in time; at least one.
    length : float
        s of the copy; 0 for a still picture
    frame : (x, y)
        px of the upright copy for a px of `MeasuredMoment.layers`
    slight : bool
        Also say what differs slightly all along: of what is the same moment beyond doubt.
    """
    settled = _settled(moments)
    ratios = np.concatenate(
        [m.tiles[np.isfinite(m.tiles)] for m, s in zip(moments, settled, strict=True) if s]
    )
    high = float(np.percentile(ratios, 97)) if len(ratios) >= 30 else 1.3
    limit = float(np.clip(OVER_TILES * high, FACE_LIMIT, MOST_LIMIT))
    numbers = sorted({face.person for moment in moments for face in moment.faces})
    parts: list[dict[int, Part]] = [{} for _ in moments]
    people, limits = [], {}
    for number in numbers:
        rows = _rows(number, moments, settled)
        flagged = [_part(face, moments[i], limit) for i, face in rows]
        limits[number] = limit
        if (
            slight
            and not _enough([part != "none" for part in flagged])
            and (low := _slightly([face for _, face in rows]))
        ):
            flagged, limits[number] = [low[0]] * len(rows), low[1]
        people.append(_person(number, moments, rows, flagged, limits[number], parts, length))
    edits = _edits(moments, settled, {n for p in parts for n in p if p[n] != "none"}, length, frame)
    uneven = any(face.inside.ratio > limit for moment in moments for face in moment.faces)
    return Decided(people, parts, edits, limits, settled, uneven)


def _settled(moments: Sequence[MeasuredMoment]) -> list[bool]:
    """Return which moments are aligned as well as most are."""
    middles = [_middle(moment, moment.rest.ratio) for moment in moments]
    return [bool(x <= UNSETTLED * max(float(np.median(middles)), 0.5)) for x in middles]


def _middle(moment: MeasuredMoment, otherwise: float) -> float:
    """Return the median ratio of a moment's tiles."""
    told = moment.tiles[np.isfinite(moment.tiles)]
    return float(np.median(told)) if len(told) else otherwise


Rows = list[tuple[int, FaceMeasure]]


def _rows(number: int, moments: Sequence[MeasuredMoment], settled: Sequence[bool]) -> Rows:
    """Return one person's face at each settled moment."""
    return [
        (i, face)
        for i, moment in enumerate(moments)
        if settled[i]
        for face in moment.faces
        if face.person == number
    ]


def _enough(differs: Sequence[bool]) -> bool:
    """Whether a person differs at as many moments as it takes."""
    return any(differs) and sum(differs) >= max(min(2, len(differs)), PERSISTS * len(differs))


def _slightly(faces: Sequence[FaceMeasure]) -> tuple[Part, float] | None:
    """Return what of a face differs little but all along, and the ratio from which it does; None
    where nothing does."""
    if len(faces) < FEWEST_SLIGHT:
        return None
    rim, upper = (
        max(LEAST_RATIO, float(np.median([x.ratio for x in regions])))
        for regions in ([f.rim for f in faces], [f.upper for f in faces])
    )

    def mostly(regions: Sequence[Region], limit: float) -> bool:
        over = [
            region.ratio > limit
            and region.difference - region.expected > LEAST_LEVELS
            and region.difference > OVER_RIM * face.rim.difference
            for region, face in zip(regions, faces, strict=True)
        ]
        return sum(over) >= MOSTLY * len(over)

    limit = max(SLIGHT, OVER_RIM_ALL * rim)
    if mostly([f.inside for f in faces], limit):
        return "face", limit
    limit = max(SLIGHT, OVER_UPPER * upper, SLIGHT * rim)
    return ("mouth", limit) if mostly([f.lower for f in faces], limit) else None


def _person(
    number: int,
    moments: Sequence[MeasuredMoment],
    rows: Rows,
    flagged: Sequence[Part],
    limit: float,
    parts: list[dict[int, Part]],
    length: float,
) -> ComparedPerson:
    """Return one person; `parts` is filled with what differs at each moment."""
    # One moment between two of the same kind is as they are.
    differs = [part != "none" for part in flagged]
    for k in range(1, len(differs) - 1):
        if differs[k - 1] == differs[k + 1] != differs[k]:
            differs[k] = differs[k - 1]
    enough = _enough(differs)
    if not enough:
        differs = [False] * len(rows)
    shown = [face for (_, face), yes in zip(rows, differs, strict=True) if yes] or [
        face for _, face in rows
    ]
    part: Part = "none"
    if enough:
        lower = float(np.median([f.lower.ratio for f in shown]))
        upper = float(np.median([f.upper.ratio for f in shown]))
        part = "mouth" if upper < limit and lower > MOUTH_ALONE * upper else "face"
    for (i, _), yes in zip(rows, differs, strict=True):
        parts[i][number] = part if yes else "none"
    times = [moments[i].pair.time for i, _ in rows]
    return ComparedPerson(
        id=letter(number),
        part=part,
        spans=spans(times, differs, length),
        difference=_mean([f.inside.difference for f in shown]),
        rim=_mean([f.rim.difference for f in shown]),
        limit=_mean([limit * f.inside.expected for f in shown]),
        moments=len(rows),
    )


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 2) if values else 0.0


def _part(face: FaceMeasure, moment: MeasuredMoment, limit: float) -> Part:
    # Where a whole moment fits worse than others, so does its face.
    limit = limit * max(1.0, _middle(moment, moment.rest.ratio))

    def over(part: Region) -> bool:
        if part.ratio <= limit or part.difference - part.expected <= LEAST_LEVELS:
            return False
        clearly = part.ratio > CLEARLY * limit
        rim = face.rim
        over_rim = part.difference > OVER_RIM * rim.difference
        return clearly or (over_rim and part.ratio > OVER_RIM_ALL * rim.ratio)

    if over(face.inside) or over(face.upper):
        return "face"
    return "mouth" if over(face.lower) else "none"


def spans(times: Sequence[float], differs: Sequence[bool], length: float) -> list[Span]:
    """Return the stretches in which something differs: they end halfway to the next moment that
    does not, at the clip's ends with it."""
    found: list[Span] = []
    for k, (time, yes) in enumerate(zip(times, differs, strict=True)):
        if not yes:
            continue
        start = (times[k - 1] + time) / 2 if k else 0.0
        end = (time + times[k + 1]) / 2 if k + 1 < len(times) else max(length, time)
        if found and k and differs[k - 1]:
            found[-1] = Span(start=found[-1].start, end=round(end, 3))
        else:
            found.append(Span(start=round(start, 3), end=round(end, 3)))
    return found


def _edits(
    moments: Sequence[MeasuredMoment],
    settled: Sequence[bool],
    changed: set[int],
    length: float,
    frame: tuple[float, float],
) -> list[Edit]:
    """Return places outside heads that differ and go on differing."""
    used = [m for m, s in zip(moments, settled, strict=True) if s]
    flags = []
    for moment in used:
        base = _middle(moment, 1.0)
        told = moment.levels[np.isfinite(moment.levels)]
        least = max(EDIT_LEVELS, EDIT_OVER_REST * float(np.median(told)) if len(told) else 0.0)
        over = (moment.tiles > EDIT_RATIO * max(1.0, base)) & (moment.levels > least)
        over &= ~(moment.alike > SAME_SHAPES)  # a color that was not met elsewhere
        flags.append(over & ~_near(moment, changed))
    stack = np.array(flags)
    needed = max(min(2, len(used)), EDIT_PERSISTS * len(used))
    lasting = _runs(stack) >= min(needed, 6)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        lasting.astype(np.uint8), connectivity=8
    )
    found = []
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] < EDIT_TILES:
            continue
        place = labels == label
        during = [bool((flag & place).sum() >= EDIT_TILES) for flag in flags]
        levels = [
            float(np.nanmean(m.levels[place])) for m, d in zip(used, during, strict=True) if d
        ]
        x, y, w, h = (int(stats[label, k]) * TILE for k in range(4))
        found.append(
            Edit(
                box=(x * frame[0], y * frame[1], (x + w) * frame[0], (y + h) * frame[1]),
                spans=spans([m.pair.time for m in used], during, length),
                difference=_mean(levels),
                kind="overlay" if _still(used, place) else "area",
            )
        )
    return sorted(found, key=lambda edit: -_area(edit))


def laid_over(
    overlay: Overlay, times: Sequence[float], length: float, frame: tuple[float, float]
) -> Edit:
    """Return an overlay as an edit; `times` are the moments it was looked for at, s, the rest as of
    `decide`."""
    x0, y0, x1, y1 = overlay.box
    return Edit(
        box=(x0 * frame[0], y0 * frame[1], x1 * frame[0], y1 * frame[1]),
        spans=spans(times, overlay.during, length),
        difference=round(overlay.levels, 2),
        kind="overlay",
    )


def _area(edit: Edit) -> float:
    return (edit.box[2] - edit.box[0]) * (edit.box[3] - edit.box[1])


def _runs(stack: np.ndarray) -> np.ndarray:
    """Return the longest run of moments in which each tile is flagged, int [h, w]."""
    longest = current = np.zeros(stack.shape[1:], int)
    for flags in stack:
        current = (current + 1) * flags
        longest = np.maximum(longest, current)
    return longest


def _near(moment: MeasuredMoment, changed: set[int]) -> np.ndarray:
    """Return the tiles that a changed head may reach, bool [h, w]: hair, neck, a pasted square."""
    mask = np.zeros(moment.layers.valid.shape, np.uint8)
    for number, face in moment.layers.faces:
        if number in changed:
            draw(mask, face, HEAD * 1.5, 1)
    rows, columns = moment.tiles.shape
    return cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA) > 0


def _still(moments: Sequence[MeasuredMoment], place: np.ndarray) -> bool:
    """Whether what was put there stays as it is while the picture under it changes."""
    if len(moments) < 3:
        return False
    size = moments[0].layers.valid.shape[::-1]
    wide = cv2.resize(place.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    apart = np.median([m.difference for m in moments], axis=0)
    mask = wide & (apart > max(EDIT_LEVELS, float(np.median(apart[wide]))))
    if not mask.any():
        return False

    def change(pictures: list[np.ndarray]) -> float:
        return float(np.mean([np.abs(b - a)[mask].mean() for a, b in pairwise(pictures)]))

    of_copy = change([m.layers.copy for m in moments])
    of_original = change([m.layers.original for m in moments])
    return of_copy < 0.5 * of_original or of_copy < 3.0


def finding(
    decided: Decided, space: SpaceAlignment, grading: Grading, time: TimeAlignment
) -> ComparisonFinding:
    """Return the finding about two files that are the same footage."""
    parts = [person.part for person in decided.people]
    if any(edit.kind == "area" for edit in decided.edits):
        return ComparisonFinding.OTHER_EDITS
    if "face" in parts:
        return ComparisonFinding.FACE_DIFFERS
    if "mouth" in parts:
        return ComparisonFinding.MOUTH_DIFFERS
    if decided.edits:
        return ComparisonFinding.OTHER_EDITS
    changed = (
        space.cropped
        or space.mirrored
        or space.frame is not None
        or space.turned
        or space.tilted
        or grading.graded
        or time.backwards
        or time.retimed
    )
    return ComparisonFinding.TRANSFORMED if changed else ComparisonFinding.NOTHING_DIFFERS
