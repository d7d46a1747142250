"""Uploads on disk: the contract of every storage."""

import hashlib
from unittest.mock import Mock

import pytest

from detector.media import files
from service.storage.arriving import ArrivingFile
from service.storage.uploads import Uploads
from tests.support.storage_contract import StorageContract

PNG = b"\x89PNG\r\n\x1a\n"


class TestFolder(StorageContract):
    @pytest.fixture
    def store(self, tmp_path):
        return Uploads(tmp_path)

    @pytest.fixture
    def again(self, tmp_path):
        return lambda: Uploads(tmp_path)


def test_a_file_of_a_request_is_written_once_and_hashed_once(tmp_path, monkeypatch):
    store, content = Uploads(tmp_path), PNG + b"bytes of a picture" * 1000
    arriving = ArrivingFile(store.root)
    for start in range(0, len(content), 999):
        arriving.write(content[start : start + 999])
    arriving.seek(0)
    (was,) = store.root.glob(".form-*/.coming")
    inode = was.stat().st_ino
    upload = store.add(arriving, "clip.mp4")
    arriving.close()
    path = store.path(upload.token)
    assert path.stat().st_ino == inode, "moved, not copied"
    assert path.read_bytes() == content and upload.size == len(content)
    assert upload.sha256 == hashlib.sha256(content).hexdigest()
    assert [folder.name for folder in store.root.iterdir()] == [upload.token]
    with monkeypatch.context() as patch:
        patch.setattr(files, "sha256", Mock(side_effect=AssertionError("hashed again")))
        assert files.identify(path).sha256 == upload.sha256
    path.write_bytes(PNG + b"other" * 1000)
    assert files.identify(path).sha256 == hashlib.sha256(PNG + b"other" * 1000).hexdigest()


def test_a_file_of_a_request_that_is_not_kept_leaves_nothing(tmp_path):
    store = Uploads(tmp_path)
    arriving = ArrivingFile(store.root)
    arriving.write(b"a head, which was read")
    arriving.seek(2)
    upload = store.add(arriving, "clip.mp4")  # from where it is
    assert store.path(upload.token).read_bytes() == b"head, which was read"
    arriving.close()
    assert [folder.name for folder in store.root.iterdir()] == [upload.token]
