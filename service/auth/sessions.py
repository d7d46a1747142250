"""Sessions of signed-in browsers, each with a Supabase client of its own.

The browser holds a random cookie, this server everything else: tokens never reach a browser, an
address or a log. An expiring token is refreshed under the session's lock, and the new pair is
stored before it is used, so that a restart, or two tabs at once, lose no session.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import supabase
from cachetools import LRUCache
from supabase_auth import SyncSupportedStorage
from supabase_auth.constants import STORAGE_KEY
from supabase_auth.errors import (
    AuthApiError,
    AuthError,
    AuthRetryableError,
    AuthSessionMissingError,
    AuthUnknownError,
    AuthWeakPasswordError,
)
from supabase_auth.types import Session as Grant
from supabase_auth.types import User as Account

from service.auth.caller import Accounts, digest
from service.auth.problems import AccountError, Unreachable, account_error, code_of_supabase
from service.auth.session_store import EncryptedSessionStore
from service.context import Principal, PrincipalKind, Role, new_id

KIND = "session"  # Of their rows
TIMEOUT_SECONDS = 8.0  # s to wait for the account server: somebody looks at an empty page meanwhile
CHECK_SECONDS = 300.0  # s between two looks at the account's role and sign-outs elsewhere
GRACE_SECONDS = 3600.0  # s that a checked person is believed while the server is unreachable
RETRY_SECONDS = 15.0  # s before a server that did not answer is asked again
MAX_CLIENTS = 500  # clients held in memory; others are made again from the store

Transport = Callable[[], httpx.Client]
_SSL = threading.Lock()
_ssl_context: object = None


def http() -> httpx.Client:
    """Return a client's connection pool; pools share the certificates, whose loading
    takes 0.1 s."""
    global _ssl_context
    with _SSL:
        if _ssl_context is None:
            _ssl_context = httpx.create_ssl_context()
    return httpx.Client(timeout=TIMEOUT_SECONDS, verify=_ssl_context)  # type: ignore[arg-type]


def connect(
    accounts: Accounts, storage: SyncSupportedStorage, pool: httpx.Client
) -> supabase.Client:
    """Return a client with its session in `storage`; `Session.client` refreshes it, no timer."""
    options = supabase.ClientOptions(
        storage=storage, auto_refresh_token=False, flow_type="pkce", httpx_client=pool
    )
    # Not `create_client`: that swallows why a session could not be refreshed.
    client = supabase.Client(accounts.url, accounts.key, options)
    client.auth.initialize_from_storage()
    return client


def principal_of(user: Account, accounts: Accounts) -> Principal:
    """Return the principal of an account; roles come from `app_metadata`, which only the server
    writes."""
    name = user.app_metadata.get("role")
    name = accounts.default_role if name is None else name
    role = Role(name) if name in set(Role) and not user.is_anonymous else Role.VIEWER
    return Principal(user.id, PrincipalKind.USER, role, user.email or "")


def is_disabled(user: Account) -> bool:
    """Return whether an administrator has disabled an account: Supabase bans it for a time."""
    until = user.banned_until
    return until is not None and datetime.fromisoformat(until) > datetime.now(UTC)


def explain_auth_error(error: AuthError) -> AccountError:
    """Return the message for an error of Supabase's client."""
    if isinstance(error, AuthRetryableError | AuthUnknownError):
        return account_error("unreachable")
    if isinstance(error, AuthSessionMissingError):
        return account_error("signed_out")
    if isinstance(error, AuthWeakPasswordError):
        return account_error("weak")
    ours = code_of_supabase(error.code or "")
    if ours == "account" and isinstance(error, AuthApiError):
        # Older servers send no code.
        if error.status == 429:
            ours = "too_many"
        elif error.status >= 500:
            ours = "unreachable"
        elif "Invalid login credentials" in error.message:
            ours = "wrong"
        elif "Email not confirmed" in error.message:
            ours = "unconfirmed"
        elif "Refresh Token" in error.message:
            ours = "signed_out"
    return account_error(ours)


@contextmanager
def explained(refused: str = "") -> Iterator[None]:
    """Raise errors of Supabase's client as AccountError; `refused` is the code for a
    rejected key."""
    try:
        yield
    except AuthError as error:
        if refused and isinstance(error, AuthApiError) and error.status in (401, 403):
            raise account_error(refused) from error
        raise explain_auth_error(error) from error


class Session:
    """One signed-in browser; `key` is the digest of its cookie."""

    def __init__(
        self, key: str, store: EncryptedSessionStore, accounts: Accounts, pool: httpx.Client
    ) -> None:
        self.key = key
        self._store = store
        self._accounts = accounts
        self._lock = threading.RLock()
        self._pool = pool
        self._client: supabase.Client | None = None
        self._principal: Principal | None = None
        self._checked = self._failed = -math.inf
        self._failure: Unreachable | None = None

    def client(self) -> supabase.Client:
        """Return the client with a fresh token; raise SignedOut or Unreachable."""
        with self._lock:
            if self._client is None:
                if self._store.get(KIND, self.key) is None:
                    raise account_error("signed_out")
                self._client = connect(
                    self._accounts, _TokenStorage(self._store, self.key), self._pool
                )
            try:
                session = self._client.auth.get_session()
            except AuthError as error:
                failure = explain_auth_error(error)
                if not isinstance(failure, Unreachable):
                    # The server knows this session no more; to it we are a stranger.
                    self.close()
                    raise account_error("signed_out") from error
                raise failure from error
            if session is None:
                raise account_error("signed_out")
            return self._client

    def principal(self) -> Principal:
        """Return the signed-in account, checked minutes ago. Raise SignedOut or Unreachable."""
        with self._lock:
            now = time.monotonic()
            known, age = self._principal, now - self._checked
            if known is not None and age < CHECK_SECONDS:
                return known
            if self._failure is None or now - self._failed >= RETRY_SECONDS:
                try:
                    return self._ask(now)
                except Unreachable as failure:
                    self._failure, self._failed = failure, now
            if known is not None and age < GRACE_SECONDS:
                return known
            raise self._failure

    def _ask(self, now: float) -> Principal:
        client = self.client()
        try:
            answer = client.auth.get_user()
        except AuthError as error:
            if isinstance(failure := explain_auth_error(error), Unreachable):
                raise failure from error
            self.close()
            raise account_error("signed_out") from error
        if answer is None:
            raise account_error("signed_out")
        if is_disabled(answer.user):
            self.close()
            raise account_error("banned")
        self._principal, self._checked = principal_of(answer.user, self._accounts), now
        self._failure = None
        return self._principal

    def close(self) -> None:
        """Delete the tokens and end the session."""
        with self._lock:
            self._store.remove(KIND, self.key)
            self._client = self._principal = None


class _TokenStorage(SyncSupportedStorage):
    """Storage for Supabase's client that persists new tokens at once, unless the session
    has ended."""

    def __init__(self, store: EncryptedSessionStore, key: str) -> None:
        self._store, self._key = store, key

    def get_item(self, key: str) -> str | None:
        return self._store.get(KIND, self._key) if key == STORAGE_KEY else None

    def set_item(self, key: str, value: str) -> None:
        if key == STORAGE_KEY:
            self._store.change(KIND, self._key, value)

    def remove_item(self, key: str) -> None:
        if key == STORAGE_KEY:
            self._store.remove(KIND, self._key)


class SessionManager:
    """All signed-in browsers of this server; `pool` makes the connection pool of one client."""

    def __init__(
        self, store: EncryptedSessionStore, accounts: Accounts, pool: Transport = http
    ) -> None:
        self._store, self._accounts, self._pool = store, accounts, pool
        self._lock = threading.Lock()
        self._sessions: LRUCache[str, Session] = LRUCache(MAX_CLIENTS)

    def begin(self, grant: Grant, *, ttl: float) -> str:
        """Begin a session and return a fresh cookie (no session fixation)."""
        cookie = new_id()
        # What Google or GitHub let their own servers do for this person is no business of ours.
        grant = grant.model_copy(update={"provider_token": None, "provider_refresh_token": None})
        self._store.put(KIND, digest(cookie), grant.model_dump_json(), ttl, grant.user.id)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Return a cookie's session from the store, where a sign-out on another server takes
        effect."""
        key = digest(cookie)
        exists = self._store.get(KIND, key) is not None
        with self._lock:
            if not exists:
                self._sessions.pop(key, None)
                return None
            session = self._sessions.get(key)
            if session is None:
                session = self._sessions[key] = Session(
                    key, self._store, self._accounts, self._pool()
                )
            return session

    def end_all(self, user: str, *, keep: str = "") -> None:
        """End all sessions of an account, except one."""
        for key in self._store.keys(KIND, user):
            if key != keep:
                self._store.remove(KIND, key)
