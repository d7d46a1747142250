"""The stage that reads signals: a thread beside the others, fed from frames decoded anyway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from detector import signals
from detector.media import Frame
from detector.pipeline.bounded_queue import BoundedQueue, CancellationToken, Timer
from detector.pipeline.subjects import SubjectBuilder, letter
from detector.schema.analysis import Analysis, Signal
from detector.vision import Detection

QUEUED = 48
"""faces and runs that may wait: half a megabyte each at most, and a run of crops twice that."""


@dataclass(frozen=True)
class _SignalFace:
    person: int
    index: int
    face: signals.FacePatch


@dataclass(frozen=True)
class _SignalWindow:
    person: int
    start: float
    end: float
    crops: np.ndarray


class SignalStage:
    """One run's signals.

    Parameters
    ----------
    moments : int
        How many moments will be looked at.
    stop : Halt
    timings : dict
        Seconds by stage; "signals" is added to.
    """

    def __init__(self, moments: int, stop: CancellationToken, timings: dict[str, float]) -> None:
        self._reader = signals.SignalReader(moments)
        self._belt: BoundedQueue[_SignalFace | _SignalWindow | None] = BoundedQueue(QUEUED, stop)
        self._timings = timings

    def face(self, frame: Frame, index: int, person: int, face: Detection) -> None:
        """Send off one person's face at one moment."""
        patch = signals.cut_patch(frame.rgb, face.box, face.landmarks, frame.time)
        self._belt.put(_SignalFace(person, index, patch))

    def run(self, person: int, start: float, end: float, crops: np.ndarray) -> None:
        """Send off one person's run of crops."""
        self._belt.put(_SignalWindow(person, start, end, crops))

    def end(self) -> None:
        """Nothing follows."""
        self._belt.put(None)

    def work(self) -> None:
        """Read until the end, in the thread of this stage."""
        while (item := self._belt.take()) is not None:
            with Timer(self._timings, "signals"):
                if isinstance(item, _SignalFace):
                    self._reader.face(item.person, item.index, item.face)
                else:
                    self._reader.run(item.person, item.start, item.end, item.crops)
        with Timer(self._timings, "signals"):
            self._reader.close()

    def signals(self, analysis: Analysis, people: Mapping[int, SubjectBuilder]) -> list[Signal]:
        """What was read.

        Parameters
        ----------
        analysis : Analysis
            Decided.
        people : mapping
            By number, in order of first appearance: those that the tracks were made of.
        """
        shapes = {
            letter(i): (number, [(time, np.array(face.landmarks)) for time, face in person.anchors])
            for i, (number, person) in enumerate(people.items())
        }
        return self._reader.signals(analysis, shapes)

    def curves(self, person: int) -> dict[str, np.ndarray]:
        """See `signals.SignalReader.curves`."""
        return self._reader.curves(person)
