"""Signal: optical flow of the inner face against the head's outline, over time."""

import cv2
import numpy as np

from detector.signals.measure import TOO_FAR, of_pairs
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec

SIDE = 160  # px of a crop, in which the longer side of the face box is `FACE` px
FACE = 100.0


def _ellipse(across: float, down: float) -> np.ndarray:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    middle = (SIDE - 1) / 2
    return ((columns - middle) / across) ** 2 + ((rows - middle) / down) ** 2 < 1


INNER = _ellipse(26, 36)  # Eyes, nose and mouth
OUTER = _ellipse(50, 62) & ~_ellipse(36, 48)  # Cheeks, jaw, hair and a little of the background


def apart(before: FacePatch, face: FacePatch) -> float:
    """Return the difference of the median optical flow (DIS, Kroeger et al. 2016) between inner
    face and outline, percent of the face's longer side."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    field = flow.calc(_crop(before), _crop(face), np.zeros((SIDE, SIDE, 2), np.float32))
    moved = np.median(field[INNER], axis=0) - np.median(field[OUTER], axis=0)
    return float(np.linalg.norm(moved) / FACE * 100)


def _crop(face: FacePatch) -> np.ndarray:
    x0, y0, x1, y1 = face.box
    scale = FACE / face.side
    view = np.array([[scale, 0, (SIDE - 1) / 2 - scale * (x0 + x1) / 2],
                     [0, scale, (SIDE - 1) / 2 - scale * (y0 + y1) / 2]])  # fmt: skip
    luma = face.luma.astype(np.uint8)
    return cv2.warpAffine(luma, view, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)


SPEC = SignalSpec(
    id="flow",
    title="Optical flow",
    unit="% of the face",
    side="high",
    say="{value:.1f} % of the face between two frames",
    means="How differently the inner face moves from the head's outline. A head moves as one.",
    high="The inner face moves against the head, as faces do that are drawn anew in each frame; "
    "talking, turning and hands before the face look alike.",
    purpose="Points to the moment at which a face that is drawn anew in each frame slips.",
)
SIGNAL = of_pairs(SPEC, apart, TOO_FAR, rank=60)
