"""`supabase`'s own client against a stand-in of the API, with our migrations applied in it.

The stand-in is not our work; what is here is what it does as the service does. Isolation is claimed
elsewhere, on a real PostgreSQL (tests/integration/service/test_rls.py); docs/supabase.md lists what
this gets wrong.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx
import pytest
from supabase import (
    AuthApiError,
    AuthSessionMissingError,
    Client,
)

from service.records.rules import new_id
from service.records.supabase.store import SupabaseStore
from tests.support.records_contract import StoreContract
from tests.support.standin import PASSWORD, Standin, standin

__all__ = ["standin"]


@pytest.fixture
def email() -> str:
    return f"{secrets.token_hex(6)}@example.org"


def row(**changes: object) -> dict[str, object]:
    return {"id": new_id(), "name": "clip.mp4", **changes}


def test_an_account_is_made_once_and_entered_with_its_password(
    standin: Standin, email: str
) -> None:
    client = standin.client()
    made = client.auth.sign_up({"email": email, "password": PASSWORD})
    assert made.session is not None and made.user is not None and made.user.email == email
    with pytest.raises(AuthApiError) as taken:
        standin.client().auth.sign_up({"email": email, "password": PASSWORD})
    assert taken.value.code == "user_already_exists"

    again = standin.client()
    with pytest.raises(AuthApiError) as wrong:
        again.auth.sign_in_with_password({"email": email, "password": PASSWORD + "!"})
    assert wrong.value.code == "invalid_credentials"
    with pytest.raises(AuthApiError) as unknown:
        again.auth.sign_in_with_password({"email": f"x{email}", "password": PASSWORD})
    # Not told apart: nobody learns who has an account.
    assert (unknown.value.code, unknown.value.message) == (wrong.value.code, wrong.value.message)
    assert again.auth.get_session() is None
    entered = again.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    assert entered.user is not None and entered.user.id == made.user.id


def test_a_refresh_token_is_good_for_one_refresh(standin: Standin) -> None:
    client = standin.person()
    first = client.auth.get_session()
    assert first is not None
    second = client.auth.refresh_session().session
    assert second is not None and second.refresh_token != first.refresh_token
    with pytest.raises(AuthApiError):
        standin.client().auth.refresh_session(first.refresh_token)
    # The new one opens the session from nothing, as after a reload of the page.
    restored = standin.client()
    assert restored.auth.refresh_session(second.refresh_token).user == second.user


def test_signing_out_ends_the_session_on_the_server(standin: Standin) -> None:
    client = standin.person()
    session = client.auth.get_session()
    assert session is not None
    client.auth.sign_out()
    with pytest.raises(AuthApiError):
        standin.client().auth.refresh_session(session.refresh_token)
    with pytest.raises((AuthSessionMissingError, AuthApiError)):
        client.auth.refresh_session()


def test_a_file_goes_in_and_comes_out_by_a_signed_address(standin: Standin) -> None:
    client = standin.person()
    owner = client.auth.get_user().user.id
    mine = row()
    client.table("analyses").insert(mine).execute()
    path = f"{owner}/{mine['id']}/clip.mp4"
    bucket = client.storage.from_("media")
    bucket.upload(path, b"moving pictures", {"content-type": "video/mp4"})
    signed = bucket.create_signed_url(path, 60)["signedURL"]
    assert httpx.get(signed).content == b"moving pictures"
    assert httpx.get(signed[:-4] + "AAAA").status_code >= 400
    bucket.remove([path])
    assert httpx.get(signed).status_code >= 400


# --- the dashboard's own store --------------------------------------------------------------------


@pytest.fixture(scope="module")
def people(standin: Standin) -> tuple[Client, Client]:
    """Two accounts for all of the contract: to hash a password takes longer than a test."""
    return standin.person(), standin.person()


def id_of(client: Client) -> str:
    session = client.auth.get_session()
    assert session is not None
    return session.user.id


class TestStore(StoreContract):
    """What every store must do, answered by a PostgREST and a PostgreSQL that are not ours. Who may
    do what is tests/integration/service/test_supabase_store.py's claim."""

    @pytest.fixture(autouse=True)
    def empty(self, standin: Standin, owner: str, other: str) -> Iterator[None]:
        yield
        for table in ("analyses", "settings", "usage"):
            standin.sql(f"delete from {table} where owner in ($1, $2)", owner, other)

    @pytest.fixture
    def owner(self, people: tuple[Client, Client]) -> str:
        return id_of(people[0])

    @pytest.fixture
    def other(self, people: tuple[Client, Client]) -> str:
        return id_of(people[1])

    @pytest.fixture
    def store(self, people: tuple[Client, Client]) -> SupabaseStore:  # type: ignore[override]
        return SupabaseStore(lambda: people[0])

    @pytest.fixture
    def others(self, people: tuple[Client, Client]) -> SupabaseStore:  # type: ignore[override]
        return SupabaseStore(lambda: people[1])
