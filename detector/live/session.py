"""Live session of one viewer (frames in, states out), and the engine that shares models between
sessions."""

import math
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from detector import vision
from detector.cores import usable_cores
from detector.decision import decide
from detector.errors import UsageError
from detector.isolation import Frame
from detector.live import recapture
from detector.live.display import SessionDisplay
from detector.live.faces import FaceTracker, LiveFrame
from detector.live.rates import Cadence, Rates, Schedule
from detector.live.scoring import ClipCollector, LiveScorer, unfit
from detector.live.voice import LiveVoice
from detector.live.worker import WorkerGroup
from detector.models import registry
from detector.models.base import Model, ModelSpec
from detector.pipeline.modalities.face import face_segment
from detector.pipeline.windows import CompleteRun
from detector.schema.analysis import Analysis, Modality
from detector.schema.live import LiveSettings, LiveState
from detector.sentences import _

SEARCH_AGAIN = 0.25  # s between searches while no face is in view
STRIPES_EVERY = 1.0  # s between two checks for a filmed screen
MAX_SIDE = 4096  # px; larger frames are refused, since several copies are in memory


class LiveSession(WorkerGroup):
    """Session of one viewer: frames in, states out. Thread-safe.

    Created by `LiveEngine.open`. Four workers detect faces, score frames and decide, score a frame
    a second by slow models, and score windows of video models. Each has a queue of length one in
    which the newest item replaces the waiting one. `share`: s of work a second granted to this
    viewer; infinite if no frame is dropped.
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
        self.closed = False
        self.kept: int | None = None
        """Number of timestamps of the newest `finish`; the session goes on until it is closed."""

        # Queues of length one.
        self._frame: LiveFrame | None = None
        self._candidate: LiveFrame | None = None
        self._moment: tuple[LiveFrame, list[ModelSpec]] | None = None
        self._complete: dict[tuple[int, tuple[str, ...]], CompleteRun] = {}
        """by person and models, longest waiting first"""

        # Created when the models are loaded; each is used by one worker.
        self._tracker: FaceTracker | None = None
        self._collectors: list[ClipCollector] = []
        self._looks, self._scores = Cadence(), Cadence()
        self._last_search = self._last_stripes = float("-inf")

        # Under the lock.
        self._display = SessionDisplay(settings, specs, drop_frames=threaded)
        self._rates, self._schedule = Rates({}), Schedule()

        works = self._look, self._score, self._score_moment, self._score_clip
        super().__init__(*works, threaded=threaded)

    def push(self, frame: np.ndarray, t: float) -> None:
        """Queue a frame without blocking; it replaces one that no worker has taken yet.

        Parameters
        ----------
        frame : uint8 array [H, W, 3], RGB
            Kept for up to a second: don't write into it afterwards.
        t : float
            s, ascending; any origin. A frame that is not after the last one, or comes after
            `close`, is ignored.

        Raises
        ------
        ValueError
            The array has another type or shape, or is larger than `MAX_SIDE`.
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
            self._frame = LiveFrame(frame, t, now)
            self._display.update_pace()
        self.wake()

    @property
    def state(self) -> LiveState:
        """Return the newest snapshot, without waiting for inference."""
        now = self._clock()
        with self._lock:
            return self._display.state(now, self.ready, self._schedule)

    def finish(self) -> Analysis:
        """Return the session's scores as an Analysis, while it goes on or after `close`.

        `media.live` is True, and there is no file: `media.sha256` is empty. The alarms are in
        `media.notes`.

        Raises
        ------
        UsageError
            No frame was analyzed yet (`code` "nothing_seen").
        """
        with self._lock:
            if self._display.began is None or not self._display.rates.counts["looked"]:
                text = _("No frame has been looked at yet, so there is nothing to keep.")
                raise UsageError(text, code="nothing_seen")
            length = self._display.time - self._display.began
            undecided = self._display.history.session(self._display.notes())
            self.kept = len(undecided.timestamps)
            undecided.media.too_slow = self._display.pace.slow_scoring
            undecided.media.duration = round(length, 3)
            undecided.media.frame_count = self._display.rates.counts["pushed"]
            undecided.media.fps = round(self._display.rates.counts["pushed"] / max(length, 1e-3), 2)
        return decide(undecided)

    def thumbnails(self) -> dict[str, np.ndarray]:
        """Return the best face of each track of `finish()`, by its id: uint8 [96, 96, 3]."""
        with self._lock:
            return self._display.history.thumbnails()

    def close(self) -> None:
        """Release frames and end the threads; scores are kept. Idempotent."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._frame = self._candidate = self._moment = self._tracker = None
            self._collectors = []
            self._display.scorer = None
            self._complete.clear()
            self._display.alarms.end(self._display.time)
        super().close()

    @property
    def busy(self) -> bool:
        """Return True while frames wait for a worker."""
        return bool(self._frame or self._candidate or self._moment or self._complete)

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
            if self.closed:
                return
            self._display.scorer = scorer
            self._rates = Rates({id: bool(s.moments) for id, s in scorer.of_frames.items()})
            self._schedule = self._rates.plan(1, math.inf)
            self._tracker = FaceTracker(detector, self.settings.min_face)
            self._collectors = [
                ClipCollector(shape, ids, detector.name) for shape, ids in scorer.shapes.items()
            ]
            self._display.wait_for_faces()
            self.loaded.set_result(None)

    def _look(self) -> bool:
        if self.closed:
            return False
        if not self.loaded.done():
            self._load_models()
            return True
        with self._lock:
            frame, tracker, collectors = self._frame, self._tracker, self._collectors
            origin, schedule = self._display.began, self._schedule
            if frame is None or tracker is None or origin is None:
                return False
            if not self._looks.due(frame.time, schedule.search_every):
                return False
            self._looks.take(frame.time, schedule.search_every)
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
        decoded = Frame(0, frame.time - origin, frame.rgb)
        complete = [run for collector in collectors for run in collector.add(decoded, judged)]
        frame.people, frame.count = {p.number: p.face for p in judged}, len(sure)
        due = bool(judged or search) and self._scores.due(frame.time, schedule.score_every)
        if due:
            self._scores.take(frame.time, schedule.score_every)
            schedule = frame.schedule = self._rates.plan(max(1, len(judged)), self._share())
        with self._lock:
            if self.closed:
                return False
            self._schedule = schedule
            self._candidate = frame if due else self._candidate
            self._complete = {k: run for k, run in self._complete.items() if k[0] in frame.people}
            self._complete |= {(run[0], run[2].models): run for run in complete}
            self._display.update_faces(frame.time, tracker.in_view(), sure=bool(sure))
            now = self._clock()
            self._display.rates.count("looked", now, now - frame.arrived)
        self.wake()
        return True

    def _score(self) -> bool:
        with self._lock:
            frame, self._candidate = self._candidate, None
            scorer, origin = self._display.scorer, self._display.began
        if frame is None or scorer is None or origin is None:
            return False
        begun = self._clock()
        frame.segments = {
            number: face_segment(frame.rgb, face, frame.time - origin, 0, self.settings.min_face)
            for number, face in frame.people.items()
        }
        cut = self._clock() - begun
        at_once, later = scorer.take_turns(frame)
        scorer.frame(frame, at_once, self._rates)
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
            self._display.history.size = self._display.size
            self._display.history.add(frame.time - origin, frame.segments)
            for number, segment in frame.segments.items():
                self._display.history.add_thumbnail(number, segment, frame.rgb)
            if self._display.quality.screen:
                self._display.history.unscore()
            judged = frame.models and not self._display.quality.screen
            recent = self._display.history.recent() if judged else None
        # Outside the lock: deciding takes milliseconds.
        decided = decide(recent) if recent else None
        with self._lock:
            if not self.closed:
                self._display.update_scores(frame, decided, self._clock())
                self._moment = (frame, later) if later else self._moment
        self._rates.add("judge", cut + self._clock() - begun)
        self.wake()
        return True

    def _score_moment(self) -> bool:
        with self._lock:
            (moment, self._moment), scorer = (self._moment, None), self._display.scorer
        if moment is None or scorer is None:
            return False
        scorer.frame(*moment, self._rates)  # the next scored frame's verdict counts it
        return True

    def _score_clip(self) -> bool:
        with self._lock:
            scorer = self._display.scorer
            if scorer is None or not self._complete:
                return False
            person, span, item = self._complete.pop(next(iter(self._complete)))
        for id in item.models:
            scorer.score(id, [item])
        with self._lock:
            if span.logits:
                self._display.history.add_span(person, span)
        return True


MAX_CORES = 4  # shared by all viewers
LEAVE = 0.3  # share of each core that is left to the video link, the page and other programs


class LiveEngine:
    """Shares models and the face detector between viewers; one a process.

    Parameters
    ----------
    threaded : bool
        Detect and score faces in threads, and drop frames to keep up. Otherwise `drain` does all
        work in the caller's thread.
    detector : str or FaceDetector
        The face detector, or its name (`detector.vision.load_detector`).
    load : callable
        Returns the model of an id; default: the process's shared copy.
    clock : callable
        Returns seconds; for tests.
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
        """Open a session; models load in the background (`LiveState.ready`). Raise UsageError."""
        settings = settings or LiveSettings()
        specs = registry.choose(settings.models)
        if settings.models is None:  # no sound, no model of the whole room; frames are far apart
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
        """Open a microphone with the default voice models, which load in the background."""
        specs = [spec for spec in registry.choose(None) if spec.modality.of_sound]
        voice = LiveVoice(specs, self._load, threaded=self._threaded)
        with self._lock:
            self._voices = [one for one in self._voices if not one.closed] + [voice]
        return voice

    @property
    def sessions(self) -> int:
        """Return the number of open sessions."""
        with self._lock:
            return sum(not session.closed for session in self._open)

    def drain(self) -> None:
        """Do all waiting work in the caller's thread (an engine without threads)."""
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
        """Return the s of work a second granted to each viewer."""
        cores = min(usable_cores(), MAX_CORES)
        return cores * (1 - LEAVE) / max(1, self.sessions) if self._threaded else math.inf

    def _find_detector(self) -> vision.FaceDetector:
        with self._lock:
            if isinstance(self._detector, str):
                self._detector = vision.load_detector(self._detector)
            return self._detector
