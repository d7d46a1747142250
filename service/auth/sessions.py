"""Browsers that somebody is signed in with. Each has a Supabase client of its own.

The browser holds a random cookie, this server everything else: tokens never reach a browser, an
address or a log. A token that is about to expire is exchanged under the seat's lock, and the new
pair is in the vault before anybody uses it; so a restart, or two tabs at once, lose nobody's place.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import supabase
from supabase_auth import SyncSupportedStorage
from supabase_auth.constants import STORAGE_KEY
from supabase_auth.errors import AuthError

from service.auth.caller import digest, token
from service.auth.config import Accounts
from service.auth.problems import Unreachable, explain, problem
from service.auth.session_store import EncryptedSessionStore
from service.auth.user import Kind, Role, User

if TYPE_CHECKING:
    from supabase_auth.types import Session as Grant
    from supabase_auth.types import User as Account

KIND = "seat"
TIMEOUT = 8.0
"""s to wait for the account server: somebody looks at an empty page meanwhile."""
CHECK_EVERY = 300.0
"""s between two looks whether the account still is what it was: its role, and whether it was signed
out from elsewhere."""
GRACE = 3600.0
"""s that a person who was checked is believed while the account server can't be reached."""
PATIENCE = 15.0
"""s before a server that did not answer is asked again."""
MOST = 500
"""clients held in memory; others are made again from the vault."""

Transport = Callable[[], httpx.Client]
_SSL = threading.Lock()
_ssl_context: object = None


def http() -> httpx.Client:
    """A connection pool for one client. Pools share nothing but the list of certificates, which
    takes a tenth of a second to read."""
    global _ssl_context
    with _SSL:
        if _ssl_context is None:
            _ssl_context = httpx.create_ssl_context()
    return httpx.Client(timeout=TIMEOUT, verify=_ssl_context)  # type: ignore[arg-type]


def connect(
    accounts: Accounts, storage: SyncSupportedStorage, pool: httpx.Client
) -> supabase.Client:
    """A client that keeps its session in `storage`, and begins with the one that is there. No timer
    refreshes it: `Seat.client` does."""
    options = supabase.ClientOptions(
        storage=storage, auto_refresh_token=False, flow_type="pkce", httpx_client=pool
    )
    # Not `create_client`: that swallows why a session could not be refreshed.
    client = supabase.Client(accounts.url, accounts.key, options)
    client.auth.initialize_from_storage()
    return client


def person_of(user: Account, accounts: Accounts) -> User:
    """A person from what the account server itself said of them. `app_metadata` is written by the
    server alone; `user_metadata` is not looked at, since people write it themselves."""
    named = user.app_metadata.get("role")
    if user.is_anonymous:
        role = Role.VIEWER
    elif named is None:
        role = accounts.default_role
    else:
        role = Role(named) if named in set(Role) else Role.VIEWER
    return User(user.id, Kind.USER, role, user.email or "")


class Session:
    """One signed-in browser.

    Attributes
    ----------
    key : str
        Digest of its cookie.
    """

    def __init__(
        self, key: str, vault: EncryptedSessionStore, accounts: Accounts, pool: httpx.Client
    ) -> None:
        self.key = key
        self._vault = vault
        self._accounts = accounts
        self._lock = threading.RLock()
        self._pool = pool
        self._client: supabase.Client | None = None
        self._person: User | None = None
        self._checked = self._failed = -math.inf
        self._failure: Unreachable | None = None

    def client(self) -> supabase.Client:
        """The client, with a token that is good for some seconds at least.

        Raises
        ------
        SignedOut, Unreachable
        """
        with self._lock:
            if self._client is None:
                if self._vault.get(KIND, self.key) is None:
                    raise problem("signed_out")
                self._client = connect(self._accounts, _Kept(self._vault, self.key), self._pool)
            try:
                session = self._client.auth.get_session()
            except AuthError as error:
                failure = explain(error)
                if not isinstance(failure, Unreachable):
                    # The server knows this session no more; to it we are a stranger.
                    self.close()
                    raise problem("signed_out") from error
                raise failure from error
            if session is None:
                raise problem("signed_out")
            return self._client

    def person(self) -> User:
        """Who is signed in, as the account server said within the last minutes.

        Raises
        ------
        SignedOut
        Unreachable
            For so long that what is known is too old.
        """
        with self._lock:
            now = time.monotonic()
            known, age = self._person, now - self._checked
            if known is not None and age < CHECK_EVERY:
                return known
            if self._failure is None or now - self._failed >= PATIENCE:
                try:
                    return self._ask(now)
                except Unreachable as failure:
                    self._failure, self._failed = failure, now
            if known is not None and age < GRACE:
                return known
            raise self._failure

    def _ask(self, now: float) -> User:
        client = self.client()
        try:
            answer = client.auth.get_user()
        except AuthError as error:
            if isinstance(failure := explain(error), Unreachable):
                raise failure from error
            self.close()
            raise problem("signed_out") from error
        if answer is None:
            raise problem("signed_out")
        self._person, self._checked = person_of(answer.user, self._accounts), now
        self._failure = None
        return self._person

    def close(self) -> None:
        """Forget the tokens: this browser is signed in no more."""
        with self._lock:
            self._vault.remove(KIND, self.key)
            self._client = self._person = None


class _Kept(SyncSupportedStorage):
    """Where a seat's client puts its session: into the vault at once, and never back into a seat
    that was given up meanwhile. The library calls this with every new pair of tokens."""

    def __init__(self, vault: EncryptedSessionStore, key: str) -> None:
        self._vault, self._key = vault, key

    def get_item(self, key: str) -> str | None:
        return self._vault.get(KIND, self._key) if key == STORAGE_KEY else None

    def set_item(self, key: str, value: str) -> None:
        if key == STORAGE_KEY:
            self._vault.change(KIND, self._key, value)

    def remove_item(self, key: str) -> None:
        if key == STORAGE_KEY:
            self._vault.remove(KIND, self._key)


class SessionManager:
    """All signed-in browsers of this server.

    Parameters
    ----------
    vault : Vault
    accounts : Accounts
    pool : callable
        Makes the connection pool of one client.
    """

    def __init__(
        self, vault: EncryptedSessionStore, accounts: Accounts, pool: Transport = http
    ) -> None:
        self._vault, self._accounts, self._pool = vault, accounts, pool
        self._lock = threading.Lock()
        self._seats: OrderedDict[str, Session] = OrderedDict()

    def begin(self, session: Grant, *, lasts: float) -> str:
        """Seat a browser that has just signed in.

        Returns
        -------
        str
            Its cookie: always a fresh one, so that one that was planted before is worth nothing.
        """
        cookie = token()
        # What Google or GitHub let their own servers do for this person is no business of ours.
        session = session.model_copy(
            update={"provider_token": None, "provider_refresh_token": None}
        )
        self._vault.put(KIND, digest(cookie), session.model_dump_json(), lasts, session.user.id)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The seat of a cookie, if somebody has it. The vault has the say, each time: a sign-out
        in another tab, browser or process holds here at once."""
        key = digest(cookie)
        kept = self._vault.get(KIND, key) is not None
        with self._lock:
            if not kept:
                self._seats.pop(key, None)
                return None
            seat = self._seats.get(key)
            if seat is None:
                seat = self._seats[key] = Session(key, self._vault, self._accounts, self._pool())
            self._seats.move_to_end(key)
            while len(self._seats) > MOST:
                self._seats.popitem(last=False)
            return seat

    def end_all(self, user: str, *, but: str = "") -> None:
        """Give up all seats of an account, in whatever browser, but for one."""
        for key in self._vault.keys(KIND, user):
            if key != but:
                self._vault.remove(KIND, key)
