"""Delete records for good."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from dashboard import labels, session
from dashboard.components import controls, typography
from dashboard.components.chips import bullets
from dashboard.components.markup import show
from dashboard.i18n import _
from dashboard.pages.history import state
from service.records.model import Record

NAMES = 4
"""that are listed before they are deleted; more are counted"""


def delete(records: Sequence[Record]) -> None:
    """Ask, then delete: rows, media and pictures."""
    st.dialog(_("Delete"))(_confirm)(records)


def _confirm(records: Sequence[Record]) -> None:
    number = len(records)
    question = (
        _("Delete this analysis and its frames? This can’t be undone.")
        if number == 1
        else _("Delete these {analyses} and their frames? This can’t be undone.").format(
            analyses=labels.count(number, "analysis", "analyses")
        )
    )
    after = _("Links to it stop working at once. Reports that were downloaded stay where they are.")
    names = [record.name for record in records[:NAMES]]
    if number > NAMES:
        names.append(_("and {number} more").format(number=number - NAMES))
    show(typography.text(question), bullets(names, "um-marked"), typography.small_print(after))
    with st.container(horizontal=True):
        run = partial(_delete, records)
        if controls.button(_("Delete"), "delete", "deleted", run, kind="primary"):
            st.rerun()
        if controls.button(_("Keep it") if number == 1 else _("Keep them"), "", "kept"):
            st.rerun()


def _delete(records: Sequence[Record]) -> None:
    ids = [record.id for record in records]
    number = len(session.application().delete(session.request_context(), *ids))
    state.show_record(None)
    st.session_state[state.NOTICE] = (
        _("{file} was deleted.").format(file=records[0].name)
        if number == 1
        else _("{analyses} were deleted.").format(
            analyses=labels.count(number, "analysis", "analyses")
        )
    )
