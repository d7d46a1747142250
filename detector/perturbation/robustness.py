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
from detector.schema.analysis import OF_SOUND, Analysis, PerturbationResult, Robustness, Settings
from detector.vision import Detection

PART = 6.0
"""s of a clip that are tried: enough for every clip model"""
FRAMES = 12
"""scored in each trial"""
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

OnProgress = Callable[[int, int, str], None]
"""(trials done, trials in all, title of the next)"""


def try_out(
    path: str | Path,
    analysis: Analysis,
    analyzer: Analyzer,
    *,
    conditions: Sequence[Condition] = USUAL,
    on_progress: OnProgress = lambda done, total, title: None,
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
    conditions : sequence of Condition
        Those that don't fit a picture or a clip are left out.
    on_progress : callable
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
    if question in OF_SOUND:
        raise UsageError("The trials change pictures, and this verdict is of the sound.")
    begun = time.perf_counter()
    kind = "image" if analysis.media.kind == "image" else "video"
    chosen = [c for c in conditions if c.fits(kind) and not (kind == "video" and c.kind == "jpeg")]
    start, end = part(analysis)
    settings = analysis.settings.model_copy(
        update={
            "models": [m.id for m in analysis.models if m.counted],
            "frames": FRAMES,
            "sampling": "uniform",
            "start": start,
            "end": end,
        }
    )
    on_progress(0, len(chosen) + 1, "unchanged")
    probed = RunOptions(media=analysis.media.model_copy(deep=True))
    unchanged, faces = analyzer.rerun(path, settings, probed, cancel=cancel)
    trials = _Trials(path, analysis, analyzer, settings, cancel, unchanged, faces)
    results = []
    for number, condition in enumerate(chosen, 1):
        on_progress(number, len(chosen) + 1, condition.title)
        results.append(trials.run(condition))
    on_progress(len(chosen) + 1, len(chosen) + 1, "")
    return Robustness(
        question=question,
        start=start,
        end=end,
        sampled=1 if kind == "image" else FRAMES,
        unchanged=trials.result(corruptions.NONE, unchanged),
        trials=results,
        seconds=round(time.perf_counter() - begun, 2),
    )


def part(analysis: Analysis) -> tuple[float, float | None]:
    """Return the stretch that is tried: `PART` seconds around the highest score of the most
    suspicious person, inside what was analyzed. (0, None) for a picture."""
    if analysis.media.kind == "image":
        return 0.0, None
    first = analysis.settings.start
    last = min(analysis.settings.end or float("inf"), analysis.media.duration or 0.0)
    track = next((t for t in analysis.seen if t.id == analysis.verdict.subject), None)
    scored = [f for f in track.frames if f.score is not None] if track else []
    peak = max(scored, key=lambda f: (f.score or 0.0, -f.time)).time if scored else first
    start = min(max(first, peak - PART / 2), max(first, last - PART))
    return round(start, 3), round(min(last, start + PART), 3)


@dataclass(frozen=True)
class _Trials:
    """What all trials of one file share; `unchanged` is the analysis of its part as it is."""

    path: Path
    analysis: Analysis
    analyzer: Analyzer
    settings: Settings
    cancel: Event
    unchanged: Analysis
    faces: FacesByTime

    def run(self, condition: Condition) -> PerturbationResult:
        """Return what becomes of the part. A copy in which nothing is found is a result too."""
        try:
            again = self._compressed if condition.kind == "crf" else self._changed
            return self.result(condition, again(condition))
        except Canceled:
            raise
        except InputError as error:
            return PerturbationResult(
                condition=condition.name,
                title=condition.title,
                label=self.analysis.verdict.label,
                error=error.message,
            )

    def _changed(self, condition: Condition) -> Analysis:
        """Change each picture of the part on its way from the decoder. No file is written."""
        source = self.unchanged.media
        size = source.width, source.height
        width, height = corruptions.size_after(condition, size)
        # A smaller picture has as many bits for a pixel: compression is another condition.
        share = width * height / (size[0] * size[1])
        changed = source.model_copy(
            update={
                "width": width,
                "height": height,
                "size": max(1, round(source.size * share)),
                "bit_rate": None if source.bit_rate is None else source.bit_rate * share,
            },
            deep=True,
        )

        def faces_at(time: float) -> list[Detection] | None:
            faces = self.faces.get(time)
            return None if faces is None else corruptions.moved(condition, faces, size)

        options = RunOptions(
            media=changed,
            source=source,
            timestamps=tuple(self.unchanged.timestamps),
            faces_at=faces_at,
            change=corruptions.change(condition, self.path.name),
        )
        return self.analyzer.rerun(self.path, self.settings, options, cancel=self.cancel)[0]

    def _compressed(self, condition: Condition) -> Analysis:
        """Let an encoder write a copy of the part."""
        start = media.frame_at(self.path, self.unchanged.media, self.settings.start).time
        faces = sorted((time - start, found) for time, found in self.faces.items())

        def faces_at(time: float) -> list[Detection] | None:
            at = bisect.bisect_left(faces, time - ROUNDED, key=lambda pair: pair[0])
            close = at < len(faces) and faces[at][0] <= time + ROUNDED
            return faces[at][1] if close else None

        with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
            copy = corruptions.apply(
                self.path,
                condition,
                Path(folder),
                part=(self.settings.start, self.settings.end),
                turned=self.unchanged.media.turned,
                cancel=self.cancel,
            )
            options = RunOptions(
                media=media.probe(copy),
                timestamps=tuple(t - start + ROUNDED for t in self.unchanged.timestamps),
                faces_at=faces_at,
            )
            whole = self.settings.model_copy(update={"start": 0.0, "end": None})
            return self.analyzer.rerun(copy, whole, options, cancel=self.cancel)[0]

    def result(self, condition: Condition, outcome: Analysis) -> PerturbationResult:
        """Return the answer to the question that leads in the file's own verdict."""
        question = self.analysis.verdict.question
        assert question is not None
        answer = outcome.verdict.answers[question]
        why = next((r.text for r in answer.reasons or outcome.verdict.reasons), "no score")
        return PerturbationResult(
            condition=condition.name,
            title=condition.title,
            probability=answer.probability,
            label=answer.label,
            models={
                m.id: m.probability
                for m in outcome.models
                if m.counted and m.question is question and m.probability is not None
            },
            error=None if answer.probability is not None else why,
        )
