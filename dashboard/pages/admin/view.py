"""The Admin page: tasks, disk, accounts and keys of the server. Metrics are in /metrics and
Grafana's board.

It shows no file names.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from shutil import disk_usage
from socket import gethostname
from typing import TYPE_CHECKING

import streamlit as st

import detector
from dashboard import labels, session, url_state
from dashboard.components import (
    blocks,
    cards,
    collection,
    controls,
    page_header,
    progress,
    typography,
)
from dashboard.components.markup import show
from dashboard.pages import alerted
from detector.presentation import evaluation
from detector.presentation.run import STAGES
from detector.sentences import _, say
from service import auth, feedback
from service.context import PrincipalKind, Role, Scope
from service.records.api_keys import MAX_NAME, PREFIX
from service.records.model import State
from service.records.rules import owner_kind
from service.records.tables import ApiKey
from service.tasks.task import Task

if TYPE_CHECKING:
    from service.auth.people import People, Person


MOST = 20
"""tasks that are listed"""
_KINDS = {
    "analysis": _("Analysis"),
    "batch": _("Batch"),
    "evaluation": _("Evaluation"),
    "calibration": _("Calibration"),
    "download": _("Download"),
    "robustness": _("Robustness"),
    "library": _("Library"),
    "comparison": _("Comparison"),
    "lookup": _("Search for the original"),
    "fetch": _("Link"),
    "webhook": _("Webhook"),
    "self-check": _("Self-check"),
    "preview": _("Preview"),
    "media": _("Copy of media"),
}
_OWNERS = {
    PrincipalKind.LOCAL: _("this computer"),
    PrincipalKind.GUEST: _("guest"),
    PrincipalKind.KEY: _("key"),
    PrincipalKind.USER: _("account"),
}


def draw() -> None:
    """Draw the page, for an administrator only."""
    if not session.current_user().may_administer:
        page_header.head(_("Operator"), "")
        typography.notice(_("This page is for administrators."))
        return
    _title()
    _now()
    _keys()
    _people()
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
        if app.tasks.suspended:
            run = partial(_as_administrator, partial(app.tasks.suspend, False))
            text = _("Start jobs again")
            controls.button(text, "play_arrow", "admin-resume", run, kind="primary")
        else:
            run = partial(_as_administrator, app.tasks.suspend)
            controls.button(_("Pause new jobs"), "pause", "admin-hold", run)
    if app.tasks.suspended:
        typography.notice(
            _(
                "New jobs are paused: what runs is finished, what comes waits in line. It "
                "ends with a restart of the server."
            )
        )


def _as_administrator(act: Callable[[], object]) -> None:
    """Run an action, unless the role was removed since the page was drawn."""
    if session.current_user().may_administer:
        act()


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
        step = say(STAGES.get(task.stage, task.stage)) or _("Running")
    name = say(_KINDS.get(task.kind.name, task.kind.name))
    text = f"{name} · {say(_OWNERS[kind])} {letters}".strip() + f" · {step} · {took}"
    with controls.apart(f"admin-task-{task.id}"):
        show(typography.text(text), progress.bar(task.fraction))
        with st.container(horizontal=True, width="content"):
            if task.state is State.QUEUED:
                first = partial(session.application().tasks.advance, task)
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
        blocks.draw(evaluation.confirmed(feedback.by_month(records)))


# --- keys of the API ------------------------------------------------------------------------------


_NEW_KEY = "admin-key"
"""The key that was just made, shown while its dialog is open and kept nowhere."""
_SCOPES = {
    Scope.READ: _("Read results"),
    Scope.ANALYZE: _("Analyze and delete"),
    Scope.MODELS: _("Download models"),
    Scope.METRICS: _("Figures of the server"),
}
_STATES = {"in force": _("Active"), "expired": _("Expired"), "revoked": _("Withdrawn")}
KEY_DAYS = (7, 30, 90, 365, 0)
"""that a key may be in force; 0: for good"""


def _keys() -> None:
    """Draw the API keys with their scopes."""
    with st.container(border=True, key="card-admin-keys"):
        with controls.apart("admin-keys-head"):
            cards.introduced(
                _("API keys"),
                _("A key is shown once, when it is made; a hash of it is kept."),
                width="content",
            )
            if controls.button(_("Make a key"), "key", "admin-key-make", kind="primary"):
                st.session_state.pop(_NEW_KEY, None)
                st.dialog(_("Make a key"), on_dismiss=_forget_key)(_make_key)()
        known = session.application().keys.all()
        if not known:
            typography.caption(_("No key has been made."))
        for key in known:
            _key(key)


def _key(key: ApiKey) -> None:
    now = datetime.now(UTC)
    ends = _("until {date}").format(date=labels.day(key.expires)) if key.expires else _("for good")
    used = _("last used {date}").format(date=labels.day(key.used)) if key.used else _("never used")
    may = ", ".join(say(_SCOPES[scope]) for scope in key.scopes)
    hourly, daily = key.files_per_hour, key.files_per_day
    facts = (
        f"{PREFIX}_{key.id[:4]}…",
        may,
        labels.count(hourly, "file an hour", "files an hour") if hourly else "",
        labels.count(daily, "file a day", "files a day") if daily else "",
        ends,
        used,
    )
    name = f"{key.name} · {say(_STATES[key.state(now)])}"
    with collection.line(f"admin-key-{key.id}", name, *facts):
        if key.state(now) == "in force" and controls.button(
            _("Withdraw"), "block", f"admin-withdraw-{key.id}", kind="tertiary"
        ):
            text = _("Programs that use “{name}” are refused from now on. This can’t be undone.")
            revoke = partial(_as_administrator, partial(session.application().keys.revoke, key.id))
            question = text.format(name=key.name)
            controls.confirm(
                question, (), "", revoke, label=_("Withdraw it"), key="admin-withdrawn"
            )


def _forget_key() -> None:
    st.session_state.pop(_NEW_KEY, None)


def _make_key() -> None:
    if text := st.session_state.get(_NEW_KEY):
        typography.paragraph(_("Copy it now: it is shown this once."))
        st.code(text, language=None, wrap_lines=True)
        typography.caption(_("Send it as the header “Authorization: Bearer …”."))
        if controls.button(_("Done"), "check", "admin-key-done", kind="primary"):
            _forget_key()
            st.rerun()
        return
    name = st.text_input(_("Whose, or what for"), max_chars=MAX_NAME, key="admin-key-name")
    scopes = controls.choose_any(
        _("It may"), _SCOPES, (Scope.READ, Scope.ANALYZE), "admin-key-scopes"
    )
    spans = {days: labels.days(days) if days else _("For good") for days in KEY_DAYS}
    days = controls.choose(_("In force for"), spans, 90, "admin-key-days")
    left, right = st.columns(2)
    hourly = left.number_input(
        _("Files an hour, at most"), min_value=1, value=None, step=1, key="admin-key-hour"
    )
    daily = right.number_input(
        _("Files a day, at most"), min_value=1, value=None, step=1, key="admin-key-day"
    )
    made = controls.button(_("Make it"), "key", "admin-key-made", kind="primary")
    if not (made and session.current_user().may_administer):
        return
    with alerted():
        _made, st.session_state[_NEW_KEY] = session.application().keys.add(
            name or "",
            tuple(scopes),
            ttl=timedelta(days=days) if days else None,
            files_per_hour=hourly,
            files_per_day=daily,
        )
        st.rerun(scope="fragment")


# --- accounts -------------------------------------------------------------------------------------


MOST_PEOPLE = 20
"""accounts that are listed; others are found by their address"""
_ROLES = {Role.VIEWER: _("Viewer"), Role.ANALYST: _("Analyst"), Role.ADMIN: _("Administrator")}


def _people() -> None:
    """Draw the accounts with their roles, if this server has accounts."""
    if auth.accounts() is None:
        return
    with st.container(border=True, key="card-admin-people"):
        cards.introduced(_("People"), _("The accounts of this server’s Supabase project."))
        people = auth.people_service()
        if people is None:
            typography.notice(
                _(
                    "To list accounts and change roles here, set UNMASK_ACCOUNTS_KEY to the "
                    "project’s secret key."
                )
            )
            return
        with alerted():
            known = people.all(session.current_user())
            if len(known) > MOST_PEOPLE:
                word = st.text_input(_("Find an e-mail address"), key="admin-people-find").lower()
                known = [person for person in known if word in person.email.lower()]
            for person in known[:MOST_PEOPLE]:
                _person(people, person)
            if len(known) > MOST_PEOPLE:
                typography.caption(_("and {number} more").format(number=len(known) - MOST_PEOPLE))


def _person(people: People, person: Person) -> None:
    seen = person.last_sign_in
    name = person.email or person.id
    if person.disabled:
        name = f"{name} · {_('Disabled')}"
    with collection.line(
        f"admin-person-{person.id}",
        name,
        say(_ROLES[person.role]),
        _("since {date}").format(date=labels.day(person.created)),
        _("last sign-in {date}").format(date=labels.day(seen)) if seen else _("never signed in"),
    ):
        if person.id == session.current_user().id:
            typography.caption(_("you"), width="content")
        elif controls.button(_("Change"), "edit", f"admin-change-{person.id}", kind="tertiary"):
            st.dialog(_("Change an account"))(_change_person)(people, person)


def _change_person(people: People, person: Person) -> None:
    typography.paragraph(person.email or person.id)
    role = controls.choose(_("Role"), _ROLES, person.role, f"admin-role-{person.id}")
    disabled = st.toggle(
        _("Disabled: can’t sign in"), person.disabled, f"admin-disabled-{person.id}"
    )
    typography.caption(_("A change signs the person out of this server."))
    if not controls.button(_("Save"), "check", "admin-person-save", kind="primary"):
        return
    with alerted():
        people.change(session.current_user(), person.id, role=role, disabled=disabled)
        st.rerun()
