"""The page of whoever runs the server: what to act on. Figures are in /metrics and Grafana's board.

No name of a file is on it.
"""

from datetime import UTC, datetime
from functools import partial
from shutil import disk_usage
from socket import gethostname

import streamlit as st

import detector
from dashboard import labels, session, url_state
from dashboard.components import cards, controls, outcomes, page_header, progress, typography
from dashboard.components.markup import show
from dashboard.i18n import LazyDict, _
from dashboard.pages.admin import keys, people
from service.context import PrincipalKind
from service.records.model import State
from service.records.rules import owner_kind
from service.tasks.task import Task

MOST = 20
"""tasks that are listed"""
_KINDS: LazyDict[str, str] = LazyDict(
    lambda: {
        "analysis": _("Analysis"),
        "batch": _("Batch"),
        "evaluation": _("Evaluation"),
        "calibration": _("Calibration"),
        "download": _("Download"),
        "robustness": _("Robustness"),
        "library": _("Library"),
    }
)
_OWNERS: LazyDict[PrincipalKind, str] = LazyDict(
    lambda: {
        PrincipalKind.LOCAL: _("this computer"),
        PrincipalKind.GUEST: _("guest"),
        PrincipalKind.KEY: _("key"),
        PrincipalKind.USER: _("account"),
    }
)


def draw() -> None:
    """Draw the page, for an administrator alone."""
    if not session.current_user().may_administer:
        page_header.head(_("Operator"), "")
        typography.notice(_("This page is for administrators."))
        return
    _title()
    _now()
    keys.draw()
    people.draw()
    _feedback()


def _title() -> None:
    app = session.application()
    up = labels.hours((datetime.now(UTC) - app.started).total_seconds() / 3600)
    facts = [
        _("Unmask {version} on {host}").format(version=detector.__version__, host=gethostname()),
        _("up {time}").format(time=up),
        f"{_('Free disk')}: {labels.size(disk_usage(app.jobs.uploads.root).free)}",
        _("counts only; no file is named here"),
    ]
    with page_header.row(_("Operator"), facts):
        if site := url_state.site():
            st.link_button("/metrics", f"{site}/metrics", icon=":material/monitoring:")
            st.link_button("OpenAPI", f"{site}/openapi.json", icon=":material/api:")
        if app.tasks.scheduler.held:
            controls.button(
                _("Start jobs again"), "play_arrow", "admin-resume", _resume, kind="primary"
            )
        else:
            controls.button(_("Pause new jobs"), "pause", "admin-hold", _hold)
    if app.tasks.scheduler.held:
        typography.notice(
            _(
                "New jobs are paused: what runs is finished, what comes waits in line. It "
                "ends with a restart of the server."
            )
        )


def _hold() -> None:
    if session.current_user().may_administer:
        session.application().tasks.scheduler.hold()


def _resume() -> None:
    if session.current_user().may_administer:
        session.application().tasks.scheduler.resume()


@st.fragment(run_every=2.0)
def _now() -> None:
    tasks = session.application().tasks.active()
    with st.container(border=True, key="card-admin-tasks"):
        cards.head(_("Tasks now"), _("refreshed every 2 s"))
        if not tasks:
            typography.caption(_("Nothing runs or waits."))
        for task in tasks[:MOST]:
            _task(task)
        if len(tasks) > MOST:
            typography.caption(_("and {number} more").format(number=len(tasks) - MOST))


def _task(task: Task) -> None:
    kind, letters = owner_kind(task.owner)
    age = datetime.now(UTC) - (task.started or task.created)
    took = labels.took(max(1.0, round(age.total_seconds())))
    if task.state is State.QUEUED:
        step = _("Waiting")
    else:
        step = labels.STAGES.get(task.stage, task.stage) or _("Running")
    name = _KINDS.get(task.kind.name, task.kind.name)
    text = f"{name} · {_OWNERS[kind]} {letters}".strip() + f" · {step} · {took}"
    with controls.apart(f"admin-task-{task.id}"):
        show(typography.text(text), progress.bar(task.fraction))
        with st.container(horizontal=True, width="content"):
            if task.state is State.QUEUED:
                first = partial(session.application().tasks.scheduler.advance, task)
                controls.button(_("First"), "", f"admin-first-{task.id}", first, kind="tertiary")
            stop = partial(session.application().tasks.cancel, task)
            controls.button(_("Cancel"), "", f"admin-stop-{task.id}", stop, kind="tertiary")


def _feedback() -> None:
    records = session.application().jobs.store.confirmed()
    with st.container(border=True, key="card-admin-feedback"):
        cards.head(_("How often it was right"), "unmask export-labels")
        if not records:
            typography.caption(_("No file in History is confirmed yet."))
            return
        outcomes.draw(records)
