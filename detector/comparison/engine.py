"""Comparison of a suspected copy with its original."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from threading import Event
from typing import Literal

import numpy as np

from detector import forked, media, vision
from detector.comparison import align, decide, measure, movement, place
from detector.comparison.align import Aligned, FootageReader
from detector.comparison.decide import LEAST_ALIKE, MOST, Area, Decided, Part, Sameness
from detector.comparison.measure import Graded, MeasuredMoment
from detector.comparison.place import MomentPair
from detector.errors import UsageError
from detector.provenance.file_traces import FACTOR, QUALITY, FileTraces, read_traces
from detector.schema.analysis import Media
from detector.schema.comparison import (
    ComparedMoment,
    Comparison,
    ComparisonFinding,
    FaceDifference,
    Generation,
    GenerationHint,
    Grading,
    RoleSource,
    SpaceAlignment,
    Span,
    TimeAlignment,
)
from detector.schema.subject import letter
from detector.sentences import _
from detector.vision import Detection, FaceDetector

SMALLER, FEWER_BITS, SHORTER = 0.95, 0.6, 0.9
"""Ratios of size, of bits a pixel and second, and of length that count."""
LATER = timedelta(hours=26)  # Cameras write local time, and time zones lie up to 26 hours apart
COARSER = {FACTOR.format("x264"): 4.0, FACTOR.format("x265"): 4.0, QUALITY: -10.0}
"""Difference that counts. 6 of a rate factor halve the bits."""
_Vote = tuple[float, GenerationHint]


def generation(
    result: Comparison, space: SpaceAlignment, traces: tuple[FileTraces, FileTraces]
) -> Generation:
    """Return which of the two files is the younger, with hints; `traces`: of the copy and of the
    original."""
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
    # The duration of a copy with other films in it does not show which of the two is younger.
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


def _full_matrix(moment: MeasuredMoment, result: Comparison) -> np.ndarray:
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
    """Convert a moment to px of the copy; `full`: px (x, y) of the copy for a px of the layers,
    `limit`: noise threshold of the background."""
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


MOMENTS = 24  # that are measured
SIDE, MIN_FACE = 640, 20
"""px of the longer side of frames, and of the smallest face"""
AROUND = 2  # frames of the original before and after the matched one, of which the best is chosen
FPS = 25.0
EVEN_MOMENTS, EVEN_SECONDS = 12, 0.9  # from which the playback rate is measured
SAME_SHAPES = 0.92  # Correlation of shapes below which files are not comparable
EXCERPT_ALIKE, EXCERPT_MOMENTS = 0.5, 3
"""Share of the best moment's matching tiles that other moments of an excerpt need; its least number
of moments that show the original."""

OnProgress = Callable[[float], None]  # Called with the share done, 0..1


def compare(
    copy: str | Path,
    original: str | Path,
    *,
    roles: RoleSource = "unknown",
    copy_media: Media | None = None,
    original_media: Media | None = None,
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> Comparison:
    """Compare a suspected copy with its original, or a file with another.

    Up to 24 moments of the copy are measured; in an original of more than 10 minutes the stretch
    is first searched in steps of up to its length / 900.

    Parameters
    ----------
    copy, original : path
        Videos, animations or pictures.
    roles : {"unknown", "stated", "registered"}
        The source of the claim that `original` is the original. "unknown": the order has no
        meaning and no file is accused; if a signature proves that `copy` is the original, the
        result swaps them.
    copy_media, original_media : Media, optional
        From `detector.media.probe`, if known.
    on_progress : callable, optional
    cancel : threading.Event, optional

    Raises
    ------
    MediaError
        A file can't be read.
    UsageError
        One of them has no picture, or one that is too narrow.
    Canceled
    """
    forked.about_to_run()
    clock = time.perf_counter()
    report = on_progress or (lambda share: None)
    abouts = copy_media or media.probe(copy), original_media or media.probe(original)
    for about in abouts:
        if about.kind == "audio":
            raise UsageError(
                _("{name} has no picture, so there is nothing to compare.").format(name=about.name)
            )
        if about.too_narrow:
            raise UsageError(media.narrow_note(about))
    notes: list[str] = []
    stop = cancel or Event()
    ours, theirs = (
        FootageReader(path, about, notes, stop)
        for path, about in zip((copy, original), abouts, strict=True)
    )
    result, _pairs = compare_footage(ours, theirs, None, report)
    if roles == "unknown" and result.generation.proven and result.generation.younger == "original":
        ours, theirs = theirs, ours
        result, _pairs = compare_footage(ours, theirs, None, report)
    result = movement.with_movement(result, ours, theirs)
    report(1.0)
    seconds = round(time.perf_counter() - clock, 2)
    return result.model_copy(update={"role_source": roles, "seconds": seconds})


def compare_footage(
    copy: FootageReader, original: FootageReader, detector: FaceDetector | None, report: OnProgress
) -> tuple[Comparison, MeasuredStretch | None]:
    """Return the comparison by pictures alone, and the last measurement."""
    keys = (original.media.duration or 0.0) / 5.0
    thumbnails = align.read_thumbnails(
        original,
        original.spread(align.ORIGINAL_FRAMES),
        int(np.clip(keys, align.ORIGINAL_KEYS, align.MOST_KEYS)),
    )
    frame = 1 / min(FPS, copy.media.fps or FPS, original.media.fps or FPS)
    result = Comparison(
        copy_media=copy.media,
        original_media=original.media,
        finding=ComparisonFinding.NOT_SAME_FOOTAGE,
        reason="no_common_picture",
        identical=bool(copy.media.sha256) and copy.media.sha256 == original.media.sha256,
        time=TimeAlignment(compared=0, matched=0),
        notes=copy.notes,
    )
    evidence, excerpt, traces = None, None, None
    for done in (0.3, 0.6):
        shown = excerpt or Span(start=0.0, end=copy.media.duration or 0.0)
        aligned = align.align(copy, original, thumbnails, shown)
        report(done)
        if aligned is None:
            break
        detector = detector or vision.load_detector()
        pairs = read_moments(copy, original, aligned, detector, report, done)
        if not pairs:
            break
        evidence = MeasuredStretch.of_shown(pairs, frame)
        traces = traces or (
            read_traces(copy.path, copy.media),
            read_traces(original.path, original.media),
        )
        begun = result.model_copy(update={"excerpt": excerpt})
        part = _compared(begun, evidence, shown, len(pairs), frame, traces)
        if excerpt is None or part.finding.same_footage:
            result = part
        if excerpt is not None or result.finding.same_footage:
            break
        excerpt = find_excerpt(evidence.moments, evidence.sameness)
        if excerpt is None:
            break
    return result, evidence


@dataclass(frozen=True)
class MeasuredStretch:
    """Measurements of a stretch."""

    moments: list[MeasuredMoment]
    graded: Graded
    sameness: Sameness
    overlays: list[Area]

    @classmethod
    def of_shown(cls, pairs: Sequence[MomentPair], frame: float) -> MeasuredStretch:
        """Measure moments; of the same footage again without moments that show something else,
        which bias colors and homography."""
        found = cls.of(pairs, frame)
        shown = [pair for pair, yes in zip(pairs, found.sameness.moments, strict=True) if yes]
        if len(shown) in (0, len(pairs)) or len(shown) < MOST * len(pairs):
            return found
        return cls.of(shown, frame)

    @classmethod
    def of(cls, pairs: Sequence[MomentPair], frame: float) -> MeasuredStretch:
        exact = place.refine_moments(number_people(pairs))
        layers = measure.layers_of(exact)
        as_copied = measure.graded(layers)
        overlays = decide.find_overlays(as_copied.layers)
        if overlays:
            as_copied = measure.graded(
                [decide.without_overlays(overlays, layer) for layer in layers]
            )
        found = measure.measure(exact, as_copied.layers)
        return cls(found, as_copied, decide.sameness(found, frame), overlays)


def _compared(
    result: Comparison,
    evidence: MeasuredStretch,
    shown: Span,
    compared: int,
    frame: float,
    traces: tuple[FileTraces, FileTraces],
) -> Comparison:
    """Return the comparison by a measurement of `compared` moments of a stretch of the copy."""
    found, same = evidence.moments, evidence.sameness
    if result.excerpt is not None:  # extrapolate to the whole copy
        compared = round(compared * (result.copy_media.duration or 0.0) / (shown.end - shown.start))
    times = [m.pair.time for m in found], [m.pair.original_time for m in found]
    sizes = [(about.width, about.height) for about in (result.original_media, result.copy_media)]
    space = align.described(_full_matrix(found[len(found) // 2], result), *sizes)
    long = len(found) >= EVEN_MOMENTS and times[0][-1] - times[0][0] >= EVEN_SECONDS
    on_time = align.time_residuals(*times) <= frame + align.ROUNDED
    aligned = TimeAlignment(
        compared=compared,
        matched=sum(same.moments),
        offset=round(times[1][0] - times[0][0], 3),
        rate=align.rate(*times),
        motion=None if same.motion is None else round(same.motion, 3),
        even=same.strong is not None and long and bool(on_time.mean() >= 0.9),
        stretches=align.stretches(*times),
    )
    kept = [m for m, yes in zip(found, same.moments, strict=True) if yes]
    shape = found[0].layers.valid.shape
    full = result.copy_media.width / shape[1], result.copy_media.height / shape[0]
    decided = decide.decide(kept, shown, full) if kept and same.is_likely else None
    if decided is None or (decided.accuses and not same.supports_manipulation):
        why = "other_place" if sum(same.moments) < compared / 2 else "other_moment"
        return result.model_copy(update={"time": aligned, "reason": why, "space": SpaceAlignment()})
    edits = [overlay.edit(times[0], shown, full) for overlay in evidence.overlays]
    decided = replace(decided, edits=[*edits, *decided.edits])
    grading = evidence.graded.grading
    answer = finding(decided, space, grading, aligned)
    if answer in (ComparisonFinding.NOTHING_DIFFERS, ComparisonFinding.TRANSFORMED):
        alike = measure.shape_likeness([m.pair for m in kept], evidence.graded.colors)
        if alike is not None and alike < SAME_SHAPES:
            answer = ComparisonFinding.NOT_COMPARABLE
    people = [p for p in decided.people if p.changed_region != "none"] or decided.people
    # Upper bound of the multiple of the expected difference that re-encoding may leave.
    factors = [
        limits[face.person] / face.inside.expected
        for moment, limits in zip(kept, decided.limits, strict=True)
        for face in moment.faces
    ]
    factor = max(1.0, float(np.median(factors))) if factors else 1.0
    return result.model_copy(
        update={
            "time": aligned,
            "space": space,
            "finding": answer,
            "reason": "" if answer.same_footage else "other_shapes",
            "grading": grading,
            "people": decided.people,
            "edits": decided.edits,
            "face_difference": max((p.difference for p in people), default=None),
            "background_difference": round(float(np.mean([m.rest.difference for m in kept])), 2),
            "noise_threshold": round(factor * float(np.mean([m.rest.expected for m in kept])), 2),
            "moments": [
                compared_moment(m, parts, limits, factor * m.rest.expected, result, full)
                for m, parts, limits in zip(kept, decided.parts, decided.limits, strict=True)
            ],
            "generation": generation(result, space, traces),
        }
    )


def find_excerpt(found: Sequence[MeasuredMoment], same: Sameness) -> Span | None:
    """Return the longest stretch of moments that show the original, if too few of all do."""
    if sum(same.moments) >= MOST * len(found):
        return None
    runs, at = [], 0
    # Colors fitted to all moments hide the original in some of them.
    least = max(LEAST_ALIKE, EXCERPT_ALIKE * max(same.place, default=0.0))
    for shows, run in groupby(share >= least for share in same.place):
        count = len(list(run))
        if shows and sum(same.moments[at : at + count]) >= EXCERPT_MOMENTS:
            runs.append((count, at))
        at += count
    if not runs:
        return None
    count, first = max(runs)
    times = [round(m.pair.time, 3) for m in found[first : first + count]]
    return Span(start=times[0], end=times[-1])


def read_moments(
    copy: FootageReader,
    original: FootageReader,
    aligned: Aligned,
    detector: FaceDetector,
    report: OnProgress,
    done: float,
) -> list[MomentPair]:
    """Read the moments to measure with their faces, ascending in time of the copy."""
    count = len(aligned.copy_times)
    picks = sorted({round(i) for i in np.linspace(0, count - 1, min(MOMENTS, count))})
    copies = {
        round(frame.time, 3): frame
        for frame in copy.frames([aligned.copy_times[i] + 1e-3 for i in picks], SIDE)
    }
    gap = 1.0 / (original.media.fps or FPS)
    wanted = sorted({
        round(max(0.0, aligned.original_times[i] + step * gap) + 1e-3, 4)
        for i in picks for step in range(-AROUND, AROUND + 1)
    })  # fmt: skip
    originals = list(original.frames(wanted, SIDE))
    report(done + 0.15)
    if not copies or not originals:
        return []
    sizes = [one.rgb.shape[1::-1] for one in (originals[0], next(iter(copies.values())))]
    matrix = align.moved_to(aligned.matrix, (original.size, sizes[0]), (copy.size, sizes[1]))
    search, tracker = vision.FaceSearch(detector, MIN_FACE), vision.Tracker()
    found: list[MomentPair] = []
    for index in picks:
        frame = copies.get(round(aligned.copy_times[index], 3))
        at = aligned.original_times[index]
        around = [f for f in originals if abs(f.time - at) < (AROUND + 0.5) * gap]
        if frame is None or not around:
            continue
        chosen = int(np.argmin([abs(f.time - at) for f in around]))
        # In the original: a replaced or rotated face is not always detected.
        shown = around[chosen]
        faces = search.find(frame.time, shown.rgb)
        numbers = tracker.update(frame.time, shown.rgb, faces)
        there = [align.moved_face(face, matrix) for face in faces]
        people = tuple(zip(numbers, there, strict=True))
        found.append(MomentPair(frame.time, frame.rgb, tuple(around), chosen, matrix, people))
        report(done + 0.15 + 0.15 * len(found) / len(picks))
    return found


def number_people(found: Sequence[MomentPair]) -> list[MomentPair]:
    """Renumber people from 0, without false detections of a face."""
    tracks: dict[int, list[Detection]] = defaultdict(list)
    for pair in found:
        for number, face in pair.faces:
            tracks[number].append(face)
    real = sorted(n for n, track in tracks.items() if vision.is_face_track(track, len(found)))
    order = {number: index for index, number in enumerate(real)}
    return [
        replace(pair, faces=tuple((order[n], face) for n, face in pair.faces if n in order))
        for pair in found
    ]
