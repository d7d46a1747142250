"""Pairing of a browser extension: a code that a person reads from Settings becomes an API key.

A code is valid once, for ten minutes, on the server that showed it. Its 40 random bits are
protected by the limit on wrong keys of an address.
"""

import secrets
import threading

from cachetools import TTLCache

from detector.errors import InputError
from detector.sentences import _
from service.context import Scope
from service.records.api_keys import ApiKeys
from service.records.tables import ApiKey

CODE_SECONDS = 600.0
MAX_CODES = 32  # at a time; the oldest is dropped
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # without 0, O, 1 and I
SCOPES = (Scope.READ, Scope.ANALYZE)
"""The least that sends a file and reads its result."""


class PairingRefused(InputError):
    """The code is unknown, used or expired."""

    default_code = "pairing_refused"


class Pairing:
    """The codes of a server. Thread-safe."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys
        self._codes: TTLCache[str, bool] = TTLCache(MAX_CODES, CODE_SECONDS)
        self._lock = threading.Lock()

    def begin(self) -> str:
        """Return a new code, two groups of four characters."""
        letters = "".join(secrets.choice(ALPHABET) for _place in range(8))
        with self._lock:
            self._codes[letters] = True
        return f"{letters[:4]}-{letters[4:]}"

    def finish(self, code: str, name: str) -> tuple[ApiKey, str]:
        """Exchange a code for an API key of its own, named by its browser; return its data and
        the key. Raise PairingRefused for another code, InputError for a name that is empty or too
        long."""
        letters = "".join(c for c in code.upper() if c in ALPHABET)
        with self._lock:
            known = self._codes.pop(letters, False)
        if not known:
            raise PairingRefused(
                _("This code is not valid. It works once, for ten minutes."),
                hint=_("Show a new one: Settings › Connect a browser."),
            )
        return self._keys.add(name, SCOPES)
