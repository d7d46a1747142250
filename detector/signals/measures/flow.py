"""How unsteadily the inner face moves against the head, in runs of consecutive frames.

In a swap or reenactment the inner face is drawn anew in each frame, so it can tremble against the
head.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from detector.models.base import CropRecipe
from detector.schema.analysis import Signal
from detector.signals.measure import Observer, SignalMeasure, SubjectContext
from detector.signals.reference import SignalSpec

RECIPE = CropRecipe(scale=1.6, size=160, resize="area", border="replicate")
"""Crops of the runs: the face box fills 100 of 160 px."""
FACE = 100.0
"""px of the crop in one longer side of the box."""
STEP = (0.05, 0.12)
"""s between two frames of a run that can be read."""


def _ellipse(across: float, down: float) -> np.ndarray:
    side = RECIPE.size
    rows, columns = np.ogrid[:side, :side]
    middle = (side - 1) / 2
    return ((columns - middle) / across) ** 2 + ((rows - middle) / down) ** 2 < 1


INNER = _ellipse(26, 36)
"""Eyes, nose and mouth."""
OUTER = _ellipse(50, 62) & ~_ellipse(36, 48)
"""The head's outline: cheeks, jaw, hair and a little of what is behind."""


def tremble(crops: np.ndarray) -> tuple[float, int]:
    """Return how unsteadily the inner face moves against the head's outline.

    For each pair of frames, the median optical flow (DIS, Kroeger et al. 2016) inside minus that
    outside; a head that turns changes this evenly, so the middle of three in a row is held against
    its two neighbors.

    Parameters
    ----------
    crops : uint8 array [T, 160, 160, 3]
        One run of `RECIPE`, RGB.

    Returns
    -------
    float
        Root mean square, percent of the face's longer side.
    int
        Place in the run (0..T - 1) of the strongest jump.
    """
    gray = [cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in crops]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    apart = []
    for before, after in itertools.pairwise(gray):
        field = flow.calc(before, after, np.zeros((*before.shape, 2), np.float32))
        apart.append(np.median(field[INNER], axis=0) - np.median(field[OUTER], axis=0))
    relative = np.array(apart)
    if len(relative) < 3:
        return 0.0, 0
    jumps = np.linalg.norm(relative[1:-1] - (relative[:-2] + relative[2:]) / 2, axis=1)
    return float(np.sqrt((jumps**2).mean()) / FACE * 100), int(jumps.argmax()) + 1


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

    def __init__(self, frames: int) -> None:
        self._runs: list[tuple[float, float]] = []

    def on_window(self, start: float, end: float, crops: np.ndarray) -> None:
        value, place = tremble(crops)
        self._runs.append((value, start + (end - start) * place / max(1, len(crops) - 1)))

    def finish(self, subject: SubjectContext) -> Signal:
        if not self._runs:
            why = "No run of consecutive frames shows this person throughout."
            return subject.absent(SPEC, why)
        value = float(np.median([v for v, _ in self._runs]))
        return subject.signal(SPEC, value, weak=subject.soft, times=[max(self._runs)[1]])


SIGNAL = SignalMeasure(SPEC, rank=50, stills=False, observe=OpticalFlow)
