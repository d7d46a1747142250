"""What one more JPEG changes, in the face beside around it (error level analysis)."""

from __future__ import annotations

from detector.schema.analysis import Signal
from detector.signals import noise
from detector.signals.measure import Observer, RunPlan, SignalMeasure, SubjectContext
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec

SPEC = SignalSpec(
    id="recompression",
    title="Error level",
    unit="dB",
    side="both",
    say=noise.in_words,
    means="What one more compression changes, in the face beside around it.",
    low="The face changes far less than what is around it, as smoothed faces do, and faces before "
    "a busy background.",
    high="The face changes far more than what is around it, as pasted faces do, and faces before a "
    "plain background.",
    purpose="Points to a face that was saved more or fewer times than its surroundings.",
)


class ErrorLevel(Observer):
    """Collects the figure of a person's faces."""

    def __init__(self, plan: RunPlan) -> None:
        self._values: list[float] = []

    def on_face(self, face: FacePatch, index: int) -> None:
        """See `Observer.on_face`."""
        value = noise.recompression(face)
        if value is not None:
            self._values.append(value)

    def finish(self, subject: SubjectContext) -> Signal:
        """See `Observer.finish`."""
        return subject.median(SPEC, self._values, noise.NO_RING)


SIGNAL = SignalMeasure(SPEC, rank=40, stills=True, observe=ErrorLevel)
