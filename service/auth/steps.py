"""What a sign-in passes on between its steps. Knows no Supabase, so that a server without accounts
need not import it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from service.auth.caller import GUEST, Caller, digest


class Purpose(StrEnum):
    """Why a flow left the browser."""

    CONFIRM = "confirm"
    LINK = "link"
    RESET = "reset"
    OAUTH = "oauth"


@dataclass(frozen=True)
class Pending:
    """A flow that is on its way."""

    purpose: Purpose
    browser: str  # Digest of the cookie of the browser that began
    verifier: str = ""  # PKCE; empty where the library gives none
    email: str = ""  # Whom an e-mail went to


@dataclass(frozen=True)
class SignedIn:
    """What a flow ended with."""

    cookie: str  # For the browser
    ttl: float  # s
    reset: bool = False  # A new password is to be chosen


@dataclass(frozen=True)
class AuthReturnContext:
    """Where a flow begins."""

    browser: str  # Digest of its cookie; empty where it keeps none
    address: str  # To count by
    origin: str  # Scheme, host and base path of this server, as that browser sees it

    @classmethod
    def of(cls, caller: Caller, base_path: str) -> AuthReturnContext:
        """Return where a flow of this caller begins; `base_path` is "" or "/something"."""
        secret = caller.cookie(GUEST)
        browser = digest(secret) if secret else ""
        return cls(browser, caller.address, f"{caller.origin}{base_path}")

    def back(self, nonce: str) -> str:
        """Return the address that a flow comes back to."""
        return f"{self.origin}/session/return/{nonce}"
