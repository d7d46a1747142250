"""Databases of other versions: brought over with everything in them, or refused and left alone."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from service.records import migrate
from service.records.database import FILE
from service.records.model import LOCAL, Query, RecordsError, State
from service.records.sql import SQLStore, open_store
from service.records.tables import HEAD
from tests.support.migrations import COLUMN, add_step, assert_like_the_tables
from tests.support.records_contract import NOON, SAMPLE, make

FORM_1 = Path(__file__).resolve().parents[2] / "goldens" / "records" / "form-1.db"
"""Written by the last version with tables by hand: records of three owners in every state, two of
samples with their pictures, links, presets, preferences."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copy(FORM_1, tmp_path / FILE))


@pytest.fixture
def kept() -> dict[str, Any]:
    """What that version gave back of it."""
    return json.loads(FORM_1.with_suffix(".json").read_text("utf-8"))


def test_all_that_was_kept_before_alembic_is_there(old: Path, kept: dict[str, Any]) -> None:
    store = open_store(old)
    for id, was in kept["records"].items():
        owner, picture = was["owner"], was.pop("thumbnail_sha256")
        record = store.get(owner, id)
        assert record is not None
        now = record.model_dump(mode="json")
        # What the version that reads it says of the settings and of the result is its own.
        for name in ("settings", "result"):
            before, after = was.pop(name), now.pop(name)
            assert (before is None) == (after is None)
            if name == "result" and before:
                for part in ("analyzed", "verdict", "question", "probability", "models"):
                    assert after[part] == before[part]
                analysis = store.analysis(owner, id)
                assert analysis is not None and analysis.verdict.label == before["verdict"]
                assert analysis.verdict.probability == before["probability"]
        before, after = was.pop("fault"), now.pop("fault")
        assert (before is None) == (after is None)
        assert {name: after[name] for name in before or {}} == (before or {})
        assert now == was
        found = store.thumbnails(owner, [id]).get(id)
        assert (hashlib.sha256(found).hexdigest() if found else None) == picture
    for owner, was in kept["owners"].items():
        chosen = store.preferences(owner).model_dump(mode="json")
        # What could not be chosen then has its default.
        assert {name: chosen[name] for name in was["preferences"]} == was["preferences"]
        presets = store.presets(owner)
        assert {k: (m.models, m.weights) for k, m in presets.items()} == {
            name: (preset["models"], preset["weights"]) for name, preset in was["presets"].items()
        }
        assert store.facets(owner).model_dump(mode="json") == was["facets"]
        for order in ("newest", "likelihood"):
            found = store.search(owner, Query.model_validate({"order": order})).records
            assert [record.id for record in found] == was[order]
    for share in kept["shares"]:
        record = store.get(LOCAL, share["record"])
        assert record is not None
        opened = store.shared(share["token"], record.created)
        assert opened is not None and opened.record == record.id
        assert store.shared(share["token"], record.created + timedelta(days=91)) is None
    store.close()


def test_it_goes_on_as_a_database_of_today(old: Path) -> None:
    store = open_store(old)
    assert [r.name for r in store.search(LOCAL, Query(text="STRASSE")).records]
    (waiting,) = [
        record for record in store.search(LOCAL, Query()).records if record.state is State.QUEUED
    ]
    assert store.finish(LOCAL, waiting.id, waiting.run, SAMPLE)
    store.close()
    again = open_store(old)
    assert again.analysis(LOCAL, waiting.id) == SAMPLE
    assert len(again.delete_all(LOCAL)) == 7
    again.close()
    with sqlite3.connect(old) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        # An Unmask from before Alembic looks here, and refuses it.
        assert db.execute("PRAGMA user_version").fetchone() == (int(HEAD),)


@pytest.mark.parametrize("form", ["new", "old"])
def test_the_steps_end_where_the_tables_are(tmp_path: Path, form: str) -> None:
    if form == "old":
        shutil.copy(FORM_1, tmp_path / FILE)
    assert_like_the_tables(open_store(tmp_path / FILE), old=form == "old")


def test_steps_are_numbered_without_a_gap() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.SCRIPTS))
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
    assert steps == [f"{n:04}" for n in range(int(HEAD), 0, -1)]


@pytest.mark.parametrize("where", ["user_version", "alembic_version"])
def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path, where: str) -> None:
    path = tmp_path / FILE
    open_store(path).close()
    with sqlite3.connect(path) as db:
        if where == "user_version":
            db.execute("PRAGMA user_version = 999")
        else:
            db.execute("UPDATE alembic_version SET version_num = '0999'")
    db.close()
    before = path.read_bytes()
    with pytest.raises(RecordsError, match="newer Unmask") as caught:
        open_store(path)
    assert caught.value.code == "records_newer" and "UNMASK_DATA" in caught.value.hint
    assert path.read_bytes() == before


def test_what_another_program_keeps_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    open_store(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE alembic_version SET version_num = 'ae1027a6acf'")
    db.close()
    before = path.read_bytes()
    with pytest.raises(RecordsError, match="something else"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_step_that_fails_leaves_the_step_before(
    tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All steps are one transaction: of an old file, too."""
    for path in (old, tmp_path / "today.db"):
        if path != old:
            first = open_store(path)
            first.add(make(LOCAL))
            first.close()
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


def test_several_at_once_bring_a_file_over_once(old: Path) -> None:
    stores: list[SQLStore] = []
    starts = [threading.Thread(target=lambda: stores.append(open_store(old))) for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert [len(store.ids(LOCAL)) for store in stores] == [7] * 4
    for store in stores:
        store.close()


def test_the_path_may_hold_what_means_something_to_alembic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "100%(here)s"
    shutil.copytree(migrate.SCRIPTS, folder)
    monkeypatch.setattr(migrate, "SCRIPTS", folder)
    store = open_store(tmp_path / "a %(b)s?c#d.db")
    store.add(record := make(LOCAL, created=NOON))
    assert store.get(LOCAL, record.id) == record and (tmp_path / "a %(b)s?c#d.db").is_file()
    store.close()
