"""What a live session shows: faces, the reading, hints, alarms, rates; and what was scored so far.

Not locked: `LiveSession` does that.
"""

import math
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detector.decision import material
from detector.decision.material import MIN_FRAMES
from detector.live import recapture
from detector.live.faces import TrackedFace
from detector.live.pace import Pace
from detector.live.rates import Schedule
from detector.live.score_history import ScoreHistory
from detector.live.scoring import LiveScorer
from detector.models.base import ModelSpec
from detector.presentation import lead
from detector.presentation import live as words
from detector.schema.analysis import (
    Analysis,
    Answer,
    Basis,
    FrameSegment,
    Label,
    ModelResult,
    Quality,
    Question,
    ReasonCode,
    SlowScoring,
    Subject,
    Thresholds,
)
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
from detector.sentences import join

MEASURED = 3.0  # s
MAX_TIMES = 256  # moments kept for each figure: 3 s at 85 a second


class RateCounter:
    """Not locked. All times are the engine's clock."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._at: dict[str, deque[float]] = {}
        self._delays: dict[str, deque[tuple[float, float]]] = {}

    def count(self, what: str, now: float) -> None:
        """One frame was pushed, looked at, scored."""
        self.counts[what] += 1
        self._at.setdefault(what, deque(maxlen=MAX_TIMES)).append(now)

    def delay(self, what: str, now: float, seconds: float) -> None:
        """How long one took."""
        self._delays.setdefault(what, deque(maxlen=MAX_TIMES)).append((now, seconds))

    def last(self, what: str) -> float | None:
        """Return when it last was."""
        at = self._at.get(what)
        return at[-1] if at else None

    def rate(self, what: str, now: float) -> float:
        """So many a second."""
        inside = [t for t in self._at.get(what, ()) if t > now - MEASURED]
        if len(inside) < 2:
            return 0.0
        # From the first to now: a source that stopped slows down, instead of staying as it was.
        return (len(inside) - 1) / max(now - inside[0], 1e-3)

    def rates(self, now: float) -> LiveRates:
        """Return the figures as they are shown."""
        looked, scored = (
            [seconds for t, seconds in self._delays.get(what, ()) if t > now - MEASURED]
            for what in ("looked", "scored")
        )
        return LiveRates(
            pushed=self.counts["pushed"],
            looked=self.counts["looked"],
            scored=self.counts["scored"],
            dropped=self.counts["dropped"],
            fps=self.rate("pushed", now),
            scored_fps=self.rate("scored", now),
            delay=float(np.median(looked)) if looked else None,
            delay_p95=float(np.percentile(looked, 95)) if looked else None,
            score_delay=float(np.median(scored)) if scored else None,
        )


STEADY = 1.0  # s over which a hint is decided: by most of the looks in it
LEAST_LOOKS = 3
NO_FACE = 2.0  # s
NO_SIGNAL = 2.0  # s
DIM = 45.0
"""Mean luma of a face. The darkest of the 1,122 faces that `detector.vision.quality` was set on has
42: what is darker was not in what the models were measured with."""
SLOW = 4.0  # scored frames a second
SLOW_SECONDS = 5.0  # s after the start before slowness is said: the first frames are always slow
ALARM_SLACK = 0.10  # of the likelihood, below the alarm's level, before an alarm can end
MAX_ALARMS = 50
NO_FACE_ALARM = 3.0  # s without a face that are put on record

_PROBLEMS = {
    ReasonCode.FACE_TOO_SMALL: HintCode.TOO_SMALL,
    ReasonCode.TOO_DARK: HintCode.TOO_DARK,
    ReasonCode.TOO_BRIGHT: HintCode.TOO_BRIGHT,
    ReasonCode.TOO_BLURRED: HintCode.TOO_BLURRED,
    ReasonCode.TURNED_AWAY: HintCode.TURNED_AWAY,
}


class QualityMonitor:
    """Hints of one viewer. Not locked."""

    def __init__(self, time: float, most_faces: int) -> None:
        self._most_faces = most_faces
        self._samples: deque[tuple[float, int, Quality | None, str]] = deque()
        self.stripes: deque[float] = deque(maxlen=5)
        """The last measurements of `recapture.stripes`."""
        self.face_at = self.looked_at = time
        """s at which a face was last in view, and at which frames were last searched"""
        self._began = time

    def add_sample(self, time: float, people: int, quality: Quality | None, person: str) -> None:
        """One look: how many people, and how good the largest face is."""
        self._samples.append((time, people, quality, person))
        while self._samples[0][0] < time - STEADY:
            self._samples.popleft()

    @property
    def screen(self) -> bool:
        """Return whether a screen is being filmed, by most of the last looks for one."""
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
        """Return what to say now, most important first.

        `time`: s, of the newest frame. `silent`: s since the last one was pushed. `rate`: scored
        frames a second. `lag`: s that the reading can lag by. `too_slow`: too few are scored.
        """
        if silent > NO_SIGNAL:
            return [Hint(HintCode.NO_SIGNAL, *words.hint("no_signal"), blocking=True)]
        hints = []
        if self.looked_at - self.face_at > NO_FACE:
            hints.append(Hint(HintCode.NO_FACE, *words.hint("no_face"), blocking=True))
        elif len(self._samples) >= LEAST_LOOKS:
            hints += self._of_the_face()
        if self.screen:
            hints.insert(0, Hint(HintCode.RECAPTURE, *words.hint("recapture"), blocking=True))
        most = max((people for _time, people, _quality, _person in self._samples), default=0)
        if most > self._most_faces:
            said = words.hint("too_many", most=most, few=self._most_faces)
            hints.append(Hint(HintCode.TOO_MANY, *said, blocking=False))
        watched = time - self._began > SLOW_SECONDS and self.face_at == time
        if too_slow is not None:
            said = words.hint("too_slow", text=words.scored(too_slow))
            hints.append(Hint(HintCode.TOO_SLOW, *said, blocking=True))
        elif watched and rate < SLOW:
            said = words.hint("slow", rate=f"{rate:.1f}", lag=f"{lag:.0f}")
            hints.append(Hint(HintCode.TOO_SLOW, *said, blocking=False))
        return hints

    def _of_the_face(self) -> list[Hint]:
        """Return what is wrong with the largest face in most samples, or could be better."""
        measured = [(quality, person) for _, _, quality, person in self._samples if quality]
        if not measured:
            return []
        qualities = [quality for quality, _ in measured]
        person = measured[-1][1]
        width = sorted(q.width for q in qualities)[len(qualities) // 2]
        problem, times = Counter(q.problem for q in qualities).most_common(1)[0]
        px = f"{width:.0f}"
        if problem in _PROBLEMS and 2 * times > len(qualities):
            said = words.hint(problem.value, width=px)
            return [Hint(_PROBLEMS[problem], *said, blocking=True, person=person)]
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
    """Stretches above a level, and stretches without a face. Each begins once and ends once.

    `seconds`: how long the mean has to be above the level, and, to end, `ALARM_SLACK` below it.
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
        """Newest first."""
        return tuple(reversed(self._alarms))

    def update_reading(
        self, time: float, probability: float | None, level: float, person: str | None = None
    ) -> None:
        """Take notice of a mean; None: there is none now, which neither begins nor ends one."""
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
        """Take notice of when a face was last in view."""
        absence = self._ongoing("no_face")
        if absence is None and time - last_face > NO_FACE_ALARM:
            self._begin("no_face", last_face)
            if (raised := self._ongoing("manipulated")) is not None:
                self._end(raised, last_face)  # nobody is there whom it could be about
        elif absence is not None and last_face > absence.start:
            self._replace(absence, end=last_face)

    def end(self, time: float) -> None:
        """End what goes on: the session is over."""
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
    """The last `HISTORY` s, ascending."""

    def add(self, dot: Dot) -> None:
        """Append a dot, and drop those that are too old."""
        self.append(dot)
        while self[0].time < dot.time - HISTORY:
            self.popleft()


class LiveReadout:
    """The reading of one viewer. Not locked. `thresholds` are shown until there is a score."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self.people: dict[str, Subject] = {}
        """By letter; the one in front with the label of the verdict."""
        self.now = self.nothing(0.0, words.hint("begun")[1])
        self.scored: float | None = None
        """s of the newest frame that the reading is from"""
        self.counted: set[str] = set()
        """Ids of the models that a reading was from, now or before"""
        self.series = Series()

    def nothing(self, time: float, text: str) -> LiveReading:
        """Return that there is no reading, and why."""
        return LiveReading(Label.NOT_APPLICABLE, time, text, self._thresholds)

    def lose(self, time: float, text: str) -> None:
        """End the reading: there is no person to judge."""
        self.scored = None
        self.people.clear()
        since = self.now.since if self.now.label is Label.NOT_APPLICABLE else time
        self.now = self.nothing(since, text)
        self.series.add(Dot(time, None, None, Label.NOT_APPLICABLE))

    def update(self, time: float, decided: Analysis, *, too_slow: bool) -> None:
        """Show the verdict on the last `WINDOW` s, of a frame scored at `time`, s. While it is
        `too_slow`, the chart shows the frame's score alone."""
        self.scored = time
        self.counted |= {model.id for model in decided.models if model.counted}
        self.people = {subject.id: subject for subject in decided.judged}
        verdict, question = decided.verdict, decided.verdict.question
        if question is None or verdict.subject is None:
            return
        top, several = self.people[verdict.subject], len(self.people) > 1
        answer = verdict.answers[question]
        missing = _missing(decided, answer, question, self.counted)
        self.people[top.id] = top.model_copy(update={"label": verdict.label})
        self.now = LiveReading(
            label=verdict.label,
            probability=verdict.probability,
            interval=verdict.interval,
            alone=top.probability if several else None,
            since=self.now.since if self.now.label is verdict.label else time,
            text=join(words.why(decided, answer, top.reason), words.missing(missing)),
            question=question,
            thresholds=verdict.thresholds,
            person=top.id if several else None,
        )
        newest = [
            frame.answers[question]
            for subject in decided.judged
            for frame in subject.frames[-1:]
            if question in frame.answers and frame.index == len(decided.timestamps) - 1
        ]
        score = max(newest, default=None)
        mean, label = verdict.probability, verdict.label
        if too_slow:
            mean, label = None, Label.NOT_APPLICABLE
        self.series.add(Dot(time, score, mean, label))


def _missing(
    decided: Analysis, answer: Answer, question: Question, counted: Collection[str]
) -> Iterator[ModelResult]:
    """Yield the counted models that are not in a reading: they scored too long ago."""
    added = {part.id for part in answer.contributions if part.kind == "model"}
    for model in decided.models:
        if model.id in counted and model.question is question and model.id not in added:
            yield model


@dataclass(frozen=True)
class ScoredFrame:
    """A frame that was scored."""

    time: float  # s, by the viewer's clock
    arrived: float  # s, by the engine's clock
    faces: Mapping[int, FrameSegment]  # By number; with the logits that they got
    count: int  # Faces in it, those too that were not judged
    models: frozenset[str]  # Ids of the models that gave a score

    @property
    def scored(self) -> bool:
        """Return whether any model gave a score."""
        return bool(self.models)


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
        self.pace = Pace()
        self.began: float | None = None
        """s, of the first frame"""
        self.time = 0.0
        """s, of the newest frame"""
        self.size = (0, 0)
        self._faces: tuple[LiveFace, ...] = ()
        self._problems: dict[int, str] = {}

    def wait_for_faces(self) -> None:
        """No frame was analyzed until now: that no face was seen counts from here."""
        self.quality = QualityMonitor(self.time, self._settings.most_faces)

    def state(self, now: float, ready: bool, schedule: Schedule) -> LiveState:
        """Return a snapshot at `now`, s by the engine's clock; `ready`: the models are loaded."""
        every = schedule.model_every
        reading, faces = self.readout.now, self._faces
        if (slow := self.pace.slow) is not None:
            reading = replace(
                self.readout.nothing(slow.since, words.scored(slow)),
                thresholds=reading.thresholds,
                too_slow=slow,
            )
            faces = tuple(face if face.problem else _without_reading(face) for face in faces)
        return LiveState(
            time=self.time,
            size=self.size,
            faces=faces,
            reading=reading,
            hints=tuple(self._hints(now, ready, max(every.values(), default=1))),
            alarms=self.alarms.all,
            rates=self.rates.rates(now),
            series=tuple(self.readout.series),
            every={id: every.get(id, 1) for id in self.history.results},
            ready=ready,
            mostly_slow=self.pace.mostly_slow,
        )

    # --- after a push ----------------------------------------------------------------------------

    def update_pace(self) -> None:
        """Take in that a frame was pushed: does scoring keep up?"""
        if self.scorer is None or not self._drop_frames:
            return
        looked = self.rates.counts["looked"] > 0
        in_view = not looked or any(face.problem is None for face in self._faces)
        counted, results = self.readout.counted, self.history.results
        models = {
            id: results[id].plain or results[id].title
            for id in self.scorer.of_frames
            if not results[id].error and (id in counted or not counted)
        }
        self.pace.add_frame(self.time, in_view=in_view and not self.quality.screen, titles=models)

    def slow_scoring(self) -> SlowScoring | None:
        """Return how long the session was too slow, where that leaves it without a verdict."""
        if not self.pace.mostly_slow:
            return None
        times = self.pace.seconds, self.pace.slow_seconds
        seconds, slow_seconds = (round(time, 1) for time in times)
        return SlowScoring(seconds=seconds, slow_seconds=slow_seconds)

    # --- after a look ----------------------------------------------------------------------------

    def update_faces(self, time: float, people: Sequence[TrackedFace], *, sure: bool) -> None:
        """Take in who is in view in the frame of `time`, s; `sure`: a person is judged without
        doubt."""
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
        self.quality.looked_at = time
        if sure:
            self.quality.face_at = time
        self.alarms.update_faces(time, self.quality.face_at)
        self._end_reading(time)

    def _label(self, faces: Iterable[LiveFace]) -> None:
        """Attach the latest labels to the faces, the most suspicious first."""
        shown = []
        for face in faces:
            line = self.readout.people.get(face.id)
            if line and not face.problem:
                face = replace(
                    face, probability=line.probability, label=line.label, question=line.question
                )
            shown.append(face)
        shown.sort(key=lambda f: -1.0 if f.probability is None else f.probability, reverse=True)
        self._faces = tuple(shown)

    def _end_reading(self, time: float) -> None:
        """End the reading where no person was judged for a while, and say what prevents one."""
        last = self.readout.scored
        if last is not None and time - last <= UNREAD:
            return
        hints = [h for h in self.quality.hints(time, silent=0.0, rate=9.0, lag=0.0) if h.blocking]
        text = hints[0].text if hints else words.hint("unscored")[1]
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
            n: lead.why_not(face.quality.problem)
            for n, face in faces.items()
            if face.quality.problem
        }
        if faces:
            largest = max(faces, key=lambda n: faces[n].quality.width)
            quality, letter = faces[largest].quality, self.history.letter(largest)
            self.quality.add_sample(frame.time, frame.count, quality, letter)
        if self.quality.screen:
            self.readout.lose(frame.time, words.hint("recapture")[1])
            self.alarms.update_reading(frame.time, None, 1.0)
        elif decided is not None:
            too_slow = self.pace.slow is not None
            self.readout.update(frame.time, decided, too_slow=too_slow)
            self._label(self._faces)
            if too_slow:
                self.alarms.update_reading(frame.time, None, 1.0)
            else:
                self._raise(frame.time, decided)
        if frame.scored:
            self.pace.add_score(self.time, frame.models)
            self.rates.count("scored", now)
            self.rates.delay("scored", now, now - frame.arrived)

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

    def _hints(self, now: float, ready: bool, seldomest: int) -> list[Hint]:
        if not ready:
            return [Hint(HintCode.STARTING, *words.hint("starting"), True)]
        rates = self.rates.rates(now)
        lag = (rates.score_delay or 0.0) + MIN_FRAMES * seldomest / max(rates.scored_fps, 0.1)
        pushed = self.rates.last("pushed")
        silent = now - pushed if pushed is not None and self._drop_frames else 0.0
        rate = rates.scored_fps if self._drop_frames else math.inf
        slow = self.pace.slow
        hints = self.quality.hints(self.time, silent=silent, rate=rate, lag=lag, too_slow=slow)
        for result in self.scorer.stopped if self.scorer else ():
            said = words.hint("model_failed", text=words.stopped(result))
            hints.append(Hint(HintCode.MODEL_FAILED, *said, blocking=False))
        return hints

    def note(self, alarm: Alarm) -> str:
        """Return an alarm as a sentence of the session's Analysis."""
        return words.note(alarm, self.began or 0.0, self.time)


def _without_reading(face: LiveFace) -> LiveFace:
    """Return a face of a session that is too slow to judge it."""
    return replace(face, probability=None, label=Label.NOT_APPLICABLE, problem="too slow")
