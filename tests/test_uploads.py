"""Uploads on disk: kept whole, found by token only, deleted in time, nothing left behind."""

from __future__ import annotations

import errno
import io
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dashboard import uploads
from dashboard.uploads import StorageError, Uploads, retention, safe_name, upload_limit_mb
from detector.results import Settings
from tests.result_sample import make_analysis

DAY = timedelta(hours=24)


@pytest.fixture
def store(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path)


def keep(store: Uploads, name: str = "clip.mp4", data: bytes = b"x" * 3_000_000) -> uploads.Upload:
    return store.keep(io.BytesIO(data), name, Settings(frames=16), size=len(data))


def test_a_file_is_kept_whole_and_found_by_its_token(store: Uploads) -> None:
    data = bytes(range(256)) * 10_000
    kept = keep(store, data=data)
    found = store.find(kept.token)
    assert found == kept
    assert found.path.read_bytes() == data
    assert found.settings.frames == 16


def test_tokens_are_long_and_never_repeat(store: Uploads) -> None:
    tokens = {keep(store, data=b"x").token for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(token) == 22 for token in tokens)


@pytest.mark.parametrize("token", ["", "..", "../" * 7 + "a", "x" * 22, "a/b", "\0" * 22, "é" * 22])
def test_what_is_no_token_finds_and_deletes_nothing(store: Uploads, token: str) -> None:
    kept = keep(store)
    assert store.find(token) is None
    store.delete(token)
    assert store.find(kept.token) is not None


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
def test_names_are_safe_on_disk(store: Uploads, name: str, safe: str) -> None:
    assert safe_name(name) == safe
    kept = keep(store, name, b"x")
    assert kept.path.parent.parent.parent == store.root
    assert kept.name == name  # the page shows what the person sees


def test_a_full_disk_leaves_nothing_behind(store: Uploads) -> None:
    class Full(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            if self.tell() > 1_000_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().read(count)

    with pytest.raises(StorageError) as caught:
        store.keep(Full(b"x" * 5_000_000), "a.mp4", Settings())
    assert caught.value.code == "disk_full"
    assert list(store.root.iterdir()) == []


def test_a_file_that_will_not_fit_is_refused_before_writing(
    store: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil._ntuple_diskusage(10**9, 10**9 - 150_000_000, 150_000_000)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    source = io.BytesIO(b"x")
    with pytest.raises(StorageError):
        store.keep(source, "a.mp4", Settings(), size=60_000_000)
    assert source.tell() == 0
    assert store.keep(source, "a.mp4", Settings(), size=40_000_000)


def test_another_error_leaves_nothing_behind_either(store: Uploads) -> None:
    class Gone(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        store.keep(Gone(), "a.mp4", Settings())
    assert list(store.root.iterdir()) == []


def test_a_result_is_saved_beside_the_file_and_goes_with_it(store: Uploads) -> None:
    kept, analysis = keep(store), make_analysis()
    assert store.result(kept.token) is None
    store.save(kept.token, analysis)
    assert store.result(kept.token) == analysis
    store.delete(kept.token)
    store.save(kept.token, analysis)  # a worker may finish after the deletion
    assert list(store.root.iterdir()) == []


def test_asking_again_drops_the_old_result(store: Uploads) -> None:
    kept = keep(store)
    store.save(kept.token, make_analysis())
    store.note(kept)
    assert store.result(kept.token) is None


def test_a_result_of_another_version_is_not_shown(store: Uploads) -> None:
    kept = keep(store)
    (kept.path.parent.parent / "analysis.json").write_text('{"schema_version": "0.1"}')
    assert store.result(kept.token) is None


def test_sweep_deletes_what_is_old_and_spares_what_is_in_use(store: Uploads) -> None:
    old, used, broken = keep(store), keep(store), keep(store)
    (broken.path.parent.parent / "job.json").unlink()
    later = datetime.now(UTC) + DAY + timedelta(minutes=1)
    assert store.sweep(DAY) == []
    assert set(store.sweep(DAY, spare=[used.token], now=later)) == {old.token, broken.token}
    assert [folder.name for folder in store.root.iterdir()] == [used.token]


def test_retention_and_limit_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNMASK_RETENTION_HOURS", raising=False)
    monkeypatch.delenv("UNMASK_MAX_UPLOAD_MB", raising=False)
    assert retention() == DAY
    assert upload_limit_mb() is None
    monkeypatch.setenv("UNMASK_RETENTION_HOURS", "0.5")
    monkeypatch.setenv("UNMASK_MAX_UPLOAD_MB", "2000")
    assert retention() == timedelta(minutes=30)
    assert upload_limit_mb() == 2000


@pytest.mark.parametrize("value", ["forever", "0", "-1", "nan", "inf"])
def test_a_retention_that_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("UNMASK_RETENTION_HOURS", value)
    with pytest.raises(SystemExit, match="UNMASK_RETENTION_HOURS"):
        retention()
