"""Accounts against a live stand-in of Supabase, through its own client and our service."""

import secrets
import time
from pathlib import Path

import pytest

from service.auth import Role, sessions
from service.auth.config import Accounts
from service.auth.flows import AuthService
from service.auth.problems import AccountError, SignedOut
from service.auth.session_store import EncryptedSessionStore
from service.auth.sessions import Session
from service.auth.steps import AuthReturnContext
from tests.support.standin import PASSWORD, Standin, standin

__all__ = ["standin"]

HERE = AuthReturnContext("", "127.0.0.1", "http://127.0.0.1")


@pytest.fixture
def service(standin: Standin, tmp_path: Path) -> AuthService:
    return AuthService(Accounts(standin.url, standin.key), EncryptedSessionStore(tmp_path))


def address() -> str:
    return f"{secrets.token_hex(6)}@example.org"


def sit(service: AuthService, cookie: str) -> Session:
    return service.sessions.find(cookie)


def join(service: AuthService, email: str) -> Session:
    """Sign up, and take the seat: this one asks for no confirmation."""
    session = service.sign_up(email, PASSWORD, HERE)
    assert session is not None
    return sit(service, service.begin_tab_session(session))


def test_sign_up_then_in_then_out(service):
    email = address()
    first = join(service, email).principal()
    again = sit(service, service.begin_tab_session(service.sign_in(email, PASSWORD, HERE)))
    assert again.principal().id == first.id
    assert (again.principal().email, again.principal().role) == (email, Role.ANALYST)
    service.sign_out(again)
    assert service.sessions.find(again.key) is None


def test_a_wrong_password_is_refused(service):
    email = address()
    service.sign_up(email, PASSWORD, HERE)
    with pytest.raises(AccountError, check=lambda e: e.code == "wrong"):
        service.sign_in(email, "wrong", HERE)
    assert service.sign_up(email, PASSWORD, HERE) is None  # taken, and not said


def test_an_expired_token_is_exchanged_and_kept(service, tmp_path, monkeypatch):
    session = service.sign_up(address(), PASSWORD, HERE)
    old = session.model_copy(update={"expires_at": int(time.time()) - 5})
    cookie = service.begin_tab_session(old)
    fresh = sit(service, cookie).client().auth.get_session()
    assert fresh.refresh_token != session.refresh_token
    # Another process has the new pair, and the old one is of no use any more.
    other = AuthService(service.accounts, EncryptedSessionStore(tmp_path))
    assert sit(other, cookie).principal().id == session.user.id
    with pytest.raises(SignedOut):
        sit(service, service.begin_tab_session(old)).client()


def test_the_role_is_the_servers(standin, service):
    email = address()
    seat = join(service, email)
    seat.client().auth.update_user({"data": {"role": "admin"}})  # what anybody may write
    assert seat.principal().role is Role.ANALYST
    standin.sql(
        "update auth.users set raw_app_meta_data = "
        "coalesce(raw_app_meta_data, '{}'::jsonb) || '{\"role\": \"viewer\"}' where email = $1",
        email,
    )
    assert sit(
        service, service.begin_tab_session(service.sign_in(email, PASSWORD, HERE))
    ).principal().role is (Role.VIEWER)


def test_a_new_password_is_the_one_that_counts(service):
    email = address()
    seat = join(service, email)
    seat.principal()
    service.set_password(seat, "a whole new sentence")
    with pytest.raises(AccountError, match="wrong"):
        service.sign_in(email, PASSWORD, HERE)
    service.sign_in(email, "a whole new sentence", HERE)


def test_an_account_that_is_deleted_is_out(standin, service, monkeypatch):
    email = address()
    seat = join(service, email)
    seat.principal()
    standin.sql("delete from auth.users where email = $1", email)
    monkeypatch.setattr(sessions, "CHECK_SECONDS", 0)
    with pytest.raises(SignedOut):
        seat.principal()


def test_two_people_have_two_clients(service):
    people = one, other = join(service, address()), join(service, address())
    assert one.client() is not other.client()
    assert one.principal().id != other.principal().id
    for seat in people:
        assert seat.client().auth.get_user().user.id == seat.principal().id
