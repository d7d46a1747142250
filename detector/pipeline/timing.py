"""Times of a run's stages, and the planned times of a frame."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from detector.media import Frame
from detector.threads import BoundedQueue


@contextmanager
def timed(table: dict[str, float], key: str) -> Iterator[None]:
    """Add the time spent inside to a table, in seconds."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        table[key] = table.get(key, 0.0) + time.perf_counter() - begun


def with_timestamps(
    frames: BoundedQueue[Frame], times: Sequence[float]
) -> Iterator[tuple[Frame, tuple[float, ...]]]:
    """Yield each frame with all planned times that fall on it (several, at a low frame
    rate). `times`: ascending, s; `Frame.index` is an index into them."""
    for frame in frames:
        last = frame.index if frame.last is None else frame.last
        yield frame, tuple(times[frame.index : last + 1])
        del frame  # before the next one is decoded
