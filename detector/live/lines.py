"""JSON lines of a session's scored frames, for programs."""

from collections.abc import Iterator
from typing import Any

from detector.messages import states
from detector.presentation import live
from detector.schema.live import LiveState


class ScoredFrameLines:
    """Yields each scored frame of a session once."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._slow = False

    def new(self, state: LiveState) -> Iterator[dict[str, Any]]:
        """Yield the frames that are new in a state, as plain JSON, the newest with the whole state.
        A session that becomes too slow yields a line without a score."""
        slow = state.reading.too_slow is not None
        if slow and not self._slow:
            none = {"time": round(state.time, 3), "score": None, "mean": None}
            yield none | {"label": state.reading.label} | _now(state)
        self._slow = slow
        for dot in state.series:
            if dot.time <= self._last or dot.score is None:
                continue
            self._last = dot.time
            line = {
                "time": round(dot.time, 3),
                "score": round(dot.score, 4),
                "mean": None if dot.mean is None else round(dot.mean, 4),
                "label": dot.label,
            }
            yield line | _now(state) if dot is state.series[-1] else line


def _now(state: LiveState) -> dict[str, Any]:
    limits, rates = state.reading.thresholds, state.rates
    return {
        "thresholds": [limits.low, limits.high],
        "question": state.reading.question,
        "too_slow": None
        if state.reading.too_slow is None
        else {
            "headline": states.too_slow(),
            "text": str(live.scored(state.reading.too_slow)),
            "scored": state.reading.too_slow.scored,
            "seconds": round(state.reading.too_slow.seconds, 1),
        },
        "faces": [
            {
                "id": face.id,
                "box": [round(edge, 1) for edge in face.box],
                "probability": None if face.probability is None else round(face.probability, 4),
                "label": face.label,
                "problem": face.problem,
            }
            for face in state.faces
        ],
        "hints": [hint.code for hint in state.hints],
        "alarm": next((a.number for a in state.alarms if a.end is None), None),
        "frames": {
            "pushed": rates.pushed,
            "looked": rates.looked,
            "scored": rates.scored,
            "dropped": rates.dropped,
        },
    }
