"""Face quality: sharpness, brightness, pose and size, and the reason why a face is not judged.

The limits are lenient on purpose: swapped faces are softer than their originals, so a strict limit
on blur would discard the evidence. They were set on 1,122 faces of 524 clips and their blurred,
darkened and overexposed copies."""

import math

import cv2
import numpy as np

from detector.models.base import CropRecipe
from detector.schema.analysis import Point, Quality, ReasonCode
from detector.vision.crops import cut
from detector.vision.detection import Detection
from detector.vision.lattice import lattice

LOOK = CropRecipe(scale=0.8, size=128, resize="area", border="replicate")
"""The assessed crop: 0.8 of the box's height is about its width, so mostly skin."""

BLURRED = 3.0
"""Variance of the Laplacian. One of the 1,122 faces is below it (smeared by motion), 98 % are above
7, FF++ c23 faces of about 125 px have 12 to 250. A Gaussian blur whose sigma is 2 % of the face's
width moves 6 % of faces below it, 3 % half of them, 4 % nine in ten."""
DARK = 25.0
"""Mean luma. The darkest of the 1,122 faces has 42, among them dark skin in dim rooms; at a fifth
of its light two thirds of faces are below it, at a seventh nearly all."""
BRIGHT = 215.0
"""Mean luma. The brightest of the 1,122 faces has 185; at two and a half times its light, clipped,
half of the faces are above it."""
TURNED = 0.8
"""Yaw. 1.3 % of the 1,122 faces are beyond it: the far eye is hidden or on the outline."""
FROM_BELOW, FROM_ABOVE = 0.1, 1.0
"""Limits of the nose's position between eyes (0) and mouth (1). All 1,122 faces are within 0.21 to
0.86; beyond the limits the nose covers the eyes or the mouth."""
PROFILE = 1.5  # Nose's offset in half-widths of eyes and mouth that counts as yaw 1: a full profile


def assess(rgb: np.ndarray, detection: Detection, min_face: int) -> Quality:
    """Measure the quality of one face of an upright frame; `problem` is the first of: narrower than
    `min_face` px, dark, bright, blurred (darkness and clipping flatten the Laplacian), turned
    away."""
    gray = cv2.cvtColor(cut(rgb, detection.box, LOOK), cv2.COLOR_RGB2GRAY)
    width = detection.box[2] - detection.box[0]
    sharpness = float(cv2.Laplacian(gray, cv2.CV_64F).var())
    brightness = float(gray.mean())
    yaw, pitch = pose(detection.landmarks)
    problems = {
        ReasonCode.FACE_TOO_SMALL: width < min_face,
        ReasonCode.TOO_DARK: brightness < DARK,
        ReasonCode.TOO_BRIGHT: brightness > BRIGHT,
        ReasonCode.TOO_BLURRED: sharpness < BLURRED,
        ReasonCode.TURNED_AWAY: abs(yaw) > TURNED or not FROM_BELOW <= pitch <= FROM_ABOVE,
    }
    return Quality(
        width=width,
        sharpness=sharpness,
        lattice=lattice(rgb, detection.box),
        brightness=brightness,
        yaw=yaw,
        confidence=detection.confidence,
        problem=next((code for code, holds in problems.items() if holds), None),
    )


def pose(landmarks: tuple[Point, ...]) -> tuple[float, float]:
    """Estimate head pose from five points, independent of tilt: yaw, -1 (a profile facing the
    picture's left) to 1, about 0.45 at 45 degrees, and pitch, the nose's position between eyes (0)
    and mouth (1), about 0.5 frontal."""
    left_eye, right_eye, nose, left_mouth, right_mouth = np.asarray(landmarks, dtype=float)
    sides = [_along(nose, left_eye, right_eye), _along(nose, left_mouth, right_mouth)]
    # Each is cut off, so that points that fall together at a profile stay finite.
    offset = float(np.mean(np.clip(np.array(sides) * 2 - 1, -PROFILE, PROFILE)))
    pitch = _along(nose, (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2)
    return offset / PROFILE, pitch


def _along(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    line = end - start
    return float((point - start) @ line / max(float(line @ line), math.ulp(1.0)))
