"""Signal: identity drift, the similarity of a person's face from the start of a clip to its end.

Some aligned faces are compared by the last block of CLIP's trunk, and the clip is split where the
two sides differ most. Faces are only compared with each other; nothing is looked up or stored."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import cv2
import numpy as np

from detector import media
from detector.errors import ModelError
from detector.schema.analysis import Media, Signal, Subject
from detector.sentences import _
from detector.signals import trunk
from detector.signals.measure import material, on_request
from detector.signals.patch import FacePatch, cut_patch
from detector.signals.reference import SignalSpec, usual
from detector.vision.alignment import TEMPLATES, similarity

SIDE = 224  # px of an aligned face
PLACES = np.array(TEMPLATES["arcface"])
"""Template of the five landmarks, fractions of the side (Deng et al., ArcFace, CVPR 2019)."""
FACES = 8  # compared faces of a person, spread over the frames
FEWEST = 4  # faces: two on each side of a cut


def align(face: FacePatch, side: int = SIDE) -> np.ndarray | None:
    """Return the aligned face, uint8 [side, side, 3]; None without landmarks."""
    if len(face.points) != len(PLACES):
        return None
    return cv2.warpAffine(
        face.patch, similarity(face.points, PLACES * side), (side, side),
        flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip


def embed(faces: np.ndarray) -> np.ndarray:
    """Return the embeddings of faces, uint8 [N, 224, 224, 3], as float [N, 768] of length 1. Raise
    ModelError without the trunk's weights."""
    vectors = trunk.tokens(faces)[:, -1]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def alike(vectors: np.ndarray) -> list[float]:
    """Return how alike a face, float [N, D] of length 1 in order of time, is before and after each
    cut of two faces and more on either side: the cosine of the sides' means, -1..1; empty of fewer
    than four faces."""
    cuts = range(2, len(vectors) - 1)
    sides = [(vectors[:cut].mean(0), vectors[cut:].mean(0)) for cut in cuts]
    return [
        float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)) for a, b in sides
    ]


def signal(path: str | Path, about: Media, person: Subject, cancel: Event | None = None) -> Signal:
    """Return how much a person's face changes over the clip; raise MediaError or Canceled."""
    chosen = np.linspace(0, len(person.frames) - 1, min(FACES, len(person.frames))).round()
    seen = {person.frames[int(i)].time: person.frames[int(i)] for i in chosen}
    faces: list[tuple[float, np.ndarray]] = []
    for frame in media.decode(path, about, sorted(seen), notes=[], cancel=cancel):
        face = seen[min(seen, key=lambda time: abs(time - frame.time))]
        aligned = align(cut_patch(frame.rgb, face.box, face.landmarks))
        if aligned is not None:
            faces.append((frame.time, aligned))
    if len(faces) < FEWEST:
        return DRIFT.absent(_("Fewer than four faces could be compared."), person.id)
    try:
        values = alike(embed(np.stack([aligned for _time, aligned in faces])))
    except ModelError as error:  # damaged weights: the other signals remain
        return DRIFT.absent(error.message, person.id)
    times = [time for time, _face in faces[2:-1]]
    least = int(np.argmin(values))
    known = usual(DRIFT.id, material(about, person))
    made = DRIFT.signal(values[least], person.id, times=[times[least]], known=known)
    series = [(round(time, 3), round(x, 4)) for time, x in zip(times, values, strict=True)]
    return made.model_copy(update={"series": series})


DRIFT = SignalSpec(
    id="identity",
    title="Identity over time",
    unit="cosine",
    side="low",
    say="{value:.2f} alike at least",
    means="How alike the face is before and after the moment at which it differs most; 1 is the "
    "same.",
    low="The face changes within the clip, as where a swap begins, ends or slips; another person "
    "taken for the same, a turned head or other light can look alike.",
    purpose="Points to the moment at which the face becomes another one.",
)
SIGNAL = on_request(DRIFT, rank=80)
