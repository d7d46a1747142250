"""What has been scored in a session: for the reading on its last seconds, and for its Analysis.

Scores are kept as the records of an `Analysis`, and `detector.decision.decide` alone judges them:
the reading and the stored session have the same verdict. Memory has a bound: of a long session the
samples before the last `WINDOW` seconds are thinned, evenly over its whole length.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from detector.decision import conformal
from detector.decision.session import WINDOW
from detector.live.state import LiveSettings
from detector.models.base import ModelSpec
from detector.pipeline import initial_results, subjects
from detector.pipeline.software import software
from detector.pipeline.subjects import SubjectBuilder, full_frame
from detector.schema.analysis import (
    OF_PICTURE,
    Analysis,
    FrameSegment,
    Label,
    Media,
    Question,
    Settings,
    SpanSegment,
    Thresholds,
    Verdict,
)
from detector.schema.subject import letter

MAX_SAMPLES = 1200
"""kept of a session: more than a minute of all, or some of each stretch of a longer one"""
SHORTEST_STRETCH = 0.05
"""s"""
MAX_PEOPLE = 48
"""kept of a session; who was seen least goes first"""
MIN_FRAMES = 3
"""samples: somebody seen in fewer is left out of the session's Analysis where there are others"""
THUMBNAIL = 96
"""px"""


@dataclass
class _ScoreSample:
    time: float
    faces: dict[int, FrameSegment]
    full_frame: FrameSegment | None = None
    spans: list[tuple[int, SpanSegment]] = field(default_factory=list)
    """Windows of clip models that were scored after it, by person."""

    @property
    def scores(self) -> int:
        """How many there are."""
        segments = [*self.faces.values(), *(span for _, span in self.spans)]
        return sum(len(one.logits) for one in [*segments, self.full_frame] if one is not None)


class ScoreHistory:
    """One viewer's scores, s from the first frame. Not locked: the session does that."""

    def __init__(self, specs: Sequence[ModelSpec], settings: LiveSettings) -> None:
        self._settings = settings
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

    def add(
        self, time: float, faces: Mapping[int, FrameSegment], full_frame: FrameSegment | None = None
    ) -> None:
        """One scored sample; no faces: nobody was there. Times ascend."""
        sample = _ScoreSample(time, dict(faces), full_frame)
        self._samples.append(sample)
        self._seen.update(faces.keys())
        if sample.scores:
            self._last = time
        if len(self._samples) > MAX_SAMPLES:
            while len(self._thinned()) > MAX_SAMPLES * 3 / 4:
                self._stretch *= 2
            self._samples = self._thinned()
        self._forget()

    def add_span(self, number: int, span: SpanSegment) -> None:
        """One window's scores of clip models."""
        if self._samples:
            self._samples[-1].spans.append((number, span))

    def unscore(self) -> None:
        """Drop the scores of the last `WINDOW` s, whose picture could not be judged."""
        for sample in self._samples:
            if sample.time > self._last - WINDOW:
                sample.full_frame, sample.spans = None, []
                for face in sample.faces.values():
                    face.logits = {}
        self._last = max((s.time for s in self._samples if s.scores), default=0.0)

    def _thinned(self) -> list[_ScoreSample]:
        """Return the last `WINDOW` s, and the fullest sample of each stretch before it."""
        best: dict[tuple[bool, float], _ScoreSample] = {}
        for sample in self._samples:
            new = self._last - WINDOW < sample.time <= self._last
            place = new, sample.time if new else sample.time // self._stretch
            if place not in best or sample.scores > best[place].scores:
                best[place] = sample
        return list(best.values())

    @property
    def thresholds(self) -> Thresholds:
        """Those shown until there is a score."""
        return self._ensembles[Question.MANIPULATION].thresholds

    def add_thumbnail(self, number: int, face: FrameSegment, crop: np.ndarray) -> None:
        """Keep the best picture of each person."""
        good, width = face.quality.problem is None, face.quality.width
        worth = (good, width * (1 - abs(face.quality.yaw or 0.0)))
        if number not in self._thumbnails or worth > self._thumbnails[number][0]:
            self._thumbnails[number] = worth, crop

    def recent(self) -> Analysis:
        """Return the last `WINDOW` s as an undecided Analysis."""
        start = self._last - WINDOW
        return self._analysis([s for s in self._samples if start < s.time <= self._last])

    def session(self, notes: Sequence[str] = ()) -> Analysis:
        """Return all that was scored as an undecided Analysis, with sentences for `Media.notes`."""
        analysis = self._analysis(self._thinned())
        analysis.media.notes.extend(notes)
        if self._stretch > SHORTEST_STRETCH:
            analysis.media.notes.append(
                f"Of a long session one scored moment in {self._stretch:.1f} s was kept."
            )
        return analysis

    def thumbnails(self) -> dict[str, np.ndarray]:
        """Return the best picture of each person, by letter."""
        return {self.letter(n): crop for n, (_, crop) in self._thumbnails.items()}

    def _people(self, samples: Sequence[_ScoreSample]) -> dict[int, SubjectBuilder]:
        """Return who was seen, without glimpses where there are others."""
        people: dict[int, SubjectBuilder] = {}
        for index, sample in enumerate(samples):
            for number, face in sample.faces.items():
                person = people.setdefault(number, SubjectBuilder())
                person.frames[index] = face.model_copy(update={"index": index})
        for sample in samples:
            for number, span in sample.spans:
                if number in people:
                    people[number].spans.append(span)
        long = {n: person for n, person in people.items() if self._seen[n] >= MIN_FRAMES}
        return long or people

    def _analysis(self, samples: Sequence[_ScoreSample]) -> Analysis:
        people = self._people(samples)
        times = [round(s.time, 4) for s in samples]
        length = times[-1] - times[0] if times else 0.0
        faces = subjects.people(list(people.values()), self.size[0], growing=False)
        for number, subject in zip(people, faces, strict=True):
            subject.id = self.letter(number)
        builder = SubjectBuilder(
            frames={
                index: sample.full_frame.model_copy(update={"index": index})
                for index, sample in enumerate(samples)
                if sample.full_frame is not None
            }
        )
        scored = Counter(
            id
            for person in (*people.values(), builder)
            for segment in (*person.frames.values(), *person.spans)
            for id in segment.logits
        )
        results = [
            result.model_copy(update={"scored": scored[id], "seconds": None})
            for id, result in self.results.items()
        ]
        return Analysis(
            id=self._id(times, people),
            created=self.begun,
            media=Media(
                name=self._settings.name,
                sha256="",
                kind="video",
                size=0,
                width=self.size[0],
                height=self.size[1],
                duration=round(length, 3),
                container="live",
                codec="frames",
                live=True,
            ),
            settings=Settings(
                models=list(models) if (models := self._settings.models) is not None else None,
                sampling="fps",
                frames=max(1, min(len(times), 2000)),
                fps=min(60.0, max(0.1, len(times) / length)) if length > 0 else 5.0,
                min_face=self._settings.min_face,
            ),
            verdict=Verdict(label=Label.NOT_APPLICABLE, thresholds=self.thresholds),
            ensembles=self._ensembles,
            models=results,
            subjects=[*faces, *full_frame(builder)],
            timestamps=times,
            software=software("cpu"),
        )

    def _id(self, times: Sequence[float], people: Mapping[int, SubjectBuilder]) -> str:
        """Hash of the scores and the weights: there is no file to hash."""
        parts = [f"{r.id}:{r.weights_sha256}" for r in self.results.values()]
        parts += [self._settings.name, self.begun.isoformat(), str(list(times))]
        parts += [str(face.logits) for person in people.values() for face in person.frames.values()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _forget(self) -> None:
        """Whoever was seen least, when there were too many people."""
        if len(self._seen) <= MAX_PEOPLE:
            return
        here = {n for s in self._samples if s.time > self._last - WINDOW for n in s.faces}
        away = [n for n in self._seen if n not in here]
        for number in sorted(away, key=self._seen.__getitem__)[: len(self._seen) - MAX_PEOPLE]:
            del self._seen[number]
            self._thumbnails.pop(number, None)
            for sample in self._samples:
                sample.faces.pop(number, None)
