"""Warning on a result that this server did not make."""

from dashboard.components import typography
from detector.presentation.origin import made
from service.records.model import ResultOrigin


def draw(origin: ResultOrigin) -> None:
    """Draw the warning, if the result has no valid seal of this server."""
    short, text = made(origin)
    if short:
        typography.alert(text)
    elif text:
        typography.notice(text, announced=False)
