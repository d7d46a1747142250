"""Does the verdict hold when the file is compressed, scaled, blurred, cropped or mirrored again?

One short part of the file, around its most suspicious moment, is changed in one way at a time and
analyzed with the same few moments. What counts is how a trial differs from the unchanged part, not
from the whole file. Faces are found once, on the unchanged part: where a change puts them is known,
and it is the models' scores that are tried, not the search. An untouched file and a manipulated one
can both be fragile: a verdict that flips says that this score should not be leaned on.
"""

from __future__ import annotations

import bisect
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from detector import media
from detector.errors import Canceled, InputError, UsageError
from detector.perturbation import corruptions
from detector.perturbation.corruptions import Condition
from detector.pipeline import Analyzer, FacesByTime, RunOptions
from detector.schema.analysis import Analysis, Media, PerturbationResult, Robustness, Settings
from detector.vision import Detection

PART = 6.0
"""s of a clip that are tried: enough for every clip model"""
MOMENTS = 12
"""looked at in each trial"""
USUAL = (
    Condition("crf", 32),
    Condition("jpeg", 50),
    Condition("resize", 0.5),
    Condition("blur", 2),
    Condition("noise", 2),
    Condition("crop", 0.1),
    Condition("mirror"),
)
"""What happens to a file on its way, at levels that leave a face easy to recognize. JPEG is tried
on pictures, h264 on clips."""

ROUNDED = 0.002
"""s by which times of a copy may differ: its container counts in milliseconds"""

Tell = Callable[[int, int, str], None]
"""(trials done, trials in all, title of the next)"""


def try_out(
    path: str | Path,
    analysis: Analysis,
    analyzer: Analyzer,
    *,
    tried: Sequence[Condition] = USUAL,
    observe: Tell | None = None,
    cancel: Event | None = None,
) -> Robustness:
    """Analyze a part of a file again under each condition.

    Parameters
    ----------
    path : path
        The file that was analyzed.
    analysis : Analysis
        Its result; the same models are run.
    analyzer : Analyzer
    tried : sequence of Condition
        Those that don't fit a picture or a clip are left out.
    observe : callable, optional
        Called from this thread before each trial, and at the end.
    cancel : threading.Event, optional
        Set it from elsewhere to stop.

    Raises
    ------
    UsageError
        The file has no score that could move.
    MediaError
    Canceled
    """
    path, cancel = Path(path), cancel or Event()
    question = analysis.verdict.question
    if question is None or analysis.verdict.answers[question].probability is None:
        raise UsageError("This file has no score, so there is nothing that could move.")
    begun = time.perf_counter()
    kind = "image" if analysis.media.kind == "image" else "video"
    chosen = [c for c in tried if c.fits(kind) and not (kind == "video" and c.kind == "jpeg")]
    start, end = part(analysis)
    asked = analysis.settings.model_copy(
        update={
            "models": [m.id for m in analysis.models if m.counted],
            "frames": MOMENTS,
            "sampling": "uniform",
            "start": start,
            "end": end,
        }
    )
    tell = observe or (lambda done, total, title: None)
    tell(0, len(chosen) + 1, "unchanged")
    found, faces = analyzer.first_of_several(path, asked, analysis.media, cancel=cancel)
    unchanged = _trial(corruptions.NONE, found, analysis)
    seen = _Observed(found.media, tuple(found.moments), faces)
    trials = []
    for number, condition in enumerate(chosen, 1):
        tell(number, len(chosen) + 1, condition.title)
        trials.append(_try_one(path, condition, analyzer, analysis, asked, seen, cancel))
    tell(len(chosen) + 1, len(chosen) + 1, "")
    return Robustness(
        question=question,
        start=start,
        end=end,
        moments=1 if kind == "image" else MOMENTS,
        unchanged=unchanged,
        trials=trials,
        seconds=round(time.perf_counter() - begun, 2),
    )


def part(analysis: Analysis) -> tuple[float, float | None]:
    """The stretch that is tried: `PART` seconds around the most suspicious moment of the most
    suspicious person, inside what was analyzed. (0, None) for a picture."""
    if analysis.media.kind == "image":
        return 0.0, None
    first = analysis.settings.start
    last = min(analysis.settings.end or float("inf"), analysis.media.duration or 0.0)
    track = next((t for t in analysis.judged if t.id == analysis.verdict.subject), None)
    scored = [f for f in track.frames if f.score is not None] if track else []
    peak = max(scored, key=lambda f: (f.score or 0.0, -f.time)).time if scored else first
    start = min(max(first, peak - PART / 2), max(first, last - PART))
    return round(start, 3), round(min(last, start + PART), 3)


@dataclass(frozen=True)
class _Observed:
    """The unchanged part: what each trial looks at again."""

    media: Media
    moments: tuple[float, ...]
    faces: FacesByTime


def _try_one(
    path: Path,
    condition: Condition,
    analyzer: Analyzer,
    analysis: Analysis,
    asked: Settings,
    seen: _Observed,
    cancel: Event,
) -> PerturbationResult:
    """One trial. A copy in which nothing can be found is a result too."""
    try:
        if condition.kind == "crf":
            found = _compressed(path, condition, analyzer, asked, seen, cancel)
        else:
            found = _changed(path, condition, analyzer, asked, seen, cancel)
        return _trial(condition, found, analysis)
    except Canceled:
        raise
    except InputError as error:
        return PerturbationResult(
            condition=condition.name,
            title=condition.title,
            label=analysis.verdict.label,
            error=error.message,
        )


def _changed(
    path: Path,
    condition: Condition,
    analyzer: Analyzer,
    asked: Settings,
    seen: _Observed,
    cancel: Event,
) -> Analysis:
    """The part with each picture changed on its way from the decoder. No file is written."""
    size = seen.media.width, seen.media.height
    width, height = corruptions.size_after(condition, size)
    # A smaller picture has as many bits for a pixel as before: compression is another condition.
    share = width * height / (size[0] * size[1])
    rate = seen.media.bit_rate
    about = seen.media.model_copy(
        update={
            "width": width,
            "height": height,
            "size": max(1, round(seen.media.size * share)),
            "bit_rate": None if rate is None else rate * share,
        },
        deep=True,
    )

    def faces_at(time: float) -> list[Detection] | None:
        known = seen.faces.get(time)
        return None if known is None else corruptions.moved(condition, known, size)

    look = RunOptions(
        media=about,
        source=seen.media,
        moments=seen.moments,
        faces_at=faces_at,
        change=corruptions.change(condition, path.name),
    )
    return analyzer.again(path, asked, look, cancel=cancel)


def _compressed(
    path: Path,
    condition: Condition,
    analyzer: Analyzer,
    asked: Settings,
    seen: _Observed,
    cancel: Event,
) -> Analysis:
    """A copy of the part that an encoder has written."""
    begins = media.frame_at(path, seen.media, asked.start).time
    known = sorted((time - begins, faces) for time, faces in seen.faces.items())

    def faces_at(time: float) -> list[Detection] | None:
        at = bisect.bisect_left(known, time - ROUNDED, key=lambda pair: pair[0])
        if at < len(known) and known[at][0] <= time + ROUNDED:
            return known[at][1]
        return None

    with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
        copy = corruptions.apply(
            path,
            condition,
            Path(folder),
            start=asked.start,
            end=asked.end,
            turned=seen.media.turned,
            cancel=cancel,
        )
        look = RunOptions(
            media=media.probe(copy),
            moments=tuple(t - begins + ROUNDED for t in seen.moments),
            faces_at=faces_at,
        )
        whole = asked.model_copy(update={"start": 0.0, "end": None})
        return analyzer.again(copy, whole, look, cancel=cancel)


def _trial(condition: Condition, found: Analysis, analysis: Analysis) -> PerturbationResult:
    """The answer to the question that leads in the file's own verdict."""
    question = analysis.verdict.question
    assert question is not None
    answer = found.verdict.answers[question]
    why = next((reason.text for reason in answer.reasons or found.verdict.reasons), "no score")
    return PerturbationResult(
        condition=condition.name,
        title=condition.title,
        probability=answer.probability,
        label=answer.label,
        models={
            m.id: m.probability
            for m in found.models
            if m.counted and m.question is question and m.probability is not None
        },
        error=None if answer.probability is not None else why,
    )
