"""Verdict of a live session: that on its last seconds, as shown when the session ended."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from detector.schema.analysis import LIVE_WINDOW, Analysis, ModelResult, Segment, Subject

WINDOW = LIVE_WINDOW
"""s of a live verdict. A model that scores once a second has then scored more frames of a person
than in a file (`ModelSpec.moments`)."""
LEAST = 3.0
"""s for which a person has to be in view: neighboring frames score nearly the same"""


def seen_briefly(analysis: Analysis, subject: Subject) -> bool:
    """Return True if a face was in view too briefly for a verdict."""
    frames = subject.frames
    return analysis.media.live and bool(frames) and frames[-1].time - frames[0].time < LEAST


def newest(analysis: Analysis) -> Analysis:
    """Return the last scored `WINDOW` seconds of a live session; a file unchanged. A model without
    a score of a subject in them keeps its last score of the `WINDOW` s before."""
    times = [frame.time for s in analysis.judged for frame in s.frames if frame.logits]
    if not analysis.media.live or not times:
        return analysis
    end, start = max(times), max(times) - WINDOW
    inside = [n for n, time in enumerate(analysis.timestamps) if start < time <= end]
    if len(inside) == len(analysis.timestamps):
        return analysis
    subjects = [
        part
        for subject in analysis.subjects
        if (part := _within(subject, start, end, inside[0])) is not None
    ]
    return analysis.model_copy(
        update={
            "media": analysis.media.model_copy(
                update={"duration": end - analysis.timestamps[inside[0]]}
            ),
            "models": recounted(analysis.models, subjects),
            "subjects": subjects,
            "timestamps": [analysis.timestamps[n] for n in inside],
        }
    )


def recounted(models: Iterable[ModelResult], subjects: Sequence[Subject]) -> list[ModelResult]:
    """Return models with their number of scores in these subjects."""
    scored = Counter(id for s in subjects for segment in s.segments for id in segment.logits)
    return [m.model_copy(update={"scored": scored[m.id], "seconds": None}) for m in models]


def _within(subject: Subject, start: float, end: float, first: int) -> Subject | None:
    """Return a subject between two times, s, or None; `first`: index of the first sample."""
    frames = [
        frame.model_copy(update={"index": frame.index - first})
        for frame in subject.frames
        if start < frame.time <= end
    ]
    spans = [span for span in subject.spans if start < span.end <= end]
    if not frames:
        return None
    usable = next((n for n, frame in enumerate(frames) if frame.usable), None)
    if usable is not None and (held := _held(subject, start, {*_models(frames), *_models(spans)})):
        logits = held | frames[usable].logits
        frames[usable] = frames[usable].model_copy(update={"logits": logits})
    return subject.model_copy(update={"frames": frames, "spans": spans})


def _models(segments: Iterable[Segment]) -> set[str]:
    return {id for segment in segments for id in segment.logits}


def _held(subject: Subject, start: float, scored: Collection[str]) -> dict[str, float]:
    """Return the last logits in the `WINDOW` s up to `start` of models without a score since."""
    before = [segment for segment in subject.segments if start - WINDOW < segment.end <= start]
    before.sort(key=lambda segment: segment.end)
    last = {id: x for segment in before for id, x in segment.logits.items()}
    return {id: x for id, x in last.items() if id not in scored}


def merged(whole: Analysis, now: Analysis) -> Analysis:
    """Return a session with the verdict on its last seconds; people absent in them come last."""
    before = {subject.id: subject for subject in whole.subjects}
    subjects = []
    for subject in now.subjects:
        old = before.pop(subject.id)
        subjects.append(subject.model_copy(update={"frames": old.frames, "spans": old.spans}))
    scored = {model.id: model.scored for model in whole.models}
    return whole.model_copy(
        update={
            "verdict": now.verdict,
            "evidence": now.evidence,
            "models": [m.model_copy(update={"scored": scored[m.id]}) for m in now.models],
            "subjects": [*subjects, *before.values()],
        }
    )
