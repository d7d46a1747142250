"""Faces: where they are, how good they are, who is who over time, and how they are cut.

Knows nothing of files, networks that judge, or verdicts: it takes frames (uint8 RGB, upright) and
gives boxes, quality, people and crops.
"""

from detector.vision.crops import box_for, cut
from detector.vision.detection import (
    DETECTORS,
    DOWNLOADED,
    FACES,
    MEASURED,
    Detection,
    FaceDetector,
    load_detector,
    ready,
    widest,
)
from detector.vision.quality import assess
from detector.vision.tracking import FaceSearch, Tracker, interpolate, is_face_track

__all__ = [
    "DETECTORS",
    "DOWNLOADED",
    "FACES",
    "MEASURED",
    "Detection",
    "FaceDetector",
    "FaceSearch",
    "Tracker",
    "assess",
    "box_for",
    "cut",
    "interpolate",
    "is_face_track",
    "load_detector",
    "ready",
    "widest",
]
