"""The self-check of the models that are here: in the background, its outcome for every session."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard import session
from dashboard.components import typography
from dashboard.i18n import _, say
from dashboard.pages.models import progress
from detector.selfcheck import Outcome
from service.tasks.selfchecks import SelfCheck


def start() -> None:
    """Begin, unless it is under way."""
    session.application().self_checks.start(session.current_user())


def draw() -> None:
    """Progress while it runs, then what came of it."""
    running = session.application().self_checks.find(session.current_user())
    if running is None:
        return
    if running.active:
        progress.draw(running, _progress)
        return
    if running.error:
        typography.notice(say(running.error))
        return
    with st.expander(_("What the self-check found"), expanded=True):
        what = _(
            "Files against their sha256, tensor names and known answers against the original’s, "
            "and whether known fake faces score above known real ones."
        )
        typography.caption(what)
        st.table(rows(running.result), border="horizontal", hide_index=True)


def _progress(running: SelfCheck) -> str:
    return _("Self-check: {number} of {total} models").format(
        number=running.done, total=running.total
    )


def rows(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """The outcomes as a table for a person."""
    names = {True: _("as the original’s"), False: _("others"), None: _("not known")}
    return pd.DataFrame(
        {
            _("Model"): one.title,
            _("Files"): one.files,
            _("Names"): names[one.names],
            _("Known answers"): _answers(one),
            _("Label order"): one.order,
            _("A face takes"): f"{one.milliseconds:.0f} ms" if one.milliseconds else "–",
            _("Result"): _("passed") if one.passed else "; ".join(one.notes) or _("failed"),
        }
        for one in outcomes
    )


def _answers(one: Outcome) -> str:
    if not one.known:
        return _("none known")
    return _("{number} of {total}").format(number=one.right, total=one.known)
