"""The self-check of the models that are here: in the background, its outcome for every session."""

import streamlit as st

from dashboard import session
from dashboard.components import controls, task_progress, typography
from dashboard.i18n import _, say
from detector.selfcheck import Outcome
from service.tasks.kinds import SELF_CHECK
from service.tasks.task import Task


def draw() -> None:
    """Draw progress while it runs, then what came of it."""
    task = session.application().self_checks.find(SELF_CHECK, session.current_user())
    if task is None:
        return
    if task.active:
        task_progress.draw(task, _progress, _("Stop"), f"stop-{task.subject}")
    elif task.error:
        typography.notice(say(task.error))
    else:
        with st.expander(_("What the self-check found"), expanded=True):
            what = _(
                "Files against their sha256, tensor names and known answers against the original’s"
                ", and whether known fake faces score above known real ones."
            )
            typography.caption(what)
            controls.table(_row(outcome) for outcome in task.result)


def _progress(task: Task) -> str:
    return _("Self-check: {number} of {total} models").format(number=task.done, total=task.total)


def _row(outcome: Outcome) -> dict[str, str]:
    names = {True: _("as the original’s"), False: _("others"), None: _("not known")}
    answers, time = _("none known"), outcome.milliseconds
    if outcome.known:
        answers = _("{number} of {total}").format(number=outcome.right, total=outcome.known)
    return {
        _("Model"): outcome.title,
        _("Files"): outcome.files,
        _("Names"): names[outcome.names],
        _("Known answers"): answers,
        _("Label order"): outcome.order,
        _("A face takes"): f"{time:.0f} ms" if time else "–",
        _("Result"): _("passed") if outcome.passed else "; ".join(outcome.notes) or _("failed"),
    }
