"""Accounts against a live stand-in of Supabase, through its own client and our service."""

import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.auth import Accounts, Role, sessions
from service.auth import people as people_module
from service.auth.caller import AuthReturnContext
from service.auth.flows import AuthService
from service.auth.problems import AccountError, SignedOut
from service.auth.session_store import EncryptedSessionStore
from tests.support.standin import PASSWORD, token

HERE = AuthReturnContext("", "127.0.0.1", "http://127.0.0.1")


@pytest.fixture
def service(standin, tmp_path):
    return AuthService(Accounts(standin.url, standin.key), EncryptedSessionStore(tmp_path))


def address():
    return f"{secrets.token_hex(6)}@example.org"


def sit(service, cookie):
    return service.sessions.find(cookie)


def join(service, email):
    """Sign up, and take the seat: this one asks for no confirmation."""
    session = service.sign_up(email, PASSWORD, HERE)
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
    assert sit(service, cookie).client().auth.get_session().refresh_token != session.refresh_token
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
    assert seat.principal().email == email  # known, for now
    monkeypatch.setattr(sessions, "CHECK_SECONDS", 0)
    for ask in (seat.principal, seat.client):
        with pytest.raises(SignedOut):
            ask()


def test_two_people_have_two_clients(service):
    people = one, other = join(service, address()), join(service, address())
    assert one.client() is not other.client()
    assert one.principal().id != other.principal().id
    for seat in people:
        assert seat.client().auth.get_user().user.id == seat.principal().id


def people(standin, service):
    """The accounts to look after, by the project's secret key."""
    if not standin.secret:
        pytest.skip("a real project's secret key is not known here")
    return service.people(token(standin.secret, role="service_role"))


def admin(standin, service):
    seat = join(service, email := address())
    standin.sql(
        'update auth.users set raw_app_meta_data = \'{"role": "admin"}\' where email = $1', email
    )
    return replace(seat.principal(), role=Role.ADMIN)


def test_an_administrator_lists_the_accounts(standin, service, monkeypatch):
    monkeypatch.setattr(people_module, "PAGE", 2)
    ada, ben = admin(standin, service), join(service, address()).principal()
    carl = join(service, address()).principal()
    listed = {person.id: person for person in people(standin, service).all(ada)}
    assert {ada.id, ben.id, carl.id} <= set(listed)
    assert (listed[ben.id].email, listed[ben.id].role) == (ben.email, Role.ANALYST)
    assert listed[ada.id].role is Role.ADMIN
    assert listed[ben.id].created <= listed[carl.id].created <= datetime.now(UTC)
    assert not any(listed[who.id].disabled for who in (ada, ben, carl))


def test_a_disabled_account_is_out_until_it_is_enabled(standin, service, monkeypatch, caplog):
    ada, email = admin(standin, service), address()
    grant = service.sign_up(email, PASSWORD, HERE)
    cookie = service.begin_tab_session(grant)
    ben = sit(service, cookie).principal()
    known = people(standin, service)
    known.change(ada, ben.id, role=Role.ANALYST, disabled=True)
    assert next(p for p in known.all(ada) if p.id == ben.id).disabled
    assert service.sessions.find(cookie) is None, "signed out here at once"
    with pytest.raises(AccountError, check=lambda e: e.code == "banned"):
        service.sign_in(email, PASSWORD, HERE)
    # On another server: an hour later, when its token is over.
    old = grant.model_copy(update={"expires_at": int(time.time()) - 5})
    with pytest.raises(SignedOut):
        sit(service, service.begin_tab_session(old)).client()
    known.change(ada, ben.id, role=Role.ANALYST, disabled=False)
    assert service.sign_in(email, PASSWORD, HERE).user.id == ben.id
    said = [r.getMessage() for r in caplog.records if r.name == people_module.__name__]
    assert said == [
        f"account {ben.id}: analyst, disabled, by {ada.id}",
        f"account {ben.id}: analyst, enabled, by {ada.id}",
    ]


def test_a_role_holds_from_the_next_sign_in(standin, service):
    ada, email = admin(standin, service), address()
    ben = join(service, email).principal()
    people(standin, service).change(ada, ben.id, role=Role.VIEWER, disabled=False)
    again = sit(service, service.begin_tab_session(service.sign_in(email, PASSWORD, HERE)))
    assert again.principal().role is Role.VIEWER


def test_nobody_changes_themselves_and_nobody_else_changes_anything(standin, service):
    ada, ben = admin(standin, service), join(service, address()).principal()
    known = people(standin, service)
    for role, disabled in ((Role.VIEWER, False), (Role.ADMIN, True)):
        with pytest.raises(AccountError, check=lambda e: e.code == "yourself"):
            known.change(ada, ada.id, role=role, disabled=disabled)
    # Whatever the page believes: one who never was an administrator, one who is none any more.
    for caller in (ben, replace(ben, role=Role.ADMIN)):
        with pytest.raises(AccountError, check=lambda e: e.code == "not_admin"):
            known.all(caller)
        with pytest.raises(AccountError, check=lambda e: e.code == "not_admin"):
            known.change(caller, ada.id, role=Role.VIEWER, disabled=True)
    assert next(p for p in known.all(ada) if p.id == ada.id).role is Role.ADMIN


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_a_key_that_is_not_the_secret_one_is_told(standin, service, role):
    ada = admin(standin, service)
    with pytest.raises(AccountError, match="UNMASK_ACCOUNTS_KEY"):
        service.people(token(standin.secret, role=role)).all(ada)
