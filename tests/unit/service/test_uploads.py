"""Uploads on disk: the contract of every storage, and how long files are kept."""

from datetime import timedelta

import pytest

from service.storage.uploads import Uploads, retention, upload_limit_mb
from tests.support.storage_contract import DAY, StorageContract


class TestFolder(StorageContract):
    @pytest.fixture
    def store(self, tmp_path):
        return Uploads(tmp_path)

    @pytest.fixture
    def again(self, tmp_path):
        return lambda: Uploads(tmp_path)


def test_retention_and_limit_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("UNMASK_RETENTION_HOURS", raising=False)
    monkeypatch.delenv("UNMASK_MAX_UPLOAD_MB", raising=False)
    assert retention() == DAY
    assert upload_limit_mb() is None
    monkeypatch.setenv("UNMASK_RETENTION_HOURS", "0.5")
    monkeypatch.setenv("UNMASK_MAX_UPLOAD_MB", "2000")
    assert retention() == timedelta(minutes=30)
    assert upload_limit_mb() == 2000


@pytest.mark.parametrize("value", ["forever", "0", "-1", "nan", "inf"])
def test_a_retention_that_makes_no_sense_is_refused(monkeypatch, value):
    monkeypatch.setenv("UNMASK_RETENTION_HOURS", value)
    with pytest.raises(SystemExit, match="UNMASK_RETENTION_HOURS"):
        retention()
