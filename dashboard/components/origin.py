"""Who made a result, where that is not plainly this server."""

from dashboard.components import typography
from detector.presentation.origin import made
from service.records.model import ResultOrigin


def draw(origin: ResultOrigin) -> None:
    """Show that this server did not make a result without a valid seal."""
    short, text = made(origin)
    if short:
        typography.alert(text)
    elif text:
        typography.notice(text, announced=False)
