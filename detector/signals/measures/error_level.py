"""Signal: error level, the change by another JPEG compression in a face and around it."""

import numpy as np

from detector.sentences import _
from detector.signals.measure import of_each
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec
from detector.signals.views import error_level

FEWEST = 400  # minimum px in the face and around it
INSIDE, AROUND = 0.8, (1.2, 1.9)  # Half-axes of the face box: skin; hair, ears, neck, background


def against_surroundings(face: FacePatch) -> float | None:
    """Return the error level in the face relative to that around it, dB; None if either is too
    small."""
    x0, y0, x1, y1 = face.box
    rows, columns = np.ogrid[: face.patch.shape[0], : face.patch.shape[1]]
    across = (columns + 0.5 - (x0 + x1) / 2) / max((x1 - x0) / 2, 1.0)
    down = (rows + 0.5 - (y0 + y1) / 2) / max((y1 - y0) / 2, 1.0)
    reach = np.sqrt(across**2 + down**2)
    changed = error_level(face.patch)
    inside = changed[reach < INSIDE]
    around = changed[(reach > AROUND[0]) & (reach < AROUND[1])]
    if min(inside.size, around.size) < FEWEST:
        return None
    return float(20 * np.log10((inside.mean() + 0.05) / (around.mean() + 0.05)))


SPEC = SignalSpec(
    id="error-level",
    title="Error level",
    unit="dB",
    side="both",
    say="{value:+.1f} dB against the surroundings",
    means="What one more JPEG changes, in the face beside around it.",
    low="The face changes far less than what is around it, as smoothed faces do, and faces before "
    "a busy background.",
    high="The face changes far more than what is around it, as pasted faces do, and faces before a "
    "plain background.",
    purpose="Points to a face that was saved more or fewer times than its surroundings.",
)
NO_RING = _("Too little of the face or of what is around it is in the frame.")
SIGNAL = of_each(SPEC, against_surroundings, NO_RING, rank=50)
