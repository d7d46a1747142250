"""A person, as the rest of the dashboard knows them: an id that owns things, and what they may do.

Knows nothing of cookies, Streamlit or Supabase.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    LOCAL = "local"
    """Sits at this computer, and no accounts are set up: the owner of all that is done here."""
    GUEST = "guest"
    """A browser that nobody signed in with. Known by a random cookie, or for as long as its tab is
    open where the browser keeps none."""
    USER = "user"
    """Signed in with Supabase."""


class Role(StrEnum):
    """What an account is for. Each may do all that the ones before it may."""

    VIEWER = "viewer"
    """Reads results; starts no analysis."""
    ANALYST = "analyst"
    """Analyzes files and works with what they own. Guests, and accounts without a role."""
    ADMIN = "admin"
    """Changes what holds for everybody on this server."""


@dataclass(frozen=True)
class User:
    """Who uses this browser.

    Attributes
    ----------
    id : str
        Owns uploads, records and presets: "local", "guest:<22 characters>" or the id of a Supabase
        account. Not a secret: a guest's is made from their cookie by a one-way function.
    kind : Kind
    role : Role
        For an account, what the server said of it, never what its browser said.
    email : str
        Of an account; else empty.
    """

    id: str
    kind: Kind
    role: Role = Role.ANALYST
    email: str = ""

    @property
    def may_analyze(self) -> bool:
        return self.role is not Role.VIEWER

    @property
    def may_administer(self) -> bool:
        return self.role is Role.ADMIN


LOCAL = User("local", Kind.LOCAL, Role.ADMIN)
