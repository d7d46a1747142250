"""Databases of other versions: brought over with everything in them, or refused and left alone."""

import shutil
import sqlite3

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from service.records import database
from service.records.database import FILE
from service.records.model import LOCAL, RecordsError
from service.records.sql import open_store
from service.records.tables import HEAD
from tests.support.migrations import COLUMN, add_step, assert_like_the_tables
from tests.support.records_contract import NOON, make
from tests.support.waiting import at_once


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
        ("0005", "unpublished older Unmask", "records_damaged", "UNMASK_DATABASE"),
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
