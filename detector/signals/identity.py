"""Is it the same face from the start of a clip to its end?

A few aligned faces of a person are embedded by a small recognition network (`auxiliary.IDENTITY`)
and the clip is cut in two wherever the two sides differ most. Nothing is looked up and nothing is
kept: faces are only compared with each other.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from detector import weights
from detector.signals import auxiliary
from detector.signals.auxiliary import IDENTITY_SIDE
from detector.signals.patch import FacePatch
from detector.signals.reference import SignalSpec
from detector.vision.alignment import TEMPLATES, similarity

if TYPE_CHECKING:
    from detector.signals.mobilefacenet import Embedder

PLACES = np.array(TEMPLATES["arcface"]) * IDENTITY_SIDE
"""Where its five landmarks stand (Deng et al., ArcFace, CVPR 2019)."""
FEWEST = 4  # faces: two on each side of a cut


def _load() -> Embedder:
    from detector.signals.mobilefacenet import Embedder

    return Embedder()


embedder = auxiliary.LoadedOnce(auxiliary.IDENTITY, _load)


ready = partial(weights.available, auxiliary.IDENTITY)  # Whether the network is on this computer


def align(face: FacePatch) -> np.ndarray | None:
    """Return the face upright, uint8 [112, 112, 3]; None without landmarks."""
    if len(face.points) != len(PLACES):
        return None
    return cv2.warpAffine(
        face.patch, similarity(face.points, PLACES), (IDENTITY_SIDE, IDENTITY_SIDE),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip


def drift(vectors: np.ndarray) -> tuple[float, int] | None:
    """Return how alike a face, float [N, 128] of length 1 in order of time, is before and after the
    cut that parts it most: the cosine of the two sides' means, -1..1, and the first face after the
    cut. None with fewer than four faces."""
    if len(vectors) < FEWEST:
        return None
    cuts = range(2, len(vectors) - 1)
    sides = [(vectors[:cut].mean(0), vectors[cut:].mean(0)) for cut in cuts]
    alike = [
        float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)) for a, b in sides
    ]
    least = int(np.argmin(alike))
    return alike[least], cuts[least]


DRIFT = SignalSpec(
    id="identity",
    title="Identity over time",
    unit="cosine",
    side="low",
    say="{value:.2f} alike at least",
    means="How alike a face-recognition network finds the face before and after the moment at "
    "which it differs most; 1 is the same.",
    low="The face changes within the clip, as where a swap begins, ends or slips; another person "
    "taken for the same, a turned head or other light can look alike.",
    purpose="Points to the moment at which the face becomes another one.",
)
ABSENT = auxiliary.absent(auxiliary.IDENTITY, auxiliary.IDENTITY.title)
