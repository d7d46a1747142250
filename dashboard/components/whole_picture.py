"""Models that judge a picture as a whole, without a face; none of the bundled ones does."""

from dashboard import url_state
from detector.models.registry import list_models, usable
from detector.schema.analysis import Question

_WHOLE = Question.SYNTHESIS.spec.task


def here() -> list[str]:
    """Return the ids of those that can be used now: such that can decide, else all."""
    able = [s for s in list_models() if s.crop.kind == "whole" and usable(s)]
    deciding = [s.id for s in able if s.calibration or s.operating_point]
    return deciding or [s.id for s in able]


def published() -> list[str]:
    """Return the names of those that can be fetched, each once however often it was trained."""
    asked = [s for s in list_models() if s.crop.kind == "whole" and s.task == _WHOLE]
    names = (s.title.partition(" (")[0] for s in asked if all(file.url for file in s.files))
    return list(dict.fromkeys(names))


def show() -> None:
    """Leave for them on the Models page."""
    url_state.go_to("models", **{url_state.QUESTION: _WHOLE})
