"""How fast the head turns, over time."""

import numpy as np

from detector.signals.measure import TOO_FAR, of_pairs
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec


def turned(before: FacePatch, face: FacePatch) -> float | None:
    """Return how far the nose moved between the eyes, with the head's tilt taken out, percent of
    the distance of the eyes: a head that turns or nods moves it."""
    if min(len(before.points), len(face.points)) < 5:
        return None
    places = []
    for one in (before, face):
        left, right, nose = (one.points @ (1, 1j))[:3]
        places.append((nose - (left + right) / 2) / (right - left))
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
SIGNAL = of_pairs(SPEC, turned, TOO_FAR, rank=70)
