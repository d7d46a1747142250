"""What has been scored: of the last seconds for the reading, of the whole session for its Analysis.

Scores are kept as the records of an `Analysis`, and everything said of them comes from
`detector.decision.decide`: a live reading is the verdict on a clip of the last 3 s, no second way
to count. Memory has a bound: of a long session every second moment is forgotten when there are too
many, evenly over its whole length.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from detector import conformal
from detector.live.state import WINDOW
from detector.models.base import ModelSpec
from detector.pipeline import initial_results
from detector.pipeline.software import software
from detector.pipeline.subjects import SubjectBuilder, full_frame, letter
from detector.pipeline.subjects import people as faces_of
from detector.schema.analysis import (
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

MOST_MOMENTS = 1200
"""kept of a session: two minutes of all, ten of every fifth"""
MOST_SPANS = 600
MOST_PEOPLE = 48
"""kept of a session; who was seen least goes first"""
GLIMPSE = 3
"""moments: somebody seen in fewer is left out of the session's Analysis where there are others"""
NEWEST_WINDOW = 2 * WINDOW
"""s. How long a clip model's newest window speaks for the present."""
THUMBNAIL = 96
"""px"""


@dataclass
class _ScoredMoment:
    time: float
    faces: dict[int, FrameSegment]
    full_frame: FrameSegment | None = None


@dataclass
class _Thumbnail:
    worth: tuple[bool, float]
    crop: np.ndarray


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
    """The scores of one viewer. Not locked: the session does that. Times are seconds from
    the first frame.

    Parameters
    ----------
    specs : sequence of ModelSpec
        The models that were asked for.
    asked : sequence of str or None
        As they were named.
    name : str
    min_face : int
    """

    def __init__(
        self, specs: Sequence[ModelSpec], asked: Sequence[str] | None, name: str, min_face: int
    ) -> None:
        self._asked, self._name, self._min_face = asked, name, min_face
        self.results = {spec.id: initial_results.result(spec) for spec in specs}
        self._ensembles = initial_results.ensembles(self.results.values(), conformal.load())
        self._recent: deque[_ScoredMoment] = deque()
        self._recent_spans: list[tuple[int, SpanSegment]] = []
        self._session = DecimatingBuffer(MOST_MOMENTS)
        self._session_spans = DecimatingBuffer(MOST_SPANS)
        self._seen: Counter[int] = Counter()
        self._letters: dict[int, str] = {}
        self._thumbnails: dict[int, _Thumbnail] = {}
        self._since: dict[int, float] = {}
        self.size = (1, 1)
        """px, of the frames"""
        self.begun = datetime.now(UTC)

    def letter(self, number: int) -> str:
        """A, B, ... of a person, in order of their first score."""
        return self._letters.setdefault(number, letter(len(self._letters)))

    def add(
        self,
        time: float,
        faces: Mapping[int, FrameSegment],
        full_frame: FrameSegment | None = None,
    ) -> None:
        """One scored moment; no faces: nobody was there. Times ascend."""
        self._session.add(_ScoredMoment(time, dict(faces), full_frame))
        # No verdict looks at landmarks, and copying them takes most of its time.
        bare = {n: face.model_copy(update={"landmarks": []}) for n, face in faces.items()}
        self._recent.append(_ScoredMoment(time, bare, full_frame))
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

    def offer(self, number: int, face: FrameSegment, crop: np.ndarray) -> None:
        """Keep the best picture of each person."""
        good, width = face.quality.problem is None, face.quality.width
        worth = (good, width * (1 - abs(face.quality.yaw or 0.0)))
        if number not in self._thumbnails or worth > self._thumbnails[number].worth:
            self._thumbnails[number] = _Thumbnail(worth, crop)

    def recent(self, seconds: float, time: float) -> Analysis | None:
        """The last seconds as an undecided Analysis; None where nobody was scored."""
        moments = [m for m in self._recent if m.time > time - seconds - 1e-6]
        newest: dict[tuple[int, str], float] = {}
        for number, span in self._recent_spans:
            for id in span.logits:
                newest[number, id] = max(newest.get((number, id), 0.0), span.end)
        people = self._people(
            moments,
            [
                (n, span)
                for n, span in self._recent_spans
                # In any case the newest one, so that the models that take part stay the same.
                if span.end > time - seconds or any(span.end == newest[n, id] for id in span.logits)
            ],
            self._since,
        )
        return self._analysis(people, moments) if people else None

    def session(self, notes: Sequence[str], failed: Mapping[str, str]) -> Analysis:
        """All that was scored as an undecided Analysis.

        Parameters
        ----------
        notes : sequence of str
            Sentences for `Media.notes`.
        failed : mapping of str to str
            Why a model took no part, by id.
        """
        moments = list(self._session.items)
        inside = {n for n, count in self._seen.items() if count >= GLIMPSE} or set(self._seen)
        people = self._people(moments, self._session_spans.items, {})
        people = {n: person for n, person in people.items() if n in inside}
        analysis = self._analysis(people, moments)
        for model in analysis.models:
            model.error = failed.get(model.id)
        analysis.media.notes.extend(notes)
        if self._session.every > 1:
            analysis.media.notes.append(
                f"Of a long session every {self._session.every}. scored moment was kept."
            )
        return analysis

    def thumbnails(self) -> dict[str, np.ndarray]:
        """The best picture of each person, by letter."""
        return {self.letter(n): thumb.crop for n, thumb in self._thumbnails.items()}

    def _people(
        self,
        moments: Sequence[_ScoredMoment],
        spans: Sequence[tuple[int, SpanSegment]],
        since: Mapping[int, float],
    ) -> dict[int, SubjectBuilder]:
        people: dict[int, SubjectBuilder] = {}
        for index, moment in enumerate(moments):
            for number, face in moment.faces.items():
                if moment.time >= since.get(number, 0.0):
                    person = people.setdefault(number, SubjectBuilder())
                    person.frames[index] = face.model_copy(update={"index": index})
        for number, span in spans:
            if number in people and span.end >= since.get(number, 0.0):
                people[number].spans.append(span)
        return people

    def _analysis(
        self, people: Mapping[int, SubjectBuilder], moments: Sequence[_ScoredMoment]
    ) -> Analysis:
        times = [round(m.time, 4) for m in moments]
        length = times[-1] - times[0] if times else 0.0
        found = faces_of(list(people.values()), self.size[0])
        for number, subject in zip(people, found, strict=True):
            subject.id = self.letter(number)
        builder = SubjectBuilder(
            frames={
                index: moment.full_frame.model_copy(update={"index": index})
                for index, moment in enumerate(moments)
                if moment.full_frame is not None
            }
        )
        scored = Counter(self._scored([*people.values(), builder]))
        results = [
            result.model_copy(update={"scored": scored[id]}) for id, result in self.results.items()
        ]
        return Analysis(
            id=self._id(times, people),
            created=self.begun,
            media=Media(
                name=self._name,
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
                models=list(self._asked) if self._asked is not None else None,
                sampling="fps",
                frames=max(1, min(len(times), 2000)),
                fps=min(60.0, max(0.1, len(times) / length)) if length > 0 else 5.0,
                min_face=self._min_face,
            ),
            verdict=Verdict(
                label=Label.NOT_APPLICABLE,
                thresholds=self.thresholds,
            ),
            ensembles=self._ensembles,
            models=results,
            subjects=[*found, *full_frame(builder)],
            moments=times,
            software=software("cpu"),
        )

    @staticmethod
    def _scored(builders: Iterable[SubjectBuilder]) -> Iterator[str]:
        """The id of a model for each score."""
        for person in builders:
            for segment in (*person.frames.values(), *person.spans):
                yield from segment.logits

    def _id(self, times: Sequence[float], people: Mapping[int, SubjectBuilder]) -> str:
        """Hash of the scores and the weights: there is no file to hash."""
        parts = [f"{r.id}:{r.weights_sha256}" for r in self.results.values()]
        parts += [self._name, self.begun.isoformat(), str(list(times))]
        parts += [str(face.logits) for person in people.values() for face in person.frames.values()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def _forget(self) -> None:
        """Whoever was seen least, when there were too many people."""
        if len(self._seen) <= MOST_PEOPLE:
            return
        here = {n for m in self._recent for n in m.faces}
        away = [n for n in self._seen if n not in here]
        for number in sorted(away, key=self._seen.__getitem__)[: len(self._seen) - MOST_PEOPLE]:
            del self._seen[number]
            self._thumbnails.pop(number, None)
            self._since.pop(number, None)
            for moment in self._session.items:
                moment.faces.pop(number, None)
            self._session_spans.items = [
                (n, w) for n, w in self._session_spans.items if n != number
            ]
