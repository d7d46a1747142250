"""Signal: head pose drift over time."""

import numpy as np

from detector.signals.measure import of_landmarks
from detector.signals.reference import SignalSpec


def turned(before: np.ndarray, after: np.ndarray) -> float:
    """Return the motion of the nose relative to the eyes, without the head's tilt, percent of the
    eye distance: turning or nodding moves it."""
    places = [
        (nose - (left + right) / 2) / (right - left) for left, right, nose, *_ in (before, after)
    ]
    return float(np.abs(places[1] - places[0]) * 100)


SPEC = SignalSpec(
    id="pose",
    title="Head pose drift",
    unit="% of the eye distance",
    side="both",
    say="the nose moves {value:.1f} % of the eye distance",
    means="How far the head turns or nods between two frames, by the nose between the eyes.",
    low="The head hardly turns, as in animated portraits and in people who sit still.",
    high="The head turns by jumps, as unsteady reenactments do, and lively people.",
    purpose="Points to a head that is unusually still or unsteady.",
)
SIGNAL = of_landmarks(SPEC, turned, rank=70)
