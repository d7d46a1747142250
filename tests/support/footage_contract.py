"""What the store of known footage must do, whichever database it is in. A subclass has a fixture
`where`: what `Database` opens."""

import io
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from service.library.catalog import Library
from service.records import footage as module
from service.records.database import Database
from service.records.footage import FootageStore, Prints
from service.records.model import LOCAL

ALICE, BOB = "guest:alice", "guest:bob"


def made(seed, frames=6):
    """Prints of footage that nobody filmed, a frame in half a second."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames, dtype=np.float32) / 2
    return Prints(times, rng.integers(0, 256, (frames, 32), dtype=np.uint8))


class FootageContract:
    @pytest.fixture
    def store(self, where):
        database = Database(where)
        yield FootageStore(database)
        database.close()

    def keep(self, store, owner, seed):
        return store.add(owner, f"{seed}.mp4", made(seed), sha256=f"{seed:064x}", source="/press")

    def test_what_was_added_comes_back_as_it_was(self, store):
        kept = self.keep(store, ALICE, 1)
        [(footage, prints)] = store.prints(ALICE)
        assert footage == kept == store.get(ALICE, kept.id)
        assert np.array_equal(prints.times, made(1).times)
        assert np.array_equal(prints.hashes, made(1).hashes)

    def test_the_same_content_is_kept_once_an_owner(self, store):
        self.keep(store, ALICE, 1)
        again = store.add(ALICE, "b.mp4", made(1), sha256=f"{1:064x}", source="/other")
        assert again is None and len(store.list(ALICE)) == 1
        self.keep(store, BOB, 1)

    def test_nobody_learns_what_another_holds(self, store):
        mine, theirs = self.keep(store, ALICE, 1), self.keep(store, BOB, 2)
        assert store.list(ALICE) == [mine] and store.get(ALICE, theirs.id) is None
        assert not store.knows(ALICE, theirs.sha256) and store.knows(BOB, theirs.sha256)
        assert store.remove(ALICE, [theirs.id]) == 0 and store.list(BOB) == [theirs]
        library = Library(store)
        assert theirs.sha256 not in b"".join(library.export(ALICE)).decode()
        assert [f.sha256 for f, _ in store.prints(ALICE)] == [mine.sha256]

    def test_what_is_removed_is_gone(self, store):
        first, second = self.keep(store, ALICE, 1), self.keep(store, ALICE, 2)
        before = store.version(ALICE)
        assert store.remove(ALICE, [first.id, "none"]) == 1
        assert store.list(ALICE) == [second]
        assert store.version(ALICE) != before and store.version(ALICE)[0] == 1

    def test_a_page_is_searched_by_names(self, store):
        for number, name in enumerate(("Rally north.mp4", "rally_south.mp4", "100%.mp4")):
            assert store.add(ALICE, name, made(number), sha256=f"{number:064x}", source="/press")
        self.keep(store, BOB, 7)
        files, total = store.page(ALICE, offset=1, limit=1)
        assert [file.name for file in files] == ["rally_south.mp4"] and total == 3

        def found(text):
            files, total = store.page(ALICE, text)
            assert len(files) == total
            return {file.name for file in files}

        assert found("RALLY") == {"Rally north.mp4", "rally_south.mp4"}
        assert found("mp4 north") == {"Rally north.mp4"}
        assert found("%") == {"100%.mp4"} and found("_") == {"rally_south.mp4"}
        assert found("7") == set()

    def test_sources_are_counted_and_forgotten(self, store):
        self.keep(store, ALICE, 1)
        second = self.keep(store, ALICE, 2)
        third = store.add(
            ALICE, "3.mp4", made(3, 4), sha256="3" * 64, source="upload", size=9, duration=2.5
        )
        self.keep(store, BOB, 4)
        one, two = store.sources(ALICE)
        assert (one.source, one.files, one.seconds, one.frames) == ("upload", 1, 2.5, 4)
        assert (two.source, two.files, two.seconds, two.frames) == ("/press", 2, 0.0, 12)
        assert (one.newest, two.newest) == (third.added, second.added)
        assert store.known_from(ALICE, "upload") == [("3.mp4", 9, third.added)]
        assert store.remove_source(ALICE, "/press") == 2 and store.list(ALICE) == [third]
        assert store.remove_source(ALICE, "/press") == 0 and len(store.list(BOB)) == 1

    def test_guests_footage_goes_in_time(self, store):
        kept = {owner: self.keep(store, owner, 1) for owner in (ALICE, LOCAL, "an-account")}
        store.sweep(kept[ALICE].added)
        assert all(store.list(owner) for owner in kept)
        store.sweep(datetime.now(UTC) + timedelta(seconds=1))
        assert [owner for owner in kept if store.list(owner)] == [LOCAL, "an-account"]

    def test_a_full_library_takes_no_more(self, store, monkeypatch):
        monkeypatch.setattr(module, "MAX_FOOTAGE", 1)
        self.keep(store, ALICE, 1)
        with pytest.raises(module.InputError, match="holds 1 files"):
            self.keep(store, ALICE, 2)
        self.keep(store, BOB, 3)

    def test_what_one_exports_another_imports(self, store):
        self.keep(store, ALICE, 1)
        self.keep(store, ALICE, 2)
        library = Library(store)
        file = io.BytesIO(b"".join(library.export(ALICE)))
        assert library.import_prints(BOB, file) == (2, 0)
        file.seek(0)
        assert library.import_prints(BOB, file) == (0, 2)
        hashes = {f.sha256: p.hashes for f, p in store.prints(ALICE)}
        for footage, prints in store.prints(BOB):
            assert footage.source == "import"
            assert np.array_equal(prints.hashes, hashes[footage.sha256])
