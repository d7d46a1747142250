"""A person through the clip, while a run goes on and as it ends: a `Track`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detector.schema.analysis import ClipWindow, FaceFrame, Track
from detector.vision import Detection

LEFT, RIGHT = 0.4, 0.6
"""share of the frame's width: a face further left is "left", further right "right"."""


@dataclass
class SubjectBuilder:
    """A track under construction."""

    anchors: list[tuple[float, Detection]] = field(default_factory=list)
    """every time the face was searched for and found"""
    looked: dict[int, FaceFrame] = field(default_factory=dict)
    """by moment"""
    windows: list[ClipWindow] = field(default_factory=list)


def tracks(people: Sequence[SubjectBuilder], width: int) -> list[Track]:
    """Tracks of people in order of first appearance.

    Parameters
    ----------
    width : int
        px of the upright frame.
    """
    alone = len(people) == 1
    return [_track(letter(i), person, width, alone) for i, person in enumerate(people)]


def _track(id: str, person: SubjectBuilder, width: int, alone: bool) -> Track:
    looked = [person.looked[i].model_copy(deep=True) for i in sorted(person.looked)]
    best = max(
        looked,
        key=lambda f: (f.quality.problem is None, f.quality.width * (1 - abs(f.quality.yaw))),
    )
    center = float(np.mean([(f.box[0] + f.box[2]) / 2 for f in looked])) / width
    side: Literal["left", "center", "right"] | None = None
    if not alone:
        side = "left" if center < LEFT else "right" if center > RIGHT else "center"
    return Track(
        id=id,
        side=side,
        start=looked[0].time,
        end=looked[-1].time,
        thumbnail_time=best.time,
        faces=looked,
        windows=sorted((w.model_copy() for w in person.windows), key=lambda w: (w.model, w.start)),
    )


def letter(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
