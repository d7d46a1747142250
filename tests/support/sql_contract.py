"""What a store of our own must do beyond the contract of every store, whichever database it is in.
A subclass has a fixture `store` and an `address` that another process can open it by."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

from sqlalchemy import func, select, text

from service.records.model import GUEST, LOCAL, Preferences, Query, State
from service.records.rules import has_account
from service.records.tables import SHARES
from tests.support.processes import ROOT
from tests.support.records_contract import NOON, PICTURE, SAMPLE, StoreContract, make, minutes
from tests.support.waiting import PATIENT

DAY = timedelta(days=1)

WRITER = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from sqlalchemy import event
from service.records.sql import open_store
from service.records.model import Record
from service.context import new_id
from detector.schema.analysis import Analysis
analysis = Analysis.model_validate_json(sys.stdin.readline())
store = open_store(sys.argv[1] if "://" in sys.argv[1] else Path(sys.argv[1]))
finishing = False

def end(connection):  # the transaction is written, all but its last word
    if sys.argv[3] == "killed" and finishing:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(store.database.engine, "commit", end)
for _ in range(int(sys.argv[4])):
    now = datetime.now(UTC)
    record = Record(id=new_id(), owner="local", created=now, touched=now, name="a.mp4", run="s:1",
                    tags=(sys.argv[2],))
    store.add(record)
    store.change("local", record.id, note="seen")
    finishing = True
    store.finish("local", record.id, record.run, analysis)
"""


def start_writer(address, tag, how="lives", count=15):
    """Another process that writes records."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, address, tag, how, str(count)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with writer.stdin as written:
        print(SAMPLE.model_dump_json(), file=written)
    return writer


class SQLContract(StoreContract):
    """Subclass with fixtures `store` and `address`."""

    def test_an_address_opens_for_whoever_has_it_but_not_an_accounts(self, store):
        account, guest = "2f1c7c0e-8f3e-4a55-9a54-0a7f4d4a8f10", f"{GUEST}abc"
        assert has_account(account) and not has_account(guest) and not has_account(LOCAL)
        records = {owner: make(owner) for owner in (LOCAL, guest, account)}
        for record in records.values():
            store.add(record)
        for viewer in (LOCAL, guest, f"{GUEST}other", account):
            assert store.open(viewer, records[LOCAL].id) == records[LOCAL]
            assert store.open(viewer, records[guest].id) == records[guest]
            assert (store.open(viewer, records[account].id) is not None) is (viewer == account)
        assert store.open(LOCAL, "x" * 22) is None

    def test_a_result_of_another_version_is_not_shown(self, store):
        record = make(LOCAL)
        store.add(record, SAMPLE)
        with store.database.writing() as session:
            session.execute(text("UPDATE records SET document = :bytes"), {"bytes": b"\x00\xff"})
        assert store.analysis(LOCAL, record.id) is None
        assert store.get(LOCAL, record.id) is not None

    def test_records_go_when_their_time_is_up_by_the_owners_wish_within_the_servers(self, store):
        plain, brief, greedy = LOCAL, f"{GUEST}brief", f"{GUEST}greedy"
        store.save_preferences(brief, Preferences(keep_days=2))
        store.save_preferences(greedy, Preferences(keep_days=400))
        records = {owner: make(owner) for owner in (plain, brief, greedy)}
        for record in records.values():
            store.add(record, SAMPLE)
        used = make(plain)
        store.add(used, SAMPLE)
        store.record_cache_hit(plain, used.id, NOON + 20 * DAY)
        assert store.sweep(NOON + 2 * DAY - minutes(1), 30 * DAY) == []
        assert store.sweep(NOON + 2 * DAY, 30 * DAY, spare=[records[brief].id]) == []
        assert store.sweep(NOON + 2 * DAY, 30 * DAY) == [records[brief].id]
        late = NOON + 30 * DAY
        assert set(store.sweep(late, 30 * DAY)) == {records[plain].id, records[greedy].id}
        assert store.ids(plain) == [used.id]  # brought again on the 20th day
        assert store.sweep(late + 20 * DAY, 30 * DAY) == [used.id]

    def test_links_that_are_over_are_deleted(self, store):
        record = make(LOCAL)
        store.add(record, SAMPLE)
        store.share(LOCAL, record.id, minutes(60), NOON)
        store.share(LOCAL, record.id, minutes(180), NOON)
        store.sweep(NOON + minutes(61), 30 * DAY)
        assert store.database.scalar(select(func.count()).select_from(SHARES)) == 1

    def test_lists_longer_than_a_statement_may_name(self, store, monkeypatch):
        monkeypatch.setattr("service.records.tables.BATCH_SIZE", 2)
        made = [make(LOCAL, number) for number in range(5)]
        for record in made:
            store.add(record, SAMPLE, PICTURE)
        ids = [record.id for record in made]
        assert sorted(store.thumbnails(LOCAL, ids)) == sorted(ids)
        assert sorted(store.delete(LOCAL, ids)) == sorted(ids)

    def test_a_name_with_a_letter_that_is_none(self, store):
        record = make(LOCAL, name="a\x00b.mp4", note="n\x00", tags=("t\x00",))
        store.add(record, SAMPLE)
        kept = store.get(LOCAL, record.id)
        assert (kept.name, kept.tags) == ("ab.mp4", ("t\ufffd",))
        assert store.search(LOCAL, Query(text="b.mp4")).total == 1
        assert store.search(LOCAL, Query(text="\x00")).total == 1
        assert store.search(LOCAL, Query(tags=frozenset({"t\x00"}))).total == 1

    def test_a_search_among_many(self, store):
        """No index of words: a person's records are scanned. Ten times what anybody has had."""
        names = [f"clip-{number % 97}-from {number}.mp4" for number in range(2000)]
        made = [make(LOCAL, n, name=name, tags=("t",)) for n, name in enumerate(names)]
        for record in made:
            store.add(record)
        page = store.search(LOCAL, Query(text="CLIP-42-from", tags=frozenset({"t"})))
        assert page.total == 21 and len(page.records) == 21

    def test_processes_write_side_by_side(self, store, address):
        writers = [start_writer(address, name) for name in ("one", "two")]
        assert [writer.wait(timeout=PATIENT) for writer in writers] == [0, 0]
        assert store.facets(LOCAL).tags == {"one": 15, "two": 15}
        assert all(r.result and r.note for r in store.search(LOCAL, Query()).records)

    def test_killed_before_its_last_word_a_transaction_never_was(self, store, address):
        assert start_writer(address, "one", "killed", 1).wait(timeout=PATIENT) == -signal.SIGKILL
        (record,) = store.search(LOCAL, Query()).records
        assert (record.state, record.note, record.result) == (State.QUEUED, "seen", None)
        assert store.analysis(LOCAL, record.id) is None
        assert store.finish(LOCAL, record.id, record.run, SAMPLE)  # and holds nobody up
