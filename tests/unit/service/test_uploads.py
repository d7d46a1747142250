"""Uploads on disk: the contract of every storage."""

import pytest

from service.storage.uploads import Uploads
from tests.support.storage_contract import StorageContract


class TestFolder(StorageContract):
    @pytest.fixture
    def store(self, tmp_path):
        return Uploads(tmp_path)

    @pytest.fixture
    def again(self, tmp_path):
        return lambda: Uploads(tmp_path)
