"""Whether eyes, nose and mouth keep their places in the face."""

from __future__ import annotations

from detector.schema.analysis import Signal
from detector.signals import landmarks
from detector.signals.measure import Observer, SignalMeasure, SubjectContext
from detector.signals.reference import SignalSpec

SPEC = SignalSpec(
    id="jitter",
    title="Landmark jitter",
    unit="% of the eye distance",
    side="high",
    say=lambda value, known: f"{value:.1f} % of the eye distance",
    means="How much eyes, nose and mouth shift against each other between two looks.",
    high="Eyes, nose and mouth shift more than usual, as unsteady swaps do; turning the head, "
    "talking and small or blurred faces can look alike.",
    purpose="Points to the moment at which a face is unsteady.",
)


class LandmarkJitter(Observer):
    """Reads the landmarks once all are known."""

    def finish(self, subject: SubjectContext) -> Signal:
        """See `Observer.finish`."""
        found = landmarks.jitter(subject.landmarks)
        if found is None:
            return SPEC.absent("The looks lie too far apart in time.", subject.track.id)
        value, time = found
        return subject.signal(SPEC, value, weak=subject.soft, times=[time])


SIGNAL = SignalMeasure(SPEC, rank=60, stills=False, observe=LandmarkJitter)
