"""Accounts of the Supabase project: who has which role, and who is disabled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard import labels, session
from dashboard.components import cards, controls, typography
from dashboard.i18n import LazyDict, _, advice
from service import auth
from service.auth.problems import AccountError
from service.context import Role

if TYPE_CHECKING:
    from service.auth.people import People, Person

MOST = 20
"""accounts that are listed; others are found by their address"""
_ROLES: LazyDict[Role, str] = LazyDict(
    lambda: {Role.VIEWER: _("Viewer"), Role.ANALYST: _("Analyst"), Role.ADMIN: _("Administrator")}
)


def draw() -> None:
    """Draw the accounts with their roles, where this server has accounts."""
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
        try:
            known = people.all(session.current_user())
        except AccountError as error:
            typography.alert(advice(error))
            return
        if len(known) > MOST:
            word = st.text_input(_("Find an e-mail address"), key="admin-people-find").lower()
            known = [person for person in known if word in person.email.lower()]
        for person in known[:MOST]:
            _row(people, person)
        if len(known) > MOST:
            typography.caption(_("and {number} more").format(number=len(known) - MOST))


def _row(people: People, person: Person) -> None:
    seen = person.last_sign_in
    line = [
        _ROLES[person.role],
        _("since {date}").format(date=labels.day(person.created)),
        _("last sign-in {date}").format(date=labels.day(seen)) if seen else _("never signed in"),
    ]
    name = person.email or person.id
    if person.disabled:
        name = f"{name} · {_('Disabled')}"
    with controls.apart(f"admin-person-{person.id}"):
        cards.named(name, " · ".join(line))
        if person.id == session.current_user().id:
            typography.caption(_("you"), width="content")
        elif controls.button(_("Change"), "edit", f"admin-change-{person.id}", kind="tertiary"):
            st.dialog(_("Change an account"))(_change)(people, person)


def _change(people: People, person: Person) -> None:
    typography.paragraph(person.email or person.id)
    role = controls.choose(_("Role"), _ROLES, person.role, f"admin-role-{person.id}")
    disabled = st.toggle(
        _("Disabled: can’t sign in"), person.disabled, f"admin-disabled-{person.id}"
    )
    typography.caption(_("A change signs the person out of this server."))
    if not controls.button(_("Save"), "check", "admin-person-save", kind="primary"):
        return
    try:
        people.change(session.current_user(), person.id, role=role, disabled=disabled)
    except AccountError as error:
        typography.alert(advice(error))
        return
    st.rerun()
