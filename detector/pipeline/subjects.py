"""A subject through the clip, while a run goes on and as it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detector.schema.analysis import FrameSegment, Modality, SpanSegment, Subject
from detector.vision import Detection

LEFT, RIGHT = 0.4, 0.6
"""share of the frame's width: a face further left is "left", further right "right"."""


@dataclass
class SubjectBuilder:
    """A subject under construction."""

    anchors: list[tuple[float, Detection]] = field(default_factory=list)
    """of a person: every time the face was searched for and found"""
    frames: dict[int, FrameSegment] = field(default_factory=dict)
    """by moment"""
    spans: list[SpanSegment] = field(default_factory=list)


def copied(builder: SubjectBuilder) -> tuple[list[FrameSegment], list[SpanSegment]]:
    """Return copies of a subject's segments in order of time; of the spans those with a score."""
    frames = [builder.frames[i].model_copy(deep=True) for i in sorted(builder.frames)]
    spans = [span.model_copy(deep=True) for span in builder.spans if span.logits]
    return frames, sorted(spans, key=lambda span: (span.start, span.end))


def people(builders: Sequence[SubjectBuilder], width: int) -> list[Subject]:
    """Return faces as subjects, given in order of first appearance.

    Parameters
    ----------
    width : int
        px of the upright frame.
    """
    alone = len(builders) == 1
    return [_person(letter(i), builder, width, alone) for i, builder in enumerate(builders)]


def _person(id: str, builder: SubjectBuilder, width: int, alone: bool) -> Subject:
    frames, spans = copied(builder)
    best = max(frames, key=lambda f: (f.usable, f.quality.width * (1 - abs(f.quality.yaw or 0.0))))
    center = float(np.mean([(f.box[0] + f.box[2]) / 2 for f in frames])) / width
    side: Literal["left", "center", "right"] | None = None
    if not alone:
        side = "left" if center < LEFT else "right" if center > RIGHT else "center"
    return Subject(
        id=id,
        side=side,
        start=frames[0].time,
        end=frames[-1].time,
        thumbnail_time=best.time,
        frames=frames,
        spans=spans,
    )


def full_frame(builder: SubjectBuilder) -> list[Subject]:
    """Return the full frame as a subject, if anything was said of it."""
    frames, spans = copied(builder)
    if not frames or not (spans or any(frame.logits for frame in frames)):
        return []
    sharpest = int(np.argmax([frame.quality.sharpness for frame in frames]))
    return [
        Subject(
            id=str(Modality.FULL_FRAME),
            modality=Modality.FULL_FRAME,
            start=frames[0].time,
            end=frames[-1].time,
            thumbnail_time=frames[sharpest].time,
            frames=frames,
            spans=spans,
        )
    ]


def letter(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
