"""What a live session shows: faces, the reading, hints, alarms, rates; and what was scored so far.

Not locked: `LiveSession` does that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from detector.live.face_tracker import TrackedFace
from detector.live.hints import SCREEN, SHORT, Alarms, QualityMonitor
from detector.live.hysteresis import EARLY_FRAMES, FRESH
from detector.live.rate_counter import RateCounter
from detector.live.readout import UNREAD, LiveReadout
from detector.live.score_history import ScoreHistory
from detector.live.state import Alarm, Hint, HintCode, LiveFace, LiveSettings, LiveState, ModelState
from detector.messages.format import clock as minutes
from detector.messages.format import percent
from detector.models.base import ModelSpec
from detector.schema.analysis import Analysis, FrameSegment, Label


@dataclass(frozen=True)
class ScoredFrame:
    """A frame that was scored.

    Attributes
    ----------
    time : float
        s, by the viewer's clock.
    came : float
        s, by the engine's clock.
    faces : mapping
        By number; with the logits that they got.
    count : int
        Faces in it, those too that were not judged.
    scored : bool
        Whether any model gave a score.
    """

    time: float
    came: float
    faces: Mapping[int, FrameSegment]
    count: int
    scored: bool


class SessionDisplay:
    """The shown side of one session.

    Parameters
    ----------
    settings : LiveSettings
    specs : sequence of ModelSpec
    hurried : bool
        Whether frames may be left out to keep up.
    """

    def __init__(self, settings: LiveSettings, specs: Sequence[ModelSpec], hurried: bool) -> None:
        self._settings, self._specs, self._hurried = settings, list(specs), hurried
        asked = list(settings.models) if settings.models is not None else None
        self.history = ScoreHistory(specs, asked, settings.name, settings.min_face)
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

    def state(
        self, now: float, *, ready: bool, failures: Mapping[str, str], stopped: Mapping[str, str]
    ) -> LiveState:
        """Return a snapshot.

        Parameters
        ----------
        now : float
            s, by the engine's clock.
        ready : bool
            Whether the models are loaded.
        failures : mapping
            Why a model takes no part, by id.
        stopped : mapping
            Of these, the models that stopped as they scored.
        """
        return LiveState(
            time=self.time,
            version=self.version,
            size=self.size,
            faces=self._faces,
            reading=self.readout.now,
            hints=tuple(self._hints(now, ready, stopped)),
            alarms=self.alarms.all,
            rates=self.rates.rates(now),
            series=self.readout.series,
            models=tuple(self._model_states(failures)),
            ready=ready,
        )

    # --- after a look ----------------------------------------------------------------------------

    def looked(self, time: float, people: Sequence[TrackedFace], *, sure: bool) -> None:
        """Take in who is in view.

        Parameters
        ----------
        time : float
            s, of the frame.
        people : sequence of TrackedFace
        sure : bool
            Whether anybody is there without doubt.
        """
        self._show(people)
        if sure:
            self.quality.face(time)
        self.alarms.faces(time, self.quality.no_face_since)
        self._unread(time)

    def _show(self, people: Sequence[TrackedFace]) -> None:
        """The faces as they are drawn, most suspicious first."""
        shown = []
        for person in people:
            problem = self._problems.get(person.number)
            face = LiveFace(
                id=self.history.letter(person.number),
                box=person.face.box,
                velocity=person.velocity,
                time=person.time,
                probability=None,
                label=Label.NOT_APPLICABLE if problem else Label.INCONCLUSIVE,
                problem=problem,
                landmarks=person.face.landmarks,
            )
            shown.append(face)
        self._read(shown)

    def _read(self, faces: Iterable[LiveFace]) -> None:
        """Put the newest words and numbers to the faces, so that no box is behind the reading."""
        shown = []
        for face in faces:
            line = self.readout.people.get(face.id)
            if line and not face.problem:
                face = replace(
                    face,
                    probability=line.probability,
                    label=line.steady.label,
                    scored=line.scored,
                    question=line.question,
                )
            shown.append(face)
        shown.sort(key=lambda f: -1.0 if f.probability is None else f.probability, reverse=True)
        self._faces = tuple(shown)

    def _unread(self, time: float) -> None:
        """End the reading where nobody could be judged for a while."""
        last = self.readout.scored
        if last is not None and time - last > UNREAD:
            hints = [
                h for h in self.quality.hints(time, silent=0.0, rate=9.0, lag=0.0) if h.blocking
            ]
            self.readout.lose(time, hints[0].text if hints else "No face is being scored.")
            self.alarms.reading(time, None, 1.0)

    # --- after a score ---------------------------------------------------------------------------

    def scored(
        self, frame: ScoredFrame, slow: Analysis | None, fresh: Analysis | None, now: float
    ) -> None:
        """Take in what a scored frame says.

        Parameters
        ----------
        frame : ScoredFrame
        slow, fresh : Analysis, optional
            Decided, of the long and the short window.
        now : float
            s, by the engine's clock.
        """
        looks = frame.faces
        self._problems = {
            n: SHORT.get(look.quality.problem, "not judged")
            for n, look in looks.items()
            if look.quality.problem
        }
        if looks:
            largest = max(looks, key=lambda n: looks[n].quality.width)
            quality, letter = looks[largest].quality, self.history.letter(largest)
            self.quality.look(frame.time, frame.count, quality, letter)
        if self.quality.screen:
            self.readout.abstain(frame.time, SCREEN)
            self.alarms.reading(frame.time, None, 1.0)
        elif slow is not None and frame.scored:
            for letter in self.readout.update(frame.time, slow, fresh):
                self.history.forget(letter, frame.time - FRESH - (self.began or 0.0))
            self._read(self._faces)
            reading = self.readout.now
            level = self._settings.alarm_above
            self.alarms.reading(
                frame.time,
                self.readout.cautious,
                reading.thresholds.high if level is None else level,
                reading.person,
            )
        if frame.scored:
            self.rates.count("scored", now)
            self.rates.delay("scored", now, now - frame.came)
        self.version += 1

    # --- in words --------------------------------------------------------------------------------

    def _hints(self, now: float, ready: bool, stopped: Mapping[str, str]) -> list[Hint]:
        if not ready:
            text = "The models are being loaded."
            return [Hint(HintCode.STARTING, "Starting", text, blocking=True)]
        rates = self.rates.rates(now)
        lag = (rates.score_delay or 0.0) + EARLY_FRAMES / max(rates.scored_fps, 0.1)
        came = self.rates.last("pushed")
        silent = now - came if came is not None and self._hurried else 0.0
        rate = rates.scored_fps if self._hurried else math.inf
        hints = self.quality.hints(self.time, silent=silent, rate=rate, lag=lag)
        titles = {spec.id: spec.title for spec in self._specs}
        for id, why in stopped.items():
            text = f"{titles[id]} takes no part: {why}."
            hints.append(Hint(HintCode.MODEL_FAILED, "Model stopped", text, blocking=False))
        return hints

    def _model_states(self, why: Mapping[str, str]) -> list[ModelState]:
        return [
            ModelState(
                id=spec.id,
                title=spec.title,
                kind=spec.kind,
                scored=self.history.results[spec.id].scored,
                counted=spec.id in self.readout.counted,
                note=why.get(spec.id) or self.readout.left_out.get(spec.id),
            )
            for spec in self._specs
        ]

    def noted(self, alarm: Alarm) -> str:
        """An alarm as a sentence of the session's Analysis."""
        origin = self.began or 0.0
        end = self.time if alarm.end is None else alarm.end
        when = f"from {minutes(alarm.start - origin)} to {minutes(end - origin)}"
        if alarm.kind == "no_face":
            return f"No face {when}."
        return f"Alarm {when}: a mean of 3 s up to {percent(alarm.peak or 0.0)}."
