"""Records in SQLite: the contract of every store, and what only a file on a disk can get wrong."""

import io
import itertools
import shutil
import sqlite3
import stat
import time
from contextlib import closing
from datetime import timedelta
from unittest.mock import Mock

import numpy as np
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from PIL import Image
from sqlalchemy import update

from service.context import new_id
from service.records import database, thumbnails
from service.records.database import FILE
from service.records.model import LOCAL, MAX_THUMBNAIL_BYTES, BatchItem, RecordsError
from service.records.sql import open_store
from service.records.tables import HEAD, RECORDS
from service.storage.uploads import Uploads
from tests.support.migrations import COLUMN, add_step, assert_like_the_tables
from tests.support.records_contract import NOON, PICTURE, SAMPLE, make, minutes
from tests.support.result_sample import make_analysis, make_clip
from tests.support.sql_contract import SQLContract, start_writer
from tests.support.waiting import PATIENT, at_once

DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path):
    made = open_store(tmp_path / FILE)
    yield made
    made.close()


class TestSQLite(SQLContract):
    @pytest.fixture
    def address(self, tmp_path, store):
        return str(tmp_path / FILE)


@pytest.mark.parametrize(
    ("named", "shown"),
    [("\u202egpj.exe", "gpj.exe"), ("a\u2066b\u2069.png", "ab.png"), ("a/b\n.mp4", "a/b .mp4")],
)
def test_a_name_is_shown_as_it_is_written(store, named, shown):
    record = make(LOCAL, name=named)
    assert record.name == shown
    store.add(record, SAMPLE, PICTURE)
    with store.database.writing() as session:
        session.execute(update(RECORDS).values(name=named))
    assert store.get(LOCAL, record.id).name == shown
    assert BatchItem(name=f"folder/{named}").name.startswith("folder/")
    assert not set(BatchItem(name=named).name) & set("\u202e\u2066\u2069\n")


def test_a_note_and_a_tag_turn_nothing_around(store):
    store.add(record := make(LOCAL), SAMPLE)
    joined = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    note, tags = "a\u202eb\x1b[2J\n\tc\u2067", ["x\u202ey", joined]
    changed = store.change(LOCAL, record.id, note=note, tags=tags)
    assert changed.note == "ab[2J\n\tc"
    assert changed.tags == ("xy", joined), "a joiner is how the word is written"


def test_it_outlives_the_process_and_is_readable_by_this_user_only(tmp_path):
    first = open_store(tmp_path / "new" / FILE)
    record = make(LOCAL)
    first.add(record, SAMPLE, PICTURE)
    first.close()
    second = open_store(tmp_path / "new" / FILE)
    assert second.analysis(LOCAL, record.id) == SAMPLE
    assert stat.S_IMODE((tmp_path / "new" / FILE).stat().st_mode) == 0o600
    with sqlite3.connect(tmp_path / "new" / FILE) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)  # incremental
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    second.close()


def test_another_kind_of_file_is_refused_and_left_alone(tmp_path):
    path = tmp_path / FILE
    path.write_bytes(b"holiday plans\n" * 100)
    with pytest.raises(RecordsError, match="damaged or is something else"):
        open_store(path)
    assert path.read_bytes() == b"holiday plans\n" * 100
    with pytest.raises(RecordsError, match="can't be used"):
        open_store(tmp_path)  # a folder


def test_a_log_that_a_full_disk_holds_up_is_no_failure_to_delete(store, monkeypatch):
    store.add(record := make(LOCAL), SAMPLE)

    full = RecordsError("There is no room left.", code="disk_full")
    monkeypatch.setattr(store.database, "_pragma", Mock(side_effect=full))
    assert store.delete(LOCAL, [record.id]) == [record.id] and store.ids(LOCAL) == []


@pytest.mark.parametrize("how", ["delete", "sweep", "change"])
def test_deleted_words_are_gone_from_the_disk(tmp_path, store, how):
    word = "Zwetschgenknoedel"
    picture = b"RIFF0000WEBP" + b"unmistakable" * 200
    record = make(LOCAL, name=f"{word}.mp4", note=f"{word} in a note " * 100, tags=(word,))
    store.add(make(LOCAL, 1), SAMPLE, PICTURE)
    store.add(record, SAMPLE, picture)
    assert word.encode() in on_disk(tmp_path) and b"unmistakable" in on_disk(tmp_path)
    if how == "delete":
        store.delete(LOCAL, [record.id])
    elif how == "sweep":
        store.sweep(NOON + 31 * DAY, 30 * DAY)
    else:
        store.change(LOCAL, record.id, note="", tags=[])
        assert b"in a note" not in on_disk(tmp_path)
        return
    assert word.encode() not in on_disk(tmp_path)
    assert word.casefold().encode() not in on_disk(tmp_path)
    assert b"unmistakable" not in on_disk(tmp_path)


def on_disk(folder):
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_room_is_given_back_by_the_sweeper(tmp_path, store):
    for number in range(60):
        store.add(make(LOCAL, number), SAMPLE, PICTURE * 600)
    store.sweep(NOON, 30 * DAY)
    full = (tmp_path / FILE).stat().st_size
    assert len(store.sweep(NOON + 31 * DAY, 30 * DAY)) == 60
    assert (tmp_path / FILE).stat().st_size < full / 4


def test_tokens_of_links_are_not_in_the_file(tmp_path, store):
    record = make(LOCAL)
    store.add(record, SAMPLE)
    share = store.share(LOCAL, record.id, minutes(60), NOON)
    assert store.shared(share.token, NOON)
    assert share.token.encode() not in on_disk(tmp_path)


def test_processes_open_a_file_that_is_not_there_yet_at_the_same_time(tmp_path):
    path = tmp_path / FILE
    writers = [start_writer(str(path), name, count=2) for name in ("one", "two")]
    assert [writer.wait(timeout=PATIENT) for writer in writers] == [0, 0]
    store = open_store(path)
    assert store.facets(LOCAL).tags == {"one": 2, "two": 2}
    store.close()


def test_a_file_held_by_another_program_is_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "TIMEOUT_SECONDS", 0.05)
    store = open_store(tmp_path / FILE)
    store.add(record := make(LOCAL))
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        RecordsError, match="in use by another program", check=lambda e: e.code == "records_locked"
    ):
        store.add(make(LOCAL))
    assert store.ids(LOCAL) == [record.id], "readers don't wait"
    other.execute("ROLLBACK")
    other.close()
    store.add(make(LOCAL))


def test_a_thumbnail_is_small_whatever_the_picture(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    for rgb in (noise, noise[:, :200], noise[:3, :3], np.zeros((720, 1280, 3), np.uint8)):
        data = thumbnails.small(rgb)
        assert 0 < len(data) <= MAX_THUMBNAIL_BYTES
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "WEBP" and max(image.size) <= thumbnails.SIDE
            assert "exif" not in image.info


def test_the_picture_is_of_the_moment_that_speaks_most(tmp_path):
    clip = make_clip(tmp_path / "clip.webm", fps=2)
    data = thumbnails.of(clip, make_analysis(clip))
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (320, 180)
    broken = tmp_path / "broken.webm"
    broken.write_bytes(b"nothing")
    assert thumbnails.of(broken, make_analysis(clip)) is None


def test_an_id_is_never_taken_for_an_option(tmp_path, monkeypatch):
    drawn = itertools.cycle(["-begins", "with-letters"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda count: next(drawn))
    assert new_id() == "with-letters"
    assert Uploads(tmp_path).add(io.BytesIO(b"a clip"), "clip.mp4").token == "with-letters"


def stored(folder):
    """Write a database with one record, and return its file."""
    path = folder / FILE
    first = open_store(path)
    first.add(make(LOCAL))
    first.close()
    return path


def test_the_steps_end_where_the_tables_are(tmp_path):
    assert_like_the_tables(open_store(tmp_path / FILE))


def test_steps_are_numbered_without_a_gap():
    config = Config()
    config.set_main_option("script_location", str(database.SCRIPTS))
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    first = int(database.INITIAL)
    assert steps == [f"{n:04}" for n in range(int(HEAD), first - 1, -1)]


@pytest.mark.parametrize(
    ("revision", "said", "code", "hint"),
    [
        ("0999", "newer Unmask", "records_newer", "UNMASK_DATA"),
        ("ae1027a6acf", "something else", "records_damaged", "UNMASK_DATABASE"),
        ("0018", "unpublished older Unmask", "records_damaged", "UNMASK_DATABASE"),
    ],
)
def test_what_is_not_ours_or_newer_is_refused_and_left_alone(tmp_path, revision, said, code, hint):
    path = tmp_path / FILE
    open_store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    db.close()
    before = path.read_bytes()
    with pytest.raises(RecordsError, match=said, check=lambda e: e.code == code and hint in e.hint):
        open_store(path)
    assert path.read_bytes() == before


def test_a_step_that_fails_leaves_the_step_before(tmp_path, monkeypatch):
    path = stored(tmp_path)
    with sqlite3.connect(path) as db:
        before = "\n".join(db.iterdump())
    with monkeypatch.context() as patch:
        add_step(tmp_path / "broken", f"{COLUMN}; op.drop_table('no such table')", patch)
        with pytest.raises(RecordsError):
            open_store(path)
    with sqlite3.connect(path) as db:
        assert "\n".join(db.iterdump()) == before
    with monkeypatch.context() as patch:
        add_step(tmp_path / "mended", COLUMN, patch)
        moved = open_store(path)  # the new column comes once, and nothing was lost
        assert moved.ids(LOCAL)
        moved.close()
        open_store(path).close()


def test_several_at_once_bring_a_file_over_once(tmp_path, monkeypatch):
    path = stored(tmp_path)
    add_step(tmp_path / "next", COLUMN, monkeypatch)
    stores = at_once(lambda _: open_store(path), range(4))
    assert [len(store.ids(LOCAL)) for store in stores] == [1] * 4
    for store in stores:
        store.close()


def test_the_path_may_hold_what_means_something_to_alembic(tmp_path, monkeypatch):
    folder = tmp_path / "100%(here)s"
    shutil.copytree(database.SCRIPTS, folder)
    monkeypatch.setattr(database, "SCRIPTS", folder)
    store = open_store(tmp_path / "a %(b)s?c#d.db")
    store.add(record := make(LOCAL, created=NOON))
    assert store.get(LOCAL, record.id) == record and (tmp_path / "a %(b)s?c#d.db").is_file()
    store.close()


def test_a_request_waits_once_for_locked_records_not_for_each_write(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(database, "AGAIN_SECONDS", 0.01)
    store = open_store(tmp_path / FILE)
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        for number in range(10):
            with pytest.raises(RecordsError) as refused:
                store.add(make(LOCAL, number))
            assert refused.value.code == "records_locked"
        assert time.monotonic() - begun < 10 * 0.5 - 1, "ten writes, one wait"
        other.execute("ROLLBACK")
    store.add(make(LOCAL))
    store.close()
