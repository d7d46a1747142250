"""Media in a bucket that servers share, on a real S3 server."""

import io
import itertools
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import boto3
import pytest

from detector import plugins
from detector.errors import UsageError
from detector.schema.analysis import Settings
from s3 import uploads as shared
from s3.uploads import S3Bucket
from service.records.model import LOCAL, RecordsError, State
from service.storage import open_uploads
from service.storage.uploads import StorageError, StorageUnreachable, Uploads
from tests.support.ports import free_port
from tests.support.processes import ROOT
from tests.support.scopes import local
from tests.support.storage_contract import CONTENT, DAY, StorageContract, keep
from tests.support.tasks import busy
from tests.support.waiting import until
from tests.unit.service.test_jobs import Analyzer, open_jobs


@pytest.fixture
def environment(s3, monkeypatch):
    name = s3.make()
    for variable, value in s3.environment(name).items():
        monkeypatch.setenv(variable, value)
    return name


@pytest.fixture
def again(environment, tmp_path):
    numbers = itertools.count()
    return lambda: open_uploads(tmp_path / f"server-{next(numbers)}")


@pytest.fixture
def store(again):
    return again()


class TestBucket(StorageContract):
    """All of it."""


@pytest.fixture
def client(s3, environment):
    return boto3.client("s3", endpoint_url=s3.url)


def keys(client, bucket):
    return [one["Key"] for one in client.list_objects_v2(Bucket=bucket).get("Contents", ())]


def test_what_was_taken_in_is_in_the_bucket_and_names_nobodys_file(store, client, environment):
    kept = keep(store, "council statement.mp4")
    assert keys(client, environment) == [f"unmask/{kept.token}"]
    store.delete(kept.token)
    assert keys(client, environment) == []


def test_a_large_file_goes_and_comes_in_parts(store, again, client, environment):
    data = os.urandom(20_000_000)
    kept = keep(store, data=data)
    head = client.head_object(Bucket=environment, Key=f"unmask/{kept.token}")
    assert head["ETag"].strip('"').endswith("-3"), "in three parts of 8 MB at most"
    assert again().path(kept.token).read_bytes() == data


def test_prefixes_do_not_see_each_other(store, environment, tmp_path, monkeypatch):
    kept = keep(store)
    monkeypatch.setenv("UNMASK_S3_PREFIX", "unmask-two/")
    other = open_uploads(tmp_path / "two")
    own = keep(other)
    assert not other.has(kept.token)
    other.delete(kept.token)
    later = datetime.now(UTC) + 2 * DAY
    assert other.sweep(DAY, now=later) == [own.token] and store.has(kept.token)


def test_pages_that_want_a_file_at_once_bring_it_once(store, again, monkeypatch):
    kept, other = keep(store, data=CONTENT), again()
    fetches: list[str] = []
    right = S3Bucket.fetch

    def fetch(self, token, *rest):
        fetches.append(token)
        time.sleep(0.2)
        return right(self, token, *rest)

    monkeypatch.setattr(S3Bucket, "fetch", fetch)
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: other.path(kept.token).read_bytes(), range(8)))
    assert fetches == [kept.token] and set(paths) == {CONTENT}
    assert [entry.name for entry in (other.root / kept.token).iterdir()] == ["clip.mp4"]


def test_asking_whether_it_is_kept_brings_nothing(store, again):
    kept, other = keep(store), again()
    assert other.has(kept.token) and other.size([kept.token]) == 3_000_000
    assert list(other.root.iterdir()) == []


def test_a_copy_goes_when_it_was_deleted_elsewhere_or_not_used(store, again):
    deleted, unused, used = keep(store), keep(store), keep(store)
    other = again()
    for one in (deleted, unused, used):
        assert other.path(one.token).is_file()
    store.delete(deleted.token)
    now = datetime.now(UTC)
    other.sweep(DAY, now=now + shared.COMING_TTL / 2)
    assert (other.root / deleted.token).exists(), "it might be on its way to the bucket"
    other.sweep(DAY, now=now + 2 * shared.COMING_TTL)
    assert {folder.name for folder in other.root.iterdir()} == {unused.token, used.token}
    hour_ago = time.time() - shared.UNUSED_TTL.total_seconds() - 10
    for one in (unused, used):
        os.utime(other.root / one.token, (hour_ago, hour_ago))
    assert other.path(used.token).is_file()  # used just now
    other.sweep(DAY)
    assert [folder.name for folder in other.root.iterdir()] == [used.token]
    assert other.path(unused.token).read_bytes() == b"x" * 3_000_000, "brought again"


def test_what_was_damaged_in_the_bucket_is_not_taken_for_the_file(
    store, again, client, environment
):
    kept = keep(store)
    where = {"Bucket": environment, "Key": f"unmask/{kept.token}"}
    about = client.head_object(**where)["Metadata"]
    client.put_object(**where, Body=b"something else", Metadata=about)
    other = again()
    with pytest.raises(StorageUnreachable, check=lambda e: e.code == "storage_damaged"):
        other.path(kept.token)
    assert list(other.root.iterdir()) == []


def test_a_bucket_that_is_away_says_so_and_leaves_nothing(store, again, client, environment):
    kept, other = keep(store), again()
    client.delete_object(Bucket=environment, Key=f"unmask/{kept.token}")
    client.delete_bucket(Bucket=environment)
    for act in (
        lambda: keep(store),
        lambda: other.delete(kept.token),
        lambda: other.sweep(DAY),
        lambda: store.move(kept.token, "y" * 22),
    ):
        with pytest.raises(StorageUnreachable) as refused:
            act()
        assert refused.value.code == "storage_unreachable"
        assert environment not in f"{refused.value.message} {refused.value.hint}"
    assert [folder.name for folder in store.root.iterdir()] == [kept.token]
    assert list(other.root.iterdir()) == []


@pytest.mark.parametrize("wrong", ["nobody", "nothing there"])
def test_a_bucket_that_can_not_be_used_stops_the_server_with_a_sentence(
    environment, tmp_path, monkeypatch, wrong
):
    monkeypatch.setattr(shared, "ATTEMPTS", 1)
    if wrong == "nobody":
        monkeypatch.setenv("UNMASK_S3_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    else:
        monkeypatch.setenv("UNMASK_S3_BUCKET", "no-such-bucket")
    with pytest.raises(StorageError, match="UNMASK_S3_BUCKET") as refused:
        open_uploads(tmp_path)
    assert refused.value.code == "storage_setup" and "endpoint" in refused.value.hint


def test_without_a_bucket_the_folder_keeps_them_and_nothing_of_amazons_is_loaded(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("UNMASK_S3_BUCKET", raising=False)
    assert type(open_uploads(tmp_path)) is Uploads
    code = (
        "import sys, service.application; from pathlib import Path; "
        "from service.storage import open_uploads; "
        f"open_uploads(Path({str(tmp_path)!r})); sys.exit('boto3' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=100).returncode == 0


def test_a_bucket_without_its_package_is_named_with_its_installation(
    environment, tmp_path, monkeypatch
):
    monkeypatch.setattr(plugins, "stores", list)
    monkeypatch.chdir(ROOT)
    with pytest.raises(UsageError) as missing:
        open_uploads(tmp_path)
    told = "UNMASK_S3_BUCKET needs unmask-s3, which is not installed. "
    assert missing.value.advice == f"{told}Type: pip install ./plugins/s3 ./plugins/published"


def test_the_age_of_a_file_is_by_the_buckets_clock(store, monkeypatch):
    """A server whose clock is years ahead does not empty the bucket."""
    kept = keep(store)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2040, 1, 1, tzinfo=UTC)

    monkeypatch.setattr(shared, "datetime", Ahead)
    assert store.sweep(DAY) == [] and store.has(kept.token)
    assert store.sweep(timedelta(seconds=-5)) == [kept.token]


def test_deleting_while_it_is_brought_leaves_no_half_file(store, again, monkeypatch):
    kept, other = keep(store, data=CONTENT), again()
    begun, go = threading.Event(), threading.Event()
    right = S3Bucket.fetch

    def fetch(self, token, *rest):
        begun.set()
        assert go.wait(60)
        return right(self, token, *rest)

    monkeypatch.setattr(S3Bucket, "fetch", fetch)
    with ThreadPoolExecutor(1) as pool:
        path = pool.submit(other.path, kept.token)
        assert begun.wait(60)
        store.delete(kept.token)
        go.set()
        assert not path.result().exists()
    assert list(other.root.iterdir()) == [] and not other.has(kept.token)


@pytest.fixture
def head(tmp_path, environment):
    """Servers with a disk of their own each, on one database and one bucket."""
    opened = []

    def make(name):
        analyzer = Analyzer()
        opened.append((open_jobs(tmp_path, analyzer, home=tmp_path / name), analyzer))
        return opened[-1]

    yield make
    for jobs, analyzer in opened:
        analyzer.go.set()
        jobs.close()
        jobs.store.close()


def submit(jobs, content="one"):
    return jobs.submit(io.BytesIO(content.encode()), "clip.mp4", Settings(), local(jobs))


def test_another_server_reads_runs_again_and_deletes(head, client, environment):
    (one, _), (two, _) = head("one"), head("two")
    job = submit(one)
    until(lambda: job.state is State.DONE)
    found = two.find(job.key, local(two))
    assert found.analysis == job.analysis and found.has_media
    assert not list(two.uploads.root.iterdir()), "nobody wanted the file yet"
    assert found.path.read_text() == "one" and found.path != job.path
    again = two.rerun(job.key, Settings(frames=8), local(two))
    until(lambda: again.state is State.DONE)
    back = one.find(job.key, local(one))
    assert back.settings.frames == 8 and back.analysis == again.analysis
    assert two.delete([job.key], local(two)) == [job.key]
    assert one.find(job.key, local(one)) is None and keys(client, environment) == []


def test_what_another_server_is_at_is_not_swept(head):
    (one, busy), (two, _) = head("one"), head("two")
    busy.go.clear()
    job, later = submit(one), datetime.now(UTC) + 40 * DAY
    two.sweep(DAY, 30 * DAY, now=later)
    assert two.uploads.has(job.key) and two.find(job.key, local(two)) is not None
    busy.go.set()
    until(lambda: job.state is State.DONE)
    two.sweep(DAY, 30 * DAY, now=later)
    assert not two.uploads.has(job.key) and one.find(job.key, local(one)) is None


def test_the_same_file_on_another_server_is_the_same_answer(head, client, environment):
    (one, _), (two, second) = head("one"), head("two")
    job = submit(one)
    until(lambda: job.state is State.DONE)
    assert submit(two).key == job.key and second.begun == []
    assert keys(client, environment) == [f"unmask/{job.key}"]


def test_a_file_that_can_not_be_put_there_is_not_taken(head, client, environment):
    jobs, _ = head("one")
    client.delete_bucket(Bucket=environment)
    with pytest.raises(StorageUnreachable):
        submit(jobs)
    assert jobs.store.ids(LOCAL) == [] and not list(jobs.uploads.root.iterdir())


def test_what_can_not_be_deleted_there_is_not_said_to_be(head, client, environment):
    jobs, _ = head("one")
    job = submit(jobs)
    until(lambda: job.state is State.DONE)
    client.delete_object(Bucket=environment, Key=f"unmask/{job.key}")
    client.delete_bucket(Bucket=environment)
    with pytest.raises(StorageUnreachable):
        jobs.delete([job.key], local(jobs))
    assert jobs.store.ids(LOCAL) == [job.key], "it can be asked for again"
    assert jobs.find(job.key, local(jobs)).analysis is not None, "its result is still read"


def test_a_row_that_can_not_be_written_leaves_no_object(head, client, environment, monkeypatch):
    jobs, _ = head("one")
    monkeypatch.setattr(jobs.store, "add", Mock(side_effect=RecordsError("The disk is full.")))
    with pytest.raises(RecordsError):
        submit(jobs)
    assert keys(client, environment) == [] and not list(jobs.uploads.root.iterdir())
    assert busy(jobs) == []
