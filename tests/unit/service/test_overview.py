"""What whoever runs a server sees of it."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Histogram

from detector.models import registry
from detector.schema.analysis import ErrorDetail
from service import metrics, overview
from service.context import LOCAL, PrincipalKind
from service.records.database import FILE
from service.records.model import ErrorReport, Record, State
from service.records.rules import new_id
from service.records.sql import open_store
from service.storage.uploads import Uploads
from service.tasks.task import Priority, Task, TaskKind
from tests.support.tasks import make_tasks
from tests.support.waiting import until

SLOW = TaskKind("slow", Priority.BATCH, 1.0, Task, max_running=1)


def test_times_are_read_off_the_histogram_as_prometheus_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = Histogram("seconds", "s", ["stage"], registry=CollectorRegistry(), buckets=(1, 2, 4))
    monkeypatch.setattr(metrics, "STAGE_SECONDS", counted)
    assert overview.speeds() == []
    for seconds in (1.5,) * 8 + (3.0, 9.0):
        counted.labels("faces").observe(seconds)
    counted.labels("read").observe(0.5)
    faces, read = overview.speeds()
    assert (faces.stage, faces.number) == ("faces", 10)
    assert faces.median == pytest.approx(1 + 5 / 8)  # the fifth of eight between 1 and 2 s
    assert faces.high == 4  # beyond the last bound
    assert read.median == pytest.approx(0.5)


def test_tasks_of_everybody_are_seen_what_runs_first(tmp_path: Path) -> None:
    tasks = make_tasks(tmp_path)
    tasks.register(SLOW)
    go = threading.Event()
    first, second = Task(SLOW, LOCAL.id), Task(SLOW, "guest:abcdef")
    for task in (first, second):
        tasks.submit(task, lambda task: go.wait(60))
    until(lambda: first.state is State.RUNNING)
    assert overview.active(tasks) == [first, second]
    go.set()
    until(lambda: not overview.active(tasks))
    tasks.close()


def test_an_owner_is_a_kind_and_a_few_letters() -> None:
    assert overview.owner_kind("local") == (PrincipalKind.LOCAL, "")
    assert overview.owner_kind("guest:abcdefgh") == (PrincipalKind.GUEST, "abcd")
    assert overview.owner_kind("key:123456") == (PrincipalKind.KEY, "1234")
    assert overview.owner_kind("6f1c-22")[0] is PrincipalKind.USER


def test_disk_counts_what_people_brought(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    uploads.add(io.BytesIO(b"x" * 1000), "a.mp4")
    disk = overview.disk(uploads)
    assert disk.files == 1000 and 0 < disk.free <= disk.total


def test_memory_and_load_are_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registry, "loaded", lambda: [("texture", "cpu", 600), ("blend", "cpu", 400)]
    )
    memory, (busy, cores) = overview.memory(), overview.load()
    assert memory.models == 1000
    assert 10_000_000 < memory.process < memory.total
    assert busy >= 0 and cores >= 1


def test_failures_are_counted_by_what_they_were(tmp_path: Path) -> None:
    store = open_store(tmp_path / FILE)
    now = datetime.now(UTC)
    for number, (code, ours, age) in enumerate(
        [("damaged", False, 1), ("damaged", False, 2), ("internal", True, 3), ("old", False, 9)]
    ):
        when = now - timedelta(days=age)
        problem = ErrorDetail(code=code, message=f"{code} {number}", hint="")
        fault = ErrorReport(problem=problem, ours=ours, reference="x", when=when, details="")
        record = Record(
            id=new_id(), owner=LOCAL.id, created=when, touched=when, name="secret.mp4",
            sha256=f"{number:064x}", state=State.FAILED, run="before:1", fault=fault,
        )  # fmt: skip
        store.add(record)
    assert store.failures(now - timedelta(days=7)) == [
        ("damaged", False, 2, "damaged 0"),
        ("internal", True, 1, "internal 2"),
    ]
    assert store.analyzed(now - timedelta(days=7)) == 0
    store.close()
