"""Running cameras: one `Viewer` each, all sharing one engine.

`Viewer.receive` runs in a thread of streamlit-webrtc for every frame. It passes the frame to the
engine, draws the overlay and returns; it never waits for inference and calls no Streamlit function.
A reaper thread ends viewers without frames, which frees their place and stores their scores.
`ended` runs in whatever thread ends the session, so no language is known there.
"""

from __future__ import annotations

import hmac
import io
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from detector import media
from detector.cores import usable_cores
from detector.errors import InputError, UnmaskError
from detector.live import LiveEngine, LiveSession, LiveSettings, LiveState, LiveVoice, overlay
from detector.live.overlay import as_shown
from detector.live.recorder import Recorder, Ring
from detector.presentation.live import known_footage
from detector.schema.summary import FoundFootage
from detector.sentences import _, ngettext
from detector.threads import Supervised
from service.config import get_config
from service.context import new_id
from service.records.instances import Server
from service.records.store import RecordScope

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.video.frame import VideoFrame

log = logging.getLogger(__name__)

SIZE = (640, 480)  # px asked of a camera: a face of 40 px at arm's length, little to send
SHARED_SIZE = (1280, 720)  # px asked of a window: of nine faces each has 40 px
SHARED_FACES = 9  # that are judged in a window, a meeting's usual grid
CORES = 1.0  # That following one camera takes from the budget of all tasks
LOST_SECONDS = 2.5  # without a frame, after which the picture is lost; a key frame takes one
RECONNECT_SECONDS = 20.0  # for which a lost session is held, since its last frame or `hold`
FIRST_FRAME_SECONDS = 45.0  # s that a place is held for a first frame
SHOWN_SECONDS = 3.0  # for which the boxes keep the readings that a page drew, until it draws anew
WATCH_SECONDS = 1.0  # between two looks for viewers without frames
MIN_SECONDS = 1.0  # s; a session that ended sooner was a slip of the finger


class SessionRetention(StrEnum):
    """What to store of a session when it ends."""

    NOTHING = "nothing"
    SCORES = "scores"
    VIDEO = "video"


class TooManyViewers(UnmaskError):
    """All places are taken."""

    default_code = "too_many_viewers"


@dataclass(frozen=True)
class LiveOptions:
    """Choices before Start, and during the session (`mirror`)."""

    models: tuple[str, ...] | None = None
    keep: SessionRetention = SessionRetention.SCORES
    shared: bool = False  # A window, tab or screen in place of a camera
    mirror: bool = False
    microphone: bool = False  # Judge the voice in the browser's microphone too
    alarm_above: float | None = None
    alarm_seconds: float = 3.0
    scope: RecordScope | None = None  # Among whose records it is kept


class Viewer:
    """One running camera; `on_end` is called once, from the thread that ends it."""

    def __init__(
        self,
        session: LiveSession,
        options: LiveOptions,
        *,
        voice: LiveVoice | None = None,
        film: Path | None = None,
        on_end: Callable[[Viewer], None] = lambda viewer: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session = session
        self.voice = voice  # Of the microphone, where it is heard
        self.options = options
        self.mirror = options.mirror
        self.began = datetime.now(UTC)  # Of the first frame: 0 s of the session's clock
        self.ring = Ring()
        self.frames = 0
        self.over = threading.Event()  # Set when it ends
        self.stopped = threading.Event()  # Set at its end, and at that of the process
        self.known: FoundFootage | None = None  # Of its person's library, where the camera shows it
        self.result: str | None = None  # Address of the analysis it became
        self.unrecorded = False  # The video that was asked for could not be written
        self.problem: str | None = None  # What kept it from becoming one; may be empty
        self.failure: UnmaskError | None = None  # Why the camera's picture ended
        self.token = new_id()  # Names its picture in an address; who has it may look
        self.film = film  # Where the video is written, if it is to be kept
        self._recorder: Recorder | None = Recorder(film) if film else None
        self._on_end = on_end
        self._clock = clock
        self._opened = clock()
        self._first: float | None = None
        self._last: float | None = None
        self._held = float("-inf")
        self._lock = threading.Lock()
        self._shown: np.ndarray | None = None
        self._drawn: tuple[float, LiveState] | None = None  # The newest `snapshot`, and when
        self.release: Callable[[], object] = lambda: None  # Gives back what was reserved

    def run(
        self,
        name: str,
        work: Callable[[], None],
        on_error: Callable[[BaseException], object] | None = None,
    ) -> None:
        """Run a call in a thread while the session goes on: it ends once `stopped` is set."""
        stop = self.stopped.set
        Supervised(name, work, owner=self, stop=stop, on_error=on_error).start()

    def receive(self, frame: VideoFrame) -> VideoFrame:
        """Process a camera frame and return it with its overlay; called by a WebRTC thread."""
        shown = self._take(frame.to_ndarray(format="rgb24"))
        return frame if shown is None else type(frame).from_ndarray(shown, format="rgb24")

    def hear(self, frame: AudioFrame) -> None:
        """Process sound of the microphone; called by a WebRTC thread. Sound before the first frame
        is dropped."""
        if self.voice is not None and self._first is not None and not self.ended:
            self.voice.push(frame, self._clock() - self._first)

    def show(self, rgb: np.ndarray) -> bool:
        """Process a frame that this server fetched itself, uint8 [H, W, 3]; return False once the
        session has ended."""
        return self._take(rgb) is not None

    def _take(self, rgb: np.ndarray) -> np.ndarray | None:
        rgb = padded(rgb) if self.options.shared else letterbox(rgb)
        timestamp = self.push(rgb)
        if timestamp is None:
            return None
        state, drawn = self.session.state, self._drawn
        if drawn is not None and self._clock() - drawn[0] < SHOWN_SECONDS:
            state = as_shown(state, drawn[1])
        self._shown = shown = overlay.draw(rgb, state, time=timestamp, mirror=self.mirror)
        return shown

    def push(self, rgb: np.ndarray) -> float | None:
        """Pass a frame, uint8 [H, W, 3], of one size (`letterbox`) to the engine and return its
        time in the session, s; None once it has ended."""
        if self.ended:
            return None
        now = self._clock()
        if self._first is None:
            self._first, self.began = now, datetime.now(UTC)
        timestamp = now - self._first
        self._last = now
        self.frames += 1
        self.session.push(rgb, timestamp)
        self.ring.add(rgb, timestamp)
        recorder = self._recorder
        if recorder is not None:
            recorder.add(rgb, timestamp)
        return timestamp

    def discard(self) -> None:
        """Delete the recording of a viewer that could not be opened."""
        if self._recorder is not None and self.film is not None:
            self._recorder.close()
            self.film.unlink(missing_ok=True)

    @property
    def ended(self) -> bool:
        return self.over.is_set()

    @property
    def state(self) -> LiveState:
        return self.session.state

    def snapshot(self) -> LiveState:
        """Return the newest state for a page; the overlay shows its readings until the
        next call."""
        state = self.session.state
        self._drawn = self._clock(), state
        return state

    @property
    def drawn(self) -> LiveState:
        """Return the newest snapshot."""
        return self.state if self._drawn is None else self._drawn[1]

    @property
    def seconds(self) -> float:
        """Return the time from its first frame to its last, s."""
        return 0.0 if self._last is None or self._first is None else self._last - self._first

    @property
    def silent(self) -> float:
        """Return the time since the last frame, or since it was opened, s."""
        return self._clock() - (self._opened if self._last is None else self._last)

    @property
    def expired(self) -> bool:
        """Return whether no page watches it any more, or its models can't be run."""
        if self.session.failure is not None:
            return True
        if self._last is None:
            return self.silent > FIRST_FRAME_SECONDS
        return self._clock() - max(self._last, self._held) > RECONNECT_SECONDS

    def hold(self) -> None:
        """Keep its place while a page reconnects its lost picture."""
        self._held = self._clock()

    def picture(self) -> np.ndarray | None:
        """Return the newest frame with its overlay, uint8 [H, W, 3]; None before the first."""
        return self._shown

    def end(self) -> None:
        """Stop, store what was requested, free the place. Idempotent; a second call waits."""
        with self._lock:
            if self.ended:
                return
            self.over.set()
            self.stopped.set()
            self.failure = self.failure or self.session.failure
            try:
                if self._recorder is not None and not self._recorder.close() and self.frames:
                    self.unrecorded = True
                self._on_end(self)
            except Exception as error:
                log.exception("a live session could not be kept")
                self.problem = error.message if isinstance(error, UnmaskError) else ""
            finally:
                self.release()
                self.session.close()
                if self.voice is not None:
                    self.voice.close()
                self._recorder, self._shown = None, None
                self.ring.clear()  # what was not asked to be kept is not


class Viewers:
    """All running cameras of this server, at most `capacity`. `engine` is called at the first
    `open`, because it loads torch; `on_open` with each opened viewer; `on_end` with each that ends,
    before its session is closed; `reserve` reserves its cores and returns the release function."""

    def __init__(
        self,
        engine: Callable[[], LiveEngine],
        capacity: int,
        on_end: Callable[[Viewer], None] = lambda viewer: None,
        *,
        on_open: Callable[[Viewer], None] = lambda viewer: None,
        reserve: Callable[[], Callable[[], object]] = lambda: lambda: None,
        new_film: Callable[[], Path] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.capacity = capacity
        self._new_film = new_film
        self._reserve = reserve
        self._engine = engine
        self._on_open, self._on_end = on_open, on_end
        self._clock = clock
        self._lock = threading.Lock()
        self._open: list[Viewer] = []
        self._reaper: Supervised[None] | None = None
        self._closed = threading.Event()

    def open(self, settings: LiveSettings, options: LiveOptions) -> Viewer:
        """Open a viewer. Raise TooManyViewers if all places are taken, UnmaskError if the engine
        refuses."""
        engine = self._engine()
        with self._lock:
            self._open = [viewer for viewer in self._open if not viewer.ended]
            if len(self._open) >= self.capacity:
                text = ngettext(
                    "{number} camera is on already, and no more can be followed here.",
                    "{number} cameras are on already, and no more can be followed here.",
                    self.capacity,
                )
                hint = _("Try again when one of them has stopped. Clips can be analyzed as usual.")
                raise TooManyViewers(text.format(number=self.capacity), hint=hint)
            with ExitStack() as undo:  # nothing is left of one that can't be opened
                session = engine.open(settings)
                undo.callback(session.close)
                voice = engine.listen() if options.microphone else None
                if voice is not None:
                    undo.callback(voice.close)
                video = options.keep is SessionRetention.VIDEO
                film = self._new_film() if video and self._new_film is not None else None
                viewer = Viewer(
                    session, options, voice=voice, film=film, on_end=self._on_end, clock=self._clock
                )
                undo.callback(viewer.discard)
                viewer.release = self._reserve()
                undo.callback(viewer.release)
                self._open.append(viewer)
                undo.callback(self._open.remove, viewer)
                if self._reaper is None or not self._reaper.alive:
                    self._reaper = Supervised(
                        "reaper", self._reap, owner=self, stop=self._closed.set
                    ).start()
                undo.pop_all()
        self._on_open(viewer)
        return viewer

    def find(self, token: str) -> Viewer | None:
        """Return the running viewer of a token."""
        with self._lock:
            known = [viewer for viewer in self._open if not viewer.ended]
        return next((v for v in known if hmac.compare_digest(v.token, token)), None)

    @property
    def running(self) -> int:
        with self._lock:
            return sum(not viewer.ended for viewer in self._open)

    def sweep(self) -> int:
        """End viewers without frames; return how many are left."""
        with self._lock:
            expired = [viewer for viewer in self._open if viewer.expired]
        for viewer in expired:
            viewer.end()
        with self._lock:
            self._open = [viewer for viewer in self._open if not viewer.ended]
            left = len(self._open)
            if not left:
                self._reaper = None  # under the lock: the next `open` starts another
        return left

    def close(self) -> None:
        """End all viewers; called when the server stops."""
        self._closed.set()
        with self._lock:
            viewers, self._open = self._open, []
        for viewer in viewers:
            viewer.end()

    def _reap(self) -> None:
        while self.sweep() and not self._closed.wait(WATCH_SECONDS):
            pass


def letterbox(rgb: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return a frame at the one size of a session: `size`, or what its proportions fill of it. A
    browser short of bandwidth sends smaller frames for a while, and a face of half the size would
    become another person's track."""
    height, width = rgb.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    if abs(scale - 1) < 1e-3:
        return rgb
    interpolation = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(rgb, size, interpolation=interpolation)


def padded(rgb: np.ndarray) -> np.ndarray:
    """Return a frame of a shared window at `SHARED_SIZE` with black bars: windows change their
    shape."""
    rgb = letterbox(rgb, SHARED_SIZE)
    across, down = (most - side for most, side in zip(SHARED_SIZE, rgb.shape[1::-1], strict=True))
    left, top = across // 2, down // 2
    bars = (top, down - top, left, across - left)
    return cv2.copyMakeBorder(rgb, *bars, cv2.BORDER_CONSTANT)


def max_viewers() -> int:
    """Return the number of cameras at a time: `UNMASK_LIVE_VIEWERS`, else one a core, and at least
    two."""
    configured = get_config().live_viewers
    return max(2, min(8, usable_cores())) if configured is None else configured


@lru_cache(maxsize=1)
def engine() -> LiveEngine:
    """Return the engine of this process."""
    return LiveEngine()


class Recordings:
    """The videos of the sessions that run, each named by its server: one of a server that is gone
    belongs to no session, holds faces, and is deleted by `sweep`."""

    def __init__(self, data: Path, server: Server) -> None:
        self._folder, self._server = data / "live", server

    def new(self) -> Path:
        """Return the path of a new video, which does not exist yet."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._folder / f"{self._server.id}-{new_id()}.mp4"

    def sweep(self) -> None:
        """Delete what dead servers left behind. Raise RecordsError."""
        for path in self._folder.glob("*"):
            if not self._server.alive(path.name.partition("-")[0]):
                path.unlink(missing_ok=True)


def ended(viewer: Viewer, keep: Callable[..., str]) -> None:
    """Store what was requested of a session; `viewer.result` is its address then, as `keep` returns
    it (`Application.keep_live`)."""
    video = viewer.film
    try:
        if viewer.options.keep is SessionRetention.NOTHING or viewer.seconds < MIN_SECONDS:
            return
        if viewer.options.scope is None:
            raise TypeError("a session that is kept must say whose it is")
        try:
            analysis = viewer.session.finish()
        except UnmaskError as error:
            viewer.problem = error.message
            return
        if viewer.known is not None:
            notes = [known_footage(viewer.known.name), *analysis.media.notes]
            about = analysis.media.model_copy(update={"notes": notes})
            analysis = analysis.model_copy(update={"media": about})
        name = session_name(viewer.began)
        if video is not None and viewer.unrecorded:
            viewer.problem = _("The video could not be recorded: the disk is full or gone. The "
                               "scores are kept.")  # fmt: skip
        elif video is not None and video.is_file() and video.stat().st_size:
            name = f"{name}.mp4"
            seen = analysis.media
            kept = {"live": True, "notes": seen.notes, "too_slow": seen.too_slow}
            about = media.probe(video, name=name).model_copy(update=kept)
            analysis = analysis.model_copy(update={"media": about})
        recorded = None if viewer.unrecorded or not analysis.media.size else video
        viewer.result = keep(analysis, name, scope=viewer.options.scope, media=recorded)
    finally:
        if video is not None:
            video.unlink(missing_ok=True)


def last_seconds(viewer: Viewer) -> tuple[io.BytesIO, str]:
    """Return the last 14 s as a clip, and its name. Raise InputError if there are no frames yet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.mp4"
        if not viewer.ring.write(path):
            raise InputError(_("There are no frames to keep yet."))
        return io.BytesIO(path.read_bytes()), f"{session_name(viewer.began)}-last.mp4"


def session_name(began: datetime) -> str:
    """Return "live-2026-11-20-184205" (UTC)."""
    return f"live-{began:%Y-%m-%d-%H%M%S}"
