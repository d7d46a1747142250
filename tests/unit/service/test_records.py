"""Records in SQLite: the contract of every store, and what only a file on a disk can get wrong."""

from __future__ import annotations

import io
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.register_assert_rewrite("tests.support.records_contract")

from service.records import schema, thumbnails  # noqa: E402
from service.records.rows import row_of  # noqa: E402
from service.records.sqlite import FILE, SQLiteStore  # noqa: E402
from service.records.store import (  # noqa: E402
    GUEST,
    LOCAL,
    THUMBNAIL_BYTES,
    Preferences,
    Query,
    RecordsError,
    has_account,
)
from tests.support.records_contract import NOON, PICTURE, SAMPLE, StoreContract, make, minutes  # noqa: E402
from tests.support.result_sample import make_analysis, make_clip  # noqa: E402
from tests.support.waiting import PATIENT  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    made = SQLiteStore(tmp_path / FILE)
    yield made
    made.close()


class TestSQLite(StoreContract):
    @pytest.fixture
    def store(self, store: SQLiteStore) -> SQLiteStore:  # type: ignore[override]
        return store


# --- who may open an address ----------------------------------------------------------------------


def test_an_address_opens_for_whoever_has_it_but_not_an_accounts(store: SQLiteStore) -> None:
    account, guest = "2f1c7c0e-8f3e-4a55-9a54-0a7f4d4a8f10", f"{GUEST}abc"
    assert has_account(account) and not has_account(guest) and not has_account(LOCAL)
    records = {owner: make(owner) for owner in (LOCAL, guest, account)}
    for record in records.values():
        store.add(record)
    for viewer in (LOCAL, guest, f"{GUEST}other", account):
        assert store.open(viewer, records[LOCAL].id) == records[LOCAL]
        assert store.open(viewer, records[guest].id) == records[guest]
        opened = store.open(viewer, records[account].id)
        assert (opened is not None) is (viewer == account)
    assert store.open(LOCAL, "x" * 22) is None


# --- the file -------------------------------------------------------------------------------------


def test_it_outlives_the_process_and_is_readable_by_this_user_only(tmp_path: Path) -> None:
    first = SQLiteStore(tmp_path / "new" / FILE)
    record = make(LOCAL)
    first.add(record, SAMPLE, PICTURE)
    first.close()
    second = SQLiteStore(tmp_path / "new" / FILE)
    assert second.analysis(LOCAL, record.id) == SAMPLE
    assert stat.S_IMODE((tmp_path / "new" / FILE).stat().st_mode) == 0o600
    with sqlite3.connect(tmp_path / "new" / FILE) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)  # incremental
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    second.close()


def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    SQLiteStore(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    before = path.read_bytes()
    with pytest.raises(RecordsError, match="newer Unmask") as caught:
        SQLiteStore(path)
    assert caught.value.code == "records_newer" and "UNMASK_DATA" in caught.value.hint
    assert path.read_bytes() == before


def test_another_kind_of_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(b"holiday plans\n" * 100)
    with pytest.raises(RecordsError, match="damaged or is something else"):
        SQLiteStore(path)
    assert path.read_bytes() == b"holiday plans\n" * 100
    with pytest.raises(RecordsError, match="can't be used"):
        SQLiteStore(tmp_path)  # a folder


def test_a_step_that_fails_leaves_the_step_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE
    record = make(LOCAL)
    first = SQLiteStore(path)
    first.add(record)
    first.close()
    broken = ("ALTER TABLE records ADD COLUMN fresh TEXT", "INSERT INTO nowhere VALUES (1)")
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, broken))
    with pytest.raises(RecordsError):
        SQLiteStore(path)
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS[:-1], broken[:1]))
    moved = SQLiteStore(path)  # mended: the new column comes once, and nothing was lost
    assert moved.get(LOCAL, record.id) == record
    moved.close()
    SQLiteStore(path).close()


def test_a_result_of_another_version_is_not_shown(store: SQLiteStore) -> None:
    record = make(LOCAL)
    store.add(record, SAMPLE)
    store._connection.execute("UPDATE results SET analysis = x'00ff'")
    assert store.analysis(LOCAL, record.id) is None
    assert store.get(LOCAL, record.id) is not None


@pytest.mark.parametrize("how", ["delete", "forget", "sweep", "change"])
def test_deleted_words_are_gone_from_the_disk(tmp_path: Path, store: SQLiteStore, how: str) -> None:
    word = "Zwetschgenknoedel"
    picture = b"RIFF0000WEBP" + b"unmistakable" * 200
    record = make(LOCAL, name=f"{word}.mp4", note=f"{word} in a note " * 100, tags=(word,))
    store.add(make(LOCAL, 1), SAMPLE, PICTURE)
    store.add(record, SAMPLE, picture)
    assert word.encode() in on_disk(tmp_path) and b"unmistakable" in on_disk(tmp_path)
    if how == "delete":
        store.delete(LOCAL, [record.id])
    elif how == "forget":
        store.forget(LOCAL)
    elif how == "sweep":
        store.sweep(NOON + 31 * DAY, 30 * DAY)
    else:
        store.change(LOCAL, record.id, note="", tags=[])
        store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert b"in a note" not in on_disk(tmp_path)
        return
    assert word.encode() not in on_disk(tmp_path)
    assert word.casefold().encode() not in on_disk(tmp_path)
    assert b"unmistakable" not in on_disk(tmp_path)


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_room_is_given_back_by_the_sweeper(tmp_path: Path, store: SQLiteStore) -> None:
    for number in range(60):
        store.add(make(LOCAL, number), SAMPLE, PICTURE * 600)
    store.sweep(NOON, 30 * DAY)
    full = (tmp_path / FILE).stat().st_size
    assert len(store.sweep(NOON + 31 * DAY, 30 * DAY)) == 60
    assert (tmp_path / FILE).stat().st_size < full / 4


# --- retention ------------------------------------------------------------------------------------


def test_records_go_when_their_time_is_up_by_the_owners_wish_within_the_servers(
    store: SQLiteStore,
) -> None:
    plain, brief, greedy = LOCAL, f"{GUEST}brief", f"{GUEST}greedy"
    store.prefer(brief, Preferences(keep_days=2))
    store.prefer(greedy, Preferences(keep_days=400))
    records = {owner: make(owner) for owner in (plain, brief, greedy)}
    for record in records.values():
        store.add(record, SAMPLE)
    used = make(plain)
    store.add(used, SAMPLE)
    store.brought_again(plain, used.id, NOON + 20 * DAY)
    assert store.sweep(NOON + 2 * DAY - minutes(1), 30 * DAY) == []
    assert store.sweep(NOON + 2 * DAY, 30 * DAY, spare=[records[brief].id]) == []
    assert store.sweep(NOON + 2 * DAY, 30 * DAY) == [records[brief].id]
    late = NOON + 30 * DAY
    assert set(store.sweep(late, 30 * DAY)) == {records[plain].id, records[greedy].id}
    assert store.ids(plain) == [used.id]  # brought again on the 20th day
    assert store.sweep(late + 20 * DAY, 30 * DAY) == [used.id]


def test_links_that_are_over_are_deleted(store: SQLiteStore) -> None:
    record = make(LOCAL)
    store.add(record, SAMPLE)
    store.share(LOCAL, record.id, minutes(60), NOON)
    store.share(LOCAL, record.id, minutes(180), NOON)
    store.sweep(NOON + minutes(61), 30 * DAY)
    rows = store._connection.execute("SELECT count(*) FROM shares").fetchone()
    assert rows[0] == 1


def test_tokens_of_links_are_not_in_the_file(tmp_path: Path, store: SQLiteStore) -> None:
    record = make(LOCAL)
    store.add(record, SAMPLE)
    share = store.share(LOCAL, record.id, minutes(60), NOON)
    assert share is not None and store.shared(share.token, NOON)
    assert share.token.encode() not in on_disk(tmp_path)


# --- several processes ----------------------------------------------------------------------------

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from service.records.sqlite import SQLiteStore
from service.records.store import Record, new_id
from detector.schema.analysis import Analysis
analysis = Analysis.model_validate_json(sys.stdin.readline())
store = SQLiteStore(Path(sys.argv[1]))
for _ in range(15):
    now = datetime.now(UTC)
    record = Record(id=new_id(), owner="local", created=now, touched=now, name="a.mp4", run="s:1",
                    tags=(sys.argv[2],))
    store.add(record)
    store.change("local", record.id, note="seen")
    store.finish("local", record.id, record.run, analysis)
"""


def test_processes_write_side_by_side_from_the_first_moment_on(tmp_path: Path) -> None:
    """They open a file that is not there yet at the same time, too."""
    path = tmp_path / FILE
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdin is not None
        print(SAMPLE.model_dump_json(), file=writer.stdin, flush=True)
    assert [writer.wait(timeout=PATIENT) for writer in writers] == [0, 0]
    store = SQLiteStore(path)
    assert store.facets(LOCAL).tags == {"one": 15, "two": 15}
    assert all(r.result and r.note for r in store.search(LOCAL, Query()).records)
    store.close()


def test_a_file_held_by_another_program_is_said_to_be(
    tmp_path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store._connection.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RecordsError, match="in use by another program"):
        store.add(make(LOCAL))
    other.execute("ROLLBACK")
    other.close()
    store.add(make(LOCAL))


def test_a_search_among_many_is_quick(store: SQLiteStore) -> None:
    """No index of words: a person's records are scanned. Ten times more than anybody has had."""
    records = [make(LOCAL, n, name=f"clip {n % 97} from {n}.mp4", tags=("t",)) for n in range(2000)]
    rows = [row_of(record) for record in records]
    with store._writing() as db:
        columns = ", ".join(rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        db.executemany(f"INSERT INTO records ({columns}) VALUES ({values})", rows)
    begun = time.thread_time()  # of this thread alone, however busy the machine
    page = store.search(LOCAL, Query(text="clip 42 from", tags=frozenset({"t"})))
    took = time.thread_time() - begun
    assert page.total >= 20 and len(page.records) == min(50, page.total)
    assert took < 1.0


# --- the small picture ----------------------------------------------------------------------------


def test_a_thumbnail_is_small_whatever_the_picture(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    for rgb in (noise, noise[:, :200], noise[:3, :3], np.zeros((720, 1280, 3), np.uint8)):
        data = thumbnails.small(rgb)
        assert 0 < len(data) <= THUMBNAIL_BYTES
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == "WEBP" and max(image.size) <= thumbnails.SIDE
            assert "exif" not in image.info


def test_the_picture_is_of_the_moment_that_speaks_most(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.webm", fps=2)
    data = thumbnails.of(clip, make_analysis(clip))
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (320, 180)
    broken = tmp_path / "broken.webm"
    broken.write_bytes(b"nothing")
    assert thumbnails.of(broken, make_analysis(clip)) is None
