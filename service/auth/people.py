"""Administration of accounts: list them, disable one, change a role.

This uses the project's secret key (UNMASK_ACCOUNTS_KEY), which no policy limits, so each call
checks with the project that its caller is still an administrator. Administrators can't change their
own account.
"""

import logging
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from supabase_auth import SyncMemoryStorage
from supabase_auth.types import User as Account

from service.auth.caller import Accounts
from service.auth.problems import account_error
from service.auth.sessions import (
    SessionManager,
    Transport,
    connect,
    explained,
    is_disabled,
    principal_of,
)
from service.context import Principal, PrincipalKind, Role

log = logging.getLogger(__name__)

PAGE = 200  # accounts a request
FOR_GOOD = "876000h"  # A ban has an end: a century
_changing = threading.Lock()  # Two administrators must not demote each other at once


@dataclass(frozen=True)
class Person:
    """An account."""

    id: str
    email: str
    role: Role
    created: datetime
    last_sign_in: datetime | None
    disabled: bool


class People:
    """The accounts of a project, by its secret key."""

    def __init__(
        self, accounts: Accounts, key: str, sessions: SessionManager, pool: Transport
    ) -> None:
        self._accounts, self._sessions = accounts, sessions
        self._admin = connect(replace(accounts, key=key), SyncMemoryStorage(), pool()).auth.admin

    def all(self, caller: Principal) -> list[Person]:
        """Return all accounts, the newest first; raise AccountError."""
        with explained("accounts_key"):
            self._must_administer(caller)
            found: list[Account] = []
            page = 1
            while batch := self._admin.list_users(page, PAGE):
                found += batch
                page += 1
        people = [self._person(account) for account in found]
        return sorted(people, key=lambda person: person.created, reverse=True)

    def change(self, caller: Principal, id: str, *, role: Role, disabled: bool) -> None:
        """Change the role of another person's account, and disable or enable it. Raise
        AccountError. The account is signed out of this server, so that the change takes effect at
        once."""
        if id == caller.id:
            raise account_error("yourself")
        with _changing, explained("accounts_key"):
            self._must_administer(caller)
            known = self._person(self._admin.get_user_by_id(id).user)
            changes: dict[str, Any] = {}
            if role is not known.role:
                changes["app_metadata"] = {"role": role.value}
            if disabled != known.disabled:
                changes["ban_duration"] = FOR_GOOD if disabled else "none"
            if not changes:
                return
            self._admin.update_user_by_id(id, changes)  # type: ignore[arg-type]
        self._sessions.end_all(id)
        state = "disabled" if disabled else "enabled"
        log.warning("account %s: %s, %s, by %s", id, role.value, state, caller.id)

    def _must_administer(self, caller: Principal) -> None:
        """Raise if the caller is not, or no longer, an administrator."""
        if caller.kind is not PrincipalKind.USER or not caller.may_administer:
            raise account_error("not_admin")
        now = self._person(self._admin.get_user_by_id(caller.id).user)
        if now.role is not Role.ADMIN or now.disabled:
            raise account_error("not_admin")

    def _person(self, account: Account) -> Person:
        person = principal_of(account, self._accounts)
        return Person(
            account.id, person.email, person.role, account.created_at.astimezone(UTC),
            account.last_sign_in_at, is_disabled(account),
        )  # fmt: skip
