"""Who made a result, where that is not plainly this server."""

from dashboard.components import typography
from detector.sentences import _, say
from service.exports import ORIGINS
from service.records.model import ResultOrigin


def draw(origin: ResultOrigin) -> None:
    """Show that this server did not make a result without a valid seal."""
    if origin is ResultOrigin.ELSEWHERE:
        typography.alert(say(ORIGINS[origin]))
    elif origin is ResultOrigin.BEFORE:
        typography.notice(say(ORIGINS[origin]), announced=False)


def short(origin: ResultOrigin | None) -> str:
    """Return the same in a word or three, for a list; empty where there is nothing to say."""
    return _("Not made here") if origin is ResultOrigin.ELSEWHERE else ""
