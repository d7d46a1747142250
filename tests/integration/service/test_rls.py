"""Who may see and do what, on a PostgreSQL with deploy/supabase/migrations applied unchanged."""

import base64
import hashlib
import json
import re
import secrets
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from detector.schema.codes import Label
from detector.seals import record_hash
from service.context import new_id
from service.records.model import MAX_LINKS
from tests.support.postgres import MIGRATIONS, ROOT, SHIM, Database
from tests.support.waiting import until

TABLES = ["cases", "instance", "quotas", "records", "removals", "settings", "shares", "usage"]


@pytest.fixture
def database(postgres):
    with postgres.transaction() as found:
        yield found


@pytest.fixture
def ada(database):
    return database.person("ada@example.org")


@pytest.fixture
def hers(database, ada):
    """A finished record of Ada's, who is the caller from now on."""
    id = keep(database, ada)
    database.act_as("authenticated", ada)
    return id


@pytest.fixture
def bob(database):
    return database.person("bob@example.org")


ANALYSIS = "insert into records (id, name) values (%s, 'x')"
OF_ANOTHER = "insert into records (id, owner, name) values (%s, %s, 'x')"
PREFERENCES = "insert into settings (owner, kind, value) values (%s, 'preferences', %s)"
ONE_LINK = (
    "insert into shares (id, record, expires, token_hash) values "
    "(%s, %s, now() + interval '1 hour', encode(sha256('x'), 'hex'))"
)


def keep(database, owner, *, done=True, **changes):
    """A record of somebody, made behind the policies; its id."""
    row: dict[str, object] = {"id": new_id(), "owner": owner, "name": "clip.mp4"}
    if done:
        row |= {
            "state": "done",
            "result": '{"verdict": "FAKE", "probability": 0.9}',
            "document": '{"secret": "of the owner"}',
            "place": '{"latitude": 48.85}',
            "note": "only mine",
        }
    row |= changes
    database.act_as_superuser()
    names, marks = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    database.run(f"insert into records ({names}) values ({marks})", row)
    return str(row["id"])


def link(database, owner, analysis, *, over="now() + '1 hour'"):
    """A share link of somebody, made as they make it; its token."""
    token = new_id()
    database.act_as_superuser()
    database.run(
        "insert into shares (id, record, owner, created, expires, token_hash) values "
        f"(%s, %s, %s, now() - interval '2 hours', {over}, encode(sha256(%s::bytea), 'hex'))",
        [new_id(), analysis, owner, token],
    )
    return token


def opened(database, token):
    """What a link leads to, for whoever has no account."""
    database.act_as("anon")
    return database.rows("select * from shared_analysis(%s)", [token])


def visible(database, table="records"):
    return database.value(f"select count(*) from {table}")


def test_every_table_has_forced_row_level_security_and_no_other_was_added(database):
    found = database.rows(
        "select relname, relrowsecurity and relforcerowsecurity as forced from pg_class "
        "where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f') "
        "order by relname"
    )
    assert [row["relname"] for row in found] == TABLES
    assert all(row["forced"] for row in found)


def test_a_request_without_an_account_has_one_function_and_nothing_else(database):
    tables = database.rows(
        "select c.relname, p.privilege from pg_class c, unnest(array['select', 'insert', 'update', "
        "'delete', 'truncate', 'references', 'trigger']) as p (privilege) where c.relnamespace = "
        "'public'::regnamespace and c.relkind = 'r' and (has_table_privilege('anon', c.oid, "
        "p.privilege) or (p.privilege in ('select', 'insert', 'update') and "
        "has_any_column_privilege('anon', c.oid, p.privilege)))"
    )
    assert tables == []
    functions = database.rows(
        "select p.proname from pg_proc p where p.pronamespace in ('public'::regnamespace, "
        "'private'::regnamespace) and has_function_privilege('anon', p.oid, 'execute')"
    )
    assert [row["proname"] for row in functions] == ["shared_analysis"]
    assert not database.value("select has_schema_privilege('anon', 'private', 'usage')")


def test_what_an_account_may_call_is_what_the_dashboard_and_the_policies_call(database):
    functions = database.rows(
        "select p.pronamespace::regnamespace::text || '.' || p.proname as name from pg_proc p "
        "where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace) and "
        "has_function_privilege('authenticated', p.oid, 'execute') order by 1"
    )
    private = (
        "app_role is_admin is_own_media is_stored is_webp is_within longest may_write takes_media "
        "text_bytes within_our_time"
    )
    public = "facets purge search_analyses shared_analysis usage_of"
    assert [row["name"] for row in functions] == [
        *(f"private.{name}" for name in private.split()),
        *(f"public.{name}" for name in public.split()),
    ]


def test_functions_with_more_rights_than_their_caller_have_a_fixed_search_path(database):
    found = database.rows(
        "select proname, proconfig from pg_proc where pronamespace in "
        "('public'::regnamespace, 'private'::regnamespace)"
    )
    assert len(found) >= 10
    assert all(row["proconfig"] == ["search_path=pg_catalog, pg_temp"] for row in found)


@pytest.mark.parametrize(
    "type",
    ["uuid", "text", "jsonb", "numeric", "timestamptz", "float8", "int4", "int8", "interval"],
)
def test_a_temporary_type_runs_nothing_with_more_rights(database, ada, bob, type):
    token = link(database, ada, keep(database, ada))
    mine = keep(database, bob, done=False)
    database.act_as("authenticated", bob)
    database.run("create temp table ran (role name)")
    database.run(
        "create function pg_temp.run(value anyelement) returns boolean language plpgsql as "
        "$$ begin insert into pg_temp.ran values (current_user); return true; end $$"
    )
    domain = f'create domain pg_temp."{type}" as pg_catalog."{type}"'
    database.run(f"{domain} check (pg_temp.run(value))")
    # Tables of the same names beside it, for whatever names one without its schema.
    for table in TABLES:
        database.run(f'create temp table "{table}" ()')
    database.rows("select * from public.purge()")
    assert len(database.rows("select * from public.shared_analysis(%s)", [token])) == 1
    database.rows("select * from public.search_analyses(auth.uid())")
    chosen = "('preferences', '{\"keep_days\": 3}')"
    database.run(f"insert into public.settings (kind, value) values {chosen}")
    database.run("update public.records set note = 'x' where id = %s", [mine])
    upload(database, bob, mine)
    database.run("delete from public.records where id = %s", [mine])
    # `auth.uid()` runs with the caller's own rights and path.
    assert database.rows("select role from pg_temp.ran where role <> 'authenticated'") == []


def test_the_migrations_can_be_applied_again_and_keep_what_is_there(postgres):
    name = postgres.copy()
    with postgres.connect(name) as connection:
        first = Database(connection)
        keep(first, first.person("kept@example.org"))
        first.run("update instance set keep_days = 7")
    postgres.migrate(name)
    with postgres.transaction(name) as again:
        assert visible(again) == 1
        assert again.value("select keep_days from instance") == 7


def test_the_migrations_touch_storage_only_as_a_hosted_project_lets_them():
    """There `postgres` may make policies on storage.objects and write buckets, and no more."""
    for file in sorted(MIGRATIONS.glob("*.sql")):
        text = re.sub(r"--[^\n]*", "", file.read_text("utf-8")).lower()
        for statement in re.split(r";\s*\n", text):
            words = statement.split()
            if not re.search(r"\bstorage\.(objects|buckets)\b", statement) or not words:
                continue
            if words[:2] in (["create", "policy"], ["drop", "policy"]):
                continue
            reads = words[:4] == ["create", "or", "replace", "function"]
            buckets = words[:3] == ["insert", "into", "storage.buckets"]
            assert reads or buckets, f"{file.name}: {statement[:200]}"
            if reads:
                assert not re.search(r"(delete from|update|insert into)\s+storage\.", statement)


def test_a_case_is_its_owners_alone_and_its_log_only_grows(database, ada, bob):
    database.act_as("authenticated", ada)
    id, values = new_id(), "(id, entries, closed, analyses, log) values (%s, 1, false, '{}', 'one')"
    database.run(f"insert into cases {values}", [id])
    assert database.run("update cases set log = 'one two', entries = 2") == 1
    for changed in ("log = 'two', entries = 3", "log = 'one two three', entries = 2"):
        database.refuse(f"update cases set {changed}")
    for role in ("analyst", "admin"):
        database.act_as("authenticated", bob, app_metadata={"role": role})
        assert visible(database, "cases") == 0
        assert database.run("update cases set log = 'one two three', entries = 3") == 0
        assert database.run("delete from cases") == 0


def test_what_is_in_an_open_case_is_not_purged(database, ada):
    kept, left = (keep(database, ada, touched="2020-01-01") for _ in range(2))
    database.run(
        "insert into cases (id, owner, entries, closed, analyses, log) "
        "values (%s, %s, 1, false, %s, 'one')",
        [new_id(), ada, [kept]],
    )
    database.act_as("authenticated", ada)
    assert database.rows("select * from public.purge()") == [{"deleted": 1}]
    assert [row["id"] for row in database.rows("select id from records")] == [kept] != [left]


def test_an_owner_has_all_of_their_own(database, ada):
    database.act_as("authenticated", ada)
    id = new_id()
    database.run("insert into records (id, name) values (%s, 'a.mp4')", [id])
    (row,) = database.rows("select * from records")
    assert (row["id"], row["owner"], row["state"]) == (id, ada, "queued")
    assert database.run(
        'update records set state = \'done\', result = \'{"verdict": "REAL", "probability": '
        "0.1}', document = '{}', note = 'x', tags = '{a,b}' where id = %s",
        [id],
    )
    (row,) = database.rows("select headline, probability, note from records")
    assert row == {"headline": "REAL", "probability": 0.1, "note": "x"}
    assert database.run("delete from records") == 1


def test_to_another_account_it_does_not_exist(database, ada, bob):
    id = keep(database, ada)
    database.act_as("authenticated", bob)
    assert visible(database) == 0
    assert database.rows("select * from records where id = %s", [id]) == []
    assert database.run("update records set note = 'x'") == 0
    assert database.run("delete from records") == 0
    for function in ("facets", "usage_of"):
        rows = database.rows(f"select * from {function}(%s)", [ada])
        assert rows in ([], [{"records": 0, "bytes": 0}])
    (found,) = database.rows("select * from search_analyses(%s)", [ada])
    assert found == {"total": 0, "counts": {}, "records": []}
    # Nor can the row be looked through by what an error or a conflict would say of its contents.
    database.refuse("insert into records (id, name) values (%s, 'mine')", [id], state="23505")
    database.act_as_superuser()
    assert database.value("select note from records where id = %s", [id]) == "only mine"


def test_nobody_has_anything_without_an_account(database, ada):
    keep(database, ada)
    for claims in ({}, {"sub": ada}):  # a name in a token without a role that counts is no account
        database.act_as("anon", **claims)
        for table in TABLES:
            database.refuse(f"select * from {table}")
            database.refuse(f"delete from {table}")
        database.refuse(ANALYSIS, [new_id()])
        for call in ("search_analyses(%s)", "facets(%s)", "usage_of(%s)"):
            database.refuse(f"select * from {call}", [ada])
        database.refuse("select * from purge()")


def test_an_account_without_a_person_in_its_token_has_nothing(database, ada):
    keep(database, ada)
    database.act_as("authenticated")
    assert visible(database) == 0
    database.refuse(OF_ANOTHER, [new_id(), ada])
    assert database.rows("select * from purge()") == []
    database.act_as_superuser()
    assert visible(database) == 1


def test_nobody_writes_in_anothers_name(database, ada, bob):
    mine = keep(database, bob)
    before = keep(database, ada)
    database.act_as("authenticated", bob)
    database.refuse(OF_ANOTHER, [new_id(), ada])
    # Not by changing whose it is either.
    database.refuse("update records set owner = %s where id = %s", [ada, mine])
    database.refuse(PREFERENCES, [ada, '{"keep_days": 0.001}'])
    database.refuse(ONE_LINK, [new_id(), before], state="23503")  # a link to what is not one's own
    named = ONE_LINK.replace("record,", "record, owner,").replace("(%s, %s,", "(%s, %s, %s,")
    database.refuse(named, [new_id(), before, ada])


def test_nobody_learns_from_a_refusal_how_full_anothers_account_is(database, ada, bob):
    keep(database, ada)
    database.run("insert into quotas (owner, max_records) values (%s, 1)", [ada])
    database.act_as("authenticated", bob)
    database.refuse(OF_ANOTHER, [new_id(), ada])


@pytest.mark.parametrize("column", ["id", "owner", "created", "sha256", "name", "size", "source"])
def test_what_file_it_was_can_not_be_changed_even_by_its_owner(database, hers, column):
    database.refuse(f"update records set {column} = {column}")


def test_a_result_is_there_with_its_document_or_not_at_all(database, ada):
    id = keep(database, ada, done=False)
    database.act_as("authenticated", ada)
    for half in ("state = 'done'", "result = '{}'", "state = 'done', result = '{}'"):
        database.refuse(f"update records set {half} where id = %s", [id], state="23514")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "too-short"), ("id", "x" * 21 + "/"), ("name", "x" * 301), ("note", "x" * 4001),
        ("sha256", "Z" * 64), ("confirmed", "maybe"), ("state", "whatever"), ("size", -1),
        ("thumbnail", "x" * 16385), ("tags", ["x"] * 21), ("source", "elsewhere"),
        ("media", "elsewhere/clip.mp4"), ("thumbnail", "no base64 !"), ("thumbnail", "UklGR"),
        ("thumbnail", base64.b64encode(b"<svg onload=x>").decode()), ("thumbnail", ""),
    ],
)  # fmt: skip
def test_what_does_not_belong_there_is_refused(database, ada, column, value):
    row = {"id": new_id(), "name": "clip.mp4", column: value}
    database.act_as("authenticated", ada)
    names, marks = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    database.refuse(f"insert into records ({names}) values ({marks})", row, state="23514")


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../x", "a/b", "a/../../b", "a\\b", "a\nb", "a\x7fb"]
)
def test_a_path_of_media_leads_nowhere_else(database, ada, hers, name):
    assert database.run("update records set media = %s", [f"{ada}/{hers}/media.mp4"]) == 1
    database.refuse("update records set media = %s", [f"{ada}/{hers}/{name}"], state="23514")


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "PROVEN"}, {"verdict": None}, {"verdict": ["FAKE"]}, {"verdict": "fake"},
        {"probability": -0.1}, {"probability": 1.01}, {"probability": "NaN"},
        {"probability": "Infinity"}, {"probability": "0.5"}, {"duration": -1}, {"duration": "inf"},
        {"subject_count": -1}, {"subject_count": 10**9}, {"subject_count": [1]},
    ],
)  # fmt: skip
def test_a_result_says_what_a_result_can_say(database, hers, wrong):
    good = {"verdict": "FAKE", "probability": 0.5, "duration": 1.5, "subject_count": 2}
    change = "update records set result = %s"
    assert database.run(change, [json.dumps(good)]) == 1
    database.refuse(change, [json.dumps(good | wrong)], state="23514")


def test_a_number_too_large_for_a_number_is_refused(database, hers):
    states = {"probability": "22003", "duration": "23514", "subject_count": "23514"}
    for name, state in states.items():
        result = f'{{"verdict": "FAKE", "{name}": 1e400}}'
        database.refuse("update records set result = %s", [result], state=state)


def test_all_verdicts_are_taken(database, hers):
    for label in Label:
        result = json.dumps({"verdict": label, "probability": None})
        assert database.run("update records set result = %s", [result]) == 1


def test_a_viewer_reads_and_deletes_what_is_theirs_and_writes_nothing(database, ada):
    id = keep(database, ada)
    database.act_as("authenticated", ada, app={"role": "viewer"})
    assert visible(database) == 1
    database.refuse(ANALYSIS, [new_id()])
    assert database.run("update records set note = 'x'") == 0
    database.refuse(ONE_LINK, [new_id(), id])
    with database.refused():
        upload(database, ada, id)
    assert database.run("delete from records") == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"app": {"role": "owner"}},  # not one of ours
        {"app": {"role": ["admin"]}},
        {"app": {"role": "viewer"}, "user_metadata": {"role": "admin"}},
        {"app": {"role": "admin"}, "is_anonymous": True},
    ],
)
def test_what_is_not_understood_is_a_viewer(database, ada, claims):
    database.act_as("authenticated", ada, **claims)
    assert database.value("select private.app_role()") == "viewer"
    assert not database.value("select private.may_write()")


def test_what_a_person_says_of_themselves_gives_no_role(database, ada, bob):
    keep(database, ada)
    database.act_as("authenticated", bob, user_metadata={"role": "admin"}, app_role="admin")
    assert database.value("select private.app_role()") == "analyst"
    assert visible(database) == 0


def test_new_accounts_can_be_kept_out_until_somebody_lets_them_in(database, ada):
    database.run("update instance set default_role = 'viewer'")
    database.act_as("authenticated", ada)
    assert database.value("select private.app_role()") == "viewer"
    database.act_as("authenticated", ada, app={"role": "analyst"})
    assert database.value("select private.may_write()")


def test_an_admin_sees_and_deletes_all_but_changes_nothing_of_others(database, ada, bob):
    token = link(database, ada, keep(database, ada, media=None))
    database.act_as("authenticated", bob, app={"role": "admin"})
    assert visible(database) == 1 and visible(database, "shares") == 1
    assert database.run("update records set note = 'planted'") == 0
    database.refuse(OF_ANOTHER, [new_id(), ada])
    assert database.run("delete from shares") == 1  # a link can be cut
    assert database.rows("select * from shared_analysis(%s)", [token]) == []
    assert database.run("delete from records") == 1


def test_only_an_admin_sets_limits_and_none_can_lift_their_own(database, ada, bob):
    for role in ("viewer", "analyst"):
        database.act_as("authenticated", ada, app={"role": role})
        assert visible(database, "instance") == 1
        assert database.run("update instance set max_records = 100000") == 0
        database.refuse("insert into quotas (owner, max_records) values (%s, 100000)", [ada])
        database.refuse("insert into usage (owner, hour) values (%s, now())", [ada])
        database.refuse("delete from usage")
    database.act_as("authenticated", bob, app={"role": "admin"})
    assert database.run("update instance set max_records = 7") == 1
    assert database.run("insert into quotas (owner, max_records) values (%s, 3)", [ada]) == 1
    database.refuse("insert into instance (here) values (true)")
    database.act_as("authenticated", ada)
    assert database.value("select max_records from quotas") == 3
    assert database.run("delete from quotas") == 0


def test_the_operator_gives_roles_by_address(database, ada):
    database.run("select private.set_role('ADA@example.org', 'admin')")
    role = "select raw_app_meta_data ->> 'role' from auth.users where id = %s"
    assert database.value(role, [ada]) == "admin"
    database.run("select private.set_role('ada@example.org', null)")
    assert database.value(role, [ada]) is None
    for wrong in ("'nobody@example.org', 'admin'", "'ada@example.org', 'king'"):
        database.refuse(f"select private.set_role({wrong})", state="P0001")
    database.act_as("authenticated", ada, app={"role": "admin"})
    database.refuse("select private.set_role('ada@example.org', 'admin')")


def test_what_the_readme_tells_an_operator_to_run_works(database):
    text = (ROOT / "deploy" / "supabase" / "README.md").read_text("utf-8")
    blocks = re.findall(r"^ *```sql\n(.*?)^ *```", text, re.M | re.S)
    assert len(blocks) == 2
    you, desk = database.person("you@example.org"), database.person("desk@example.org")
    for block in blocks:
        database.connection.execute(block)
    roles = "select raw_app_meta_data ->> 'role' from auth.users where id = %s"
    assert database.value(roles, [you]) == "admin"
    assert database.value("select max_records from quotas where owner = %s", [desk]) == 50000
    assert database.value("select default_role from instance") == "viewer"


def test_settings_are_ones_own_and_few(database, ada, bob):
    database.act_as("authenticated", ada, app={"role": "viewer"})  # a viewer has preferences too
    database.run("insert into settings (kind, value) values ('preferences', '{\"keep_days\": 3}')")
    database.run(
        "insert into settings (kind, name, value) select 'preset', n::text, '{}' "
        "from generate_series(1, 40) n"
    )
    more = "insert into settings (kind, name, value) values ('preset', 'more', '{}')"
    database.refuse(more, state="PT429")
    large = "update settings set value = to_jsonb(repeat('x', 70000)) where name = '1'"
    database.refuse(large, state="23514")
    database.act_as("authenticated", bob)
    assert visible(database, "settings") == 0
    assert database.run("update settings set value = '{}'") == 0
    assert database.run("delete from settings") == 0


def test_a_link_gives_a_stranger_the_result_without_note_place_and_owner(database, ada):
    id = keep(database, ada, name="clip.mp4")
    (row,) = opened(database, link(database, ada, id))
    assert set(row) == {"share", "record", "name", "source", "document", "thumbnail", "expires"}
    assert (row["record"], row["name"]) == (record_hash(id), "clip.mp4")
    assert id not in str(row)
    assert row["document"] == '{"secret": "of the owner"}'
    assert "48.85" not in str(row) and "only mine" not in str(row) and str(ada) not in str(row)


def test_a_link_opens_nothing_but_what_it_is_for(database, ada):
    first, second = keep(database, ada), keep(database, ada)
    token = link(database, ada, first)
    assert [row["record"] for row in opened(database, token)] == [record_hash(first)]
    hashed = hashlib.sha256(token.encode()).hexdigest()
    guesses = ["", "x", "%", token[:-1], token + "x", token.swapcase(), first, second, hashed]
    guesses += [f"\\x{hashed}", base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()]
    for guess in [*guesses, link(database, ada, first, over="now() - interval '1 second'")]:
        assert opened(database, guess) == []
    database.refuse("select * from shares")


def test_a_revoked_link_is_dead_and_no_other_can_be_changed_to_open(database, ada):
    token = link(database, ada, keep(database, ada))
    database.act_as("authenticated", ada)
    assert database.run("delete from shares") == 1
    assert opened(database, token) == []
    link(database, ada, keep(database, ada))
    database.act_as("authenticated", ada)
    hashed = hashlib.sha256(token.encode()).hexdigest()
    database.refuse("update shares set token_hash = %s", [hashed])


def test_a_link_dies_with_its_result_and_with_its_record(database, ada):
    token = link(database, ada, keep(database, ada))
    database.act_as("authenticated", ada)
    database.run("update records set state = 'queued', result = null, document = null")
    assert opened(database, token) == []
    database.act_as("authenticated", ada)
    database.run("delete from records")
    assert visible(database, "shares") == 0


@pytest.mark.parametrize(
    "change",
    [
        """raw_app_meta_data = '{"role": "viewer"}'""",
        """raw_app_meta_data = '{"role": "owner"}'""",
        "is_anonymous = true",
        "banned_until = now() + interval '1 hour'",
        "deleted_at = now()",
    ],
)
def test_links_of_an_account_that_may_share_no_more_are_closed(database, ada, bob, change):
    database.run("alter table auth.users add is_anonymous boolean not null default false")
    database.run("alter table auth.users add banned_until timestamptz, add deleted_at timestamptz")
    hers, his = (link(database, one, keep(database, one)) for one in (ada, bob))
    assert len(opened(database, hers)) == 1
    database.act_as_superuser()
    database.run(f"update auth.users set {change} where id = %s", [ada])
    assert opened(database, hers) == [] and len(opened(database, his)) == 1


def test_links_close_while_new_accounts_wait_to_be_let_in(database, ada):
    token = link(database, ada, keep(database, ada))
    database.run("update instance set default_role = 'viewer'")
    assert opened(database, token) == []
    database.act_as_superuser()
    database.run("select private.set_role('ada@example.org', 'analyst')")
    assert len(opened(database, token)) == 1


def test_a_link_can_not_be_made_to_last_or_turned_to_another_record(database, ada):
    id, other = keep(database, ada), keep(database, ada)
    link(database, ada, id)
    database.act_as("authenticated", ada)
    database.refuse(ONE_LINK.replace("1 hour", "91 days"), [new_id(), id], state="23514")
    longer = "expires = now() + interval '80 days'"
    for change in (longer, f"record = '{other}'", "token_hash = ''"):
        database.refuse(f"update shares set {change}")


def test_not_even_its_owner_reads_the_hash_of_a_link(database, ada):
    link(database, ada, keep(database, ada))
    for claims in ({}, {"app": {"role": "admin"}}):
        database.act_as("authenticated", ada, **claims)
        for statement in ("select token_hash from shares", "select * from shares"):
            database.refuse(statement)
        assert len(database.rows("select id, record, expires from shares")) == 1


def test_links_of_others_are_not_seen_or_cut(database, ada, bob):
    token = link(database, ada, keep(database, ada))
    database.act_as("authenticated", bob)
    assert visible(database, "shares") == 0
    assert database.run("delete from shares") == 0
    # The link itself opens for whoever holds it, with an account or without.
    assert len(database.rows("select * from shared_analysis(%s)", [token])) == 1


def test_hashes_are_compared_to_the_end_wherever_they_differ(database):
    same = "select private.same(%s::bytea, %s::bytea)"
    whole = secrets.token_bytes(32)
    assert database.value(same, [whole, whole]) is True
    for place in (0, 15, 31):
        other = bytearray(whole)
        other[place] ^= 1
        assert database.value(same, [whole, bytes(other)]) is False
    assert database.value(same, [whole, whole[:31]]) is False
    assert database.value(same, [b"", b""]) is True


def test_to_compare_takes_as_long_for_a_guess_that_begins_right(database):
    """The fastest of several runs each, so that a busy machine does not decide."""
    whole = secrets.token_bytes(4096)
    first, last = bytearray(whole), bytearray(whole)
    first[0] ^= 1
    last[-1] ^= 1

    def took(other):
        start = time.perf_counter()
        # The length depends on n: the function is called every time.
        equal = database.value(
            "select count(*) filter (where private.same(%s::bytea, "
            "substr(%s::bytea, 1, 4096 + 0 * n))) from generate_series(1, 40) n",
            [whole, other],
        )
        assert equal == 0
        return time.perf_counter() - start

    both = [(took(bytes(first)), took(bytes(last))) for _ in range(15)]
    assert min(one for one, _ in both) > min(other for _, other in both) / 5


def test_an_account_keeps_so_many_and_can_make_room(database, ada, bob):
    database.run("update instance set max_records = 2")
    database.run("insert into quotas (owner, max_records) values (%s, 3)", [bob])
    for person, most in ((ada, 2), (bob, 3)):
        database.act_as("authenticated", person)
        for _ in range(most):
            database.run(ANALYSIS, [new_id()])
        with pytest.raises(psycopg.Error) as caught, database.connection.transaction():
            database.run(ANALYSIS, [new_id()])
        assert (caught.value.sqlstate, caught.value.diag.message_detail) == ("PT429", "records")
        assert str(most) in str(caught.value)
        database.run("delete from records where id = (select min(id) from records)")
        database.run(ANALYSIS, [new_id()])


def test_an_hours_allowance_does_not_come_back_by_deleting(database, ada):
    database.run("update instance set max_per_hour = 2")
    database.act_as("authenticated", ada)
    for _ in range(2):
        database.run(ANALYSIS, [new_id()])
        database.run("delete from records")
    database.refuse(ANALYSIS, [new_id()], state="PT429")
    # Several in one statement are counted one by one.
    database.act_as_superuser()
    database.run("update usage set hour = hour - interval '1 hour'")
    database.act_as("authenticated", ada)
    three = "insert into records (id, name) values (%s, 'x'), (%s, 'x'), (%s, 'x')"
    database.refuse(three, [new_id(), new_id(), new_id()], state="PT429")


def test_results_take_up_so_much_and_a_smaller_one_always_goes(database, ada):
    database.run("update instance set max_bytes = 1000")
    id = keep(database, ada, document="x" * 600)
    database.act_as("authenticated", ada)
    database.refuse("update records set document = repeat('x', 1100)", state="PT429")
    database.act_as_superuser()
    database.run("update instance set max_bytes = 100")
    database.act_as("authenticated", ada)
    note = "update records set note = 'still mine'"
    database.refuse(note, state="PT429")  # a note takes room like all else
    shorter = "update records set document = 'x', note = 'still mine' where id = %s"
    assert database.run(shorter, [id]) == 1


def race(postgres, name, person, *statements):
    """Two statements of an account, the second begun before the first one's end."""
    with postgres.connect(name) as one, postgres.connect(name) as two:
        first, second = Database(one), Database(two)
        for database in (first, second):
            database.act_as("authenticated", person)
        first.run(*statements[0])
        outcome: list[BaseException | int] = []

        def late():
            try:
                outcome.append(second.run(*statements[1]))
            except psycopg.Error as error:
                outcome.append(error)

        thread = threading.Thread(target=late)
        thread.start()
        # It waits for the first one's end, and then counts its row.
        with postgres.connect(name, autocommit=True) as watch:
            waits = "select count(*) as n from pg_locks where not granted"
            until(lambda: outcome or watch.execute(waits).fetchone()["n"])
        assert not outcome
        one.commit()
        thread.join()
        (refusal,) = outcome
        two.rollback()
    assert isinstance(refusal, psycopg.Error) and refusal.sqlstate is not None
    return refusal.sqlstate


def test_of_two_at_once_one_gets_the_last_place(postgres):
    name = postgres.copy()
    with postgres.connect(name) as connection:
        person = Database(connection).person()
        connection.execute("update instance set max_records = 1")
    both = [(ANALYSIS, [new_id()]) for _ in range(2)]
    assert race(postgres, name, person, *both) == "PT429"


def old(database, owner, days):
    touched = datetime.now(UTC) - timedelta(days=days)
    return keep(database, owner, touched=touched)


def left(database):
    database.act_as_superuser()
    return {row["id"] for row in database.rows("select id from records")}


def test_what_is_over_is_deleted_by_the_instance_and_sooner_by_its_owners_wish(database, ada, bob):
    database.run("update instance set keep_days = 30")
    database.run(PREFERENCES, [ada, '{"keep_days": 2.5}'])
    database.run(PREFERENCES, [bob, '{"keep_days": 900}'])  # not longer than the instance's
    stay = {old(database, ada, 2.4), old(database, bob, 29), keep(database, bob)}
    old(database, ada, 2.6)
    old(database, bob, 31)
    assert database.value("select private.purge()") == 2
    assert left(database) == stay
    database.run("update instance set keep_days = null")
    forever = old(database, bob, 899)
    old(database, bob, 901)
    assert database.value("select private.purge()") == 1
    assert left(database) == stay | {forever}


def test_a_person_purges_what_is_theirs_alone(database, ada, bob):
    theirs = old(database, ada, 40)
    old(database, bob, 40)
    database.act_as("authenticated", bob)
    assert database.rows("select * from purge()") == [{"deleted": 1}]
    database.refuse("select private.purge()")
    assert left(database) == {theirs}


def test_old_links_and_counts_go_too(database, ada):
    id = keep(database, ada)
    for _ in range(2):
        link(database, ada, id)
    database.run(
        "update shares set created = now() - interval '9 days', expires = now() - interval '8 days'"
        " where id = (select min(id) from shares)"
    )
    database.run("insert into usage (owner, hour) values (%s, now() - interval '61 days')", [ada])
    database.value("select private.purge()")
    assert visible(database, "shares") == 1 and visible(database, "usage") == 1


def upload(database, owner, id, name="media.mp4", bucket="media"):
    """What the storage service does first when a file comes: the row, with the asker's rights."""
    path = f"{owner}/{id}/{name}"
    database.run(
        "insert into storage.objects (bucket_id, name, owner_id) values (%s, %s, auth.uid())",
        [bucket, path],
    )
    return path


def with_room_for_1000(database, person):
    """Act as a person whose files may take up 1,000 bytes; a record of theirs."""
    database.run("update instance set max_media_bytes = 1000")
    id = keep(database, person)
    database.act_as("authenticated", person)
    return id


def test_the_bucket_is_private_and_takes_media_up_to_a_size(database):
    (bucket,) = database.rows("select * from storage.buckets")
    assert (bucket["id"], bucket["public"]) == ("media", False)
    assert bucket["file_size_limit"] == 500 * 1024 * 1024
    kinds = set(bucket["allowed_mime_types"])
    assert {"video/mp4", "image/jpeg"} <= kinds
    assert not any("html" in kind or "svg" in kind or "*" in kind for kind in kinds)


def test_files_are_in_ones_own_folder_and_of_ones_own_records(database, ada, bob):
    mine, theirs = keep(database, ada), keep(database, bob)
    database.act_as("authenticated", ada)
    path = upload(database, ada, mine)
    assert database.rows("select name from storage.objects") == [{"name": path}]
    for owner, id, name in (
        (bob, theirs, "media.mp4"),  # another's folder
        (bob, mine, "media.mp4"),
        (ada, theirs, "media.mp4"),  # one's own folder, another's record
        (ada, new_id(), "media.mp4"),  # of no record
        (ada, mine, "deeper/media.mp4"),
        (ada, mine, ".."),
        (ada, mine, ""),
    ):
        with database.refused():
            upload(database, owner, id, name)
    database.refuse("insert into storage.objects (bucket_id, name) values ('media', 'media.mp4')")
    database.refuse("update storage.objects set name = %s", [f"{bob}/{theirs}/media.mp4"])
    database.refuse("insert into storage.buckets (id, name, public) values ('x', 'x', true)")
    assert database.run("update storage.buckets set public = true") == 0


def test_files_of_others_do_not_exist(database, ada, bob, hers):
    upload(database, ada, hers)
    database.act_as("authenticated", bob)
    assert database.rows("select * from storage.objects") == []
    assert database.run("update storage.objects set name = name") == 0
    assert remove(database) == 0
    database.act_as("anon")
    assert database.rows("select * from storage.objects") == []
    with database.refused():
        upload(database, ada, hers, "other.mp4")
    assert remove(database) == 0
    database.act_as("authenticated", bob, app={"role": "admin"})
    assert len(database.rows("select * from storage.objects")) == 1
    with database.refused():
        upload(database, ada, hers, "planted.mp4")
    assert database.run("update storage.objects set version = 'planted'") == 0


def remove(database):
    """What the storage service does when files are deleted."""
    database.run("select set_config('storage.allow_delete_query', 'true', true)")
    return database.run("delete from storage.objects")


def test_an_owner_deletes_their_files_and_a_viewer_too(database, ada, hers):
    upload(database, ada, hers)
    database.act_as("authenticated", ada, app={"role": "viewer"})
    assert database.run("update storage.objects set version = 'x'") == 0
    assert remove(database) == 1


def test_files_take_up_so_much(database, ada, bob):
    database.run("update instance set max_media_bytes = 1000")
    mine, theirs = keep(database, ada), keep(database, bob)
    database.act_as("authenticated", ada)
    upload(database, ada, mine, "a.mp4")
    database.act_as_superuser()
    database.run("update storage.objects set metadata = '{\"size\": 1000}'")
    database.act_as("authenticated", ada)
    with database.refused():
        upload(database, ada, mine, "b.mp4")
    database.act_as("authenticated", bob)  # another's are not counted
    upload(database, bob, theirs, "a.mp4")


def test_a_file_whose_record_went_is_remembered_until_it_is_gone(database, ada, bob, hers):
    path = upload(database, ada, hers)
    database.run("update records set media = %s", [path])
    database.run("delete from records")
    assert database.rows("select path from removals") == [{"path": path}]
    assert database.run("delete from removals") == 0  # it still lies there
    database.act_as("authenticated", bob)
    assert visible(database, "removals") == 0
    database.refuse("insert into removals (path, owner) values ('x', %s)", [ada])
    database.act_as("authenticated", ada)
    assert remove(database) == 1
    assert database.run("delete from removals") == 1


def test_with_an_account_all_that_was_its_own_goes(database, ada, bob):
    id = keep(database, ada, done=True)
    kept = keep(database, bob)
    link(database, ada, id)
    database.act_as("authenticated", ada)
    path = upload(database, ada, id)
    database.run("update records set media = %s", [path])
    database.run("insert into settings (kind, value) values ('preferences', '{}')")
    database.act_as_superuser()
    database.run("delete from auth.users where id = %s", [ada])
    assert left(database) == {kept}
    for table in ("shares", "settings", "quotas"):
        assert visible(database, table) == 0
    # Its files are on the list of whoever tidies with the project's secret key.
    database.act_as("service_role")
    assert database.rows("select path, owner from removals") == [{"path": path, "owner": ada}]


def test_a_missing_server_fails_and_is_not_skipped(tmp_path):
    code = "from tests.support.postgres import postgres\ndef test_it(postgres):\n    pass\n"
    (tmp_path / "test_it.py").write_text(code)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"POSTGRES": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 1 and "1 error" in run.stdout
    assert "tools/programs.py installs it" in run.stdout


def test_the_shim_leaves_new_tables_open_as_a_project_does(postgres):
    """Or the grants that our migrations take away would not be there to be taken."""
    postgres.prepare(name := postgres.fresh())
    with postgres.connect(name, user="postgres") as connection:
        connection.execute("create table public.opened (id int)")
    with postgres.transaction(name) as bare:
        bare.act_as("anon")
        assert visible(bare, "opened") == 0
        bare.run("insert into opened values (1)")
    assert "superuser" in SHIM.read_text("utf-8")


NO_CHOICE = ["[]", "{}", "null", '{"keep_days": null}']
BAD_CHOICES = '1e400 1e-400 -1e400 0 -1 36501 1e300 "7" "soon" true'


@pytest.mark.parametrize(
    "value", [*NO_CHOICE, *(f'{{"keep_days": {days}}}' for days in BAD_CHOICES.split())]
)
def test_a_bad_choice_is_refused_and_an_old_one_stops_nobodys_retention(database, ada, bob, value):
    if value not in NO_CHOICE:
        database.act_as("authenticated", bob)
        chosen = "insert into settings (kind, value) values ('preferences', %s)"
        database.refuse(chosen, [value], state="23514")
        database.act_as_superuser()
    database.run("alter table settings drop constraint settings_keep_days")
    database.run(PREFERENCES, [bob, value])
    database.run("update instance set keep_days = 7")
    kept = old(database, bob, 6)
    for owner in (ada, bob):
        old(database, owner, 8)
    assert database.value("select private.purge()") == 2
    assert left(database) == {kept}


def test_an_account_that_cannot_be_purged_stops_no_other(database, ada, bob):
    database.run("update instance set keep_days = 7")
    for owner in (ada, bob):
        keep(database, owner, touched="2020-01-01")
    database.run(
        "create function no() returns trigger language plpgsql as "
        f"$$ begin if old.owner = '{ada}' then raise 'damaged'; end if; return old; end $$"
    )
    database.run("create trigger no before delete on records for each row execute function no()")
    assert database.value("select private.purge()") == 1
    assert database.value("select owner from records") == ada


def test_all_text_of_a_record_counts_and_has_a_length(database, ada):
    keep(database, ada, done=False)
    database.act_as("authenticated", ada)
    for column, value in (
        ("tags", ["x" * 41]),
        ("tags", ["x" * 46_000_000]),
        ("models", ["x" * 201]),
        ("media", f"{ada}/" + "x" * 2000),
    ):
        database.refuse(f"update records set {column} = %s", [value], state="23514")
    before = database.value("select stored from records")
    database.run("update records set note = 'é', tags = '{ab,cd}', models = '{texture}'")
    assert database.value("select stored from records") == before + 2 + 4 + 7
    database.act_as_superuser()
    database.run("insert into quotas (owner, max_bytes) values (%s, 1000)", [ada])
    database.act_as("authenticated", ada)
    database.refuse("update records set note = %s", ["x" * 2000], state="PT429")
    assert database.run("update records set note = ''") == 1, "what gets smaller always goes"


def test_a_file_cannot_grow_over_the_limit(database, ada):
    upload(database, ada, with_room_for_1000(database, ada))
    assert database.run("update storage.objects set metadata = '{\"size\": 1000}'") == 1
    for size in ("1001", "2600000000", "999999999999999999"):
        database.refuse("update storage.objects set metadata = %s", [f'{{"size": {size}}}'])


def test_a_file_has_so_many_links(database, hers):
    many = (
        "insert into shares (id, record, expires, token_hash) select "
        "substr(encode(sha256(n::text::bytea), 'hex'), 1, 22), %s, now() + interval '1 hour', "
        "encode(sha256(n::text::bytea), 'hex') from generate_series(1, %s) as n"
    )
    database.refuse(many, [hers, 100_000], state="PT429")
    assert visible(database, "shares") == 0
    assert database.run(many, [hers, MAX_LINKS]) == MAX_LINKS
    database.refuse(many.replace("n::text", "(-n)::text"), [hers, 1], state="PT429")


def test_no_file_of_a_record_is_forgotten(database, ada):
    id, other = keep(database, ada), keep(database, ada)
    database.act_as("authenticated", ada)
    paths = {upload(database, ada, id, name) for name in ("a.mp4", "b.mp4")}
    upload(database, ada, other)
    database.run("delete from records where id = %s", [id])  # `media` was never written
    assert {row["path"] for row in database.rows("select path from removals")} == paths


def file_of(database, owner, id, size, name="a.mp4"):
    """A file as the storage service leaves it when it has all of it, in nobody's name."""
    path = f"{owner}/{id}/{name}"
    database.act_as_superuser()
    database.run(
        "insert into storage.objects (bucket_id, name, version, metadata) "
        "values ('media', %s, 'first', jsonb_build_object('size', %s::bigint))",
        [path, size],
    )
    database.act_as("authenticated", owner)
    return path


SIZED = "insert into storage.objects (bucket_id, name, metadata) values ('media', %s, %s)"


@pytest.mark.parametrize(
    "about",
    ['{"size": 2600000000.5}', '{"size": 1e19}', '{"size": "2600000000 "}', '{"size": -1}',
     '{"size": 2600000000}', '{"size": null}', '{"size": {}}', '{"size": true}', '{"size": "NaN"}',
     '{"size": null, "contentLength": 1}', '{"contentLength": 1001}', '{"contentLength": "x"}',
     "[]", '["size"]', '"size"', "7"],
)  # fmt: skip
def test_a_size_that_is_no_number_is_too_much(database, ada, about):
    id = with_room_for_1000(database, ada)
    database.refuse(SIZED, [f"{ada}/{id}/a.mp4", about])
    upload(database, ada, id)
    database.refuse("update storage.objects set metadata = %s", [about])
    database.act_as_superuser()  # there from before: what it takes up nobody knows
    database.run("update storage.objects set metadata = %s", [about])
    database.act_as("authenticated", ada)
    with database.refused():
        upload(database, ada, id, "b.mp4")


@pytest.mark.parametrize("about", [None, "null", "{}", '{"mimetype": "video/mp4"}',
                                   '{"contentLength": 1000, "mimetype": "video/mp4"}'])  # fmt: skip
def test_a_file_can_be_brought_and_put_again_as_the_service_asks(database, ada, about):
    """Its versions ask with no metadata, with none of a size, or with the length of the request."""
    id = with_room_for_1000(database, ada)
    assert database.run(SIZED, [f"{ada}/{id}/b.mp4", about]) == 1
    remove(database)
    path = file_of(database, ada, id, 1000)
    again = (
        f"{SIZED} on conflict (bucket_id, name) do update "
        "set version = '1', metadata = excluded.metadata"
    )
    assert database.run(again, [path, about]) == 1


@pytest.mark.parametrize(
    "change",
    ["metadata = '{}'", "metadata = null", "metadata = '{\"size\": 1}'",
     "metadata = '{}', version = 'x'", "id = gen_random_uuid(), metadata = '{}'"],
)  # fmt: skip
def test_writing_over_the_size_of_a_file_frees_no_room(database, ada, change):
    database.run("update instance set max_media_bytes = 1000")
    id = keep(database, ada)
    file_of(database, ada, id, 1000)
    if change.startswith("id"):
        database.refuse(f"update storage.objects set {change}")
    else:
        database.run(f"update storage.objects set {change}")
    database.run("update storage.objects set version = 'first'")
    with database.refused():
        upload(database, ada, id, "b.mp4")
    database.refuse(SIZED, [f"{ada}/{id}/b.mp4", '{"size": 1}'])
    assert remove(database) == 1
    upload(database, ada, id, "b.mp4")


def test_files_of_one_statement_are_counted_one_by_one(database, ada):
    id = with_room_for_1000(database, ada)
    for name in ("a.mp4", "b.mp4"):
        upload(database, ada, id, name)
    database.refuse("update storage.objects set metadata = '{\"size\": 600}'")


def test_of_two_files_at_once_one_gets_the_last_room(postgres):
    name = postgres.copy()
    with postgres.connect(name) as connection:
        database = Database(connection)
        person = database.person()
        id = keep(database, person)
        database.run("update instance set max_media_bytes = 1000")
    files = [(SIZED, [f"{person}/{id}/{n}.mp4", '{"size": 600}']) for n in "ab"]
    assert race(postgres, name, person, *files) == "42501"


@pytest.mark.parametrize(
    "moment", ["-infinity", "infinity", "4000-01-01 BC", "1999-12-31", "9999-01-01"]
)
def test_times_are_the_servers(database, ada, moment):
    columns = "created, touched, analyzed, last_cache_hit"
    database.act_as("authenticated", ada)
    database.run(
        f"insert into records (id, name, {columns}) values (%s, 'x', %s, %s, %s, %s)",
        [new_id(), *[moment] * 4],
    )
    past = "select bool_and(t between '2000-01-01Z' and now())"
    fine = f"{past} from records, unnest(array[{columns}]) t"
    assert database.value(fine)
    later = "update records set touched = %s, analyzed = %s, last_cache_hit = %s"
    database.run(later, [moment] * 3)
    assert database.value(fine)
    id = keep(database, ada)
    database.act_as("authenticated", ada)
    # For ever from no beginning, and 90 days from a day of one's own choice instead of from now.
    for times in ((moment, "infinity"), ("2076-01-01", "2076-01-01 01:00")):
        database.refuse(
            "insert into shares (id, record, created, expires, token_hash) values (%s, %s, %s, %s, "
            "encode(sha256('x'), 'hex'))",
            [new_id(), id, *times],
            state="23514",
        )


def test_no_time_is_without_end_whoever_writes_it(database, ada):
    for column in ("created", "touched", "analyzed", "last_cache_hit"):
        for moment in ("-infinity", "infinity"):
            with database.refused("23514"):
                keep(database, ada, **{column: moment})


def test_settings_take_up_a_megabyte_at_most(database, ada):
    database.act_as("authenticated", ada)
    values = "('preset', %s, to_jsonb(repeat('x', %s)))"
    preset = f"insert into settings (kind, name, value) values {values}"
    for number in range(16):
        database.run(preset, [str(number), 65_000])
    database.refuse(preset, ["more", 65_000], state="PT429")
    database.run(preset, ["small", 1])
    grown = "update settings set value = to_jsonb(repeat('x', 65000)) where name = 'small'"
    database.refuse(grown, state="PT429")
    assert database.value("select sum(octet_length(value::text)) from settings") <= 1 << 20
    assert database.run("update settings set value = '1' where name = '0'") == 1
    assert database.run(preset, ["more", 60_000]) == 1


def test_an_account_has_so_many_links(database, ada, bob):
    ids = [keep(database, ada) for _ in range(31)]
    theirs = keep(database, bob)
    many = (
        "insert into shares (id, record, expires, token_hash) select "
        "substr(encode(sha256((a || n)::bytea), 'hex'), 1, 22), a, now() + interval '1 hour', "
        "encode(sha256((a || n)::bytea), 'hex') from unnest(%s::text[]) a, generate_series(1, %s) n"
    )
    database.act_as("authenticated", ada)
    assert database.run(many, [ids[:30], MAX_LINKS]) == 3000
    database.refuse(many, [ids[30:], 1], state="PT429")
    # Of every column, and what a row of PostgreSQL has beside them.
    database.act_as_superuser()
    assert database.value("select sum(pg_column_size(s.*)) from shares s") < 1 << 20
    database.act_as("authenticated", bob)
    assert database.run(many, [[theirs], 1]) == 1


def test_of_two_links_at_once_one_gets_the_last_place(postgres):
    name = postgres.copy()
    with postgres.connect(name) as connection:
        database = Database(connection)
        person = database.person()
        id = keep(database, person)
        for _ in range(MAX_LINKS - 1):
            link(database, person, id)
    one = ONE_LINK.replace("'x'", "%s::bytea")
    both = [(one, [new_id(), id, str(number)]) for number in range(2)]
    assert race(postgres, name, person, *both) == "PT429"
