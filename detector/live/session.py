"""One viewer of the engine: frames in, states out."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detector import vision as faces
from detector.decision import decide
from detector.errors import ModelError, UsageError
from detector.live import recapture
from detector.live.clip_windows import ClipCollector, ClipCrops, unfit
from detector.live.face_tracker import FaceTracker, TrackedFace
from detector.live.hints import SCREEN, SHORT, Alarms, QualityMonitor
from detector.live.hysteresis import EARLY_FRAMES, FRESH
from detector.live.pool import Pool
from detector.live.rate_counter import RateCounter
from detector.live.readout import UNREAD, LiveReadout, stirred
from detector.live.schedule import LEAVE, Costs, Schedule, plan
from detector.live.score_history import THUMBNAIL, ScoreHistory
from detector.live.scoring import Scorer
from detector.live.state import (
    WINDOW,
    Alarm,
    Hint,
    HintCode,
    LiveFace,
    LiveSettings,
    LiveState,
    ModelState,
)
from detector.messages.format import clock as minutes
from detector.messages.format import percent
from detector.models.base import CropRecipe, Model, ModelSpec
from detector.pipeline.modalities.full_frame import full_frame_segment
from detector.pipeline.windows import ClipShape
from detector.schema.analysis import Analysis, FrameSegment, Label
from detector.vision import Detection

log = logging.getLogger(__name__)

SEARCH_AGAIN = 0.25
"""s between searches while nobody is in view"""
LONGEST_FOLLOWED = 0.5
"""s after which faces are searched again, whatever there is to do: who comes in is seen by then"""
STRIPES_EVERY = 1.0
"""s between two looks for a filmed screen"""
PLAN_EVERY = 0.5
"""s"""
MOST_SIDE = 4096
"""px. A larger frame is refused: it would be held several times over."""
PORTRAIT = CropRecipe(scale=1.3, size=THUMBNAIL, border="replicate")
SLACK = 1e-3
"""s. Times of frames are rounded."""


@dataclass(frozen=True)
class _TimedFrame:
    rgb: np.ndarray
    time: float
    came: float
    """by the engine's clock"""


@dataclass(frozen=True)
class _Candidate:
    """A frame that is to be scored, with the faces to judge and how many there are in all."""

    frame: _TimedFrame
    people: dict[int, Detection]
    count: int


class LiveSession:
    """One viewer: frames in, states out. Every method may be called from any thread.

    Made by `LiveEngine.open`. Three kinds of work take turns in the engine's threads: "look" (find
    and follow faces), "score" (frame models, then the reading), "clip" (clip models). Each has one
    place for what waits, and the newest takes it.
    """

    def __init__(
        self,
        settings: LiveSettings,
        specs: Sequence[ModelSpec],
        pool: Pool,
        load: Callable[[str], Model],
        detector: Callable[[], faces.FaceDetector],
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._specs, self._pool, self._clock = list(specs), pool, clock
        self._load, self._detector = load, detector
        # Without workers every frame is handled in its turn: then nothing is left out to keep up.
        self._hurried = pool.workers > 0
        self._lock = threading.Lock()
        self._closed = self._loaded = False
        self._notes: dict[str, str] = {}

        # What waits, the newest only.
        self._frame: _TimedFrame | None = None
        self._candidate: _Candidate | None = None
        self._complete: dict[tuple[int, ClipShape], ClipCrops] = {}

        # Made when the models are loaded; each is used by one kind of work.
        self._finder: FaceTracker | None = None
        self._runs: ClipCollector | None = None
        self._scorer: Scorer | None = None
        self._last_look = self._last_search = self._last_candidate = float("-inf")
        self._last_clip = self._last_stripes = float("-inf")
        self._candidates = 0

        # Under the lock.
        self._began: float | None = None
        self._time = 0.0
        self._size = (0, 0)
        self._faces: tuple[LiveFace, ...] = ()
        self._problems: dict[int, str] = {}
        asked = list(settings.models) if settings.models is not None else None
        self._ledger = ScoreHistory(specs, asked, settings.name, settings.min_face)
        self._readings = LiveReadout(self._ledger.thresholds)
        self._watch = QualityMonitor(0.0, settings.most_faces)
        self._alarms = Alarms(settings.alarm_seconds)
        self._meter = RateCounter()
        self._costs, self._pace, self._planned = Costs(), Schedule(), float("-inf")
        self._version = 0

    # --- what a viewer calls ---------------------------------------------------------------------

    def push(self, frame: np.ndarray, t: float) -> None:
        """Hand in a frame. Never waits: a frame that no worker has taken yet is replaced.

        Parameters
        ----------
        frame : uint8 array [H, W, 3], RGB
            Kept until it was looked at: don't write into it afterwards.
        t : float
            s, ascending; any origin. A frame that is not after the last one is ignored, and so is
            every frame after `close`.

        Raises
        ------
        ValueError
            It is no such array, or larger than `MOST_SIDE`.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise ValueError(
                f"a frame is uint8 [H, W, 3] in RGB, got {frame.dtype} {list(frame.shape)}"
            )
        if max(frame.shape) > MOST_SIDE:
            raise ValueError(f"a frame is at most {MOST_SIDE} px wide and high")
        now = self._clock()
        with self._lock:
            if self._closed or (self._began is not None and t <= self._time):
                return
            if self._began is None:
                self._began = t
                self._watch = QualityMonitor(t, self.settings.most_faces)
            self._time, self._size = t, (frame.shape[1], frame.shape[0])
            self._meter.count("pushed", now)
            if self._frame is not None:
                self._meter.count("dropped", now)
            self._frame = _TimedFrame(frame, t, now)
            self._version += 1
        self._pool.nudge()

    @property
    def state(self) -> LiveState:
        """The newest snapshot. Never waits for inference."""
        now = self._clock()
        with self._lock:
            return LiveState(
                time=self._time,
                version=self._version,
                size=self._size,
                faces=self._faces,
                reading=self._readings.now,
                hints=tuple(self._hints(now)),
                alarms=self._alarms.all,
                rates=self._meter.rates(now),
                series=self._readings.series,
                models=tuple(self._model_states()),
                ready=self._loaded,
            )

    def finish(self) -> Analysis:
        """The session's scores as an Analysis; may be called while it goes on, and after `close`.

        `media.live` is True, and there is no file: `media.sha256` is empty. Its verdict is on the
        whole session as on one clip; the alarms are in `media.notes`.

        Raises
        ------
        UsageError
            No frame was looked at yet (`code` "nothing_seen").
        """
        with self._lock:
            if self._began is None or not self._meter.counts["looked"]:
                raise UsageError(
                    "No frame has been looked at yet, so there is nothing to keep.",
                    code="nothing_seen",
                )
            length = self._time - self._began
            notes = [self._noted(alarm) for alarm in reversed(self._alarms.all)]
            undecided = self._ledger.session(notes, self._failures())
            undecided.media.duration = round(length, 3)
            undecided.media.frame_count = self._meter.counts["pushed"]
            undecided.media.fps = round(self._meter.counts["pushed"] / max(length, 1e-3), 2)
        return decide(undecided)

    def thumbnails(self) -> dict[str, np.ndarray]:
        """The best face of each track of `finish()`, by its id: uint8 [96, 96, 3]."""
        with self._lock:
            return self._ledger.thumbnails()

    def close(self) -> None:
        """Let go of frames and places in queues. Twice is as good as once; scores are kept."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._frame = self._candidate = self._finder = self._runs = self._scorer = None
            self._complete.clear()
            self._alarms.end(self._time)
            self._version += 1
        self._pool.remove(self)

    @property
    def closed(self) -> bool:
        """Whether it was."""
        return self._closed

    @property
    def busy(self) -> bool:
        """Whether frames wait to be looked at or scored."""
        return bool(self.waiting())

    # --- what the pool calls ---------------------------------------------------------------------

    def waiting(self) -> Sequence[str]:
        """See `Client.waiting`. Without the lock: the pool holds its own, and a place that is
        filled a moment later comes with a nudge."""
        if self._closed:
            return ()
        if not self._loaded:
            return ("load",)
        kinds = []
        frame = self._frame
        if frame is not None and frame.time - self._last_look >= self._pace.follow_every - SLACK:
            kinds.append("look")
        if self._candidate is not None:
            kinds.append("score")
        if self._complete and self._time - self._last_clip >= self._pace.clip_every - SLACK:
            kinds.append("clip")
        return kinds

    def work(self, kind: str) -> None:
        """See `Client.work`."""
        works = {
            "load": self._load_models,
            "look": self._look,
            "score": self._score,
            "clip": self._score_clip,
        }
        works[kind]()

    def _load_models(self) -> None:
        models: dict[str, Model] = {}
        notes: dict[str, str] = {}
        detector = self._detector()
        for spec in self._specs:
            why = unfit(ClipShape.of(spec, None)) if spec.kind == "clip" else None
            if spec.kind == "audio":
                notes[spec.id] = "it judges no faces"
            elif why:
                notes[spec.id] = why
            else:
                try:
                    models[spec.id] = self._load(spec.id)
                except ModelError as error:
                    notes[spec.id] = error.message
            if self._closed:
                return
        with self._lock:
            self._loaded = True
            self._version += 1
            if self._closed:
                return
            self._notes = notes
            self._scorer = Scorer(models, detector.name, self._costs)
            self._finder = FaceTracker(detector, self.settings.min_face)
            self._runs = ClipCollector(self._scorer.shapes, detector.name)
            self._watch = QualityMonitor(
                self._time, self.settings.most_faces
            )  # nobody looked until now

    # --- look: who is where ----------------------------------------------------------------------

    def _look(self) -> None:
        with self._lock:
            frame, self._frame = self._frame, None
            finder, runs, pace = self._finder, self._runs, self._pace
            free = self._candidate is None
        if frame is None or finder is None or runs is None:
            return
        begun = self._clock()
        due = free and frame.time - self._last_candidate >= pace.score_every - SLACK
        since = frame.time - self._last_search
        search = (
            (due and bool(finder.in_view()) and self._candidates % pace.detect_every == 0)
            or since >= min(LONGEST_FOLLOWED, runs.anchor_every) - SLACK
            or (since >= SEARCH_AGAIN and (finder.lost or not finder.in_view()))
        )
        if search:
            self._last_search = frame.time
            here = finder.search(frame.rgb, frame.time, pace.coarser)
        else:
            here = finder.follow(frame.rgb, frame.time)
        self._costs.add("detect" if search else "follow", self._clock() - begun)
        sure = [person for person in here if person.sure]
        judged = sorted(sure, key=lambda p: -p.width)[: self.settings.most_faces]
        complete = runs.add(frame.rgb, frame.time, judged)
        candidate = None
        if due and (judged or search):
            self._last_candidate = frame.time
            self._candidates += 1
            faces_now = {p.number: p.face for p in judged}
            candidate = _Candidate(frame, faces_now, len(sure))
        with self._lock:
            if self._closed:
                return
            self._last_look = frame.time
            self._candidate = candidate or self._candidate
            here_now = {p.number for p in judged}
            self._complete = {k: run for k, run in self._complete.items() if k[0] in here_now}
            self._complete |= {(run.person, run.shape): run for run in complete}
            self._show(finder.in_view())
            if sure:
                self._watch.face(frame.time)
            self._alarms.faces(frame.time, self._watch.no_face_since)
            self._unread(frame.time)
            now = self._clock()
            self._meter.count("looked", now)
            self._meter.delay("looked", now, now - frame.came)
            self._version += 1
            if self._hurried and now - self._planned >= PLAN_EVERY and self._scorer is not None:
                self._planned = now
                share = self._pool.workers * (1 - LEAVE) / max(1, self._pool.clients)
                fps = self._meter.rate("pushed", now)
                models = self._scorer.frame_models
                self._pace = plan(self._costs, models, share, fps, pace.coarser)

    def _show(self, people: Sequence[TrackedFace]) -> None:
        """The faces as they are drawn, most suspicious first."""
        shown = []
        for person in people:
            problem = self._problems.get(person.number)
            face = LiveFace(
                id=self._ledger.letter(person.number),
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
            line = self._readings.people.get(face.id)
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
        last = self._readings.scored
        if last is not None and time - last > UNREAD:
            hints = [
                h for h in self._watch.hints(time, silent=0.0, rate=9.0, lag=0.0) if h.blocking
            ]
            self._readings.lose(time, hints[0].text if hints else "No face is being scored.")
            self._alarms.reading(time, None, 1.0)

    # --- score: frame models, then the reading ---------------------------------------------------

    def _score(self) -> None:
        with self._lock:
            candidate, self._candidate = self._candidate, None
            scorer, pace, origin = self._scorer, self._pace, self._began
        if candidate is None or scorer is None or origin is None:
            return
        frame, begun = candidate.frame, self._clock()
        looks = {
            number: FrameSegment(
                index=0,
                time=round(frame.time - origin, 4),
                box=face.box,
                landmarks=list(face.landmarks),
                quality=faces.assess(frame.rgb, face, self.settings.min_face),
            )
            for number, face in candidate.people.items()
        }
        portraits = {n: faces.cut(frame.rgb, look.box, PORTRAIT) for n, look in looks.items()}
        self._costs.add("cut", self._clock() - begun)
        good = {n: candidate.people[n] for n, x in looks.items() if x.quality.problem is None}
        scores, of_full_frame = scorer.frame(frame.rgb, good, pace)
        for number, logits in scores.items():
            looks[number].logits = logits
        full_frame = None
        if of_full_frame:
            full_frame = full_frame_segment(frame.rgb, frame.time - origin, 0)
            full_frame.logits = of_full_frame
        striped = None
        if frame.time - self._last_stripes >= STRIPES_EVERY:
            self._last_stripes = frame.time
            striped = recapture.stripes(frame.rgb)
        begun = self._clock()
        with self._lock:
            if self._closed:
                return
            if striped is not None:
                self._watch.stripes(striped)
            self._ledger.size = self._size
            self._ledger.add(frame.time - origin, looks, full_frame)
            for number, portrait in portraits.items():
                self._ledger.offer(number, looks[number], portrait)
            slow = self._ledger.recent(WINDOW, frame.time - origin)
            fresh = self._ledger.recent(FRESH, frame.time - origin)
        # Deciding takes milliseconds, in which nobody has to wait for the lock.
        slow = decide(slow) if slow else None
        fresh = decide(fresh) if fresh and slow and stirred(slow, FRESH) else None
        with self._lock:
            if not self._closed:
                scored = full_frame is not None or any(x.logits for x in looks.values())
                self._told(candidate, looks, slow, fresh, origin, scored=scored)
        self._costs.add("judge", self._clock() - begun)

    def _told(
        self,
        candidate: _Candidate,
        looks: dict[int, FrameSegment],
        slow: Analysis | None,
        fresh: Analysis | None,
        origin: float,
        *,
        scored: bool,
    ) -> None:
        """Take in what a scored frame says. Called with the lock."""
        frame = candidate.frame
        self._problems = {
            n: SHORT.get(look.quality.problem, "not judged")
            for n, look in looks.items()
            if look.quality.problem
        }
        if looks:
            largest = max(looks, key=lambda n: looks[n].quality.width)
            quality, letter = looks[largest].quality, self._ledger.letter(largest)
            self._watch.look(frame.time, candidate.count, quality, letter)
        if self._watch.screen:
            self._readings.abstain(frame.time, SCREEN)
            self._alarms.reading(frame.time, None, 1.0)
        elif slow is not None and scored:
            for letter in self._readings.update(frame.time, slow, fresh):
                self._ledger.forget(letter, frame.time - FRESH - origin)
            self._read(self._faces)
            reading = self._readings.now
            level = self.settings.alarm_above
            self._alarms.reading(
                frame.time,
                self._readings.cautious,
                reading.thresholds.high if level is None else level,
                reading.person,
            )
        now = self._clock()
        if scored:
            self._meter.count("scored", now)
            self._meter.delay("scored", now, now - frame.came)
        self._version += 1

    # --- clip: clip models -----------------------------------------------------------------------

    def _score_clip(self) -> None:
        with self._lock:
            # Whoever has waited longest; each person has one place.
            key = min(self._complete, key=lambda k: self._complete[k].end, default=None)
            run = self._complete.pop(key) if key is not None else None
            scorer, origin = self._scorer, self._began
            self._last_clip = self._time
        if run is None or scorer is None or origin is None:
            return
        span = scorer.clip(run)
        with self._lock:
            if span is not None:
                span.start, span.end = span.start - origin, span.end - origin
                self._ledger.add_span(run.person, span)
            self._version += 1

    # --- in words --------------------------------------------------------------------------------

    def _hints(self, now: float) -> list[Hint]:
        if not self._loaded:
            text = "The models are being loaded."
            return [Hint(HintCode.STARTING, "Starting", text, blocking=True)]
        rates = self._meter.rates(now)
        lag = (rates.score_delay or 0.0) + EARLY_FRAMES / max(rates.scored_fps, 0.1)
        came = self._meter.last("pushed")
        silent = now - came if came is not None and self._hurried else 0.0
        rate = rates.scored_fps if self._hurried else math.inf
        hints = self._watch.hints(self._time, silent=silent, rate=rate, lag=lag)
        titles = {spec.id: spec.title for spec in self._specs}
        for id, why in (self._scorer.failed if self._scorer else {}).items():
            text = f"{titles[id]} takes no part: {why}."
            hints.append(Hint(HintCode.MODEL_FAILED, "Model stopped", text, blocking=False))
        return hints

    def _failures(self) -> dict[str, str]:
        return self._notes | (self._scorer.failed if self._scorer else {})

    def _model_states(self) -> list[ModelState]:
        why = self._failures()
        return [
            ModelState(
                id=spec.id,
                title=spec.title,
                kind=spec.kind,
                scored=self._ledger.results[spec.id].scored,
                counted=spec.id in self._readings.counted,
                note=why.get(spec.id) or self._readings.left_out.get(spec.id),
            )
            for spec in self._specs
        ]

    def _noted(self, alarm: Alarm) -> str:
        """An alarm as a sentence of the session's Analysis."""
        origin = self._began or 0.0
        end = self._time if alarm.end is None else alarm.end
        when = f"from {minutes(alarm.start - origin)} to {minutes(end - origin)}"
        if alarm.kind == "no_face":
            return f"No face {when}."
        return f"Alarm {when}: a mean of 3 s up to {percent(alarm.peak or 0.0)}."
