"""Noise in the face beside noise around it."""

from __future__ import annotations

from detector.schema.analysis import Signal
from detector.signals import noise
from detector.signals.measure import Observer, RunPlan, SignalMeasure, SubjectContext
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec

SPEC = SignalSpec(
    id="noise",
    title="Noise",
    unit="dB",
    side="both",
    say=noise.in_words,
    means="Noise in the face beside noise around it. One camera gives both much the same.",
    low="The face has far less noise than what is around it: a generated or smoothed face does "
    "this, and so do a beauty filter and a busy background.",
    high="The face has far more noise than what is around it: a face from another picture does "
    "this, and so does a blurred or plain background.",
    purpose="Points to a face that is not from the camera of its surroundings.",
)


class NoiseLevel(Observer):
    """Collects the figure of a person's faces."""

    def __init__(self, plan: RunPlan) -> None:
        self._values: list[float] = []

    def on_face(self, face: FacePatch, index: int) -> None:
        """See `Observer.on_face`."""
        value = noise.noise(face)
        if value is not None:
            self._values.append(value)

    def finish(self, subject: SubjectContext) -> Signal:
        """See `Observer.finish`."""
        return subject.median(SPEC, self._values, noise.NO_RING)


SIGNAL = SignalMeasure(SPEC, rank=30, stills=True, observe=NoiseLevel)
