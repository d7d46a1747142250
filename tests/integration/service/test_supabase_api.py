"""Our store against a stand-in of Supabase's API that is not our work."""

from collections.abc import Iterator

import pytest
from supabase import Client

from service.records.supabase.store import SupabaseStore
from tests.support.records_contract import StoreContract
from tests.support.standin import Standin, standin

__all__ = ["standin"]


@pytest.fixture(scope="module")
def people(standin: Standin) -> tuple[Client, Client]:
    """Two accounts for all of the contract: to hash a password takes longer than a test."""
    return standin.person(), standin.person()


def id_of(client: Client) -> str:
    session = client.auth.get_session()
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
    def store(self, people: tuple[Client, Client]) -> SupabaseStore:
        return SupabaseStore(lambda: people[0])

    @pytest.fixture
    def others(self, people: tuple[Client, Client]) -> SupabaseStore:
        return SupabaseStore(lambda: people[1])
