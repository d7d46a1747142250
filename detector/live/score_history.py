"""Score history of a live session, from which the reading and the session's Analysis are built.

Scores are stored as the records of an `Analysis` that `detector.decision.decide` judges, so that
reading and stored session have the same verdict. Memory is bounded: samples of a long session
before the last `WINDOW` seconds are decimated evenly over its length.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from detector import vision
from detector.decision import conformal
from detector.decision.material import MIN_FRAMES
from detector.decision.session import WINDOW, newest, recounted
from detector.models.base import CropRecipe, ModelSpec
from detector.pipeline import initial_results, subjects
from detector.pipeline.subjects import SubjectBuilder
from detector.schema.analysis import (
    OF_PICTURE,
    Analysis,
    FileKind,
    FrameSegment,
    Media,
    ModelResult,
    Settings,
    SpanSegment,
    Subject,
    Thresholds,
)
from detector.schema.live import LiveSettings
from detector.schema.subject import letter
from detector.sentences import _, numeral

MAX_SAMPLES = 1200
"""stored of a session: all of more than a minute, or some of each stretch of a longer one"""
SHORTEST_STRETCH = 0.05  # s
MAX_PEOPLE = 48  # stored of a session; the person seen least is dropped first
THUMBNAIL = CropRecipe(scale=1.3, size=96, border="replicate")


@dataclass
class _ScoreSample:
    time: float
    frames: dict[int, FrameSegment]  # by person
    spans: list[tuple[int, SpanSegment]] = field(default_factory=list)
    """person and window of video models that were scored after it"""

    @property
    def scores(self) -> int:
        segments = [*self.frames.values(), *(span for _, span in self.spans)]
        return sum(len(segment.logits) for segment in segments)


def live_analysis(
    settings: Settings,
    results: Iterable[ModelResult],
    rules: initial_results.Rules,
    subjects: list[Subject],
    begun: datetime,
    timestamps: Sequence[float] = (),
    **media: Any,
) -> Analysis:
    """Return an undecided Analysis of a source without a file; `media`: fields of its record."""
    return initial_results.undecided(
        Media(sha256="", size=0, container="live", live=True, **media),
        settings,
        recounted(results, subjects),
        rules,
        subjects,
        "cpu",
        id="0" * 32,
        created=begun,
        timestamps=list(timestamps),
    )


class ScoreHistory:
    """Scores of one viewer; times are s from the first frame. Not thread-safe."""

    def __init__(self, specs: Sequence[ModelSpec], settings: LiveSettings) -> None:
        self._settings, self._specs = settings, specs
        self.results = {spec.id: initial_results.result(spec) for spec in specs}
        self._rules = initial_results.rules(
            self.results.values(), conformal.load(), OF_PICTURE, live=True
        )
        self._samples: list[_ScoreSample] = []
        self._stretch = SHORTEST_STRETCH
        """s for which one sample is stored"""
        self._last = 0.0
        """s of the newest sample with a score"""
        self._seen: Counter[int] = Counter()
        self._letters: dict[int, str] = {}
        self._thumbnails: dict[int, tuple[tuple[bool, float], np.ndarray]] = {}
        """visibility, crop"""
        self.size = (1, 1)
        """width and height of the frames, px"""
        self.begun = datetime.now(UTC)

    def letter(self, number: int) -> str:
        """Return the letter (A, B, ...) of a person, in order of their first score."""
        return self._letters.setdefault(number, letter(len(self._letters)))

    def add(self, time: float, frames: Mapping[int, FrameSegment]) -> None:
        """Add a sample with the faces in it, maybe none; times ascend."""
        sample = _ScoreSample(time, dict(frames))
        self._samples.append(sample)
        self._seen.update(frames.keys())
        if sample.scores:
            self._last = time
        if len(self._samples) > MAX_SAMPLES:
            while len(self._thinned()) > MAX_SAMPLES * 3 / 4:
                self._stretch *= 2
            self._samples = self._thinned()
        self._forget()

    def add_span(self, number: int, span: SpanSegment) -> None:
        """Add a window that video models scored to the newest sample."""
        if self._samples:
            self._samples[-1].spans.append((number, span))

    def unscore(self) -> None:
        """Drop the scores of the last `WINDOW` s: a filmed screen can't be judged."""
        for sample in self._samples:
            if sample.time > self._last - WINDOW:
                sample.spans = []
                for frame in sample.frames.values():
                    frame.logits = {}
        self._last = max((s.time for s in self._samples if s.scores), default=0.0)

    def _thinned(self) -> list[_ScoreSample]:
        """Return the last `2 * WINDOW` s and the sample with most scores of each stretch before."""
        best: dict[tuple[bool, float], _ScoreSample] = {}
        for sample in self._samples:
            new = self._last - 2 * WINDOW < sample.time <= self._last
            place = new, sample.time if new else sample.time // self._stretch
            if place not in best or sample.scores > best[place].scores:
                best[place] = sample
        return list(best.values())

    @property
    def thresholds(self) -> Thresholds:
        """Return the thresholds to show before there is a score."""
        return self._rules.limits(FileKind.CLIP)

    def add_thumbnail(self, number: int, face: FrameSegment, rgb: np.ndarray) -> None:
        """Store a person's crop of a frame, uint8 [H, W, 3], if it is the best so far."""
        visibility = subjects.visibility(face)
        if number not in self._thumbnails or visibility > self._thumbnails[number][0]:
            self._thumbnails[number] = visibility, vision.cut(rgb, face.box, THUMBNAIL)

    def recent(self) -> Analysis:
        """Return the last `WINDOW` s as an undecided Analysis, without an id."""
        start = self._last - 2 * WINDOW
        known = [s for s in self._samples if start < s.time <= self._last]
        return newest(self._analysis(known))

    def session(self, notes: Sequence[str] = ()) -> Analysis:
        """Return the session as an undecided Analysis, with sentences for `Media.notes`."""
        analysis = self._analysis(self._thinned())
        logits = [one.logits for subject in analysis.subjects for one in subject.segments]
        scores = f"{self.begun} {analysis.timestamps} {logits}"
        analysis.id = initial_results.analysis_id(scores, analysis.settings, self._specs)
        analysis.media.notes.extend(notes)
        if self._stretch > SHORTEST_STRETCH:
            text = _("Of a long session one scored moment in {stretch} s was kept.")
            analysis.media.notes.append(text.format(stretch=numeral(self._stretch, ".1f")))
        return analysis

    def thumbnails(self) -> dict[str, np.ndarray]:
        """Return the best crop of each person, by letter."""
        return {self.letter(n): crop for n, (_, crop) in self._thumbnails.items()}

    def _subjects(self, samples: Sequence[_ScoreSample]) -> list[Subject]:
        """Return the people of these samples; those seen briefly only where there is no other."""
        builders: dict[int, SubjectBuilder] = defaultdict(SubjectBuilder)
        for index, sample in enumerate(samples):
            for number, frame in sample.frames.items():
                builders[number].frames[index] = frame.model_copy(update={"index": index})
        for sample in samples:
            for number, span in sample.spans:
                if number in builders:
                    builders[number].spans.append(span)
        long = {number: one for number, one in builders.items() if self._seen[number] >= MIN_FRAMES}
        named = {self.letter(number): one for number, one in (long or builders).items()}
        return subjects.people(named, self.size[0], growing=False)

    def _analysis(self, samples: Sequence[_ScoreSample]) -> Analysis:
        times = [round(s.time, 4) for s in samples]
        length = times[-1] - times[0] if times else 0.0
        judged, models = self._subjects(samples), self._settings.models
        settings = Settings(
            models=None if models is None else list(models),
            sampling="fps",
            frames=max(1, min(len(times), 2000)),
            fps=min(60.0, max(0.1, len(times) / length)) if length > 0 else 5.0,
            min_face=self._settings.min_face,
        )
        width, height = self.size
        return live_analysis(
            settings, self.results.values(), self._rules, judged, self.begun, times,
            name=self._settings.name, kind="video", codec="frames", width=width, height=height,
            duration=round(length, 3),
        )  # fmt: skip

    def _forget(self) -> None:
        if len(self._seen) <= MAX_PEOPLE:
            return
        here = {n for s in self._samples if s.time > self._last - WINDOW for n in s.frames}
        away = [n for n in self._seen if n not in here]
        for number in sorted(away, key=self._seen.__getitem__)[: len(self._seen) - MAX_PEOPLE]:
            del self._seen[number]
            self._thumbnails.pop(number, None)
            for sample in self._samples:
                sample.frames.pop(number, None)
