"""Progress of a background task, with a cancel button."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from dashboard import labels, session
from dashboard.components import controls, typography
from detector.sentences import _
from service.tasks.task import Task


@st.fragment(run_every=1.0)
def draw(task: Task, text: Callable[[Any], str], stop: str, key: str, note: str = "") -> None:
    """Draw a bar with `text()`, a cancel button and a note; at the end redraw the whole page."""
    if not task.active:
        st.rerun()
        return
    st.progress(task.fraction, text=text(task))
    if note:
        typography.caption(note)
    if session.may_stop(task):
        controls.button(stop, "close", key, lambda: session.cancel(task))


def with_time_left(text: str, task: Task) -> str:
    """Return the progress of a task with its remaining time, if known."""
    if task.seconds_left is None:
        return text
    return f"{text} · {_('{time} left').format(time=labels.about(task.seconds_left))}"
