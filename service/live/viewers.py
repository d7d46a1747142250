"""Who is being watched by whom: one `Viewer` a running camera, all sharing one engine.

`Viewer.receive` runs in a thread of streamlit-webrtc for every frame: it hands the frame to the
engine, draws what is known into it and returns. It never waits for inference and calls nothing of
Streamlit. A viewer whose frames stay away is ended by the reaper thread, so that a closed laptop, a
lost network or a changed page frees its place and keeps its scores.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from detector.errors import UnmaskError
from service.config import get_config
from service.messages import _, ngettext

if TYPE_CHECKING:
    from detector.live import LiveEngine, LiveSession, LiveSettings, LiveState, Style
    from detector.live.recorder import Recorder
    from service.records.scope import RecordScope

log = logging.getLogger(__name__)

SIZE = (640, 480)
"""px. What is asked of a camera: a face of 40 px and more at arm's length, little to send."""
CORES = 1.0
"""That following one camera takes from the budget of all tasks."""
LOST = 2.5
"""s without a frame after which the picture counts as lost; a key frame may take one."""
GRACE = 20.0
"""s for which a lost session waits for its picture and then goes on as the same one."""
FIRST = 45.0
"""s that a place is held for a first frame: the link comes up or the page gives up before."""


class Keep(StrEnum):
    """What is kept of a session when it ends."""

    NOTHING = "nothing"
    SCORES = "scores"
    VIDEO = "video"


class Full(UnmaskError):
    """Every place is taken."""

    default_code = "too_many_viewers"


class VideoFrameLike(Protocol):
    """What is needed of PyAV's VideoFrame, which only media and WebRTC may import."""

    def to_ndarray(self, *, format: str) -> np.ndarray: ...

    @staticmethod
    def from_ndarray(array: np.ndarray, format: str) -> Any: ...


@dataclass(frozen=True)
class Wishes:
    """What a person chose before Start, and may change while it runs (`mirror`)."""

    models: tuple[str, ...] | None = None
    keep: Keep = Keep.SCORES
    mirror: bool = True
    alarm_above: float | None = None
    alarm_seconds: float = 3.0


class Viewer:
    """One running camera.

    Parameters
    ----------
    session : LiveSession
    wishes : Wishes
    scope : RecordScope, optional
        Among whose records it is kept (`Application.scope`, taken while the person was here).
    film : Path, optional
        Where to write the video, if it is to be kept.
    style : Style, optional
        Colors of what is drawn into the picture.
    on_end : callable
        Called once, from whatever thread ends it.
    clock : callable
        Seconds, for tests.
    """

    def __init__(
        self,
        session: LiveSession,
        wishes: Wishes,
        *,
        scope: RecordScope | None = None,
        film: Path | None = None,
        style: Style | None = None,
        on_end: Callable[[Viewer], None] = lambda viewer: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from detector.live.recorder import Recorder, Ring

        self.session = session
        self.wishes = wishes
        self.mirror = wishes.mirror
        self.scope = scope
        self.began = datetime.now(UTC)
        """Of the first frame: 0 s of the session's own clock."""
        self.ring = Ring()
        self.film = film
        self._style = style
        self.frames = 0
        self.ended = False
        self.result: str | None = None
        """Address of the analysis it became, once it has ended."""
        self.problem: str | None = None
        """What kept it from becoming one: the engine's words, empty where it has none for it."""
        self._recorder: Recorder | None = Recorder(film) if film else None
        self._on_end = on_end
        self._clock = clock
        self._opened = clock()
        self._first: float | None = None
        self._last: float | None = None
        self._lock = threading.Lock()
        self._shown: np.ndarray | None = None
        self.release: Callable[[], object] = lambda: None
        """Gives back what was reserved for it."""

    def receive(self, frame: VideoFrameLike) -> Any:
        """A frame of the camera in, the same with its overlay out; from a thread of WebRTC."""
        rgb = fitted(frame.to_ndarray(format="rgb24"))
        if self.ended:
            return frame
        now = self._clock()
        if self._first is None:
            self._first, self.began = now, datetime.now(UTC)
        moment = now - self._first
        self._last = now
        self.frames += 1
        self.session.push(rgb, moment)
        self.ring.add(rgb, moment)
        recorder = self._recorder
        if recorder is not None:
            recorder.add(rgb, moment)
        self._shown = self._draw(rgb, moment)
        return type(frame).from_ndarray(self._shown, format="rgb24")

    def _draw(self, rgb: np.ndarray, moment: float) -> np.ndarray:
        """Return a frame with what is known in it."""
        from detector.live import overlay

        style = self._style or overlay.PLAIN
        return overlay.draw(rgb, self.session.state, style, time=moment, mirror=self.mirror)

    @property
    def state(self) -> LiveState:
        return self.session.state

    @property
    def seconds(self) -> float:
        """From its first frame to its last."""
        return 0.0 if self._last is None or self._first is None else self._last - self._first

    @property
    def silent(self) -> float:
        """Seconds since the last frame, or since it was opened."""
        return self._clock() - (self._opened if self._last is None else self._last)

    @property
    def over(self) -> bool:
        """Whether nobody is there any more."""
        return self.silent > (FIRST if self._last is None else GRACE)

    def picture(self) -> np.ndarray | None:
        """The newest frame as it was shown, uint8 [H, W, 3]; None before the first."""
        return self._shown

    def end(self) -> None:
        """Stop, keep what was asked for, free the place. Once is enough; a second call waits."""
        with self._lock:
            if self.ended:
                return
            self.ended = True
            try:
                if self._recorder is not None:
                    self._recorder.close()
                self._on_end(self)
            except Exception as error:
                log.exception("a live session could not be kept")
                self.problem = error.message if isinstance(error, UnmaskError) else ""
            finally:
                self.release()
                self.session.close()
                self._recorder, self._shown = None, None
                self.ring.clear()  # what was not asked to be kept is not


class Viewers:
    """All running cameras of this server.

    Parameters
    ----------
    engine : callable
        Gives the engine; called at the first `open`, because it loads torch.
    most : int
        Cameras at a time.
    on_end : callable
        Called with each viewer that ends, before its session is closed.
    reserve : callable
        Called for each viewer that is opened; returns what gives back the cores it takes.
    """

    def __init__(
        self,
        engine: Callable[[], LiveEngine],
        most: int,
        on_end: Callable[[Viewer], None] = lambda viewer: None,
        *,
        reserve: Callable[[], Callable[[], object]] = lambda: lambda: None,
        clock: Callable[[], float] = time.monotonic,
        watch: float = 1.0,
    ) -> None:
        self.most = most
        self._reserve = reserve
        self._engine = engine
        self._on_end = on_end
        self._clock = clock
        self._watch = watch
        self._lock = threading.Lock()
        self._open: list[Viewer] = []
        self._reaper: threading.Thread | None = None

    def open(
        self,
        settings: LiveSettings,
        wishes: Wishes,
        *,
        scope: RecordScope | None = None,
        film: Path | None = None,
        style: Style | None = None,
    ) -> Viewer:
        """Begin; the parameters are those of `Viewer`.

        Raises
        ------
        Full
            All places are taken.
        UnmaskError
            The engine refuses, such as for a model that isn't here.
        """
        engine = self._engine()
        with self._lock:
            self._open = [viewer for viewer in self._open if not viewer.ended]
            if len(self._open) >= self.most:
                raise self._full()
            viewer = Viewer(
                engine.open(settings),
                wishes,
                scope=scope,
                film=film,
                style=style,
                on_end=self._on_end,
                clock=self._clock,
            )
            viewer.release = self._reserve()
            self._open.append(viewer)
            if self._reaper is None or not self._reaper.is_alive():
                self._reaper = threading.Thread(target=self._reap, name="live-watch", daemon=True)
                self._reaper.start()
        return viewer

    def _full(self) -> Full:
        text = ngettext(
            "{number} camera is on already, and no more can be followed here.",
            "{number} cameras are on already, and no more can be followed here.",
            self.most,
        )
        return Full(
            text.format(number=self.most),
            hint=_("Try again when one of them has stopped. Clips can be analyzed as usual."),
        )

    @property
    def running(self) -> int:
        with self._lock:
            return sum(not viewer.ended for viewer in self._open)

    def sweep(self) -> int:
        """End those whose frames stay away; how many are left."""
        with self._lock:
            viewers = list(self._open)
        for viewer in viewers:
            if viewer.over:
                viewer.end()
        with self._lock:
            self._open = [viewer for viewer in self._open if not viewer.ended]
            left = len(self._open)
            if not left:
                self._reaper = None  # under the lock: the next `open` starts another
        return left

    def close(self) -> None:
        """End all; when the server stops."""
        with self._lock:
            viewers, self._open = self._open, []
        for viewer in viewers:
            viewer.end()

    def _reap(self) -> None:
        wait = threading.Event()
        while self.sweep():
            wait.wait(self._watch)


def fitted(rgb: np.ndarray) -> np.ndarray:
    """A frame at the one size of a session: `SIZE`, or as much of it as its proportions fill. A
    browser that is short of time or bandwidth sends smaller frames for a while, and a face that
    jumps to half its size would be taken for another person."""
    height, width = rgb.shape[:2]
    scale = min(SIZE[0] / width, SIZE[1] / height)
    if abs(scale - 1) < 1e-3:
        return rgb
    way = cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA
    size = (round(width * scale), round(height * scale))
    return cv2.resize(rgb, size, interpolation=way)


def limit() -> int:
    """Cameras at a time: `UNMASK_LIVE_VIEWERS`, else one a core, and two at least."""
    chosen = get_config().live_viewers
    return max(2, min(8, os.cpu_count() or 2)) if chosen is None else chosen


@lru_cache(maxsize=1)
def engine() -> LiveEngine:
    """The one engine of this process."""
    from detector.live import LiveEngine

    return LiveEngine(viewers=max(1, limit()))
