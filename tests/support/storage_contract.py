"""What any place that keeps uploads must do: kept whole, found by token only, deleted in time,
nothing left behind.

A subclass has a fixture `store`, and `again`: the same place as another server opens it, with a
disk of its own where it is not a folder.
"""

import errno
import hashlib
import io
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from detector.media.files import disk_name
from service.storage.uploads import StorageError

DAY = timedelta(hours=24)
CONTENT = bytes(range(256)) * 10_000


def keep(store, name="clip.mp4", data=b"x" * 3_000_000):
    return store.add(io.BytesIO(data), name, size=len(data))


class StorageContract:
    """Subclass with fixtures `store` and `again`."""

    def test_a_file_is_kept_whole_found_by_its_token_and_hashed_on_the_way(self, store):
        kept = keep(store, data=CONTENT)
        assert kept.sha256 == hashlib.sha256(CONTENT).hexdigest() and kept.size == len(CONTENT)
        assert store.path(kept.token).read_bytes() == CONTENT
        assert [entry.name for entry in (store.root / kept.token).iterdir()] == ["clip.mp4"]
        assert store.size([kept.token, "x" * 22]) == len(CONTENT)
        assert store.has(kept.token) and not store.has("x" * 22)

    def test_another_server_has_it_and_deletes_it(self, store, again):
        kept, other = keep(store, "A Clip.MOV", CONTENT), again()
        assert other.has(kept.token) and other.size([kept.token]) == len(CONTENT)
        assert other.path(kept.token).read_bytes() == CONTENT
        assert other.path(kept.token).name == "A-Clip.mov"
        other.delete(kept.token)
        other.delete(kept.token)  # twice costs nothing
        assert not again().has(kept.token) and not again().path(kept.token).exists()

    def test_tokens_are_long_and_never_repeat(self, store):
        tokens = {keep(store, data=b"x").token for _ in range(20)}
        assert len(tokens) == 20
        assert all(len(token) == 22 for token in tokens)

    @pytest.mark.parametrize(
        "token", ["", "..", "../" * 7 + "a", "x" * 22, "a/b", "\0" * 22, "é" * 22]
    )
    def test_what_is_no_token_finds_and_deletes_nothing(self, store, token):
        kept = keep(store)
        assert not store.path(token).exists() and not store.has(token)
        store.delete(token)
        assert store.path(kept.token).is_file() and store.has(kept.token)

    def test_a_pass_opens_one_file_and_is_another_in_each_process(self, store, again):
        kept, other = keep(store), keep(store)
        _, token, given = store.address(kept.token).split("/")
        assert token == kept.token
        assert store.admit(token, given) == store.path(token)
        assert store.admit(other.token, given) is None
        assert store.admit(token, "") is None and store.admit(token, "é") is None
        assert again().admit(token, given) is None
        store.delete(token)
        assert store.admit(token, given) is None

    def test_a_file_is_handed_over_where_there_is_none(self, store, again):
        gone, new, spare = keep(store), keep(store, "n.mp4", b"new"), keep(store, "s.mp4", b"spare")
        store.delete(gone.token)
        store.move(new.token, gone.token)
        assert store.path(gone.token).read_bytes() == b"new"
        store.move(spare.token, gone.token)  # has one
        assert store.path(gone.token).read_bytes() == b"new"
        assert [folder.name for folder in store.root.iterdir()] == [gone.token]
        other = again()
        assert other.path(gone.token).read_bytes() == b"new"
        assert not other.has(new.token) and not other.has(spare.token)

    @pytest.mark.parametrize(
        ("name", "safe"),
        [
            ("council statement.MP4", "council-statement.mp4"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("<img src=x onerror=alert(1)>.png", "img-src-x-onerror-alert-1.png"),
            ("résumé.mov", "resume.mov"),
            ("電影.webm", "file.webm"),
            ("a\0b\nc.mkv", "a-b-c.mkv"),
            ("-rf", "rf"),
            ("", "file"),
            ("...", "file"),
            ("x" * 500 + ".avi", "x" * 80 + ".avi"),
            ("clip.mp4; rm -rf", "clip.mp4rmrf"),
        ],
    )
    def test_names_are_safe_on_disk(self, store, name, safe):
        assert disk_name(name) == safe
        kept = keep(store, name, b"x")
        assert store.path(kept.token) == store.root / kept.token / safe

    def test_a_full_disk_leaves_nothing_behind(self, store):
        class Full(io.BytesIO):
            def read(self, count=-1):
                if self.tell() > 1_000_000:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return super().read(count)

        with pytest.raises(StorageError, check=lambda e: e.code == "disk_full"):
            store.add(Full(b"x" * 5_000_000), "a.mp4")
        assert list(store.root.iterdir()) == []

    def test_a_file_that_will_not_fit_is_refused_before_writing(self, store, monkeypatch):
        usage = shutil._ntuple_diskusage(10**9, 10**9 - 150_000_000, 150_000_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        source = io.BytesIO(b"x")
        with pytest.raises(StorageError):
            store.add(source, "a.mp4", size=60_000_000)
        assert source.tell() == 0
        assert store.add(source, "a.mp4", size=40_000_000)

    def test_another_error_leaves_nothing_behind_either(self, store):
        class Gone(io.BytesIO):
            def read(self, count=-1):
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            store.add(Gone(), "a.mp4")
        assert list(store.root.iterdir()) == []

    def test_sweep_deletes_what_is_old_and_spares_what_is_in_use(self, store, again):
        old, used = keep(store), keep(store)
        half = store.root / ("h" * 22)  # a server was stopped in the middle of a copy
        half.mkdir()
        (half / ".coming").write_bytes(b"half")
        now = datetime.now(UTC)
        assert store.sweep(DAY) == [] and half.exists()
        store.sweep(DAY, now=now + timedelta(hours=2))
        assert not half.exists() and store.has(old.token) and store.has(used.token)
        later = now + DAY + timedelta(minutes=1)
        assert store.sweep(DAY, spare=[used.token], now=later) == [old.token]
        for one in (store, again()):
            assert not one.has(old.token) and one.has(used.token)
            assert one.path(used.token).read_bytes() == b"x" * 3_000_000
