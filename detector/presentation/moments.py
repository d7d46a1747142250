"""The moment that stands for a result, as a frame: the one that the words name, a page opens at,
and a report shows."""

from detector.presentation import lead
from detector.schema.analysis import Analysis, FrameSegment, Subject


def shown(analysis: Analysis) -> tuple[Subject, FrameSegment] | None:
    """Return whose face or picture is shown, and in which frame: that of the result's moment
    (`lead.moment`), without a score the sharpest; None where nothing is seen."""
    time, id = lead.moment(analysis) or (None, None)
    seen = [subject for subject in analysis.seen if subject.frames]
    top = next((subject for subject in seen if subject.id == id), None)
    if top is not None and time is not None:
        return top, min(top.frames, key=lambda frame: abs(frame.time - time))
    if not seen:
        return None
    return seen[0], max(seen[0].frames, key=lambda f: (f.quality.sharpness, -f.time))
