"""Whether there are accounts here, and how they are kept: from the environment, else from
Streamlit's secrets, under the same names.

    SUPABASE_URL, SUPABASE_ANON_KEY   the project; the key that browsers may know, of either form
    UNMASK_SIGN_IN                    optional (guests may work too), required, or off
    UNMASK_SIGN_IN_WITH               google, github: those that are switched on in the project
    UNMASK_DEFAULT_ROLE               of an account whose app_metadata names none: analyst
    UNMASK_SESSION_DAYS               how long a browser stays signed in: 30
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TypeVar
from urllib.parse import urlsplit

import streamlit as st

from service.auth.user import Role

E = TypeVar("E", bound=StrEnum)

PROVIDERS = {"google": "Google", "github": "GitHub"}
"""What can be asked to vouch for somebody, and its name."""


class SignIn(StrEnum):
    OPTIONAL = "optional"
    REQUIRED = "required"
    OFF = "off"


@dataclass(frozen=True)
class Accounts:
    """The project that keeps the accounts.

    Attributes
    ----------
    url, key : str
    required : bool
        Nobody works here without one.
    providers : tuple of str
        Of `PROVIDERS`.
    default_role : Role
    days : float
        A browser stays signed in.
    """

    url: str
    key: str
    required: bool = False
    providers: tuple[str, ...] = ()
    default_role: Role = Role.ANALYST
    days: float = 30.0


def accounts() -> Accounts | None:
    """The accounts of this server; None when it has none, or they are switched off.

    Raises
    ------
    SystemExit
        The settings contradict each other, or would give away what they should protect.
    """
    return _read(
        _value("SUPABASE_URL").rstrip("/"),
        _value("SUPABASE_ANON_KEY") or _value("SUPABASE_PUBLISHABLE_KEY"),
        _value("UNMASK_SIGN_IN"),
        _value("UNMASK_SIGN_IN_WITH"),
        _value("UNMASK_DEFAULT_ROLE"),
        _value("UNMASK_SESSION_DAYS"),
    )


@cache
def _read(url: str, key: str, mode: str, providers: str, role: str, days: str) -> Accounts | None:
    wish = _one_of(SignIn, mode or SignIn.OPTIONAL, "UNMASK_SIGN_IN")
    if wish is SignIn.OFF:
        return None
    if not url or not key:
        if wish is SignIn.REQUIRED or bool(url) != bool(key):
            raise SystemExit("Accounts need both SUPABASE_URL and SUPABASE_ANON_KEY.")
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SystemExit(f"SUPABASE_URL is no address: {url!r}.")
    if _is_secret(key):
        raise SystemExit(
            "SUPABASE_ANON_KEY holds a secret key, which passes by every rule of the database. "
            "Use the publishable (anon) key."
        )
    names = tuple(name.strip().lower() for name in providers.split(",") if name.strip())
    if unknown := [name for name in names if name not in PROVIDERS]:
        raise SystemExit(f"UNMASK_SIGN_IN_WITH can be {', '.join(PROVIDERS)}, not {unknown[0]!r}.")
    try:
        lasts = float(days or 30)
    except ValueError:
        lasts = 0.0
    if not 0 < lasts <= 365:
        raise SystemExit(f"UNMASK_SESSION_DAYS must be between 0 and 365, not {days!r}.")
    usual = _one_of(Role, role or Role.ANALYST, "UNMASK_DEFAULT_ROLE")
    if usual is Role.ADMIN:
        raise SystemExit("UNMASK_DEFAULT_ROLE can't be admin: anybody can make an account.")
    return Accounts(url, key, wish is SignIn.REQUIRED, names, usual, lasts)


def _one_of(kind: type[E], text: str, variable: str) -> E:
    try:
        return kind(text.lower())
    except ValueError:
        raise SystemExit(f"{variable} can be {', '.join(kind)}, not {text!r}.") from None


def _value(name: str) -> str:
    return os.environ.get(name, "").strip() or _secret(name)


@cache
def _secret(name: str) -> str:
    """From Streamlit's secrets; most installations have no such file."""
    try:
        return str(st.secrets.get(name, "")).strip()
    except FileNotFoundError:
        return ""


def _is_secret(key: str) -> bool:
    """Whether a key belongs to the server alone: of the new form, or a token that says so."""
    if key.startswith("sb_secret_"):
        return True
    try:
        body = key.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return False
    return isinstance(claims, dict) and claims.get("role") == "service_role"
