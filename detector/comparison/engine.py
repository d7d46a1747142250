"""Hold a suspected copy against its original."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import numpy as np

from detector import media, vision
from detector.comparison import (
    align,
    decide,
    excerpts,
    full_size,
    mapping,
    measure,
    moments,
    originals,
    overlays,
    paths,
    structure,
    synchrony,
    timing,
    traces,
)
from detector.comparison.align import Aligned
from detector.comparison.excerpts import Excerpt
from detector.comparison.generation import generation
from detector.comparison.geometry import Described
from detector.comparison.grading import Colors
from detector.comparison.measure import MeasuredMoment
from detector.comparison.moments import MomentPair
from detector.comparison.overlays import Overlay
from detector.comparison.reading import FootageReader
from detector.comparison.sameness import Sameness, sameness
from detector.comparison.traces import FileTraces
from detector.errors import UsageError
from detector.schema.analysis import Media
from detector.schema.comparison import (
    Comparison,
    ComparisonFinding,
    Grading,
    SpaceAlignment,
    TimeAlignment,
)
from detector.vision import FaceDetector

MOST_LEFT, WORST_LEFT, UNEVEN = 3.2, 4.0, 2.5
"""Gray levels outside faces and edits above which no face is said to differ alone: of all moments,
and of the worst tenth where that is also so many times the lower quarter. What an encoder leaves is
much the same all along; another take of the same scene comes near at some moments, not at others.
"""
SAME_WAY = 0.82
"""Correlation of the ways that faces go in both, under which they are of two moments: of 40 copies
with changed faces one had less, of 9 other moments of one take five."""
FPS, LOOSE, FAR_OVER = 25.0, 1.3, 2.0
"""Where a face differs by less than so many times its limit, how many frames (of the slower file,
at most a 25th of a second each where nothing is slower) three quarters of the moments may lie off
even play: of 47 copies with faces changed as little the most was 1.25, of nine moments of other
takes that passed seven had more."""
EVEN = 1.0
"""Frames off one rate within which nearly all moments lie of a copy that is played at it: of what
is slowed by doubled frames each lies up to half of one off."""
TO_THE_FRAME, ON_TIME = 0.5, 0.9
"""Frames off even play within which a moment is on time, and the share of the moments that are
where both are the same recording to the frame: each finds its own frame of the original by what
moves, so those of another take scatter. Of 72 other moments of one take three were on time, all
of which move otherwise."""
FACE_OVER_RIM = 3.2
"""How many times its rim's ratio a face's is where the head surely goes as the original's: of 28
other moments of one take, of the same scene by all else, the most was 2.9."""
BLIND, LITTLE = 20.0, 5.0
"""Gray levels in a face that would be put down to an encoder, from which nothing can be said where
more than a little differs, unless still more does of what is clearly the same moment: no encoder
leaves as much. Untouched copies with more than a little lie 1.0 frames off even play at most."""
_Times = tuple[list[float], list[float]]
"""of the matched moments, of the copy and of the original, s"""
OnProgress = Callable[[float], None]
"""Called with how much is done, 0..1."""


def compare(
    copy: str | Path,
    original: str | Path,
    *,
    copy_media: Media | None = None,
    original_media: Media | None = None,
    detector: FaceDetector | None = None,
    on_progress: OnProgress | None = None,
    cancel: Event | None = None,
) -> Comparison:
    """Say in what a suspected copy differs from its original.

    Up to 24 moments of the copy are measured; of an original of more than 10 minutes the stretch
    is looked for in steps of up to its length / 900 first.

    Parameters
    ----------
    copy, original : path
        Videos, animations or pictures.
    copy_media, original_media : Media, optional
        From `detector.media.probe` where it is known.
    detector : FaceDetector, optional
        Default: MTCNN.
    on_progress : callable, optional
    cancel : threading.Event, optional

    Raises
    ------
    MediaError
        A file can't be read.
    UsageError
        One of them has no picture.
    Canceled
    """
    clock = time.perf_counter()
    say = on_progress or (lambda share: None)
    abouts = copy_media or media.probe(copy), original_media or media.probe(original)
    for about in abouts:
        if about.kind == "audio":
            raise UsageError(f"{about.name} has no picture, so there is nothing to compare.")
    notes: list[str] = []
    stop = cancel or Event()
    ours, theirs = (
        FootageReader(path, about, notes, stop)
        for path, about in zip((copy, original), abouts, strict=True)
    )
    small = align.known(theirs)
    found = align.align(ours, theirs, small)
    say(0.3)
    result = Comparison(
        copy_media=abouts[0],
        original_media=abouts[1],
        finding=ComparisonFinding.NOT_SAME_FOOTAGE,
        why="no_common_picture",
        identical=bool(abouts[0].sha256) and abouts[0].sha256 == abouts[1].sha256,
        time=TimeAlignment(compared=0, matched=0),
        notes=notes,
    )
    if found is not None:
        faces = detector or vision.load_detector()
        said = traces.read(copy, abouts[0]), traces.read(original, abouts[1])

        def held(
            aligned: Aligned, begun: Comparison, done: float
        ) -> tuple[Comparison, Excerpt | None]:
            left = 0.8 - done
            pairs = moments.pairs(ours, theirs, aligned, faces, lambda x: say(done + left * x))
            if not pairs:
                return begun, None
            evidence = _Evidence.of_shown(pairs)
            answer = _answered(begun, evidence, len(pairs), said, faces)
            return answer, excerpts.find(evidence.moments, evidence.sameness)

        result, excerpt = held(found, result, 0.3)
        if excerpt is not None and not result.finding.same_footage:
            again = align.align(ours, theirs, small, excerpt.start, excerpt.end)
            part, _ = held(again, excerpt.of(result), 0.8) if again else (result, None)
            result = excerpt.within(abouts[0], part) if part.finding.same_footage else result
    say(0.85)
    result = synchrony.checked(result, ours, theirs)
    say(1.0)
    return result.model_copy(update={"seconds": round(time.perf_counter() - clock, 2)})


@dataclass(frozen=True)
class _Evidence:
    """All that was measured."""

    moments: list[MeasuredMoment]
    colors: Colors
    grading: Grading
    sameness: Sameness
    softer: float
    overlays: list[Overlay]

    @classmethod
    def of_shown(cls, pairs: Sequence[MomentPair]) -> _Evidence:
        """Measure moments. Of the same footage again without those that show something else, such
        as a title between them: colors that were fitted on these are wrong everywhere."""
        described = Described()
        found = cls.of(pairs, described)
        shown = [pair for pair, yes in zip(pairs, found.sameness.moments, strict=True) if yes]
        if not found.sameness.same or len(shown) == len(pairs):
            return found
        return cls.of(shown, described)

    @classmethod
    def of(cls, pairs: Sequence[MomentPair], described: Described) -> _Evidence:
        exact = mapping.refined(moments.numbered(pairs), described)
        scale = measure.scale_of(exact)
        layers = [measure.layers(pair, scale) for pair in exact]
        as_copied = originals.graded(layers)
        laid_over = overlays.find(layers, as_copied.pictures)
        if laid_over:  # the rest is judged without
            layers = [overlays.without(laid_over, layer) for layer in layers]
            as_copied = originals.graded(layers)
        graded = as_copied.pictures
        if as_copied.grading.graded:
            graded = list(originals.own_colors(layers, graded))
        softer = measure.softer_of(layers, graded)
        found = measure.measured(exact, layers, graded, softer)
        same = sameness(found, graded)
        return cls(found, as_copied.colors, as_copied.grading, same, softer, laid_over)


def _answered(
    result: Comparison,
    evidence: _Evidence,
    compared: int,
    said: tuple[FileTraces, FileTraces],
    detector: FaceDetector,
) -> Comparison:
    """Return the comparison with what the evidence says, and what both files say of themselves;
    `compared` moments were looked at."""
    found, same = evidence.moments, evidence.sameness
    times = [m.pair.time for m in found], [m.pair.original_time for m in found]
    space = full_size.space(result, found)
    aligned = _aligned(result, times, same, compared)
    update: dict[str, object] = {"time": aligned, "space": space}
    kept = [m for m, yes in zip(found, same.moments, strict=True) if yes]
    x, y = full_size.scale(result.copy_media, found[0])
    length = result.copy_media.duration or 0.0
    decided = decide.decide(kept, length, (x, y), slight=same.clearly) if kept else None
    surely = same.surely or _to_the_frame(result, times, same)
    if (
        decided is None
        or not (_runs_on(same, times, decided) or (same.still and not decided.changed))
        or (decided.accuses and not surely and not same.may_accuse)
        or _another_take(kept, decided, (x, y), same)
        or (not same.surely and _loosely_timed(result, times, decided))
        or (not surely and _another_way(kept, decided, detector))
    ):
        why = "other_place" if sum(same.moments) < compared / 2 else "other_moment"
        return result.model_copy(update=update | {"why": why, "space": SpaceAlignment()})
    edits = [decide.laid_over(o, times[0], length, (x, y)) for o in evidence.overlays]
    decided = replace(decided, edits=[*edits, *decided.edits])
    answer = decide.finding(decided, space, evidence.grading, aligned)
    answer = structure.checked(answer, kept, evidence.colors)
    limits = [1.0, *decided.limits.values()]
    shown = [p for p in decided.people if p.part != "none"] or decided.people
    return result.model_copy(
        update=update
        | {
            "finding": answer,
            "why": "" if answer.same_footage else "other_shapes",
            "grading": evidence.grading,
            "people": decided.people,
            "edits": decided.edits,
            "inside": max((p.difference for p in shown), default=None),
            "elsewhere": round(float(np.mean([m.rest.difference for m in kept])), 2),
            "limit": round(max(limits) * float(np.mean([m.rest.expected for m in kept])), 2),
            "moments": [
                full_size.moment(m, parts, decided, result, (x, y))
                for m, parts in zip(kept, decided.parts, strict=True)
            ],
            "generation": generation(
                result.copy_media, result.original_media, space, evidence.softer, said
            ),
        }
    )


def _aligned(result: Comparison, times: _Times, same: Sameness, compared: int) -> TimeAlignment:
    return TimeAlignment(
        compared=compared,
        matched=sum(same.moments),
        offset=round(times[1][0] - times[0][0], 3),
        rate=timing.rate(*times),
        motion=None if same.motion is None else round(same.motion, 3),
        even=same.strong is not None and timing.even(*times, EVEN * _frame(result)),
        stretches=timing.stretches(*times),
    )


def _runs_on(same: Sameness, times: _Times, decided: decide.Decided) -> bool:
    """Whether both are the same recording, and the original runs on as the copy does. Of a still
    scene only who moves in it tells the moments apart."""
    still = same.motion is None and all(p.part == "none" for p in decided.people)
    return same.same and (still or same.surely or timing.plays(*times))


def _another_take(
    kept: Sequence[MeasuredMoment],
    decided: decide.Decided,
    full: tuple[float, float],
    same: Sameness,
) -> bool:
    """Whether more differs outside faces at some moments than an encoder leaves, or at all where a
    face does too, unless what moves says surely that it is one recording. Places of edits (`full`:
    px of the copy for a px of the layers) don't count."""
    for person in decided.people:
        told = person.part != "none" and same.clearly
        if person.limit > BLIND and person.difference > LITTLE and not told:
            return True
    if same.surely:
        return False
    inside = np.zeros(kept[0].levels.shape, bool)
    for edit in decided.edits:
        x0, x1 = (edit.box[k] / full[0] / measure.TILE for k in (0, 2))
        y0, y1 = (edit.box[k] / full[1] / measure.TILE for k in (1, 3))
        inside[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    left_in = [m.levels[np.isfinite(m.levels) & ~inside] for m in kept]
    left = [float(levels.mean()) for levels in left_in if len(levels)]
    if not left:
        return False
    usual, most = np.percentile(left, [25, 90])
    return bool(
        (decided.uneven and np.mean(left) > MOST_LEFT) or most > max(WORST_LEFT, UNEVEN * usual)
    )


def _loosely_timed(result: Comparison, times: _Times, decided: decide.Decided) -> bool:
    """Whether a face differs, not by much, between moments that are matched too loosely to say so,
    or to put it down to an encoder: where little moves, those of another take are, and those of a
    wrong alignment."""
    told = [p for p in decided.people if p.part != "none" or p.difference > LITTLE]
    if not told or any(p.difference > FAR_OVER * p.limit for p in told):
        return False
    return timing.unsteady(*times) > LOOSE * _frame(result)


def _to_the_frame(result: Comparison, times: _Times, same: Sameness) -> bool:
    """Whether enough moves to tell moments apart, and nearly all are where even play has them."""
    told = same.strong is not None
    return told and timing.on_time(*times, TO_THE_FRAME * _frame(result)) >= ON_TIME


def _frame(result: Comparison) -> float:
    """Return how long a frame of the slower file lasts, s."""
    return 1 / min(FPS, *(m.fps or FPS for m in (result.copy_media, result.original_media)))


def _another_way(
    kept: Sequence[MeasuredMoment], decided: decide.Decided, detector: FaceDetector
) -> bool:
    """Whether the faces that are said to differ go another way than the original's."""
    changed = {n for parts in decided.parts for n, part in parts.items() if part != "none"}
    changed = {n for n in changed if not _in_its_head(kept, n)}
    alike = paths.likeness(kept, changed, detector) if changed else None
    return alike is not None and alike < SAME_WAY


def _in_its_head(kept: Sequence[MeasuredMoment], person: int) -> bool:
    """Whether a face differs by so much more than its rim that the head goes as the original's: a
    head that goes another way takes its rim along."""
    faces = [face for moment in kept for face in moment.faces if face.person == person]
    inside, rim = (
        float(np.median([region.ratio for region in regions]))
        for regions in ([f.inside for f in faces], [f.rim for f in faces])
    )
    return inside > FACE_OVER_RIM * max(rim, 1.0)
