"""One viewer of the engine: frames in, states out."""

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
from detector.live.face_tracker import FaceTracker
from detector.live.pool import Pool
from detector.live.schedule import COARSER, LEAVE, Costs, Schedule, plan
from detector.live.scoring import ClipCollector, LiveScorer, unfit
from detector.live.state import LiveSettings, LiveState
from detector.live.voice import WEIGHT, LiveVoice
from detector.models import registry
from detector.models.base import Model, ModelSpec
from detector.pipeline.modalities.face import face_segment
from detector.pipeline.windows import CompleteRun
from detector.schema.analysis import Analysis, Modality
from detector.sentences import _
from detector.vision import Detection

SEARCH_AGAIN = 0.25  # s between searches while nobody is in view
LONGEST_FOLLOWED = 0.5  # s, upper bound on the delay before a new face is detected
STRIPES_EVERY = 1.0  # s between two segments for a filmed screen
PLAN_EVERY = 0.5  # s
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


class LiveSession:
    """One viewer: frames in, states out. Every method may be called from any thread.

    Made by `LiveEngine.open`. Three kinds of work take turns in the engine's threads: "look" (find
    and follow faces), "score" (frame models, then the reading), "clip" (video models). Each has one
    place for what waits, and the newest takes it.
    """

    def __init__(
        self,
        settings: LiveSettings,
        specs: Sequence[ModelSpec],
        pool: Pool,
        load: Callable[[str], Model],
        detector: Callable[[], vision.FaceDetector],
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._specs, self._pool, self._clock = list(specs), pool, clock
        self._load, self._detector = load, detector
        # Without workers every frame is handled in its turn: then nothing is left out to keep up.
        self._drop_frames = pool.workers > 0
        self._lock = threading.Lock()
        self.closed = self._loaded = False
        self.kept: int | None = None
        """Moments of the newest `finish`: `state` counts on until the session is closed."""

        # What waits, the newest only.
        self._frame: _TimedFrame | None = None
        self._candidate: _Candidate | None = None
        self._complete: dict[tuple[int, tuple[str, ...]], CompleteRun] = {}
        """By person and models, who has waited longest first"""

        # Made when the models are loaded; each is used by one kind of work.
        self._tracker: FaceTracker | None = None
        self._collector: ClipCollector | None = None
        self._last_look = self._last_search = self._last_candidate = float("-inf")
        self._last_clip = self._last_stripes = float("-inf")
        self._candidates = 0

        # Under the lock.
        self._display = SessionDisplay(settings, specs, self._drop_frames)
        self._costs, self._schedule, self._planned = Costs(), Schedule(), float("-inf")

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
            self._display.version += 1
        self._pool.nudge()

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
                raise UsageError(
                    _("No frame has been looked at yet, so there is nothing to keep."),
                    code="nothing_seen",
                )
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
        """Let go of frames and places in queues. Twice is as good as once; scores are kept."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._frame = self._candidate = self._tracker = self._collector = None
            self._display.scorer = None
            self._complete.clear()
            self._display.alarms.end(self._display.time)
            self._display.version += 1
        self._pool.remove(self)

    @property
    def busy(self) -> bool:
        """Return whether frames wait to be looked at or scored."""
        return bool(self.waiting())

    # --- what the pool calls ---------------------------------------------------------------------

    def waiting(self) -> Sequence[str]:
        """See `Client.waiting`. Lock-free: the pool holds its lock, and a later fill nudges it."""
        if self.closed:
            return ()
        if not self._loaded:
            return ("load",)
        frame, schedule, now = self._frame, self._schedule, self._display.time
        ready = {
            "look": frame and frame.time - self._last_look >= schedule.follow_every - SLACK,
            "score": self._candidate,
            "clip": self._complete and now - self._last_clip >= schedule.clip_every - SLACK,
        }
        return [kind for kind, waits in ready.items() if waits]

    def work(self, kind: str) -> None:
        """See `Client.work`."""
        load, look, score, clip = self._load_models, self._look, self._score, self._score_clip
        {"load": load, "look": look, "score": score, "clip": clip}[kind]()

    def _load_models(self) -> None:
        detector, results = self._detector(), self._display.history.results
        scorer = LiveScorer(results, self._lock, self._load, detector.name, self._costs)
        for spec in self._specs:
            if why := unfit(spec):
                results[spec.id].error = why
            else:
                scorer.load(spec.id)
            if self.closed:
                return
        with self._lock:
            self._loaded = True
            self._display.version += 1
            if self.closed:
                return
            self._display.scorer = scorer
            self._schedule = Schedule(model_every=scorer.usual)
            self._tracker = FaceTracker(detector, self.settings.min_face)
            self._collector = ClipCollector(scorer.shapes, detector.name)
            self._display.wait_for_faces()

    # --- look: who is where ----------------------------------------------------------------------

    def _look(self) -> None:
        with self._lock:
            frame, self._frame = self._frame, None
            tracker, collector, schedule = self._tracker, self._collector, self._schedule
            free, origin = self._candidate is None, self._display.began
            scorer = self._display.scorer
        if frame is None or tracker is None or collector is None or origin is None:
            return
        begun = self._clock()
        due = free and frame.time - self._last_candidate >= schedule.score_every - SLACK
        since = frame.time - self._last_search
        search = (
            (due and bool(tracker.in_view()) and self._candidates % schedule.detect_every == 0)
            or since >= min(LONGEST_FOLLOWED, collector.anchor_every) - SLACK
            or (since >= SEARCH_AGAIN and (tracker.lost or not tracker.in_view()))
        )
        if search:
            self._last_search = frame.time
            here = tracker.search(frame.rgb, frame.time, schedule.coarser)
        else:
            here = tracker.follow(frame.rgb, frame.time)
        self._costs.add("detect" if search else "follow", self._clock() - begun)
        sure = [person for person in here if person.confirmed]
        judged = sorted(sure, key=lambda p: -p.width)[: self.settings.most_faces]
        complete = collector.add(frame.rgb, frame.time - origin, judged)
        candidate = None
        if due and (judged or search):
            # What it is late is made up for: else every 0.06 s of a camera that gives a frame each
            # 0.04 s is every 0.08 s.
            late = frame.time - self._last_candidate - schedule.score_every
            self._last_candidate = frame.time - (late if 0 < late < schedule.score_every else 0)
            self._candidates += 1
            faces_now = {p.number: p.face for p in judged}
            candidate = _Candidate(frame, faces_now, len(sure))
        with self._lock:
            if self.closed:
                return
            self._last_look = frame.time
            self._candidate = candidate or self._candidate
            here_now = {p.number for p in judged}
            self._complete = {k: run for k, run in self._complete.items() if k[0] in here_now}
            self._complete |= {(run[0], run[2].models): run for run in complete}
            self._display.update_faces(frame.time, tracker.in_view(), sure=bool(sure))
            now = self._clock()
            self._display.rates.count("looked", now)
            self._display.rates.delay("looked", now, now - frame.arrived)
            self._display.version += 1
            if self._drop_frames and now - self._planned >= PLAN_EVERY and scorer is not None:
                self._planned = now
                share = self._pool.workers * (1 - LEAVE) / max(1, self._pool.clients)
                fps = self._display.rates.rate("pushed", now)
                coarsest = 1.0 if self.settings.screen else COARSER[-1]
                coarser = schedule.coarser
                self._schedule = plan(self._costs, scorer.usual, share, fps, coarser, coarsest)

    # --- score: frame models, then the reading ---------------------------------------------------

    def _score(self) -> None:
        with self._lock:
            candidate, self._candidate = self._candidate, None
            scorer, schedule, origin = self._display.scorer, self._schedule, self._display.began
        if candidate is None or scorer is None or origin is None:
            return
        frame, begun = candidate.frame, self._clock()
        segments = {
            number: face_segment(frame.rgb, face, frame.time - origin, 0, self.settings.min_face)
            for number, face in candidate.people.items()
        }
        self._costs.add("cut", self._clock() - begun)
        seen = list(segments.values())
        scorer.frame(frame.rgb, seen, schedule)
        striped = None
        if not self.settings.screen and frame.time - self._last_stripes >= STRIPES_EVERY:
            self._last_stripes = frame.time
            striped = recapture.stripes(frame.rgb)
        begun = self._clock()
        with self._lock:
            if self.closed:
                return
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
        self._costs.add("judge", self._clock() - begun)

    # --- clip: video models -----------------------------------------------------------------------

    def _score_clip(self) -> None:
        with self._lock:
            scorer, self._last_clip = self._display.scorer, self._display.time
            if scorer is None or not self._complete:
                return
            person, span, item = self._complete.pop(next(iter(self._complete)))
        scorer.clip(item)
        with self._lock:
            if span.logits:
                self._display.history.add_span(person, span)
            self._display.version += 1


MAX_WORKERS = 4
"""More threads serve no more viewers: each has one frame to look at and one to score."""
MAX_VIEWERS = 8


class LiveEngine:
    """Shares models and worker threads between viewers. Made once a process.

    Parameters
    ----------
    models : sequence of str, optional
        Ids for sessions that name none; default: the default ensemble.
    workers : int, optional
        Threads that find and score faces; default: one a core, at most `MAX_WORKERS`. With 0
        nothing runs by itself: `drain` does what waits, in the caller's thread.
    detector : str or FaceDetector
        The face detector, or its name (`detector.vision.load_detector`).
    load : callable
        A model of an id; default: the one copy of this process.
    viewers : int
        Sessions that may be open at once.
    clock : callable
        Seconds; for tests.
    """

    def __init__(
        self,
        models: Sequence[str] | None = None,
        *,
        workers: int | None = None,
        detector: str | vision.FaceDetector = "mtcnn",
        load: Callable[[str], Model] = registry.load_model,
        viewers: int = MAX_VIEWERS,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._models = tuple(models) if models is not None else None
        count = min(os.cpu_count() or 1, MAX_WORKERS) if workers is None else workers
        self._pool = Pool(count)
        self._detector, self._load = detector, load
        self._viewers, self._clock = viewers, clock
        self._lock = threading.Lock()
        self._open: list[LiveSession] = []

    def open(self, settings: LiveSettings | None = None) -> LiveSession:
        """Begin a session at once, models load later (`LiveState.ready`); raise UsageError."""
        settings = settings or LiveSettings()
        asked = settings.models if settings.models is not None else self._models
        specs = registry.choose(asked)
        if asked is None:  # it films a room and is not heard, and its frames are far apart
            specs = [s for s in specs if s.modality is Modality.FACE and s.kind != "video"]
        session = LiveSession(
            settings, specs, self._pool, self._load, self._find_detector, self._clock
        )
        with self._lock:
            self._open = [one for one in self._open if not one.closed]
            if len(self._open) >= self._viewers:
                raise UsageError(
                    _(
                        "{number} people are using the live view, which is all this computer can "
                        "serve at once."
                    ).format(number=len(self._open)),
                    code="too_many_viewers",
                    hint=_("Try again when somebody has left."),
                )
            self._open.append(session)
        self._pool.add(session)
        return session

    def listen(self) -> LiveVoice:
        """Begin to hear a microphone with the default voice models. Returns at once."""
        specs = [spec for spec in registry.choose(None) if spec.modality.of_sound]
        voice = LiveVoice(specs, self._pool, self._load)
        self._pool.add(voice, WEIGHT)
        return voice

    @property
    def sessions(self) -> int:
        """Return how many are open."""
        with self._lock:
            return sum(not session.closed for session in self._open)

    def drain(self) -> None:
        """Do all that waits in the caller's thread (an engine without workers)."""
        while self._pool.step():
            pass

    def close(self) -> None:
        """Close all sessions and wait for the threads to end."""
        with self._lock:
            sessions, self._open = self._open, []
        for session in sessions:
            session.close()
        self._pool.join()

    def _find_detector(self) -> vision.FaceDetector:
        with self._lock:
            if isinstance(self._detector, str):
                self._detector = vision.load_detector(self._detector)
            return self._detector
