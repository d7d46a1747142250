"""Subjects under construction, and their conversion to the records of a result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detector.schema.analysis import FrameSegment, Modality, SpanSegment, Subject
from detector.vision import Detection

LEFT, RIGHT = 0.4, 0.6
"""shares of the frame's width: a face left of the first is "left", right of the second "right" """


@dataclass
class SubjectBuilder:
    """A subject under construction."""

    anchors: list[tuple[float, Detection]] = field(default_factory=list)
    """of a person: time and face of each detection"""
    frames: dict[int, FrameSegment] = field(default_factory=dict)  # by index of the sample
    spans: list[SpanSegment] = field(default_factory=list)


def people(
    builders: Mapping[str, SubjectBuilder], width: int, *, growing: bool = True
) -> list[Subject]:
    """Return people by id as subjects, copied while they are `growing`; `width`: of a frame, px."""
    out = []
    for id, builder in builders.items():
        person = _subject(id, Modality.FACE, builder, visibility, growing)
        if len(builders) > 1:
            center = np.mean([(f.box[0] + f.box[2]) / 2 for f in person.frames]) / width
            person.side = "left" if center < LEFT else "right" if center > RIGHT else "center"
        out.append(person)
    return out


def visibility(frame: FrameSegment) -> tuple[bool, float]:
    """Return a sort key by how well a frame shows a face."""
    return frame.usable, frame.quality.width * (1 - abs(frame.quality.yaw or 0.0))


def full_frame(builder: SubjectBuilder, modality: Modality = Modality.FULL_FRAME) -> list[Subject]:
    """Return the full frame as a subject, if any model scored it."""
    segments = (*builder.frames.values(), *builder.spans)
    if not builder.frames or not any(segment.logits for segment in segments):
        return []
    return [_subject(modality.value, modality, builder, lambda frame: frame.quality.sharpness)]


def _subject(
    id: str,
    modality: Modality,
    builder: SubjectBuilder,
    rank: Callable[[FrameSegment], Any],
    copied: bool = True,
) -> Subject:
    """Return a subject with sorted segments; the frame of the highest rank is its thumbnail."""
    frames = [builder.frames[i] for i in sorted(builder.frames)]
    spans = [span for span in builder.spans if span.logits]
    if copied:
        frames = [frame.model_copy(deep=True) for frame in frames]
        spans = [span.model_copy(deep=True) for span in spans]
    return Subject(
        id=id,
        modality=modality,
        start=frames[0].time,
        end=frames[-1].time,
        thumbnail_time=max(frames, key=rank).time,
        frames=frames,
        spans=sorted(spans, key=lambda span: (span.start, span.end)),
    )
