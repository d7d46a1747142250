"""Who is here. The questions other rooms ask: `who()`, and for their data `connection()`.

Without accounts a browser on this computer is the owner of everything, and any other browser is a
guest of its own, so that nobody on the same network or Space sees what another analyzed. With
accounts (`config`) a browser is signed in, or a guest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from detector import paths
from service.auth.caller import GUEST, SESSION, Caller, digest, token
from service.auth.config import Accounts, accounts
from service.auth.problems import AccountError, Unreachable
from service.auth.user import LOCAL, Kind, Role, User

if TYPE_CHECKING:
    from supabase import Client

    from service.auth.flows import Service
    from service.auth.sessions import Session

__all__ = [
    "LOCAL",
    "Kind",
    "Role",
    "User",
    "accounts",
    "connection",
    "guest",
    "known",
    "seat",
    "service",
    "sit_down",
    "sits_here",
    "trouble",
    "who",
]

_TAB, _SEAT = "auth-tab", "auth-seat"
"""Session state: stand in for the cookies of a browser that keeps none."""


def who() -> User:
    """The person whose page is drawn now. Cheap; call it in a script run, not in a worker."""
    caller = Caller.of_page()
    person = known(caller, st.session_state.get(_SEAT))
    if person is not None:
        return person
    if accounts() is None and not caller.headers:
        return LOCAL  # there is no browser: a test of the page
    return _guest(st.session_state.setdefault(_TAB, token()))


def known(caller: Caller, cookie: str | None = None) -> User | None:
    """The person behind a connection; None where nothing tells.

    Parameters
    ----------
    caller : Caller
    cookie : str, optional
        Of a seat, where the browser keeps none.
    """
    if keeper := service():
        cookie = cookie or caller.cookie(SESSION)
        if person := _signed_in(keeper.seats.find(cookie) if cookie else None):
            return person
    elif caller.headers and caller.here:
        return LOCAL
    secret = caller.cookie(GUEST)
    return _guest(secret) if secret else None


def connection() -> Callable[[], Client] | None:
    """For who is signed in: gives their own Supabase client, with a fresh token, as often as it is
    called and in any thread; it raises `problems.SignedOut` and `problems.Unreachable`."""
    taken = seat()
    return taken.client if taken is not None and _signed_in(taken) else None


def guest() -> User | None:
    """The guest that this browser is when nobody is signed in; None where it never was one."""
    secret = Caller.of_page().cookie(GUEST) or st.session_state.get(_TAB)
    return _guest(secret) if secret else None


def sits_here() -> bool:
    """Whether the person sits at the computer that this runs on: only they may name a folder on
    its disk. Has nothing to do with accounts."""
    caller = Caller.of_page()
    return not caller.headers or caller.here


def trouble() -> AccountError | None:
    """Why somebody whose browser is signed in is a guest for now."""
    taken = seat()
    try:
        if taken is not None:
            taken.person()
    except Unreachable as error:
        return error
    except AccountError:
        pass
    return None


# --- for the pages of accounts themselves ---------------------------------------------------------


def service() -> Service | None:
    """What makes and ends sign-ins; None without accounts."""
    kept = accounts()
    return _service(kept, paths.data()) if kept else None


@lru_cache(maxsize=4)
def _service(kept: Accounts, data: Path) -> Service:
    from service.auth.flows import Service  # Supabase's library takes seconds to import
    from service.auth.session_store import EncryptedSessionStore

    return Service(kept, EncryptedSessionStore(data))


def seat() -> Session | None:
    """The seat of the browser whose page is drawn now."""
    keeper = service()
    if keeper is None:
        return None
    cookie = st.session_state.get(_SEAT) or Caller.of_page().cookie(SESSION)
    return keeper.seats.find(cookie) if cookie else None


def sit_down(cookie: str) -> None:
    """Take a seat for as long as this tab is open."""
    st.session_state[_SEAT] = cookie


def _signed_in(taken: Session | None) -> User | None:
    try:
        return taken.person() if taken is not None else None
    except AccountError:
        return None


def _guest(secret: str) -> User:
    kept = accounts()
    role = Role.VIEWER if kept and kept.required else Role.ANALYST
    return User(f"guest:{digest(secret)}", Kind.GUEST, role)
