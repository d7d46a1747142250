"""Live analysis without a browser: what all viewers of a process share."""

import os
import threading
import time
from collections.abc import Callable, Sequence

from detector import vision
from detector.errors import UsageError
from detector.live.pool import Pool
from detector.live.session import LiveSession
from detector.live.state import LiveSettings
from detector.live.voice import WEIGHT, LiveVoice
from detector.models import registry
from detector.models.base import Model
from detector.sentences import _

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
        if asked is None:  # a camera is not heard, and its frames are far apart
            specs = [s for s in specs if not s.modality.of_sound and s.kind != "clip"]
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
                    hint="Try again when somebody has left.",
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
        """How many are open."""
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
