"""Records in Supabase: the contract of every store through `supabase`'s own client and real
row-level security, and what only a service elsewhere can get wrong."""

import io
import secrets

import httpx
import jwt
import pytest
from PIL import Image
from supabase import ClientOptions, create_client

from detector.schema.origin import Fact, Provenance
from service.context import new_id
from service.records.model import Query, RecordsError
from service.records.supabase import bucket as module
from service.records.supabase import purge, rows
from service.records.supabase.bucket import object_path
from service.records.supabase.store import SupabaseStore
from tests.support.records_contract import (
    NOON,
    PICTURE,
    SAMPLE,
    TTL,
    StoreContract,
    make,
    minutes,
    result,
)
from tests.support.standin import token


@pytest.fixture
def ada(project):
    return project.person()


@pytest.fixture
def bob(project):
    return project.person()


def store_of(account):
    return SupabaseStore(lambda: account.client)


@pytest.fixture
def store(ada):
    return store_of(ada)


@pytest.fixture
def record(ada, store):
    store.add(made := make(ada.id), SAMPLE)
    return made


class TestSupabase(StoreContract):
    """Each person with a client of their own, whose token is all that says who they are."""

    @pytest.fixture
    def owner(self, ada):
        return ada.id

    @pytest.fixture
    def other(self, bob):
        return bob.id

    @pytest.fixture
    def others(self, bob):
        return store_of(bob)


def test_a_viewers_store_reads_and_writes_nothing(project, ada, record):
    viewer = SupabaseStore(lambda: project.client(project.token(ada.id, role="viewer")))
    assert viewer.analysis(ada.id, record.id) == SAMPLE
    with pytest.raises(RecordsError, check=lambda e: e.code == "not_allowed"):
        viewer.add(make(ada.id))
    assert viewer.change(ada.id, record.id, note="x") is None
    assert viewer.restart(
        ada.id, record.id, run="r", settings=record.settings, cache_key="", now=NOON
    ) is None  # fmt: skip
    assert viewer.ids(ada.id) == [record.id]


def test_an_admins_history_is_their_own(project, ada):
    """Their token reads everybody's rows: the store asks for theirs."""
    store_of(ada).add(record := make(ada.id, cache_key="key"), SAMPLE)
    admin = project.person("admin")
    store = store_of(admin)
    assert store.ids(admin.id) == [] and store.search(admin.id, Query()).total == 0
    assert store.get(admin.id, record.id) is None and store.open(admin.id, record.id) is None
    assert store.find_cached(admin.id, "key") is None and store.delete(admin.id, [record.id]) == []
    assert store.usage(admin.id).records == 0 and store.facets(admin.id).models == {}
    # What a policy lets them do they do by naming whose it is.
    assert store.delete(ada.id, [record.id]) == [record.id]


def test_a_stranger_opens_a_link_and_nothing_else(project, ada, store, record):
    share = store.share(ada.id, record.id, TTL, NOON)
    stranger = SupabaseStore(project.client)
    shared = stranger.shared(share.token, NOON)
    assert shared.analysis == SAMPLE
    assert record.id not in shared.model_dump_json()
    for call in (
        lambda: stranger.get(ada.id, record.id),
        lambda: stranger.search(ada.id, Query()),
        lambda: stranger.shares(ada.id, NOON),
        lambda: stranger.revoke(ada.id, share.id),
        lambda: stranger.delete(ada.id, [record.id]),
    ):
        with pytest.raises(RecordsError, check=lambda e: e.code == "not_allowed"):
            call()
    assert store.revoke(ada.id, share.id)
    assert stranger.shared(share.token, NOON) is None


@pytest.mark.parametrize("wrong", ["forged", "expired"])
def test_a_token_that_does_not_count_is_a_sign_in_that_is_over(project, ada, wrong):
    good = project.token(ada.id)
    bad = good[:-4] + "AAAA" if wrong == "forged" else project.token(ada.id, lasts=-5)
    with pytest.raises(RecordsError, check=lambda e: e.code == "signed_out"):
        SupabaseStore(lambda: project.client(bad)).ids(ada.id)


@pytest.fixture
def fail(project):
    """Call with (method, a part of the path, how many times, status): so many requests fail."""
    left: list[tuple[str, str, int]] = []

    def broken(method, path):
        for entry in left:
            if method == entry[0] and entry[1] in path:
                left.remove(entry)
                return entry[2]
        return None

    project.broken = broken
    yield lambda method, part, times=1, status=500: left.extend([(method, part, status)] * times)
    project.broken = lambda method, path: None


def test_a_service_that_fails_is_said_in_a_sentence_and_loses_nothing(ada, fail, store):
    store.add(record := make(ada.id))
    fail("PATCH", "/records")
    with pytest.raises(RecordsError) as failed:
        store.finish(ada.id, record.id, record.run, SAMPLE)
    assert "can't be used just now" in failed.value.message and failed.value.hint
    assert store.get(ada.id, record.id) == record  # all of a result or nothing
    assert store.finish(ada.id, record.id, record.run, SAMPLE)


def test_a_service_that_can_not_be_reached(ada):
    def dead(request):
        raise httpx.ConnectError("refused")

    options = ClientOptions(
        httpx_client=httpx.Client(transport=httpx.MockTransport(dead)), postgrest_client_retry=False
    )
    client = create_client("http://unmask.invalid", "key", options)
    store = SupabaseStore(lambda: client)
    for call in (
        lambda: store.ids(ada.id),
        lambda: store.search(ada.id, Query()),
        lambda: store.add(make(ada.id)),
        lambda: store.bucket.url("a/b/c"),
    ):
        with pytest.raises(RecordsError, check=lambda e: e.code == "records_unreachable"):
            call()


@pytest.mark.parametrize(
    ("code", "meant"),
    [("PGRST205", "records_setup"), ("42883", "records_setup"), ("PGRST303", "signed_out"),
     ("42501", "not_allowed"), ("23505", "records_taken"), ("413", "too_large"), ("", "records")],
)  # fmt: skip
def test_what_a_refusal_means(code, meant):
    error = rows.refusal(code)
    assert error.code == meant and error.message.endswith(".")


def test_a_full_account_is_told_which_limit_it_met(project, ada, store):
    with project.sql() as database:
        database.run("insert into quotas (owner, max_records) values (%s, 1)", [ada.id])
    store.add(make(ada.id))
    with pytest.raises(RecordsError) as full:
        store.add(make(ada.id))
    assert full.value.code == "quota" and "as many files" in full.value.message


def test_what_an_error_quotes_is_not_shown(project, ada):
    """PostgreSQL's own words name the failing row, with everything in it."""
    with pytest.raises(RecordsError, check=lambda e: "private" not in f"{e.message} {e.hint}"):
        store_of(ada).add(make(ada.id, sha256="private"))  # which the table refuses


def test_what_postgresql_has_no_letter_for(ada, store):
    facts = [Fact(group="camera", source="EXIF", name="Model", value="a\x00b")]
    analysis = result(provenance=Provenance(facts=facts))
    store.add(record := make(ada.id, name="a\x00b.mp4", note="n\x00"), analysis)
    assert store.get(ada.id, record.id).name == "ab.mp4"
    assert store.analysis(ada.id, record.id) == analysis  # byte for byte
    assert store.search(ada.id, Query(text="\x00")).total == 1


@pytest.mark.parametrize(
    "damage",
    ["created = '-infinity'", "touched = 'infinity'", "created = '0044-03-15 BC'",
     "settings = '{\"frames\": \"x\"}'", "result = '{\"verdict\": \"X\"}'"],
)  # fmt: skip
def test_a_row_that_can_not_be_read_breaks_no_history(project, ada, damage, store):
    """An account may write its own rows by itself, and could before it was looked at."""
    store.add(good := make(ada.id, 1, cache_key="key"), SAMPLE)
    store.add(bad := make(ada.id, 2, cache_key="bad"), SAMPLE)
    with project.sql() as database:
        rows = database.rows(
            "select conname, pg_get_expr(conbin, conrelid) as bounds from pg_constraint "
            "where conname in ('records_times', 'records_result')"
        )
        bounds = {row["conname"]: row["bounds"] for row in rows}
        for name in bounds:
            database.run(f"alter table records drop constraint {name}")
        database.run(f"update records set {damage} where id = %s", [bad.id])
        for name, check in bounds.items():
            database.run(f"alter table records add constraint {name} check ({check}) not valid")
    assert [record.id for record in store.search(ada.id, Query()).records] == [good.id]
    assert store.find_cached(ada.id, "bad") is None
    with pytest.raises(RecordsError, check=lambda e: e.code == "records_unreadable"):
        store.get(ada.id, bad.id)
    assert sorted(store.delete(ada.id, store.ids(ada.id))) == sorted([good.id, bad.id])


def test_a_name_that_is_too_long_is_cut_and_nothing_is_lost(ada, store):
    store.add(record := make(ada.id, name="é" * 400 + ".mp4"), SAMPLE)
    assert store.get(ada.id, record.id).name == "é" * 300
    assert store.search(ada.id, Query(text="éé.mp4")).total == 1


@pytest.mark.parametrize("wrong", [PICTURE[:20], PICTURE[:12]])
def test_a_picture_that_shows_nothing_is_none(ada, wrong, store):
    """The table looks at its first bytes alone, and takes what an account writes."""
    good, bad = make(ada.id, 1), make(ada.id, 2)
    store.add(good, SAMPLE, PICTURE)
    store.add(bad, SAMPLE, wrong)
    assert store.thumbnails(ada.id, [good.id, bad.id]) == {good.id: PICTURE}


def test_a_picture_of_many_pixels_is_none(ada, store):
    huge = io.BytesIO()
    Image.new("RGB", (2000, 2000)).save(huge, "WEBP")
    store.add(record := make(ada.id), SAMPLE, huge.getvalue())
    assert len(huge.getvalue()) < 16384 and store.thumbnails(ada.id, [record.id]) == {}


def test_long_lists_are_asked_for_in_parts(ada, monkeypatch, store):
    records = [make(ada.id, number) for number in range(7)]
    for record in records:
        store.add(record, SAMPLE, PICTURE)
    monkeypatch.setattr(rows, "PAGE_SIZE", 3)
    monkeypatch.setattr(rows, "BATCH_SIZE", 2)
    ids = sorted(record.id for record in records)
    assert store.ids(ada.id) == ids
    assert sorted(store.thumbnails(ada.id, ids)) == ids
    assert sorted(store.delete(ada.id, ids)) == ids


def test_two_tabs_keep_the_same_setting_at_once(ada, monkeypatch, store):
    """The other tab's row comes between our look and our insert."""
    client = ada.client
    key = {"owner": ada.id, "kind": "preferences", "name": ""}
    original = type(client).table
    seen = []

    def table(self, name):
        seen.append(name)
        if len(seen) == 2:  # before the insert
            original(self, name).insert(key | {"value": {"keep_days": 1}}).execute()
        return original(self, name)

    monkeypatch.setattr(type(client), "table", table)
    store._set(ada.id, "preferences", "", {"keep_days": 5})
    assert store.preferences(ada.id).keep_days == 5


@pytest.fixture
def clip(tmp_path):
    file = tmp_path / "Ärger & <co>.MP4"
    file.write_bytes(b"moving pictures" * 100)
    return file


@pytest.fixture
def large(tmp_path):
    """Two pieces and a half."""
    file = tmp_path / "large.mov"
    file.write_bytes(secrets.token_bytes(1 << 20) * 15)
    return file


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.001)


def test_media_goes_up_and_comes_back(project, ada, bob, clip, tmp_path, store, record):
    folder = tmp_path / "back"
    assert not store.fetch_media(ada.id, record.id, folder) and not folder.exists()
    assert store.keep_media(ada.id, record.id, clip)
    assert object_path(ada.id, record.id, clip) == f"{ada.id}/{record.id}/media.mp4"
    assert store.fetch_media(ada.id, record.id, folder)
    assert [file.name for file in folder.iterdir()] == ["media.mp4"]
    assert (folder / "media.mp4").read_bytes() == clip.read_bytes()
    url = store.bucket.url(object_path(ada.id, record.id, clip))
    assert url is not None and httpx.get(url).content == clip.read_bytes()
    assert httpx.get(url.replace("token=", "token=x")).status_code >= 400
    said = jwt.decode(url.split("token=")[1], project.secret, ["HS256"])
    assert said["exp"] - said["iat"] == module.SIGNED_URL_TTL.total_seconds() == 60

    others = store_of(bob)
    assert not others.keep_media(bob.id, record.id, clip)
    assert others.bucket.url(object_path(ada.id, record.id, clip)) is None
    with pytest.raises(RecordsError, check=lambda e: e.code == "not_allowed"):
        others.bucket.put(object_path(ada.id, record.id, clip), clip)
    with pytest.raises(RecordsError):
        SupabaseStore(project.client).bucket.put(object_path(ada.id, record.id, clip), clip)


def test_a_large_file_goes_up_in_pieces_and_goes_on_where_it_stopped(
    project, ada, large, tmp_path, fail, impatient, store
):
    store.add(record := make(ada.id))
    fail("PATCH", "/upload/resumable/", times=2, status=502)
    assert store.keep_media(ada.id, record.id, large)
    assert project.files[f"{ada.id}/{record.id}/media.mov"] == large.read_bytes()
    assert store.fetch_media(ada.id, record.id, tmp_path / "back")
    # Again, in place of what is there.
    large.write_bytes(large.read_bytes()[::-1])
    assert store.keep_media(ada.id, record.id, large)
    assert project.files[f"{ada.id}/{record.id}/media.mov"] == large.read_bytes()


def test_an_upload_that_can_not_go_on_says_so_and_the_record_stands(
    project, ada, large, fail, impatient, store, record
):
    fail("PATCH", "/upload/resumable/", times=module.MAX_ATTEMPTS)
    with pytest.raises(RecordsError):
        store.keep_media(ada.id, record.id, large)
    assert store.analysis(ada.id, record.id) == SAMPLE
    fail("PATCH", "/upload/resumable/", status=413)  # not tried again: it would be the same
    with pytest.raises(RecordsError, check=lambda e: e.code == "too_large"):
        store.keep_media(ada.id, record.id, large)


def test_our_token_is_sent_to_no_other_host(ada, large):
    asked = []

    def elsewhere(request):
        asked.append(request.url.host)
        return httpx.Response(201, headers={"Location": "https://elsewhere.invalid/upload/1"})

    options = ClientOptions(httpx_client=httpx.Client(transport=httpx.MockTransport(elsewhere)))
    client = create_client("http://unmask.invalid", "key", options)
    with pytest.raises(RecordsError):
        SupabaseStore(lambda: client).bucket.put(f"{ada.id}/{new_id()}/media.mov", large)
    assert asked == ["unmask.invalid"]


def test_files_are_deleted_with_their_records(project, ada, clip, store):
    records = [make(ada.id, number) for number in range(3)]
    for record in records:
        store.add(record)
        store.keep_media(ada.id, record.id, clip)
    kept = object_path(ada.id, records[2].id, clip)
    assert len(store.delete(ada.id, [records[0].id, records[1].id])) == 2
    assert [path for path in project.files if path.startswith(ada.id)] == [kept]
    store.delete(ada.id, store.ids(ada.id))
    assert not any(path.startswith(ada.id) for path in project.files)
    with project.sql() as database:
        assert database.rows("select * from removals where owner = %s", [ada.id]) == []


def test_a_file_that_could_not_be_deleted_goes_the_next_time(project, ada, clip, fail, store):
    store.add(record := make(ada.id))
    store.keep_media(ada.id, record.id, clip)
    fail("DELETE", "/storage/")
    assert store.delete(ada.id, [record.id]) == [record.id]  # the record is gone all the same
    assert object_path(ada.id, record.id, clip) in project.files
    assert store.purge(ada.id) == 0
    assert object_path(ada.id, record.id, clip) not in project.files


def test_what_was_kept_long_enough_goes_with_its_files(project, ada, clip, store):
    store.add(old := make(ada.id, touched=NOON - minutes(60 * 24 * 31)))
    store.add(new := make(ada.id))
    store.keep_media(ada.id, old.id, clip)
    assert store.purge(ada.id) == 1
    assert store.ids(ada.id) == [new.id]
    assert not any(path.startswith(ada.id) for path in project.files)


def test_an_operators_timer_tidies_after_accounts_that_are_gone(project, ada, bob, clip):
    for account in (ada, bob):
        store = store_of(account)
        store.add(record := make(account.id, touched=NOON - minutes(60 * 24 * 31)))
        store.keep_media(account.id, record.id, clip)
    with project.sql() as database:
        database.run("delete from auth.users where id = %s", [ada.id])
    assert any(path.startswith(ada.id) for path in project.files)
    with pytest.raises(RecordsError, check=lambda e: e.code == "not_allowed"):
        store_of(bob).purge_all()
    SupabaseStore(project.operator).purge_all()
    assert not any(path.startswith((ada.id, bob.id)) for path in project.files)
    assert store_of(bob).ids(bob.id) == []


def test_the_timer_is_a_command(project, ada, monkeypatch, capsys):
    store_of(ada).add(make(ada.id, touched=NOON - minutes(60 * 24 * 31)))
    monkeypatch.setenv("SUPABASE_URL", project.url)
    monkeypatch.setenv("SUPABASE_SECRET_KEY", project.token("", role=None) + "x")
    with pytest.raises(SystemExit, match="sign-in is over"):
        purge.main()
    monkeypatch.setenv("SUPABASE_SECRET_KEY", token(project.secret, role="service_role"))
    purge.main()
    assert "1 record" in capsys.readouterr().out
    assert store_of(ada).ids(ada.id) == []
    monkeypatch.delenv("SUPABASE_SECRET_KEY")
    with pytest.raises(SystemExit, match="SUPABASE_SECRET_KEY"):
        purge.main()
