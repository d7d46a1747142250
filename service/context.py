"""The caller of the service, passed to every function that needs it.

An edge, such as `dashboard.session`, builds a `RequestContext` for each request. Nothing below
looks up the caller, and there is no default. Knows nothing of cookies, Streamlit or Supabase.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from detector.errors import InputError
from detector.sentences import _

if TYPE_CHECKING:
    from supabase import Client

Connect = Callable[[], "Client"]
"""Gives the Supabase client of who is signed in, with a fresh token, as often as it is called and
in any thread. Raises `auth.problems.SignedOut` and `auth.problems.Unreachable`."""


def new_id() -> str:
    """Return 22 random URL-safe characters (128 bits), the first no hyphen, which would look like
    an option."""
    while (drawn := secrets.token_urlsafe(16)).startswith("-"):
        pass
    return drawn


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id of `new_id`."""
    return re.fullmatch(r"[A-Za-z0-9_-]{22}", text) is not None


class PrincipalKind(StrEnum):
    """How a principal is authenticated."""

    LOCAL = "local"  # At this computer, without accounts: the owner of all that is done here
    GUEST = "guest"  # A browser without an account, known by a random cookie or its open tab
    USER = "user"  # Signed in with Supabase
    KEY = "key"  # A program that shows a key of the REST API


class Role(StrEnum):
    """Role of an account; each includes the ones before it."""

    VIEWER = "viewer"  # Reads results; starts no analysis
    ANALYST = "analyst"  # Analyzes files. Guests, and accounts without a role
    ADMIN = "admin"  # Changes what holds for everybody on this server


class Scope(StrEnum):
    """Permission of an API key."""

    READ = "read"  # Results, tasks and models: what is there
    ANALYZE = "analyze"  # Bring files, and delete what was brought
    MODELS = "models"  # Download models, for everybody on this server
    METRICS = "metrics"  # The figures of the whole server


@dataclass(frozen=True)
class Principal:
    """The identity, role and limits of a caller."""

    id: str
    """Owns uploads, records and presets: "local", "guest:<22 characters>", "key:<12 characters>" or
    the id of a Supabase account. Not a secret: a guest's is made from their cookie by a one-way
    function."""
    kind: PrincipalKind
    role: Role = Role.ANALYST  # For an account, the server's data, never its browser's
    email: str = ""  # Of an account; else empty
    files_per_hour: int | None = None
    files_per_day: int | None = None  # A key's quota, if it has one

    @property
    def may_analyze(self) -> bool:
        return self.role is not Role.VIEWER

    @property
    def may_administer(self) -> bool:
        return self.role is Role.ADMIN


LOCAL = Principal("local", PrincipalKind.LOCAL, Role.ADMIN)
SYSTEM = Principal("system", PrincipalKind.LOCAL, Role.ADMIN)  # This server; sees all tasks


@dataclass(frozen=True)
class RequestContext:
    """The principal of a request and its origin."""

    principal: Principal
    address: str = "unknown"  # The client's network address, to count by; IPv6 as its /64
    loopback: bool = False  # Runs on this computer: only such a client may name its folders
    guest: Principal | None = None  # Who this client is when nobody is signed in, if ever
    connect: Connect | None = None  # Of who is signed in

    def owns(self, owner: str) -> bool:
        """Return whether the caller may change, stop or restart what an owner has; the only such
        check."""
        return owner in {self.principal.id, self.guest.id if self.guest else ""}

    def must_own(self, owner: str) -> None:
        """Raise InputError unless the caller is the owner."""
        if not self.owns(owner):
            raise InputError(
                _("Only the person who uploaded the file can do this."), code="not_yours"
            )
