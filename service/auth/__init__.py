"""Accounts and the identity of a connection. An edge (`dashboard.session`) passes the connection
in.

Without accounts a browser on this computer is the owner of everything, and any other browser is a
guest of its own, so that users of one network or Space do not see each other's analyses. With
accounts (`config`) a browser is signed in, or a guest.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from detector import paths
from service.auth.caller import GUEST, SESSION, Accounts, Caller, digest
from service.auth.problems import AccountError
from service.auth.session_store import EncryptedSessionStore
from service.config import get_config
from service.context import LOCAL, Principal, PrincipalKind, Role

if TYPE_CHECKING:
    from service.auth.flows import AuthService
    from service.auth.people import People
    from service.auth.sessions import Session


def identify(caller: Caller, session: Session | None) -> Principal | None:
    """Return the principal of a connection that is signed in with `session`; None if unknown."""
    if session is not None:
        try:
            return session.principal()
        except AccountError:
            pass
    elif accounts() is None and caller.headers and caller.loopback:
        return LOCAL
    secret = caller.cookie(GUEST)
    return guest_of(secret) if secret else None


def find_session(caller: Caller, cookie: str | None = None) -> Session | None:
    """Return a browser's session; `cookie` is that of a tab without cookies."""
    service = auth_service()
    cookie = cookie or caller.cookie(SESSION)
    return service.sessions.find(cookie) if service is not None and cookie else None


def guest_of(secret: str) -> Principal:
    """Return the guest of a cookie."""
    project = accounts()
    role = Role.VIEWER if project and project.required else Role.ANALYST
    return Principal(f"guest:{digest(secret)}", PrincipalKind.GUEST, role)


def auth_service() -> AuthService | None:
    """Return the service for sign-in and sign-out; None without accounts."""
    project = accounts()
    return _auth_service(project, paths.data()) if project else None


def people_service() -> People | None:
    """Return the administration of accounts; None without the project's secret key."""
    service, key = auth_service(), get_config().accounts_key.get_secret_value()
    return _people_service(service, key) if service is not None and key else None


@lru_cache(maxsize=4)
def _people_service(service: AuthService, key: str) -> People:
    return service.people(key)


@lru_cache(maxsize=4)
def _auth_service(project: Accounts, data: Path) -> AuthService:
    from service.auth.flows import AuthService  # Supabase's library takes seconds to import

    return AuthService(project, EncryptedSessionStore(data))


def accounts() -> Accounts | None:
    """Return the account settings, None where they are off. Raise SystemExit if one of them is
    missing."""
    config = get_config()
    if config.sign_in == "off":
        return None
    url, key = config.supabase_url, config.supabase_key.get_secret_value()
    required = config.sign_in == "required"
    if not url or not key:
        if required or bool(url) != bool(key):
            raise SystemExit("Accounts need both SUPABASE_URL and SUPABASE_ANON_KEY.")
        return None
    role = Role(config.default_role)
    return Accounts(url, key, required, config.sign_in_with, role, config.session_days)
