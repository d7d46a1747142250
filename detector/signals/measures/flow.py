"""How unsteadily the inner face moves against the head."""

from __future__ import annotations

import numpy as np

from detector.schema.analysis import Signal
from detector.signals import motion
from detector.signals.measure import Observer, RunPlan, SignalMeasure, SubjectContext
from detector.signals.reference import SignalSpec

SPEC = SignalSpec(
    id="flow",
    title="Optical flow",
    unit="% of the face",
    side="high",
    say=lambda value, known: f"trembles by {value:.2f} % of the face",
    means="How unsteadily the inner face moves against the head. A head moves as one.",
    high="The inner face trembles against the head, as faces do that are drawn anew in each frame; "
    "dropped frames, fast talking and hands before the face can look alike.",
    purpose="Points to the moment at which a face that is drawn anew in each frame slips.",
)


class OpticalFlow(Observer):
    """Collects the trembling of a person's runs of frames."""

    def __init__(self, plan: RunPlan) -> None:
        self._runs: list[tuple[float, float]] = []

    def on_window(self, start: float, end: float, crops: np.ndarray) -> None:
        """See `Observer.on_window`."""
        value, place = motion.tremble(crops)
        self._runs.append((value, start + (end - start) * place / max(1, len(crops) - 1)))

    def finish(self, subject: SubjectContext) -> Signal:
        """See `Observer.finish`."""
        if not self._runs:
            return SPEC.absent(
                "No run of consecutive frames shows this person throughout.", subject.track.id
            )
        value = float(np.median([v for v, _ in self._runs]))
        return subject.signal(SPEC, value, weak=subject.soft, times=[max(self._runs)[1]])


SIGNAL = SignalMeasure(SPEC, rank=50, stills=False, observe=OpticalFlow)
