"""Sign-in flows: password, e-mail link, Google or GitHub; and sign-out.

A flow that leaves the browser is stored under a random one-use nonce in its redirect address, with
the PKCE verifier and the browser that began it: no link can sign a person in to another person's
account.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import supabase
from supabase_auth import SyncMemoryStorage
from supabase_auth.constants import STORAGE_KEY
from supabase_auth.errors import AuthError
from supabase_auth.types import AuthResponse
from supabase_auth.types import Session as Grant

from service.auth.caller import Accounts, AuthReturnContext, Pending, Purpose, SignedIn, digest
from service.auth.people import People
from service.auth.problems import AccountError, account_error
from service.auth.session_store import EncryptedSessionStore
from service.auth.sessions import Session, SessionManager, Transport, connect, explained, http
from service.context import new_id
from service.rate_limit import RateLimiter

# It prints the address of each request, and with it the nonce of a flow.
logging.getLogger("httpx").setLevel(logging.WARNING)

log = logging.getLogger(__name__)

DAY = 86400.0
TICKET_TTL, OAUTH_TTL, MAIL_TTL = 60.0, 600.0, 3600.0  # s for a page, for Google, for e-mail
TAB_TTL = DAY / 2  # s of a sign-in in a browser that keeps no cookie; it ends with the tab anyway
MAX_TRIES, TRIES_WINDOW = 10, 900  # passwords in s; Supabase would count all visitors as one
MAX_MAILS, MAILS_WINDOW = 5, 3600
ADDRESS_FACTOR = 4  # times as many for everybody behind one network address
KINDS = ("signup", "email", "magiclink", "recovery", "invite", "email_change")  # of e-mails
STRANGER = ("user_not_found", "otp_disabled", "signup_disabled")
REGISTERED = ("user_already_exists", "email_exists")  # These say whether an address has an account

ResultT = TypeVar("ResultT")


class AuthService:
    """The accounts of this server; `pool` makes a client's connection pool (tests replace it)."""

    def __init__(
        self, accounts: Accounts, store: EncryptedSessionStore, pool: Transport = http
    ) -> None:
        self.accounts = accounts
        self.sessions = SessionManager(store, accounts, pool)
        self._store, self._pool = store, pool
        self._tries = RateLimiter(TRIES_WINDOW)
        self._mails = RateLimiter(MAILS_WINDOW)

    def people(self, key: str) -> People:
        """Return the administration of accounts, by the project's secret key."""
        return People(self.accounts, key, self.sessions, self._pool)

    def sign_up(self, email: str, password: str, return_to: AuthReturnContext) -> Grant | None:
        """Create an account; return None while its e-mail address is to be confirmed, also if one
        exists."""

        def send(client: supabase.Client, link: str) -> Grant | None:
            options: Any = {"email_redirect_to": link}
            answer = client.auth.sign_up({"email": email, "password": password, "options": options})
            return answer.session

        return self._mail(Purpose.CONFIRM, email, return_to, send, REGISTERED)

    def sign_in(self, email: str, password: str, return_to: AuthReturnContext) -> Grant:
        """Sign in with a password."""
        self._count(self._tries, MAX_TRIES, email, return_to)
        client, _ = self._client()
        with explained():
            answer = client.auth.sign_in_with_password({"email": email, "password": password})
        return _session(answer)

    def send_link(self, email: str, return_to: AuthReturnContext) -> None:
        """Send a sign-in link, if the address has an account."""

        def send(client: supabase.Client, link: str) -> None:
            options: Any = {"email_redirect_to": link, "should_create_user": False}
            client.auth.sign_in_with_otp({"email": email, "options": options})

        self._mail(Purpose.LINK, email, return_to, send)

    def send_reset(self, email: str, return_to: AuthReturnContext) -> None:
        """Send a link to reset the password, if the address has an account."""

        def send(client: supabase.Client, link: str) -> None:
            client.auth.reset_password_for_email(email, {"redirect_to": link})

        self._mail(Purpose.RESET, email, return_to, send)

    def send_confirmation(self, email: str, return_to: AuthReturnContext) -> None:
        """Send the confirmation link of a new account again."""

        def send(client: supabase.Client, link: str) -> None:
            options: Any = {"email_redirect_to": link}
            client.auth.resend({"type": "signup", "email": email, "options": options})

        self._mail(Purpose.CONFIRM, email, return_to, send)

    def ticket(self, grant: Grant, browser: str) -> str:
        """Return a ticket that the page passes to `redeem` to get a cookie, since a script run
        can't set one. Valid for a minute, once, and for this browser."""
        ticket = new_id()
        body = json.dumps({"browser": browser, "session": grant.model_dump_json()})
        self._store.put("ticket", digest(ticket), body, TICKET_TTL, grant.user.id)
        return ticket

    def begin_tab_session(self, grant: Grant) -> str:
        """Begin a session of a browser without cookies, for as long as its tab is open."""
        return self.sessions.begin(grant, ttl=TAB_TTL)

    def set_password(self, session: Session, password: str) -> None:
        """Set a new password and sign out all other browsers, which may not be the owner's."""
        client, user = session.client(), session.principal().id
        with explained():
            client.auth.update_user({"password": password})
            client.auth.sign_out({"scope": "others"})
        self.sessions.end_all(user, keep=session.key)
        self._store.remove("reset", session.key)

    def needs_new_password(self, session: Session) -> bool:
        """Return whether this browser opened a reset link and has not set a password yet."""
        return self._store.get("reset", session.key) is not None

    def sign_out(self, session: Session) -> None:
        """Sign out in this browser; delete the tokens even if the account server is unreachable."""
        try:
            with explained():
                session.client().auth.sign_out({"scope": "local"})
        except AccountError as error:
            log.warning("a sign-out did not reach the account server: %s", error.code)
        finally:
            session.close()

    def sign_out_everywhere(self, session: Session) -> None:
        """Sign out in all browsers; in none if the account server is unreachable."""
        client, user = session.client(), session.principal().id
        with explained():
            client.auth.sign_out({"scope": "global"})
        self.sessions.end_all(user)

    def redeem(self, ticket: str, browser: str) -> SignedIn:
        """Return the cookie for a ticket."""
        body = self._store.take("ticket", digest(ticket))
        if body is None:
            raise account_error("expired")
        content = json.loads(body)
        if content["browser"] != browser:
            raise account_error("elsewhere")
        return self._begin(Grant.model_validate_json(content["session"]))

    def begin_oauth(self, provider: str, return_to: AuthReturnContext) -> str:
        """Return the address of a provider's sign-in page."""
        if provider not in self.accounts.providers:
            raise account_error("not_offered")
        self._count(self._tries, MAX_TRIES, f"{provider}:{return_to.browser}", return_to)
        client, memory = self._client()
        nonce = new_id()
        answer = client.auth.sign_in_with_oauth(
            {"provider": provider, "options": {"redirect_to": return_to.back(nonce)}}  # type: ignore[typeddict-item]
        )
        self._remember(nonce, Purpose.OAUTH, return_to, memory)
        return answer.url

    def pending(self, nonce: str) -> Pending | None:
        """Return the flow of a nonce without using it up."""
        body = self._store.get("flow", digest(nonce))
        return _pending(body) if body else None

    def finish(self, nonce: str, code: str) -> SignedIn:
        """End a flow that returned with a code; its nonce is used up."""
        body = self._store.take("flow", digest(nonce))
        if body is None:
            raise account_error("expired")
        pending = _pending(body)
        client, _ = self._client()
        exchange: Any = {"auth_code": code, "code_verifier": pending.verifier, "redirect_to": ""}
        with explained():
            answer = client.auth.exchange_code_for_session(exchange)
        return self._begin(_session(answer), reset=pending.purpose is Purpose.RESET)

    def confirm(self, token_hash: str, kind: str) -> SignedIn:
        """End a flow whose e-mail link has a token hash."""
        if kind not in KINDS:
            raise account_error("expired")
        client, _ = self._client()
        with explained():
            answer = client.auth.verify_otp({"token_hash": token_hash, "type": kind})  # type: ignore[typeddict-item]
        return self._begin(_session(answer), reset=kind in ("recovery", "invite"))

    def forget(self, nonce: str) -> None:
        """Delete an abandoned flow."""
        self._store.remove("flow", digest(nonce))

    def _begin(self, grant: Grant, *, reset: bool = False) -> SignedIn:
        ttl = self.accounts.days * DAY
        cookie = self.sessions.begin(grant, ttl=ttl)
        if reset:
            self._store.put("reset", digest(cookie), "", ttl, grant.user.id)
        return SignedIn(cookie, ttl, reset)

    def _client(self) -> tuple[supabase.Client, SyncMemoryStorage]:
        memory = SyncMemoryStorage()
        return connect(self.accounts, memory, self._pool()), memory

    def _mail(
        self,
        purpose: Purpose,
        email: str,
        return_to: AuthReturnContext,
        send: Callable[[supabase.Client, str], ResultT],
        silent: tuple[str, ...] = STRANGER,
    ) -> ResultT | None:
        """Send an e-mail with a link back; hide errors that reveal whether an account exists."""
        self._count(self._mails, MAX_MAILS, email, return_to)
        client, memory = self._client()
        nonce, result = new_id(), None
        with explained():
            try:
                result = send(client, return_to.back(nonce))
            except AuthError as error:
                if error.code not in silent:
                    raise
        self._remember(nonce, purpose, return_to, memory, email)
        return result

    def _remember(
        self,
        nonce: str,
        purpose: Purpose,
        return_to: AuthReturnContext,
        memory: SyncMemoryStorage,
        email: str = "",
    ) -> None:
        verifier = memory.get_item(f"{STORAGE_KEY}-code-verifier") or ""
        pending = Pending(purpose, return_to.browser, verifier.partition("/")[0], email)
        ttl = OAUTH_TTL if purpose is Purpose.OAUTH else MAIL_TTL
        self._store.put("flow", digest(nonce), json.dumps(asdict(pending)), ttl)

    def _count(
        self, window: RateLimiter, most: int, who: str, return_to: AuthReturnContext
    ) -> None:
        keys = {
            f"who:{digest(who.lower())}": most,
            f"address:{return_to.address}": most * ADDRESS_FACTOR,
        }
        if window.take(keys):
            raise account_error("too_many" if window is self._tries else "too_many_mails")


def _pending(body: str) -> Pending:
    content = json.loads(body)
    return Pending(**{**content, "purpose": Purpose(content["purpose"])})


def _session(answer: AuthResponse) -> Grant:
    if answer.session is None:
        raise account_error("unconfirmed")
    return answer.session
