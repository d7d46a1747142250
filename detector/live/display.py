"""Displayed state of a live session: faces, reading, hints, alarms and frame rates.

Not thread-safe: `LiveSession` locks it.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from detector.decision import material
from detector.decision.material import MIN_FRAMES
from detector.live import recapture
from detector.live.faces import LiveFrame, TrackedFace
from detector.live.pace import Pace
from detector.live.rates import Schedule
from detector.live.score_history import ScoreHistory
from detector.live.scoring import LiveScorer
from detector.models.base import ModelSpec
from detector.presentation import lead
from detector.presentation import live as words
from detector.schema.analysis import (
    Analysis,
    Basis,
    Label,
    ModelResult,
    Quality,
    ReasonCode,
    Subject,
    Thresholds,
)
from detector.schema.ensemble import shown_name
from detector.schema.live import (
    HISTORY,
    Alarm,
    AlarmKind,
    Dot,
    Hint,
    HintCode,
    LiveFace,
    LiveRates,
    LiveReading,
    LiveSettings,
    LiveState,
    TooSlow,
)
from detector.sentences import join, numeral

MEASURED = 3.0  # s
MAX_TIMES = 256  # events stored for each stage: 3 s at 85 a second


class RateCounter:
    """Counts, rates and delays of frames by stage. All times are s of the engine's clock."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._events = defaultdict[str, deque[tuple[float, float]]](lambda: deque(maxlen=MAX_TIMES))
        """by stage: time and delay"""

    def count(self, stage: str, now: float, delay: float = 0.0) -> None:
        """Count a frame of a stage ("pushed", "dropped", "looked", "scored"), `delay` s after it
        arrived."""
        self.counts[stage] += 1
        self._events[stage].append((now, delay))

    def last(self, stage: str) -> float | None:
        """Return the time of the newest frame of a stage."""
        return self._events[stage][-1][0] if self._events[stage] else None

    def rates(self, now: float) -> LiveRates:
        """Return rates and delays over the last `MEASURED` s."""
        pushed, looked, scored = (
            [(t, delay) for t, delay in self._events[stage] if t > now - MEASURED]
            for stage in ("pushed", "looked", "scored")
        )
        # Up to now, not to the newest frame: the rate falls when the source stops.
        fps, scored_fps = (
            (len(events) - 1) / max(now - events[0][0], 1e-3) if len(events) > 1 else 0.0
            for events in (pushed, scored)
        )
        delays, score_delays = ([delay for _, delay in events] for events in (looked, scored))
        return LiveRates(
            pushed=self.counts["pushed"],
            looked=self.counts["looked"],
            scored=self.counts["scored"],
            dropped=self.counts["dropped"],
            fps=fps,
            scored_fps=scored_fps,
            delay=float(np.median(delays)) if delays else None,
            delay_p95=float(np.percentile(delays, 95)) if delays else None,
            score_delay=float(np.median(score_delays)) if score_delays else None,
        )


STEADY = 1.0  # s of samples of which the majority decides a hint
LEAST_LOOKS = 3
NO_FACE = 2.0  # s
NO_SIGNAL = 2.0  # s
DIM = 45.0
"""Mean luma of a face. The darkest of the 1,122 faces that the limits of `detector.vision.quality`
rest on has 42; models were not measured on darker ones."""
SLOW = 4.0  # scored frames a second
SLOW_SECONDS = 5.0  # s after the start before slowness is reported: the first frames are slow
ALARM_SLACK = 0.10  # hysteresis: how far below its level the likelihood must be to end an alarm
MAX_ALARMS = 50
NO_FACE_ALARM = 3.0  # s without a face that are recorded as an alarm

_PROBLEMS = {
    ReasonCode.FACE_TOO_SMALL: HintCode.TOO_SMALL,
    ReasonCode.TOO_DARK: HintCode.TOO_DARK,
    ReasonCode.TOO_BRIGHT: HintCode.TOO_BRIGHT,
    ReasonCode.TOO_BLURRED: HintCode.TOO_BLURRED,
    ReasonCode.TURNED_AWAY: HintCode.TURNED_AWAY,
}


class QualityMonitor:
    """Quality of the newest frames, and the hints that follow from it."""

    def __init__(self, time: float, most_faces: int) -> None:
        self._most_faces = most_faces
        self._samples: deque[tuple[float, int, Quality | None, str]] = deque()
        self.stripes: deque[float] = deque(maxlen=5)
        """The newest measurements of `recapture.stripes`."""
        self.face_at = self.looked_at = time
        """s of the newest frame with a face, and of the newest frame that was searched"""
        self._began = time

    def add_sample(self, time: float, people: int, quality: Quality | None, person: str) -> None:
        """Add a scored frame: the number of people, and the largest face's quality and letter."""
        self._samples.append((time, people, quality, person))
        while self._samples[0][0] < time - STEADY:
            self._samples.popleft()

    @property
    def screen(self) -> bool:
        """Return True if most of the newest measurements show a filmed screen."""
        striped = sum(strength > recapture.PEAK for strength in self.stripes)
        return len(self.stripes) >= LEAST_LOOKS and 2 * striped > len(self.stripes)

    def hints(
        self,
        time: float,
        *,
        silent: float,
        rate: float,
        lag: float,
        too_slow: TooSlow | None = None,
    ) -> list[Hint]:
        """Return the current hints, most important first.

        `time`: s, of the newest frame. `silent`: s since it was pushed. `rate`: scored frames a
        second. `lag`: s by which the reading may lag. `too_slow`: too few frames are scored.
        """
        if silent > NO_SIGNAL:
            return [Hint(HintCode.NO_SIGNAL, *words.hint("no_signal"), blocking=True)]
        hints = []
        if self.looked_at - self.face_at > NO_FACE:
            hints.append(Hint(HintCode.NO_FACE, *words.hint("no_face"), blocking=True))
        elif len(self._samples) >= LEAST_LOOKS:
            hints += self._face_hints()
        if self.screen:
            hints.insert(0, Hint(HintCode.RECAPTURE, *words.hint("recapture"), blocking=True))
        most = max((people for _time, people, _quality, _person in self._samples), default=0)
        if most > self._most_faces:
            text = words.hint("too_many", most=most, few=self._most_faces)
            hints.append(Hint(HintCode.TOO_MANY, *text, blocking=False))
        settled = time - self._began > SLOW_SECONDS and self.face_at == time
        if too_slow is not None:
            text = words.hint("too_slow", text=words.scored(too_slow))
            hints.append(Hint(HintCode.TOO_SLOW, *text, blocking=True))
        elif settled and rate < SLOW:
            text = words.hint("slow", rate=numeral(rate, ".1f"), lag=f"{lag:.0f}")
            hints.append(Hint(HintCode.TOO_SLOW, *text, blocking=False))
        return hints

    def _face_hints(self) -> list[Hint]:
        measured = [(quality, person) for _, _, quality, person in self._samples if quality]
        if not measured:
            return []
        qualities = [quality for quality, _ in measured]
        person = measured[-1][1]
        width = sorted(q.width for q in qualities)[len(qualities) // 2]
        problem, times = Counter(q.problem for q in qualities).most_common(1)[0]
        px = f"{width:.0f}"
        if problem in _PROBLEMS and 2 * times > len(qualities):
            text = words.hint(problem.value, width=px)
            return [Hint(_PROBLEMS[problem], *text, blocking=True, person=person)]
        half = len(qualities) / 2
        small = sum(q.width < material.FAIR_WIDTH for q in qualities) > half
        dim = sum(q.brightness < DIM for q in qualities) > half
        soft = sum(q.sharpness < material.POOR_SHARPNESS for q in qualities) > half and not dim
        rows = (
            (small, HintCode.TOO_SMALL, "small"),
            (dim, HintCode.TOO_DARK, "dim"),
            (soft, HintCode.TOO_BLURRED, "soft"),
        )
        return [
            Hint(code, *words.hint(name, width=px), False, person)
            for holds, code, name in rows
            if holds
        ]


class Alarms:
    """Alarms over stretches above a level (with hysteresis) and stretches without a face.

    `seconds`: how long the likelihood has to be above the level to begin an alarm, and
    `ALARM_SLACK` below it to end one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._above: float | None = None
        self._below: float | None = None
        self._peak = 0.0
        self._count = 0
        self._alarms: list[Alarm] = []

    @property
    def all(self) -> tuple[Alarm, ...]:
        """Return all alarms, newest first."""
        return tuple(reversed(self._alarms))

    def update_reading(
        self, time: float, probability: float | None, level: float, person: str | None = None
    ) -> None:
        """Update with a likelihood; None, where there is none, neither begins nor ends an alarm."""
        if probability is None:
            self._above = self._below = None
            return
        if (alarm := self._ongoing("manipulated")) is not None:
            alarm = self._replace(alarm, peak=max(alarm.peak or 0.0, probability))
            if probability >= level - ALARM_SLACK:
                self._below = None
            elif self._below is None:
                self._below = time
            if self._below is not None and time - self._below >= self._seconds:
                self._end(alarm, self._below)
            return
        if probability <= level:
            self._above = None
            return
        if self._above is None:
            self._above, self._peak = time, 0.0
        self._peak = max(self._peak, probability)
        if time - self._above >= self._seconds:
            self._begin("manipulated", self._above, self._peak, person)
            self._below = None

    def update_faces(self, time: float, last_face: float) -> None:
        """Update with the time of the newest frame that shows a face, s."""
        absence = self._ongoing("no_face")
        if absence is None and time - last_face > NO_FACE_ALARM:
            self._begin("no_face", last_face)
            if (raised := self._ongoing("manipulated")) is not None:
                self._end(raised, last_face)  # its person left
        elif absence is not None and last_face > absence.start:
            self._replace(absence, end=last_face)

    def end(self, time: float) -> None:
        """End the ongoing alarms with the session."""
        for alarm in [a for a in self._alarms if a.end is None]:
            self._replace(alarm, end=time)

    def _ongoing(self, kind: AlarmKind) -> Alarm | None:
        return next((a for a in self._alarms if a.kind == kind and a.end is None), None)

    def _begin(
        self, kind: AlarmKind, start: float, peak: float | None = None, person: str | None = None
    ) -> None:
        self._count += 1
        alarm = Alarm(self._count, kind, start, None, peak, person)
        self._alarms = [*self._alarms, alarm][-MAX_ALARMS:]

    def _end(self, alarm: Alarm, time: float) -> None:
        self._replace(alarm, end=time)
        self._above = self._below = None

    def _replace(self, alarm: Alarm, **changes: float) -> Alarm:
        changed = replace(alarm, **changes)  # type: ignore[arg-type]
        self._alarms[self._alarms.index(alarm)] = changed
        return changed


UNREAD = 2.0  # s without a scored face after which there is no reading


class Series(deque[Dot]):
    """Chart points of the last `HISTORY` s, ascending."""

    def add(self, dot: Dot) -> None:
        """Append a point, and drop the points that are too old."""
        self.append(dot)
        while self[0].time < dot.time - HISTORY:
            self.popleft()


class LiveReadout:
    """Current reading of one viewer, and its chart; `thresholds` are shown before a score is."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self.people: dict[str, Subject] = {}
        """By letter; the leading person has the label of the verdict."""
        self.now = self.without_score(0.0, words.hint("begun")[1])
        self.scored: float | None = None
        """s of the newest frame in the reading"""
        self.counted: set[str] = set()
        """Ids of the models that any reading so far included"""
        self.series = Series()

    def without_score(self, time: float, text: str) -> LiveReading:
        """Return a reading without a score since `time`, s, with the reason as text."""
        return LiveReading(Label.NOT_APPLICABLE, time, text, self._thresholds)

    def clear(self, time: float, text: str) -> None:
        """End the reading, with the reason as text."""
        self.scored = None
        self.people.clear()
        since = self.now.since if self.now.label is Label.NOT_APPLICABLE else time
        self.now = self.without_score(since, text)
        self.series.add(Dot(time, None, None, Label.NOT_APPLICABLE))

    def update(self, time: float, decided: Analysis, *, too_slow: bool) -> None:
        """Show the verdict on the last `WINDOW` s at `time`, s. While the session is `too_slow`,
        the chart shows the frame's score alone."""
        self.scored = time
        self.counted |= {model.id for model in decided.models if model.counted}
        self.people = {subject.id: subject for subject in decided.judged}
        verdict, question = decided.verdict, decided.verdict.question
        if question is None or verdict.subject is None:
            return
        top, several = self.people[verdict.subject], len(self.people) > 1
        missing = _missing(decided, self.counted)
        self.people[top.id] = top.model_copy(update={"label": verdict.label})
        self.now = LiveReading(
            label=verdict.label,
            probability=verdict.probability,
            interval=verdict.interval,
            alone=top.probability if several else None,
            since=self.now.since if self.now.label is verdict.label else time,
            text=join(words.why(decided, top.reason), words.missing(missing)),
            question=question,
            thresholds=verdict.thresholds,
            person=top.id if several else None,
        )
        newest = [
            frame.score
            for subject in decided.judged
            for frame in subject.frames[-1:]
            if frame.score is not None and frame.index == len(decided.timestamps) - 1
        ]
        score = max(newest, default=None)
        mean, label = verdict.probability, verdict.label
        if too_slow:
            mean, label = None, Label.NOT_APPLICABLE
        self.series.add(Dot(time, score, mean, label))


def _missing(decided: Analysis, counted: Collection[str]) -> Iterator[ModelResult]:
    """Yield the counted models whose last score is too old for a reading."""
    fresh = {id for subject in decided.judged for id in subject.models}
    for model in decided.models:
        if model.id in counted and model.id not in fresh:
            yield model


class SessionDisplay:
    """Displayed state of one session. `drop_frames`: whether frames may be dropped to keep up."""

    def __init__(
        self, settings: LiveSettings, specs: Sequence[ModelSpec], drop_frames: bool
    ) -> None:
        self._settings, self._drop_frames = settings, drop_frames
        self.history = ScoreHistory(specs, settings)
        self.scorer: LiveScorer | None = None
        """From when the models are loaded until the session is closed."""
        self.readout = LiveReadout(self.history.thresholds)
        self.quality = QualityMonitor(0.0, settings.most_faces)
        self.alarms = Alarms(settings.alarm_seconds)
        self.rates = RateCounter()
        self.pace = Pace()
        self.began: float | None = None
        """s of the first frame"""
        self.time = 0.0
        """s of the newest frame"""
        self.size = (0, 0)
        self._faces: tuple[LiveFace, ...] = ()
        self._problems: dict[int, str] = {}

    def wait_for_faces(self) -> None:
        """Restart the count of seconds without a face: no frame was analyzed until now."""
        self.quality = QualityMonitor(self.time, self._settings.most_faces)

    def state(self, now: float, ready: bool, schedule: Schedule) -> LiveState:
        """Return a snapshot at `now`, s of the engine's clock; `ready`: the models are loaded."""
        every = schedule.model_every
        reading, faces = self.readout.now, self._faces
        if (slow := self.pace.slow) is not None:
            reading = replace(
                self.readout.without_score(slow.since, words.scored(slow)),
                thresholds=reading.thresholds,
                too_slow=slow,
            )
            faces = tuple(
                face
                if face.problem
                else replace(face, probability=None, label=Label.NOT_APPLICABLE, problem="too slow")
                for face in faces
            )
        return LiveState(
            time=self.time,
            size=self.size,
            faces=faces,
            reading=reading,
            hints=tuple(self._hints(now, ready, max(every.values(), default=0.0))),
            alarms=self.alarms.all,
            rates=self.rates.rates(now),
            series=tuple(self.readout.series),
            every={id: every.get(id, 0.0) for id in self.history.results},
            ready=ready,
            mostly_slow=self.pace.mostly_slow,
        )

    def update_pace(self) -> None:
        """Update the pace with a pushed frame: whether scoring keeps up."""
        if self.scorer is None or not self._drop_frames:
            return
        looked = self.rates.counts["looked"] > 0
        in_view = not looked or any(face.problem is None for face in self._faces)
        counted, results = self.readout.counted, self.history.results
        models = {
            id: shown_name(results[id])
            for id in self.scorer.of_frames
            if not results[id].error and (id in counted or not counted)
        }
        self.pace.add_frame(self.time, in_view=in_view and not self.quality.screen, titles=models)

    def update_faces(self, time: float, people: Sequence[TrackedFace], *, sure: bool) -> None:
        """Update with the people in view at `time`, s; `sure`: at least one is confirmed."""
        problems = [self._problems.get(person.number) for person in people]
        self._label(
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
            for person, problem in zip(people, problems, strict=True)
        )
        self.quality.looked_at = time
        if sure:
            self.quality.face_at = time
        self.alarms.update_faces(time, self.quality.face_at)
        self._end_reading(time)

    def _label(self, faces: Iterable[LiveFace]) -> None:
        shown = []
        for face in faces:
            if (known := self.readout.people.get(face.id)) and not face.problem:
                face = replace(
                    face, probability=known.probability, label=known.label, question=known.question
                )
            shown.append(face)
        shown.sort(key=lambda f: -1.0 if f.probability is None else f.probability, reverse=True)
        self._faces = tuple(shown)

    def _end_reading(self, time: float) -> None:
        """End the reading after `UNREAD` s without a scored face, and show the reason."""
        last = self.readout.scored
        if last is not None and time - last <= UNREAD:
            return
        hints = [h for h in self.quality.hints(time, silent=0.0, rate=9.0, lag=0.0) if h.blocking]
        text = hints[0].text if hints else words.hint("unscored")[1]
        if last is None and (not hints or text == self.readout.now.text):
            return
        self.readout.clear(time, text)
        self.alarms.update_reading(time, None, 1.0)

    def update_scores(self, frame: LiveFrame, decided: Analysis | None, now: float) -> None:
        """Update with a scored frame at `now`, s of the engine's clock, and the verdict on the last
        `WINDOW` s if the frame adds to it."""
        faces = frame.segments
        self._problems = {
            n: lead.why_not(face.quality.problem)
            for n, face in faces.items()
            if face.quality.problem
        }
        if faces:
            largest = max(faces, key=lambda n: faces[n].quality.width)
            quality, letter = faces[largest].quality, self.history.letter(largest)
            self.quality.add_sample(frame.time, frame.count, quality, letter)
        if self.quality.screen:
            self.readout.clear(frame.time, words.hint("recapture")[1])
            self.alarms.update_reading(frame.time, None, 1.0)
        elif decided is not None:
            too_slow = self.pace.slow is not None
            self.readout.update(frame.time, decided, too_slow=too_slow)
            self._label(self._faces)
            if too_slow:
                self.alarms.update_reading(frame.time, None, 1.0)
            else:
                self._raise(frame.time, decided)
        if frame.models:
            self.pace.add_score(self.time, frame.models)
            self.rates.count("scored", now, now - frame.arrived)

    def _raise(self, time: float, decided: Analysis) -> None:
        """Update the alarms; a likelihood or threshold that may not decide raises none."""
        verdict = decided.verdict
        if verdict.probability is None:
            return
        level = self._settings.alarm_above
        known = level is not None or verdict.basis in (Basis.MEASURED, Basis.OWN)
        self.alarms.update_reading(
            time,
            verdict.probability if known and not verdict.vetoed_by else 0.0,
            verdict.thresholds.high if level is None else level,
            self.readout.now.person,
        )

    def _hints(self, now: float, ready: bool, seldomest: float) -> list[Hint]:
        if not ready:
            return [Hint(HintCode.STARTING, *words.hint("starting"), True)]
        rates = self.rates.rates(now)
        apart = max(seldomest, 1 / max(rates.scored_fps, 0.1))
        lag = (rates.score_delay or 0.0) + MIN_FRAMES * apart
        pushed = self.rates.last("pushed")
        silent = now - pushed if pushed is not None and self._drop_frames else 0.0
        rate = rates.scored_fps if self._drop_frames else math.inf
        slow = self.pace.slow
        hints = self.quality.hints(self.time, silent=silent, rate=rate, lag=lag, too_slow=slow)
        for result in self.scorer.stopped if self.scorer else ():
            text = words.hint("model_failed", text=words.stopped(result))
            hints.append(Hint(HintCode.MODEL_FAILED, *text, blocking=False))
        return hints

    def notes(self) -> list[str]:
        """Return the alarms as sentences of the session's Analysis, oldest first."""
        began = self.began or 0.0
        return [words.note(alarm, began, self.time) for alarm in reversed(self.alarms.all)]
