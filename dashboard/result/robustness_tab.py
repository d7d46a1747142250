"""The Robustness tab: perturbations of the file, on request."""

import streamlit as st

from dashboard import session
from dashboard.components import blocks, task_progress, typography
from dashboard.components.markup import show
from dashboard.result.linked import ResultViewState
from detector.errors import InputError
from detector.presentation import robustness
from detector.schema.analysis import Analysis
from detector.sentences import _, say
from service.tasks.task import QueueFull, Task


def draw(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the Robustness tab."""
    key = linked.key
    trials = session.application().robustness.find(key, session.current_user())
    tried = analysis.robustness
    if (trials is not None and trials.active) or tried is None:
        typography.caption(robustness.about(analysis.verdict.question))
    if trials is not None and trials.active:
        task_progress.draw(trials, _trying)
        return
    if tried is not None:
        blocks.draw(robustness.section(analysis, tried))
        limits = analysis.verdict.thresholds
        show(blocks.block(robustness.table(tried, limits)))
    elif trials is not None and trials.error:
        typography.paragraph(say(trials.error))
    if analysis.verdict.question is None:
        typography.caption(say(robustness.NOTHING_TO_MOVE))
        return
    if not linked.changeable or not linked.path.is_file():
        if tried is None:
            typography.caption(say(robustness.NOT_TRIED))
        return
    if st.button(
        _("Try again") if tried is not None else _("Try it"),
        icon=":material/science:",
        key=linked.widget("robustness"),
        help=robustness.effort(analysis),
    ):
        try:
            context = session.request_context()
            if job := session.application().find(context, key):
                session.application().try_robustness(context, job, linked.original)
        except (QueueFull, InputError) as error:
            typography.alert(say(error.message))
        else:
            st.rerun(scope="fragment")


def _trying(trials: Task) -> str:
    change = "" if trials.started is None else trials.stage
    return robustness.trying(change, trials.seconds_left if trials.done > 1 else None)
