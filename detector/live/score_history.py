"""What has been scored: of the last seconds for the reading, of the whole session for its Analysis.

Scores are kept as the records of an `Analysis`, and everything said of them comes from
`detector.decision.decide`: a live reading is the verdict on a clip of the last 3 s, no second way
to count. Memory has a bound: of a long session every second sample is forgotten when there are too
many, evenly over its whole length.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from detector.decision import conformal
from detector.live.state import WINDOW, LiveSettings
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
"""kept of a session: two minutes of all, ten of every fifth"""
MAX_SPANS = 600
MAX_PEOPLE = 48
"""kept of a session; who was seen least goes first"""
MIN_FRAMES = 3
"""samples: somebody seen in fewer is left out of the session's Analysis where there are others"""
NEWEST_WINDOW = 2 * WINDOW
"""s. How long a clip model's newest window speaks for the present."""
THUMBNAIL = 96
"""px"""


@dataclass
class _ScoreSample:
    time: float
    faces: dict[int, FrameSegment]
    full_frame: FrameSegment | None = None


@dataclass
class DecimatingBuffer:
    """A list that stays under `most`: then every second entry goes, and of what comes later too."""

    most: int
    items: list[Any] = field(default_factory=list)
    every: int = 1
    seen: int = 0

    def add(self, item: object) -> None:
        """Keep an item, if its turn is now."""
        if self.seen % self.every == 0:
            self.items.append(item)
            if len(self.items) > self.most:
                del self.items[1::2]
                self.every *= 2
        self.seen += 1


class ScoreHistory:
    """The scores of one viewer by the models that it asked for. Not locked: the session does that.
    Times are seconds from the first frame."""

    def __init__(self, specs: Sequence[ModelSpec], settings: LiveSettings) -> None:
        self._settings = settings
        self.results = {spec.id: initial_results.result(spec) for spec in specs}
        self._ensembles = initial_results.ensembles(
            self.results.values(), conformal.load(), OF_PICTURE
        )
        self._recent: deque[_ScoreSample] = deque()
        self._recent_spans: list[tuple[int, SpanSegment]] = []
        self._session = DecimatingBuffer(MAX_SAMPLES)
        self._session_spans = DecimatingBuffer(MAX_SPANS)
        self._seen: Counter[int] = Counter()
        self._letters: dict[int, str] = {}
        self._thumbnails: dict[int, tuple[tuple[bool, float], np.ndarray]] = {}
        """worth, crop"""
        self._since: dict[int, float] = {}
        self.size = (1, 1)
        """px, of the frames"""
        self.begun = datetime.now(UTC)

    def letter(self, number: int) -> str:
        """Return A, B, ... of a person, in order of their first score."""
        return self._letters.setdefault(number, letter(len(self._letters)))

    def add(
        self,
        time: float,
        faces: Mapping[int, FrameSegment],
        full_frame: FrameSegment | None = None,
    ) -> None:
        """One scored sample; no faces: nobody was there. Times ascend."""
        self._session.add(_ScoreSample(time, dict(faces), full_frame))
        # No verdict looks at landmarks, and copying them takes most of its time.
        bare = {n: face.model_copy(update={"landmarks": []}) for n, face in faces.items()}
        self._recent.append(_ScoreSample(time, bare, full_frame))
        self._seen.update(faces.keys())
        for id, result in self.results.items():
            result.scored += sum(id in face.logits for face in faces.values())
            result.scored += full_frame is not None and id in full_frame.logits
        while self._recent and self._recent[0].time < time - WINDOW:
            self._recent.popleft()
        self._recent_spans = [
            (n, w) for n, w in self._recent_spans if w.end >= time - NEWEST_WINDOW
        ]
        self._forget()

    def add_span(self, number: int, span: SpanSegment) -> None:
        """One window's scores of clip models."""
        self._recent_spans.append((number, span))
        self._session_spans.add((number, span))
        for id in span.logits:
            self.results[id].scored += 1

    def forget(self, letter: str, before: float) -> None:
        """Leave out what is older of a person, from the reading but not from the session."""
        self._since |= {n: before for n, known in self._letters.items() if known == letter}

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

    def recent(self, seconds: float, time: float) -> Analysis | None:
        """Return the last seconds as an undecided Analysis; None where nobody was scored."""
        samples = [s for s in self._recent if s.time > time - seconds - 1e-6]
        newest: dict[tuple[int, str], float] = {}
        for number, span in self._recent_spans:
            for id in span.logits:
                newest[number, id] = max(newest.get((number, id), 0.0), span.end)
        spans = [
            (n, span)
            for n, span in self._recent_spans
            # In any case the newest one, so that the models that take part stay the same.
            if span.end > time - seconds or any(span.end == newest[n, id] for id in span.logits)
        ]
        people = self._people(samples, spans, self._since)
        return self._analysis(people, samples) if people else None

    def session(self, notes: Sequence[str], failed: Mapping[str, str]) -> Analysis:
        """Return all that was scored as an undecided Analysis, with sentences for `Media.notes`,
        and why a model took no part, by id."""
        samples = list(self._session.items)
        inside = {n for n, count in self._seen.items() if count >= MIN_FRAMES} or set(self._seen)
        people = self._people(samples, self._session_spans.items, {})
        people = {n: person for n, person in people.items() if n in inside}
        analysis = self._analysis(people, samples)
        for model in analysis.models:
            model.error = failed.get(model.id)
        analysis.media.notes.extend(notes)
        if self._session.every > 1:
            analysis.media.notes.append(
                f"Of a long session every {self._session.every}. scored moment was kept."
            )
        return analysis

    def thumbnails(self) -> dict[str, np.ndarray]:
        """Return the best picture of each person, by letter."""
        return {self.letter(n): crop for n, (_, crop) in self._thumbnails.items()}

    def _people(
        self,
        samples: Sequence[_ScoreSample],
        spans: Sequence[tuple[int, SpanSegment]],
        since: Mapping[int, float],
    ) -> dict[int, SubjectBuilder]:
        people: dict[int, SubjectBuilder] = {}
        for index, sample in enumerate(samples):
            for number, face in sample.faces.items():
                if sample.time >= since.get(number, 0.0):
                    person = people.setdefault(number, SubjectBuilder())
                    person.frames[index] = face.model_copy(update={"index": index})
        for number, span in spans:
            if number in people and span.end >= since.get(number, 0.0):
                people[number].spans.append(span)
        return people

    def _analysis(
        self, people: Mapping[int, SubjectBuilder], samples: Sequence[_ScoreSample]
    ) -> Analysis:
        times = [round(s.time, 4) for s in samples]
        length = times[-1] - times[0] if times else 0.0
        faces = subjects.people(list(people.values()), self.size[0])
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
            result.model_copy(update={"scored": scored[id]}) for id, result in self.results.items()
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
        here = {n for m in self._recent for n in m.faces}
        away = [n for n in self._seen if n not in here]
        for number in sorted(away, key=self._seen.__getitem__)[: len(self._seen) - MAX_PEOPLE]:
            del self._seen[number]
            self._thumbnails.pop(number, None)
            self._since.pop(number, None)
            for sample in self._session.items:
                sample.faces.pop(number, None)
            self._session_spans.items = [
                (n, w) for n, w in self._session_spans.items if n != number
            ]
