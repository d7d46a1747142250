"""What goes on in the background, with a bar and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from dashboard import session
from dashboard.i18n import _
from service.tasks.task import Task

AnyTask = TypeVar("AnyTask", bound=Task)


def draw(task: AnyTask, text: Callable[[AnyTask], str]) -> None:
    """Draw it until it ends; then the whole page is drawn again. `text` gives the bar's words."""
    _bar(task, text)


@st.fragment(run_every=1.0)
def _bar(task: Task, text: Callable[[Any], str]) -> None:
    if not task.active:
        st.rerun()
        return
    st.progress(task.fraction, text=text(task))
    tasks = session.application().tasks
    key = f"stop-{task.subject}"
    st.button(_("Stop"), icon=":material/close:", key=key, on_click=tasks.cancel, args=(task,))
