"""Recording of a session: a ring buffer of its last seconds, or all of it as a video.

Both store the frames' own times, so that a later analysis lines up with the live scores.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import av
import cv2
import numpy as np

from detector.media.writer import write_mp4
from detector.threads import BoundedQueue, Stopped, Supervised

log = logging.getLogger(__name__)

LAST = 14.0  # s in the ring buffer
RING_FPS = 15.0
"""Frames a second in the ring: enough for a video model's steps, and 3 ms each to compress."""
QUALITY = 92  # JPEG quality in the ring: well above that of a camera's video link
WAITING = 12  # Frames in the encoder's queue: about 11 MB at 640 x 480
_OPTIONS = {"crf": "18", "preset": "ultrafast", "threads": "1"}  # of the video
CLOSE_SECONDS = 30.0  # for the frames that wait and the end of the file
MAX_SECONDS = 3600.0  # A recording stops here; scoring goes on


class Ring:
    """Ring buffer of the last `LAST` s as JPEGs, about 10 MB. Readable from another thread."""

    def __init__(self, seconds: float = LAST, fps: float = RING_FPS) -> None:
        self.seconds = seconds
        self._step = 1 / fps
        self._pictures: deque[tuple[float, bytes]] = deque()
        self._lock = threading.Lock()
        self._due = 0.0

    def add(self, rgb: np.ndarray, time: float) -> None:
        """Store a frame (uint8 [H, W, 3]) at `time`, s, ascending, if one is due."""
        if self._pictures and time < self._due:
            return
        # From the time it was due, not from now: else a step that is no multiple of the
        # camera's own would lose a third of the frames.
        self._due = max(self._due + self._step, time)
        ok, data = cv2.imencode(
            ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        )
        if not ok:
            return
        with self._lock:
            self._pictures.append((time, data.tobytes()))
            while self._pictures[0][0] < time - self.seconds:
                self._pictures.popleft()

    def __len__(self) -> int:
        return len(self._pictures)

    @property
    def span(self) -> float:
        """Return the seconds from the oldest frame to the newest."""
        with self._lock:
            return self._pictures[-1][0] - self._pictures[0][0] if self._pictures else 0.0

    def write(self, path: Path) -> int:
        """Write the frames as an MP4 that begins at 0 s; return their number."""
        with self._lock:
            pictures = list(self._pictures)
        return write(path, ((_decoded(data), time - pictures[0][0]) for time, data in pictures))

    def pictures(self, gap: float) -> Iterator[tuple[np.ndarray, float]]:
        """Yield frames, uint8 [H, W, 3] and s, with at least `gap` s between two."""
        with self._lock:
            pictures = list(self._pictures)
        due = float("-inf")
        for time, data in pictures:
            if time >= due:
                due = time + gap
                yield _decoded(data), time

    def clear(self) -> None:
        with self._lock:
            self._pictures.clear()


class Recorder:
    """Encodes a session's frames to a video in a thread of its own.

    Frames that come faster than the encoder takes them are dropped and counted in `dropped`. The
    file is complete once `close` has returned.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0
        self.dropped = 0
        self._queue: BoundedQueue[tuple[np.ndarray, float]] = BoundedQueue(WAITING)
        self._thread = Supervised(
            "live-recorder", self._work, owner=self, stop=self._queue.end, on_error=self._fail
        ).start()

    @property
    def error(self) -> BaseException | None:
        """Return why the recording stopped early; None without an error."""
        return self._thread.error

    def add(self, rgb: np.ndarray, time: float) -> None:
        """Queue a frame (uint8 [H, W, 3]) at `time`, s from the start, without blocking."""
        if time <= MAX_SECONDS:
            with suppress(Stopped):
                self.dropped += not self._queue.offer((rgb, time))

    def close(self) -> bool:
        """Finish the file; return whether it can be read."""
        ended = self._thread.close(CLOSE_SECONDS)
        return ended and self.error is None and self.written > 0

    def _work(self) -> None:
        self.written = write(self.path, self._queue)

    def _fail(self, error: BaseException) -> None:
        self._queue.end()
        known = isinstance(error, OSError | av.FFmpegError)
        log.warning(
            "a recording stopped: %s", type(error).__name__, exc_info=None if known else error
        )


def write(path: Path, frames: Iterable[tuple[np.ndarray, float]]) -> int:
    """Write frames with their times; return their number (`write_mp4`)."""
    return write_mp4(path, frames, _OPTIONS)


def _decoded(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
