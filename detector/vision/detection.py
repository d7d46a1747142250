"""Which face detectors there are, and how each is made."""

from __future__ import annotations

from collections.abc import Callable

from detector.errors import UsageError
from detector.vision.types import FaceDetector


def _mtcnn(device: str) -> FaceDetector:
    # Here, so that `import detector.vision` brings no torch.
    from detector.vision.mtcnn import Mtcnn

    return Mtcnn(device)


def _blazeface(device: str) -> FaceDetector:
    from detector.vision.blazeface import BlazeFace

    return BlazeFace(device)


DETECTORS: dict[str, Callable[[str], FaceDetector]] = {
    "mtcnn": _mtcnn,
    "blazeface": _blazeface,
}
"""Name -> how it is made for a device. Another detector is one more entry."""


def load_detector(name: str = "mtcnn", device: str = "cpu") -> FaceDetector:
    """Make a face detector by name.

    Raises
    ------
    UsageError
        If there is none of that name.
    WeightsError
        Its weights have to be fetched first.
    """
    if name not in DETECTORS:
        raise UsageError(
            f"There is no face detector named {name!r}.",
            code="unknown_detector",
            hint=f"Known: {', '.join(sorted(DETECTORS))}.",
        )
    return DETECTORS[name](device)
