"""What has been scored in a session: for the reading on its last seconds, and for its Analysis.

Scores are kept as the records of an `Analysis`, and `detector.decision.decide` alone judges them:
the reading and the stored session have the same verdict. Memory has a bound: of a long session the
samples before the last `WINDOW` seconds are thinned, evenly over its whole length.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
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
    FrameSegment,
    Media,
    Question,
    Settings,
    SpanSegment,
    Subject,
    Thresholds,
)
from detector.schema.live import LiveSettings
from detector.schema.subject import letter
from detector.sentences import _

MAX_SAMPLES = 1200
"""kept of a session: more than a minute of all, or some of each stretch of a longer one"""
SHORTEST_STRETCH = 0.05  # s
MAX_PEOPLE = 48  # kept of a session; who was seen least goes first
THUMBNAIL = CropRecipe(scale=1.3, size=96, border="replicate")


@dataclass
class _ScoreSample:
    time: float
    frames: dict[int, FrameSegment]  # by person
    spans: list[tuple[int, SpanSegment]] = field(default_factory=list)
    """Windows of video models that were scored after it, by person."""

    @property
    def scores(self) -> int:
        """Return how many there are."""
        segments = [*self.frames.values(), *(span for _, span in self.spans)]
        return sum(len(segment.logits) for segment in segments)


def live_media(**known: Any) -> Media:
    """Return what is known of a source without a file."""
    return Media(sha256="", size=0, container="live", live=True, **known)


class ScoreHistory:
    """One viewer's scores, s from the first frame. Not locked: the session does that."""

    def __init__(self, specs: Sequence[ModelSpec], settings: LiveSettings) -> None:
        self._settings, self._specs = settings, specs
        self.results = {spec.id: initial_results.result(spec) for spec in specs}
        self._ensembles = initial_results.ensembles(
            self.results.values(), conformal.load(), OF_PICTURE
        )
        self._samples: list[_ScoreSample] = []
        self._stretch = SHORTEST_STRETCH
        """s, of which one sample is kept"""
        self._last = 0.0
        """s, of the newest sample with a score"""
        self._seen: Counter[int] = Counter()
        self._letters: dict[int, str] = {}
        self._thumbnails: dict[int, tuple[tuple[bool, float], np.ndarray]] = {}
        """worth, crop"""
        self.size = (1, 1)
        """px, of the frames"""
        self.begun = datetime.now(UTC)

    def letter(self, number: int) -> str:
        """Return A, B, ... of a person, in order of their first score."""
        return self._letters.setdefault(number, letter(len(self._letters)))

    def add(self, time: float, frames: Mapping[int, FrameSegment]) -> None:
        """One scored sample; no frames: no person was there. Times ascend."""
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
        """One window's scores of video models."""
        if self._samples:
            self._samples[-1].spans.append((number, span))

    def unscore(self) -> None:
        """Drop the scores of the last `WINDOW` s, whose picture could not be judged."""
        for sample in self._samples:
            if sample.time > self._last - WINDOW:
                sample.spans = []
                for frame in sample.frames.values():
                    frame.logits = {}
        self._last = max((s.time for s in self._samples if s.scores), default=0.0)

    def _thinned(self) -> list[_ScoreSample]:
        """Return the last `2 * WINDOW` s, on which a reading may rest, and the fullest sample of
        each stretch before it."""
        best: dict[tuple[bool, float], _ScoreSample] = {}
        for sample in self._samples:
            new = self._last - 2 * WINDOW < sample.time <= self._last
            place = new, sample.time if new else sample.time // self._stretch
            if place not in best or sample.scores > best[place].scores:
                best[place] = sample
        return list(best.values())

    @property
    def thresholds(self) -> Thresholds:
        """Return those shown until there is a score."""
        return self._ensembles[Question.MANIPULATION].thresholds

    def add_thumbnail(self, number: int, face: FrameSegment, rgb: np.ndarray) -> None:
        """Cut a person out of a frame, uint8 [H, W, 3], if no better picture is kept."""
        worth = subjects.visibility(face)
        if number not in self._thumbnails or worth > self._thumbnails[number][0]:
            self._thumbnails[number] = worth, vision.cut(rgb, face.box, THUMBNAIL)

    def recent(self) -> Analysis:
        """Return the last `WINDOW` s as an undecided Analysis, without an id."""
        start = self._last - 2 * WINDOW
        known = [s for s in self._samples if start < s.time <= self._last]
        return newest(self._analysis(known))

    def session(self, notes: Sequence[str] = ()) -> Analysis:
        """Return all that was scored as an undecided Analysis, with sentences for `Media.notes`."""
        analysis = self._analysis(self._thinned())
        logits = [one.logits for subject in analysis.subjects for one in subject.segments]
        scores = f"{self.begun} {analysis.timestamps} {logits}"
        analysis.id = initial_results.analysis_id(scores, analysis.settings, self._specs)
        analysis.media.notes.extend(notes)
        if self._stretch > SHORTEST_STRETCH:
            text = _("Of a long session one scored moment in {stretch} s was kept.")
            analysis.media.notes.append(text.format(stretch=f"{self._stretch:.1f}"))
        return analysis

    def thumbnails(self) -> dict[str, np.ndarray]:
        """Return the best picture of each person, by letter."""
        return {self.letter(n): crop for n, (_, crop) in self._thumbnails.items()}

    def _subjects(self, samples: Sequence[_ScoreSample]) -> list[Subject]:
        """Return who was seen, without glimpses where there are others."""
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
        return initial_results.undecided(
            live_media(
                name=self._settings.name,
                kind="video",
                width=self.size[0],
                height=self.size[1],
                duration=round(length, 3),
                codec="frames",
            ),
            Settings(
                models=None if models is None else list(models),
                sampling="fps",
                frames=max(1, min(len(times), 2000)),
                fps=min(60.0, max(0.1, len(times) / length)) if length > 0 else 5.0,
                min_face=self._settings.min_face,
            ),
            recounted(self.results.values(), judged),
            self._ensembles,
            judged,
            "cpu",
            id="0" * 32,
            created=self.begun,
            timestamps=times,
        )

    def _forget(self) -> None:
        """Forget the people seen least, when there are too many."""
        if len(self._seen) <= MAX_PEOPLE:
            return
        here = {n for s in self._samples if s.time > self._last - WINDOW for n in s.frames}
        away = [n for n in self._seen if n not in here]
        for number in sorted(away, key=self._seen.__getitem__)[: len(self._seen) - MAX_PEOPLE]:
            del self._seen[number]
            self._thumbnails.pop(number, None)
            for sample in self._samples:
                sample.frames.pop(number, None)
