"""Which face detectors there are, and how each is made."""

from __future__ import annotations

import pkgutil

from detector.errors import UsageError
from detector.vision.types import FaceDetector

DETECTORS = {
    "mtcnn": "detector.vision.mtcnn:Mtcnn",
    "blazeface": "detector.vision.blazeface:BlazeFace",
}
"""Name -> class, imported when it is used: `import detector.vision` brings no torch. Another
detector is one more entry."""


def load_detector(name: str = "mtcnn", device: str = "cpu") -> FaceDetector:
    """Make a face detector by name; raise UsageError, or WeightsError if not fetched."""
    if name not in DETECTORS:
        raise UsageError(
            f"There is no face detector named {name!r}.",
            code="unknown_detector",
            hint=f"Known: {', '.join(sorted(DETECTORS))}.",
        )
    detector: FaceDetector = pkgutil.resolve_name(DETECTORS[name])(device)
    return detector
