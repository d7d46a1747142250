"""What whoever runs a server sees of it."""

import io
import threading

from service import overview
from service.context import LOCAL, PrincipalKind
from service.records.model import State
from service.storage.uploads import Uploads
from service.tasks.task import Priority, Task, TaskKind
from tests.support.waiting import until

SLOW = TaskKind("slow", Priority.BATCH, 1.0, Task, max_running=1)


def test_tasks_of_everybody_are_seen_what_runs_first(tasks):
    tasks.register(SLOW)
    go = threading.Event()
    first, second = Task(SLOW, LOCAL.id), Task(SLOW, "guest:abcdef")
    for task in (first, second):
        tasks.submit(task, lambda task: go.wait(60))
    until(lambda: first.state is State.RUNNING)
    assert overview.active(tasks) == [first, second]
    go.set()
    until(lambda: not overview.active(tasks))


def test_an_owner_is_a_kind_and_a_few_letters():
    assert overview.owner_kind("local") == (PrincipalKind.LOCAL, "")
    assert overview.owner_kind("guest:abcdefgh") == (PrincipalKind.GUEST, "abcd")
    assert overview.owner_kind("key:123456") == (PrincipalKind.KEY, "1234")
    assert overview.owner_kind("6f1c-22")[0] is PrincipalKind.USER


def test_disk_counts_what_people_brought(tmp_path):
    uploads = Uploads(tmp_path)
    uploads.add(io.BytesIO(b"x" * 1000), "a.mp4")
    disk = overview.disk(uploads)
    assert disk.files == 1000 and 0 < disk.free <= disk.total
