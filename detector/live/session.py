"""One viewer of the engine: frames in, states out."""

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detector import vision
from detector.decision import decide
from detector.errors import UsageError
from detector.live import recapture
from detector.live.display import ScoredFrame, SessionDisplay
from detector.live.faces import FaceTracker
from detector.live.rates import Rates, Schedule
from detector.live.scoring import ClipCollector, LiveScorer, unfit
from detector.live.voice import LiveVoice
from detector.live.worker import LiveWorker
from detector.models import registry
from detector.models.base import Model, ModelSpec
from detector.pipeline.modalities.face import face_segment
from detector.pipeline.windows import CompleteRun
from detector.schema.analysis import Analysis, Modality
from detector.schema.live import LiveSettings, LiveState
from detector.sentences import _
from detector.vision import Detection

SEARCH_AGAIN = 0.25  # s between searches while nobody is in view
STRIPES_EVERY = 1.0  # s between two segments for a filmed screen
MAX_SIDE = 4096  # px. A larger frame is refused: it would be held several times over.
SLACK = 1e-3  # s. Times of frames are rounded.


@dataclass(frozen=True)
class _TimedFrame:
    rgb: np.ndarray
    time: float
    arrived: float  # by the engine's clock


@dataclass(frozen=True)
class _Candidate:
    """A frame that is to be scored, with the faces to judge and how many there are in all."""

    frame: _TimedFrame
    people: dict[int, Detection]
    count: int
    schedule: Schedule


class LiveSession:
    """One viewer: frames in, states out. Every method may be called from any thread.

    Made by `LiveEngine.open`. Three workers: one finds faces, one scores frames and takes the
    reading, one scores windows of video models. What waits for each has one place, and the newest
    takes it. `share`: s of work a second that this viewer may have; infinite where no frame is left
    out.
    """

    def __init__(
        self,
        settings: LiveSettings,
        specs: Sequence[ModelSpec],
        load: Callable[[str], Model],
        detector: Callable[[], vision.FaceDetector],
        clock: Callable[[], float],
        share: Callable[[], float],
        *,
        threaded: bool,
    ) -> None:
        self.settings = settings
        self._specs, self._clock, self._share = list(specs), clock, share
        self._load, self._detector = load, detector
        self._lock = threading.Lock()
        self.closed = self._loaded = False
        self.kept: int | None = None
        """Moments of the newest `finish`: `state` counts on until the session is closed."""

        # What waits, the newest only.
        self._frame: _TimedFrame | None = None
        self._candidate: _Candidate | None = None
        self._complete: dict[tuple[int, tuple[str, ...]], CompleteRun] = {}
        """By person and models, who has waited longest first"""

        # Made when the models are loaded; each is used by one worker.
        self._tracker: FaceTracker | None = None
        self._collector: ClipCollector | None = None
        self._last_look = self._last_search = self._last_candidate = float("-inf")
        self._last_stripes = float("-inf")

        # Under the lock.
        self._display = SessionDisplay(settings, specs, drop_frames=threaded)
        self._rates, self._schedule = Rates({}), Schedule()

        self._workers = [
            LiveWorker(work, threaded=threaded)
            for work in (self._look, self._score, self._score_clip)
        ]
        self._wake()  # to load the models

    # --- what a viewer calls ---------------------------------------------------------------------

    def push(self, frame: np.ndarray, t: float) -> None:
        """Hand in a frame. Never waits: a frame that no worker has taken yet is replaced.

        Parameters
        ----------
        frame : uint8 array [H, W, 3], RGB
            Held for up to a second: don't write into it afterwards.
        t : float
            s, ascending; any origin. A frame that is not after the last one is ignored, and so is
            every frame after `close`.

        Raises
        ------
        ValueError
            It is no such array, or larger than `MAX_SIDE`.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise ValueError(
                f"a frame is uint8 [H, W, 3] in RGB, got {frame.dtype} {list(frame.shape)}"
            )
        if max(frame.shape) > MAX_SIDE:
            raise ValueError(f"a frame is at most {MAX_SIDE} px wide and high")
        now = self._clock()
        with self._lock:
            if self.closed or (self._display.began is not None and t <= self._display.time):
                return
            self._display.time, self._display.size = t, (frame.shape[1], frame.shape[0])
            if self._display.began is None:
                self._display.began = t
                self._display.wait_for_faces()
            self._display.rates.count("pushed", now)
            if self._frame is not None:
                self._display.rates.count("dropped", now)
            self._frame = _TimedFrame(frame, t, now)
            self._display.update_pace()
        self._wake()

    @property
    def state(self) -> LiveState:
        """Return the newest snapshot. Never waits for inference."""
        now = self._clock()
        with self._lock:
            return self._display.state(now, self._loaded, self._schedule)

    def finish(self) -> Analysis:
        """Return the session's scores as an Analysis, while it goes on or after `close`.

        `media.live` is True, and there is no file: `media.sha256` is empty. Its verdict is on the
        whole session as on one clip; the alarms are in `media.notes`.

        Raises
        ------
        UsageError
            No frame was looked at yet (`code` "nothing_seen").
        """
        with self._lock:
            if self._display.began is None or not self._display.rates.counts["looked"]:
                text = _("No frame has been looked at yet, so there is nothing to keep.")
                raise UsageError(text, code="nothing_seen")
            length = self._display.time - self._display.began
            notes = [self._display.note(alarm) for alarm in reversed(self._display.alarms.all)]
            undecided = self._display.history.session(notes)
            self.kept = len(undecided.timestamps)
            undecided.media.too_slow = self._display.slow_scoring()
            undecided.media.duration = round(length, 3)
            undecided.media.frame_count = self._display.rates.counts["pushed"]
            undecided.media.fps = round(self._display.rates.counts["pushed"] / max(length, 1e-3), 2)
        return decide(undecided)

    def thumbnails(self) -> dict[str, np.ndarray]:
        """Return the best face of each track of `finish()`, by its id: uint8 [96, 96, 3]."""
        with self._lock:
            return self._display.history.thumbnails()

    def close(self) -> None:
        """Let go of frames and threads. Idempotent; scores are kept."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._frame = self._candidate = self._tracker = self._collector = None
            self._display.scorer = None
            self._complete.clear()
            self._display.alarms.end(self._display.time)
        for worker in self._workers:
            worker.close()

    @property
    def busy(self) -> bool:
        """Return whether frames wait to be looked at or scored."""
        return bool(self._frame or self._candidate or self._complete)

    # --- what the engine calls -------------------------------------------------------------------

    def drain(self) -> bool:
        """Do what waits, in the caller's thread; return whether there was anything."""
        return sum(worker.run() for worker in self._workers) > 0

    def join(self) -> None:
        """Wait for the threads to end, after `close`."""
        for worker in self._workers:
            worker.join()

    def _wake(self) -> None:
        for worker in self._workers:
            worker.wake()

    def _load_models(self) -> None:
        detector, results = self._detector(), self._display.history.results
        scorer = LiveScorer(results, self._lock, self._load, detector.name)
        for spec in self._specs:
            if why := unfit(spec):
                results[spec.id].error = why
            else:
                scorer.load(spec.id)
            if self.closed:
                return
        with self._lock:
            self._loaded = True
            if self.closed:
                return
            self._display.scorer = scorer
            self._rates = Rates({id: bool(s.moments) for id, s in scorer.of_frames.items()})
            self._schedule = self._rates.plan(1, math.inf)
            self._tracker = FaceTracker(detector, self.settings.min_face)
            self._collector = ClipCollector(scorer.shapes, detector.name)
            self._display.wait_for_faces()

    # --- look: who is where ----------------------------------------------------------------------

    def _look(self) -> bool:
        """Find the faces of the newest frame; load the models first."""
        if self.closed:
            return False
        if not self._loaded:
            self._load_models()
            return True
        with self._lock:
            frame, tracker, collector = self._frame, self._tracker, self._collector
            free, origin, schedule = self._candidate is None, self._display.began, self._schedule
            if frame is None or tracker is None or collector is None or origin is None:
                return False
            if frame.time - self._last_look < schedule.search_every - SLACK:
                return False
            self._frame = None
        here = []
        search = bool(tracker.in_view()) or frame.time - self._last_search >= SEARCH_AGAIN
        if search:
            begun = self._clock()
            self._last_search = frame.time
            here = tracker.search(frame.rgb, frame.time)
            self._rates.add("search", self._clock() - begun)
        sure = [person for person in here if person.confirmed]
        judged = sorted(sure, key=lambda p: -p.width)[: self.settings.most_faces]
        complete = collector.add(frame.rgb, frame.time - origin, judged)
        candidate, every = None, schedule.score_every
        due = free and frame.time - self._last_candidate >= every - SLACK
        if due and (judged or search):
            # What it is late is made up for: else every 0.06 s of a camera that gives a frame each
            # 0.04 s is every 0.08 s.
            late = frame.time - self._last_candidate - every
            self._last_candidate = frame.time - (late if 0 < late < every else 0)
            schedule = self._rates.plan(max(1, len(judged)), self._share())
            faces_now = {p.number: p.face for p in judged}
            candidate = _Candidate(frame, faces_now, len(sure), schedule)
        with self._lock:
            if self.closed:
                return False
            self._last_look, self._schedule = frame.time, schedule
            self._candidate = candidate or self._candidate
            here_now = {p.number for p in judged}
            self._complete = {k: run for k, run in self._complete.items() if k[0] in here_now}
            self._complete |= {(run[0], run[2].models): run for run in complete}
            self._display.update_faces(frame.time, tracker.in_view(), sure=bool(sure))
            now = self._clock()
            self._display.rates.count("looked", now)
            self._display.rates.delay("looked", now, now - frame.arrived)
        self._wake()
        return True

    # --- score: frame models, then the reading ---------------------------------------------------

    def _score(self) -> bool:
        with self._lock:
            candidate, self._candidate = self._candidate, None
            scorer, origin = self._display.scorer, self._display.began
        if candidate is None or scorer is None or origin is None:
            return False
        frame, begun = candidate.frame, self._clock()
        segments = {
            number: face_segment(frame.rgb, face, frame.time - origin, 0, self.settings.min_face)
            for number, face in candidate.people.items()
        }
        cut = self._clock() - begun
        seen = list(segments.values())
        scorer.frame(frame.rgb, seen, candidate.schedule, self._rates)
        striped = None
        if not self.settings.screen and frame.time - self._last_stripes >= STRIPES_EVERY:
            self._last_stripes = frame.time
            striped = recapture.stripes(frame.rgb)
        begun = self._clock()
        with self._lock:
            if self.closed:
                return False
            if striped is not None:
                self._display.quality.stripes.append(striped)
            scored = frozenset(id for look in seen for id in look.logits)
            self._display.history.size = self._display.size
            self._display.history.add(frame.time - origin, segments)
            for number, segment in segments.items():
                self._display.history.add_thumbnail(number, segment, frame.rgb)
            if self._display.quality.screen:
                self._display.history.unscore()
            judged = scored and not self._display.quality.screen
            recent = self._display.history.recent() if judged else None
        # Deciding takes milliseconds, in which nobody has to wait for the lock.
        decided = decide(recent) if recent else None
        with self._lock:
            if not self.closed:
                done = ScoredFrame(frame.time, frame.arrived, segments, candidate.count, scored)
                self._display.update_scores(done, decided, self._clock())
        self._rates.add("judge", cut + self._clock() - begun)
        return True

    # --- clip: video models -----------------------------------------------------------------------

    def _score_clip(self) -> bool:
        with self._lock:
            scorer = self._display.scorer
            if scorer is None or not self._complete:
                return False
            person, span, item = self._complete.pop(next(iter(self._complete)))
        scorer.clip(item)
        with self._lock:
            if span.logits:
                self._display.history.add_span(person, span)
        return True


MAX_CORES = 4  # that all viewers share
LEAVE = 0.3  # share of each core that is left to the video itself, the page and other programs


class LiveEngine:
    """Shares models and the face detector between viewers. Made once a process.

    Parameters
    ----------
    threaded : bool
        Find and score faces in threads, and leave frames out to keep up. Otherwise nothing runs by
        itself: `drain` does what waits, in the caller's thread.
    detector : str or FaceDetector
        The face detector, or its name (`detector.vision.load_detector`).
    load : callable
        A model of an id; default: the one copy of this process.
    clock : callable
        Seconds; for tests.
    """

    def __init__(
        self,
        *,
        threaded: bool = True,
        detector: str | vision.FaceDetector = "mtcnn",
        load: Callable[[str], Model] = registry.load_model,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._threaded = threaded
        self._detector, self._load = detector, load
        self._clock = clock
        self._lock = threading.Lock()
        self._open: list[LiveSession] = []
        self._voices: list[LiveVoice] = []

    def open(self, settings: LiveSettings | None = None) -> LiveSession:
        """Begin a session at once, models load later (`LiveState.ready`); raise UsageError."""
        settings = settings or LiveSettings()
        specs = registry.choose(settings.models)
        if settings.models is None:  # it films a room and is not heard; its frames are far apart
            specs = [s for s in specs if s.modality is Modality.FACE and s.kind != "video"]
        session = LiveSession(
            settings,
            specs,
            self._load,
            self._find_detector,
            self._clock,
            self._share,
            threaded=self._threaded,
        )
        with self._lock:
            self._open = [one for one in self._open if not one.closed]
            self._open.append(session)
        return session

    def listen(self) -> LiveVoice:
        """Begin to hear a microphone with the default voice models. Returns at once."""
        specs = [spec for spec in registry.choose(None) if spec.modality.of_sound]
        voice = LiveVoice(specs, self._load, threaded=self._threaded)
        with self._lock:
            self._voices = [one for one in self._voices if not one.closed] + [voice]
        return voice

    @property
    def sessions(self) -> int:
        """Return how many are open."""
        with self._lock:
            return sum(not session.closed for session in self._open)

    def drain(self) -> None:
        """Do all that waits in the caller's thread (an engine without threads)."""
        while sum(one.drain() for one in self._all()):
            pass

    def close(self) -> None:
        """Close all sessions and wait for the threads to end."""
        ended = self._all()
        for one in ended:
            one.close()
        for one in ended:
            one.join()

    def _all(self) -> list[LiveSession | LiveVoice]:
        with self._lock:
            return [*self._open, *self._voices]

    def _share(self) -> float:
        """Return s of work a second that each viewer may have."""
        cores = min(os.cpu_count() or 1, MAX_CORES)
        return cores * (1 - LEAVE) / max(1, self.sessions) if self._threaded else math.inf

    def _find_detector(self) -> vision.FaceDetector:
        with self._lock:
            if isinstance(self._detector, str):
                self._detector = vision.load_detector(self._detector)
            return self._detector
