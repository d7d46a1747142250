"""Records in a real PostgreSQL: the contract of every store, and what a server can get wrong."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import delete, text

from detector.errors import UnmaskError
from service.application import Application
from service.records import database
from service.records.api_keys import IdempotencyKeys, InProgress, KeyReused
from service.records.batches import Batches
from service.records.database import FILE, Database
from service.records.model import LOCAL, BatchItem, RecordsError
from service.records.sql import open_store
from service.records.store import RecordScope
from service.records.tables import metadata
from tests.support.comparisons_contract import ComparisonsContract
from tests.support.footage_contract import FootageContract
from tests.support.migrations import COLUMN, add_step, assert_like_the_tables
from tests.support.postgres import SUPERUSER
from tests.support.rates_contract import SharedRatesContract
from tests.support.records_contract import SAMPLE, make
from tests.support.servers_contract import ServersContract
from tests.support.sql_contract import SQLContract, start_writer
from tests.support.waiting import PATIENT


@pytest.fixture(scope="module")
def address(postgres):
    return postgres.url(postgres.fresh())


@pytest.fixture(scope="module")
def opened(address):
    made = open_store(address)
    yield made
    made.close()


@pytest.fixture
def store(opened):
    """The store, empty."""
    with opened.database.writing() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
    return opened


class TestPostgres(SQLContract):
    """All of it."""


class TestServers(ServersContract):
    """All of it."""


class TestRates(SharedRatesContract):
    """All of it."""


class TestComparisons(ComparisonsContract):
    """All of it."""


class TestFootage(FootageContract):
    """All of it."""


def together(number, act):
    """What happens when so many do something at once; what was raised, too."""
    barrier = threading.Barrier(number)

    def run(who):
        barrier.wait()
        try:
            return act(who)
        except UnmaskError as error:
            return error

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def test_a_request_that_reaches_two_servers_at_once_is_done_once(where):
    databases = [Database(where) for _ in range(4)]
    servers = [IdempotencyKeys(each) for each in databases]
    for number in range(10):
        key = f"key {number}"
        got = together(4, lambda who, key=key: servers[who].claim("ann", key, "same"))
        assert got.count(None) == 1 and sum(isinstance(one, InProgress) for one in got) == 3
    servers[0].complete("ann", "key 0", "made")
    assert servers[1].claim("ann", "key 0", "same") == "made"
    with pytest.raises(KeyReused):
        servers[1].claim("ann", "key 0", "another")
    assert servers[1].claim("ben", "key 0", "another") is None, "somebody else's keys are theirs"
    servers[2].release("ann", "key 1")
    assert servers[3].claim("ann", "key 1", "same") is None
    for each in databases:
        each.close()


def test_files_that_two_servers_add_to_a_batch_are_all_there(where):
    databases = [Database(where) for _ in range(4)]
    servers = [Batches(each) for each in databases]
    batch = servers[0].create("ann", [])

    def add(who):
        for number in range(10):
            servers[who].add("ann", batch.id, [BatchItem(name=f"{who}-{number}", analysis="x")])

    together(4, add)
    found = servers[0].get("ann", batch.id)
    assert len({item.name for item in found.items}) == 40
    for each in databases:
        each.close()


@pytest.fixture
def where(postgres):
    """An empty database, of a contract or of a test."""
    return postgres.url(postgres.fresh())


def test_the_steps_end_where_the_tables_are(where):
    assert_like_the_tables(open_store(where))


def test_servers_that_start_at_once_make_the_tables_once(where):
    writers = [start_writer(where, name, count=2) for name in ("one", "two")]
    assert [writer.wait(timeout=PATIENT) for writer in writers] == [0, 0]
    store = open_store(where)
    assert store.facets(LOCAL).tags == {"one": 2, "two": 2}
    store.close()


def test_a_newer_database_is_refused(where):
    store = open_store(where)
    with store.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    store.close()
    with pytest.raises(RecordsError, match="newer Unmask"):
        open_store(where)


def test_a_step_that_fails_leaves_the_step_before(where, tmp_path, monkeypatch):
    first = open_store(where)
    first.add(record := make(LOCAL))
    first.close()
    with monkeypatch.context() as patch:
        add_step(tmp_path / "broken", f"{COLUMN}; op.drop_table('no such table')", patch)
        with pytest.raises(RecordsError):
            open_store(where)
    assert_like_the_tables(store := open_store(where))
    assert store.get(LOCAL, record.id) == record
    store.close()


def tables_of(server, name):
    with server.connect(name) as connection:
        query = "select relname from pg_class where relnamespace = 'public'::regnamespace"
        return {row["relname"] for row in connection.execute(query)}


@pytest.mark.parametrize("migrated", [False, True], ids=["new", "migrated"])
@pytest.mark.parametrize("user", ["postgres", SUPERUSER])
def test_a_supabase_project_is_refused_and_left_as_it_is(postgres, migrated, user):
    if migrated:
        name = postgres.copy()
    else:
        postgres.prepare(name := postgres.fresh())
    before = tables_of(postgres, name)
    with pytest.raises(RecordsError, match="publishable key") as refused:
        Database(postgres.url(name, user))
    assert refused.value.code == "records_setup" and "UNMASK_DATABASE" in refused.value.hint
    assert tables_of(postgres, name) == before


@pytest.mark.parametrize(
    "grant",
    [
        "alter default privileges grant select on tables to anon",
        "alter default privileges in schema public grant insert on tables to authenticated",
        "alter default privileges grant delete on tables to public",
        "grant usage on schema public to anon",
    ],
)
def test_grants_that_would_open_new_tables_are_refused(postgres, where, grant):
    name = where.split("@/")[1].split("?")[0]
    with postgres.connect(name) as connection:
        connection.execute(grant)
    with pytest.raises(RecordsError, match="open to others"):
        Database(where)
    assert tables_of(postgres, name) == set()


@pytest.mark.parametrize(
    "grant",
    [
        "grant select on all tables in schema public to anon",
        "grant truncate on records to authenticated",
        "grant select (name) on records to anon",
        "grant update on shares to public",
    ],
)
def test_grants_that_opened_tables_are_refused_at_the_next_start(postgres, where, grant):
    Database(where).close()
    Database(where).close()  # nothing was granted: it starts
    name = where.split("@/")[1].split("?")[0]
    with postgres.connect(name) as connection:
        connection.execute(grant)
    with pytest.raises(RecordsError, match="open to others"):
        Database(where)


def test_a_schema_of_its_own_in_a_project_is_closed(postgres):
    name = postgres.copy()
    with postgres.connect(name) as connection:
        connection.execute('create schema "Own one" authorization postgres')
    options = "&options=-csearch_path%3D%22Own%5C%20one%22"
    Database(postgres.url(name, "postgres") + options).close()
    for role in ("anon", "authenticated"):
        with postgres.transaction(name) as database:
            database.act_as(role)
            with database.refused():
                database.rows('select * from "Own one".records')


def test_a_server_that_can_not_be_reached_is_said_to_be(tmp_path):
    nowhere = f"postgresql://somebody:secret@/name?host={tmp_path}"
    with pytest.raises(RecordsError) as refused:
        open_store(nowhere)
    assert refused.value.code == "records_unreachable" and "secret" not in str(refused.value)


def test_a_database_that_is_not_there_or_not_ours(postgres):
    with pytest.raises(RecordsError) as refused:
        open_store(postgres.url("no_such_database"))
    assert refused.value.code == "records_setup" or refused.value.code == "records_unreachable"


@pytest.mark.parametrize("wrong", ["mysql://a:secret@b/c", "no address: secret", "sqlite:///x"])
def test_an_address_of_something_else(wrong):
    with pytest.raises(RecordsError) as refused:
        open_store(wrong)
    assert refused.value.code == "records_address"
    assert "secret" not in f"{refused.value.message} {refused.value.hint}"


def test_a_record_that_another_holds_is_said_to_be(store, address, monkeypatch):
    record = make(LOCAL)
    store.add(record, SAMPLE)
    monkeypatch.setattr(database, "TIMEOUT_SECONDS", 1)
    hasty = open_store(address)
    with (
        store.database.writing() as connection,
        pytest.raises(RecordsError, match="in use by another program"),
    ):
        connection.execute(text("SELECT 1 FROM records FOR UPDATE"))
        hasty.change(LOCAL, record.id, note="x")
    assert hasty.change(LOCAL, record.id, note="x") is not None
    hasty.close()


def test_a_server_that_was_started_anew_is_asked_again(store, postgres):
    store.add(record := make(LOCAL))
    with postgres.connect("postgres", autocommit=True) as other:
        other.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                      [store.database.engine.url.database])  # fmt: skip
    assert store.get(LOCAL, record.id) == record


def test_the_server_keeps_its_records_where_it_is_told(where, tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_DATABASE", where)
    application = Application(tmp_path)
    store = application.jobs.store
    assert not (tmp_path / FILE).exists()
    store.add(record := make(LOCAL), SAMPLE)
    assert application.jobs.find(record.id, RecordScope(LOCAL, store)).analysis == SAMPLE
    over = record.touched + timedelta(days=31)
    assert store.sweep(over, timedelta(days=30)) == [record.id]
    application.stop()
    store.close()
