"""What a live session says to a program: a line for each scored frame."""

from collections.abc import Iterator
from typing import Any

from detector.live.state import LiveState


class ScoredFrameLines:
    """The scored frames of a session, each once."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def new(self, state: LiveState) -> Iterator[dict[str, Any]]:
        """Give those that are new in a state, as plain JSON; the newest with all that is known."""
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
    """Return what is known beside a scored frame, at the time it is written."""
    limits, rates = state.reading.thresholds, state.rates
    return {
        "thresholds": [limits.low, limits.high],
        "question": state.reading.question,
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
