"""The stage that reads signals: a thread beside the others, fed from frames decoded anyway."""

from collections.abc import Callable, Mapping
from functools import partial

from detector import signals
from detector.media import Frame
from detector.pipeline.bounded_queue import BoundedQueue, CancellationToken, timed
from detector.pipeline.subjects import SubjectBuilder
from detector.schema.analysis import Analysis, Signal
from detector.schema.subject import letter
from detector.vision import Detection

QUEUED = 48  # faces that may wait: half a megabyte each at most


class SignalStage:
    """One run's signals, of so many sampled `frames`; `timings`, s by stage, are added to."""

    def __init__(self, frames: int, stop: CancellationToken, timings: dict[str, float]) -> None:
        self._reader = signals.SignalReader(frames)
        self._queue: BoundedQueue[Callable[[], None] | None] = BoundedQueue(QUEUED, stop)
        self._timings = timings

    def face(self, frame: Frame, index: int, person: int, face: Detection) -> None:
        """Send off one person's face in one sampled frame."""
        patch = signals.cut_patch(frame.rgb, face.box, face.landmarks, frame.time)
        self._queue.put(partial(self._reader.face, person, index, patch))

    def end(self) -> None:
        """Nothing follows."""
        self._queue.put(None)

    def work(self) -> None:
        """Read until the end, in the thread of this stage."""
        while (read := self._queue.take()) is not None:
            with timed(self._timings, "signals"):
                read()
        with timed(self._timings, "signals"):
            self._reader.close()

    def signals(self, analysis: Analysis, people: Mapping[int, SubjectBuilder]) -> list[Signal]:
        """Return the signals of a decided analysis; `people` by number in order of appearance."""
        numbers = {letter(i): number for i, number in enumerate(people)}
        return self._reader.signals(analysis, numbers)
