"""What models say of the full frame is evidence about every face in it. Numbers only."""

from __future__ import annotations

from detector.schema.analysis import Analysis, Modality, Subject


def background(analysis: Analysis) -> Subject | None:
    """Return the full frame where it stands beside faces; None where it is judged by itself."""
    if all(subject.modality is Modality.FULL_FRAME for subject in analysis.judged):
        return None
    found = (s for s in analysis.subjects if s.modality is Modality.FULL_FRAME)
    return next(found, None)


def with_background(subject: Subject, full_frame: Subject | None) -> Subject:
    """Return a face with the full frame's logits of the same frames, and its spans."""
    if full_frame is None or subject.modality is not Modality.FACE:
        return subject
    at = {frame.index: frame.logits for frame in full_frame.frames}
    frames = [
        frame.model_copy(update={"logits": frame.logits | at.get(frame.index, {})})
        for frame in subject.frames
    ]
    spans = [*subject.spans, *full_frame.spans]
    return subject.model_copy(update={"frames": frames, "spans": spans})
