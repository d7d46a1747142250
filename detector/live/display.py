"""What a live session shows: faces, the reading, hints, alarms, rates; and what was scored so far.

Not locked: `LiveSession` does that.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from detector.decision.material import MIN_FRAMES
from detector.decision.session import WINDOW
from detector.live.face_tracker import TrackedFace
from detector.live.hints import SCREEN, SHORT, Alarms, QualityMonitor
from detector.live.rate_counter import RateCounter
from detector.live.readout import UNREAD, LiveReadout
from detector.live.schedule import Schedule
from detector.live.score_history import ScoreHistory
from detector.live.scoring import LiveScorer
from detector.live.state import Alarm, Hint, HintCode, LiveFace, LiveSettings, LiveState, ModelState
from detector.messages.format import clock, percent
from detector.models.base import ModelSpec
from detector.schema.analysis import Analysis, Basis, FrameSegment, Label, Question


@dataclass(frozen=True)
class ScoredFrame:
    """A frame that was scored."""

    time: float
    """s, by the viewer's clock."""
    arrived: float
    """s, by the engine's clock."""
    faces: Mapping[int, FrameSegment]
    """By number; with the logits that they got."""
    count: int
    """Faces in it, those too that were not judged."""
    scored: bool
    """Whether any model gave a score."""


class SessionDisplay:
    """The shown side of one session. `drop_frames`: frames may be left out to keep up."""

    def __init__(
        self, settings: LiveSettings, specs: Sequence[ModelSpec], drop_frames: bool
    ) -> None:
        self._settings, self._drop_frames = settings, drop_frames
        self.history = ScoreHistory(specs, settings)
        self.scorer: LiveScorer | None = None
        """Once the models are loaded, until the session is closed."""
        self.readout = LiveReadout(self.history.thresholds)
        self.quality = QualityMonitor(0.0, settings.most_faces)
        self.alarms = Alarms(settings.alarm_seconds)
        self.rates = RateCounter()
        self.began: float | None = None
        """s, of the first frame"""
        self.time = 0.0
        """s, of the newest frame"""
        self.size = (0, 0)
        self.version = 0
        self._faces: tuple[LiveFace, ...] = ()
        self._problems: dict[int, str] = {}

    def wait_for_faces(self) -> None:
        """Nobody has looked until now: that no face was seen counts from here."""
        self.quality = QualityMonitor(self.time, self._settings.most_faces)

    def state(self, now: float, ready: bool, schedule: Schedule) -> LiveState:
        """Return a snapshot at `now`, s by the engine's clock; `ready`: the models are loaded."""
        every = self.scorer.every(schedule) if self.scorer else {}
        return LiveState(
            time=self.time,
            version=self.version,
            size=self.size,
            faces=self._faces,
            reading=self.readout.now,
            hints=tuple(self._hints(now, ready, max(every.values(), default=1))),
            alarms=self.alarms.all,
            rates=self.rates.rates(now),
            series=tuple(self.readout.series),
            models=tuple(self._model_states(every)),
            ready=ready,
        )

    # --- after a look ----------------------------------------------------------------------------

    def update_faces(self, time: float, people: Sequence[TrackedFace], *, sure: bool) -> None:
        """Take in who is in view in the frame of `time`, s; `sure`: somebody is without doubt."""
        faces = []
        for person in people:
            problem = self._problems.get(person.number)
            faces.append(
                LiveFace(
                    id=self.history.letter(person.number),
                    box=person.face.box,
                    velocity=person.velocity,
                    time=person.time,
                    probability=None,
                    label=Label.NOT_APPLICABLE if problem else Label.INCONCLUSIVE,
                    problem=problem,
                    landmarks=person.face.landmarks,
                )
            )
        self._label(faces)
        if sure:
            self.quality.note_face(time)
        self.alarms.update_faces(time, self.quality.no_face_since)
        self._end_reading(time)

    def _label(self, faces: Iterable[LiveFace]) -> None:
        """Attach the latest labels to the faces, the most suspicious first."""
        shown = []
        for face in faces:
            line = self.readout.people.get(face.id)
            if line and not face.problem:
                face = replace(
                    face,
                    probability=line.probability,
                    label=line.label,
                    scored=self.readout.scored,
                    question=line.question,
                )
            shown.append(face)
        shown.sort(key=lambda f: -1.0 if f.probability is None else f.probability, reverse=True)
        self._faces = tuple(shown)

    def _end_reading(self, time: float) -> None:
        """End the reading where nobody was judged for a while, and say what prevents one."""
        last = self.readout.scored
        if last is not None and time - last <= UNREAD:
            return
        hints = [h for h in self.quality.hints(time, silent=0.0, rate=9.0, lag=0.0) if h.blocking]
        text = hints[0].text if hints else "No face is being scored."
        if last is None and (not hints or text == self.readout.now.text):
            return
        self.readout.lose(time, text)
        self.alarms.update_reading(time, None, 1.0)

    # --- after a score ---------------------------------------------------------------------------

    def update_scores(self, frame: ScoredFrame, decided: Analysis | None, now: float) -> None:
        """Take in a scored frame, and the verdict on the last `WINDOW` s, where the frame adds to
        it; `now` is s, by the engine's clock."""
        faces = frame.faces
        self._problems = {
            n: SHORT.get(face.quality.problem, "not judged")
            for n, face in faces.items()
            if face.quality.problem
        }
        if faces:
            largest = max(faces, key=lambda n: faces[n].quality.width)
            quality, letter = faces[largest].quality, self.history.letter(largest)
            self.quality.add_sample(frame.time, frame.count, quality, letter)
        if self.quality.screen:
            self.readout.lose(frame.time, SCREEN)
            self.alarms.update_reading(frame.time, None, 1.0)
        elif decided is not None:
            self.readout.update(frame.time, decided)
            self._label(self._faces)
            self._raise(frame.time, decided)
        if frame.scored:
            self.rates.count("scored", now)
            self.rates.delay("scored", now, now - frame.arrived)
        self.version += 1

    def _raise(self, time: float, decided: Analysis) -> None:
        """Raise alarms, but none by a likelihood or threshold that may decide nothing."""
        answer = decided.verdict.answers.get(decided.verdict.question or Question.MANIPULATION)
        if answer is None or answer.probability is None:
            return
        level = self._settings.alarm_above
        known = level is not None or answer.basis in (Basis.MEASURED, Basis.OWN)
        self.alarms.update_reading(
            time,
            answer.probability if known and not answer.vetoed_by else 0.0,
            answer.thresholds.high if level is None else level,
            self.readout.now.person,
        )

    # --- in words --------------------------------------------------------------------------------

    def _hints(self, now: float, ready: bool, seldomest: int) -> list[Hint]:
        if not ready:
            return [Hint(HintCode.STARTING, "Starting", "The models are being loaded.", True)]
        rates = self.rates.rates(now)
        lag = (rates.score_delay or 0.0) + MIN_FRAMES * seldomest / max(rates.scored_fps, 0.1)
        pushed = self.rates.last("pushed")
        silent = now - pushed if pushed is not None and self._drop_frames else 0.0
        rate = rates.scored_fps if self._drop_frames else math.inf
        hints = self.quality.hints(self.time, silent=silent, rate=rate, lag=lag)
        for result in self.scorer.stopped if self.scorer else ():
            text = f"{result.title} takes no part: {result.error}."
            hints.append(Hint(HintCode.MODEL_FAILED, "Model stopped", text, blocking=False))
        return hints

    def _model_states(self, every: Mapping[str, int]) -> list[ModelState]:
        return [
            ModelState(
                id=id,
                title=result.title,
                kind=result.kind,
                scored=result.scored,
                counted=decided is not result and decided.counted,
                note=result.error or decided.not_counted_because,
                every=every.get(id, 1),
            )
            for id, result in self.history.results.items()
            for decided in [self.readout.models.get(id, result)]
        ]

    def note(self, alarm: Alarm) -> str:
        """Return an alarm as a sentence of the session's Analysis."""
        origin = self.began or 0.0
        end = self.time if alarm.end is None else alarm.end
        when = f"from {clock(alarm.start - origin)} to {clock(end - origin)}"
        if alarm.kind == "no_face":
            return f"No face {when}."
        peak = percent(alarm.peak or 0.0)
        return f"Alarm {when}: a likelihood of up to {peak} over {WINDOW:.0f} s."


def known_footage(name: str) -> str:
    """Return as a sentence of the session's Analysis that the camera showed a recording."""
    return f"The camera showed footage that is in the library of whoever watched it: {name}."
