"""Signal: landmark jitter, the change of shape of eyes, nose and mouth over time."""

import numpy as np

from detector.signals.measure import of_landmarks
from detector.signals.reference import SignalSpec


def apart(before: np.ndarray, after: np.ndarray) -> float:
    """Return the Procrustes distance of two landmark shapes (without position, size and tilt): root
    mean square, percent of the eye distance."""
    # In the complex plane the best turn and scale is one factor.
    p, q = before - before.mean(), after - after.mean()
    factor = (np.conj(q) @ p) / max(float((np.conj(q) @ q).real), 1e-9)
    eyes = max(float(abs(p[0] - p[1])), 1e-9)
    return float(np.sqrt((np.abs(p - factor * q) ** 2).mean()) / eyes * 100)


SPEC = SignalSpec(
    id="jitter",
    title="Landmark jitter",
    unit="% of the eye distance",
    side="high",
    say="{value:.1f} % of the eye distance",
    means="How much eyes, nose and mouth shift against each other between two frames.",
    high="Eyes, nose and mouth shift more than usual, as unsteady swaps do; turning the head, "
    "talking and small or blurred faces look alike.",
    purpose="Points to the moment at which a face is unsteady.",
)
SIGNAL = of_landmarks(SPEC, apart, rank=65)
