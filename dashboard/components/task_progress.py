"""Progress of a background task, with a cancel button."""

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from dashboard import session
from dashboard.components import controls, typography
from detector.messages.format import remaining
from detector.sentences import _, join
from service.tasks.task import Task


@st.fragment(run_every=1.0)
def draw(task: Task, text: Callable[[Any], str], note: str = "") -> None:
    """Draw a bar with `text()`, a cancel button and a note; at the end redraw the whole page."""
    if not task.active:
        st.rerun()
        return
    st.progress(task.fraction, text=text(task))
    if note:
        typography.caption(note)
    if session.may_stop(task):
        stopping = task.cancel.is_set()
        label = _("Stopping") if stopping else _("Cancel")
        cancel = partial(session.cancel, task)
        controls.button(label, "close", f"cancel-{task.id}", cancel, disabled=stopping)


def with_time_left(text: str, task: Task) -> str:
    """Return the progress of a task with its remaining time, if known."""
    if task.seconds_left is None:
        return text
    return join(text, remaining(task.seconds_left), by=" · ")
