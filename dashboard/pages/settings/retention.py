"""How long a person's own results are kept: as the server does, or shorter."""

from __future__ import annotations

import streamlit as st

from dashboard import labels, session
from dashboard.components import typography
from dashboard.i18n import _, say
from detector.errors import InputError
from service.records.model import Preferences
from service.storage.uploads import records_retention, retention

CHOICES = (1, 3, 7, 14, 30, 90, 365)
"""days"""


def draw() -> None:
    """Draw the choice, and what is kept now; or why neither can be said."""
    try:
        scope = session.record_scope()
        used = session.application().usage(session.request_context())
        wanted = scope.store.preferences(scope.owner).keep_days
        chosen = _choice(wanted)
        if chosen != wanted:
            scope.store.save_preferences(scope.owner, Preferences(keep_days=chosen))
    except InputError as error:  # an account whose project does not answer
        typography.alert(say(error.message))
        return
    hours = labels.hours(retention().total_seconds() / 3600)
    kept = _(
        "{results} with files, {size}. The files themselves go after {hours} at the latest."
    ).format(
        results=labels.count(used.records, "result", "results"),
        size=labels.size(used.bytes),
        hours=hours,
    )
    typography.caption(kept)


def _choice(wanted: float | None) -> float | None:
    """What the person chooses; the same as before where they don't."""
    most = records_retention().total_seconds() / 86400
    usual = _("As for everybody here, {days}").format(days=labels.days(most))
    options: list[float | None] = [None, *(days for days in CHOICES if days < most)]
    if wanted not in options:
        options.append(wanted)  # from another server, which keeps longer or counts otherwise
    return st.selectbox(
        _("Keep my results"),
        options,
        index=options.index(wanted),
        format_func=lambda days: usual if days is None else labels.days(days),
        key="keep-days",
        help=_(
            "Counted from when a file was last brought, and never longer than the server keeps "
            "any. Then the result, its picture, notes and links are deleted for good."
        ),
    )
