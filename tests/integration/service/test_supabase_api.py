"""Our store against a stand-in of Supabase's API that is not our work."""

import pytest

from service.records.supabase.store import SupabaseStore
from tests.support.records_contract import StoreContract


@pytest.fixture(scope="module")
def people(standin):
    """Two accounts for all of the contract: to hash a password takes longer than a test."""
    return standin.person(), standin.person()


def id_of(client):
    return client.auth.get_session().user.id


class TestStore(StoreContract):
    """What every store must do, answered by a PostgREST and a PostgreSQL that are not ours. Who may
    do what is tests/integration/service/test_supabase_store.py's claim."""

    @pytest.fixture(autouse=True)
    def empty(self, standin, owner, other):
        yield
        for table in ("records", "settings", "usage"):
            standin.sql(f"delete from {table} where owner in ($1, $2)", owner, other)

    @pytest.fixture
    def owner(self, people):
        return id_of(people[0])

    @pytest.fixture
    def other(self, people):
        return id_of(people[1])

    @pytest.fixture
    def store(self, people):
        return SupabaseStore(lambda: people[0])

    @pytest.fixture
    def others(self, people):
        return SupabaseStore(lambda: people[1])
