"""Faces: where they are, how good they are, who is who over time, and how they are cut.

Knows nothing of files, networks that judge, or verdicts: it takes frames (uint8 RGB, upright) and
gives boxes, quality and crops.
"""

from detector.faces.crops import cut
from detector.faces.detection import DETECTORS, Detection, FaceDetector, load_detector

__all__ = ["DETECTORS", "Detection", "FaceDetector", "cut", "load_detector"]
