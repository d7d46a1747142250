"""Background work: who comes first, who may see it, and how it ends whatever happens to it."""

import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from detector import selfcheck
from detector.errors import Canceled, InputError, MediaError, WeightsError
from service.api.schemas import TaskView
from service.context import LOCAL, PrincipalKind
from service.records.model import RecordsError, State, fault_of
from service.records.rules import owner_kind
from service.tasks import kinds
from service.tasks.calibrations import CalibrationRequest, Calibrations
from service.tasks.kinds import MAX_WAITING, SELF_CHECK, Downloads, RobustnessQueue, SelfChecks
from service.tasks.queue import NICENESS
from service.tasks.scheduler import Scheduler
from service.tasks.task import Priority, QueueFull, StepProgress, Task, TaskKind, TaskStore
from tests.support.result_sample import make_analysis
from tests.support.servers_contract import ServersContract
from tests.support.tasks import ADMIN, ANN, BEN, ended, make_tasks
from tests.support.waiting import PATIENT, until


def kind(name, priority, cores=2.0, **more):
    return TaskKind(name, priority, cores, Task, **more)


PAGE = kind("page", Priority.INTERACTIVE)
NIGHT = kind("night", Priority.BATCH)
FETCH = kind("fetch", Priority.BATCH, 0.0)


class Desk:
    """A line whose tasks run until the test ends them."""

    def __init__(self, cores=2.0):
        self.line = Scheduler(cores)
        self.started: list[str] = []

    def add(self, of, name, owner="ann"):
        task = Task(of, owner, subject=name)
        self.line.add(task)
        self.look()
        return task

    def look(self):
        """All that has started so far, in that order."""
        while task := self.line.next():
            self.started.append(task.subject)
        return self.started

    def end(self, name):
        (task,) = (task for task in self.line.running if task.subject == name)
        self.line.end(task)
        return self.look()


@pytest.fixture
def desk():
    return Desk()


def test_who_waits_at_a_page_comes_before_a_batch(desk):
    desk.add(PAGE, "first")
    desk.add(NIGHT, "batch")
    for name in ("batch 2", "batch 3"):
        desk.add(NIGHT, name)
    desk.add(PAGE, "second")
    # One of each priority always runs; a second interactive one comes before more of the batch.
    assert desk.started == ["first", "batch"]
    assert desk.end("first") == ["first", "batch", "second"]
    assert desk.end("second")[3:] == []
    assert desk.end("batch")[3:] == ["batch 2"]


def test_no_more_runs_than_the_cores_allow():
    desk = Desk(cores=5)
    for number in range(4):
        desk.add(PAGE, f"{number}")
    assert desk.started == ["0", "1"]  # two cores each; the fifth core is too little for a third
    assert desk.end("0") == ["0", "1", "2"]
    half = kind("half", Priority.INTERACTIVE, 0.4)
    small = Desk(cores=2)
    for number in range(7):
        small.add(half, f"{number}")
    assert len(small.started) == 5  # 5 * 0.4 is two, however a computer adds that up


def test_what_waits_for_a_network_takes_no_core_and_waits_for_none(desk):
    desk.add(PAGE, "page")
    desk.add(NIGHT, "batch")
    for number in range(3):
        desk.add(FETCH, f"fetch {number}")
    assert desk.started == ["page", "batch", "fetch 0", "fetch 1", "fetch 2"]
    desk.end("batch")
    desk.add(NIGHT, "batch 2")  # a running download is no excuse to make it wait
    assert desk.started[-1] == "batch 2"


def test_one_waits_for_the_end_of_a_task_or_for_a_time(tasks):
    go = threading.Event()
    tasks.register(FETCH)
    task = tasks.submit(Task(FETCH, ANN.id), lambda task: go.wait(60))
    assert not tasks.wait(task, 0.05) and task.active
    threading.Timer(0.1, go.set).start()
    assert tasks.wait(task) and task.state is State.DONE


def test_cameras_take_from_the_budget_and_stop_nobody_for_good():
    desk = Desk(cores=4)
    desk.line.reserved.append(1.0)
    desk.add(PAGE, "one")
    desk.add(PAGE, "two")
    desk.add(NIGHT, "batch")
    assert desk.started == ["one", "batch"]  # each priority has one, the camera the rest
    desk.line.reserved.clear()
    assert desk.look() == ["one", "batch", "two"]
    desk.line.reserved = [1.0] * 8  # never refused
    for name in ("one", "two", "batch"):
        desk.end(name)
    desk.add(PAGE, "three")
    desk.add(NIGHT, "batch 2")
    assert desk.started[3:] == ["three", "batch 2"]


def test_owners_take_turns(desk):
    anns = [desk.add(PAGE, f"ann {number}", "ann") for number in range(5)]
    bens = [desk.add(PAGE, f"ben {number}", "ben") for number in range(2)]
    assert desk.line.ahead(bens[0]) == 0  # ann had her turn
    assert [desk.line.ahead(task) for task in (anns[1], bens[1])] == [1, 2]
    desk.line.remove(anns[1])  # her next ones move up
    for number in range(5):
        desk.end(desk.started[number])
    assert desk.started == ["ann 0", "ben 0", "ann 2", "ben 1", "ann 3", "ann 4"]
    desk.end("ann 4")
    assert not desk.line._served  # whoever is served is forgotten
    desk.add(PAGE, "cat", "cat")
    desk.add(PAGE, "dan", "dan")
    assert desk.end("cat")[-1] == "dan"


def test_a_place_in_line_counts_what_comes_before_it(desk):
    desk.add(PAGE, "runs")
    waiting = [desk.add(PAGE, f"{number}") for number in range(3)]
    assert [desk.line.ahead(task) for task in waiting] == [0, 1, 2]
    assert desk.line.remove(waiting[0]) and not desk.line.remove(waiting[0])
    assert [desk.line.ahead(task) for task in waiting[1:]] == [0, 1]
    assert desk.line.count("page") == (2, 1)


def test_nobody_overtakes_what_waits_for_cores():
    desk = Desk(cores=2)
    small = kind("small", Priority.INTERACTIVE, 0.5)
    desk.add(small, "small 0")
    desk.add(PAGE, "large")
    desk.add(small, "small 1")
    assert desk.started == ["small 0"]
    assert desk.end("small 0") == ["small 0", "large"]


def test_a_kind_may_run_one_at_a_time_and_blocks_no_other():
    desk = Desk(cores=64)
    single = kind("single", Priority.BATCH, max_running=1)
    for number in range(3):
        desk.add(single, f"single {number}")
    desk.add(NIGHT, "other")
    assert desk.started == ["single 0", "other"]
    assert desk.end("single 0")[2:] == ["single 1"]


def test_nothing_more_starts_while_it_is_held_but_what_waits_for_a_network(desk):
    desk.add(PAGE, "runs")
    desk.line.suspended = True
    desk.add(PAGE, "waits")
    desk.add(NIGHT, "batch")
    desk.add(kind("download", Priority.BATCH, 0.0), "download")
    assert desk.started == ["runs", "download"]
    assert desk.end("runs") == ["runs", "download"]
    desk.line.suspended = False
    assert desk.look() == ["runs", "download", "waits", "batch"]


def test_a_task_is_put_before_all_others_of_its_priority(desk):
    running = desk.add(PAGE, "0")
    waiting = [desk.add(PAGE, name, owner) for name, owner in (("1", "ann"), ("2", "ben"))]
    last = desk.add(PAGE, "3")
    assert desk.line.advance(last) and desk.line.ahead(last) == 0
    assert sorted(desk.line.ahead(task) for task in waiting) == [1, 2]
    assert not desk.line.advance(running)
    assert desk.end("0") == ["0", "3"]


def test_a_full_line_takes_no_more(tasks):
    def refuse(waiting, running):
        return InputError(f"{waiting} wait, {running} run") if waiting >= 2 else None

    bound, gate = kind("bound", Priority.INTERACTIVE, refuse=refuse), Gate()
    for _number in range(3):
        tasks.submit(Task(bound, ANN.id), gate)
    with pytest.raises(InputError, match="2 wait, 1 run"):
        tasks.submit(Task(bound, ANN.id), gate)
    tasks.submit(Task(PAGE, ANN.id), gate)  # another kind
    gate.go.set()


def test_a_batch_pauses_between_steps_while_others_need_its_cores(tmp_path):
    tasks = open_tasks(tmp_path, NIGHT, pause_ratio=1e9, max_pause=PATIENT)
    steps, step, ended = [], threading.Event(), threading.Event()

    def work(task):
        for number in range(2):
            steps.append(number)
            step.set()
            task.checkpoint()
        ended.set()

    release = tasks.reserve(1.0)
    tasks.submit(Task(NIGHT, "ann"), work)
    assert step.wait(PATIENT)
    assert tasks.counts() == [("night", 0, 1)] and not ended.wait(0.2) and steps == [0]
    release()
    release()  # twice is once
    assert ended.wait(PATIENT) and steps == [0, 1]
    tasks.close()


def test_a_pause_ends_by_itself_and_nobody_at_a_page_pauses(tmp_path):
    tasks = open_tasks(tmp_path, pause_ratio=1e9, max_pause=0.01)
    for _seat in range(4):
        tasks.reserve(1.0)
    ended = [threading.Event(), threading.Event()]
    for of, event in zip((NIGHT, PAGE), ended, strict=True):

        def work(task, event=event):
            task.checkpoint()
            event.set()

        tasks.submit(Task(of, "ann"), work)
    assert all(event.wait(PATIENT) for event in ended)
    tasks.close()


def test_what_is_held_waits_and_is_started_again(tasks):
    tasks.suspend()
    task = tasks.submit(Task(PAGE, ANN.id), lambda task: None)
    assert tasks.suspended and task.state is State.QUEUED
    tasks.suspend(False)
    assert not tasks.suspended and ended(task).state is State.DONE


def open_tasks(data, *kinds, **options):
    made = make_tasks(data, **options)
    for one in kinds or (PAGE, NIGHT):
        made.register(one)
    made.recover()
    return made


@pytest.fixture
def tasks(tmp_path):
    made = open_tasks(tmp_path)
    yield made
    made.close()


def noted():
    """A kind, and how its tasks ended."""
    ends: list[State] = []
    page = kind("page", Priority.INTERACTIVE, on_end=lambda task, state, fault: ends.append(state))
    return page, ends


class Gate:
    """Work that goes on when a test says so."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, task):
        self.begun.set()
        while not self.go.wait(0.005):
            task.on_progress(1, 2, "waits")
        return "done"


def test_a_task_runs_tells_how_far_it_is_and_ends_with_its_result(tasks):
    def work(task):
        task.on_progress(0, 4)
        task.on_progress(2, 4, "halfway")
        return 42

    of, ends = noted()
    task = Task(of, ANN.id, subject="file", params={"frames": 3})
    tasks.submit(task, work)
    assert ended(task).state is State.DONE and task.result == 42 and ends == [State.DONE]
    assert task.progress == StepProgress("halfway", 2, 4) and task.fraction == 0.5
    assert task.started and task.ended and task.created <= task.started <= task.ended
    row = tasks._store.get(task.id)
    assert row.state == "done" and row.owner == ANN.id
    tasks.cancel(task)  # it is too late
    assert task.state is State.DONE and task.result == 42


def test_only_the_owner_and_an_administrator_find_a_task(tasks):
    gate = Gate()
    task = Task(NIGHT, ANN.id, subject="set")
    tasks.submit(task, gate)
    assert tasks.find(task.id, ANN) is task and tasks.find(task.id, ADMIN) is task
    assert tasks.find(task.id, BEN) is None
    assert tasks.latest(NIGHT, "set", BEN) is None and tasks.latest(NIGHT, "set", ANN) is task
    assert tasks.visible(NIGHT, BEN) == [] and tasks.visible(NIGHT, ADMIN) == [task]
    gate.go.set()
    ended(task)
    tasks._tasks.clear()  # as after many others: it is read from the store
    assert tasks.find(task.id, BEN) is None and tasks.find("x" * 22, ANN) is None
    found = tasks.find(task.id, ANN)
    assert found.state is State.DONE and found.subject == "set"


def test_canceled_before_it_ran(tasks):
    gate, (of, ends) = Gate(), noted()
    first, waits = Task(PAGE, ANN.id), Task(of, ANN.id)
    tasks.submit(first, gate)
    ran = threading.Event()
    tasks.submit(waits, lambda task: ran.set())
    tasks.cancel(waits)
    assert waits.state is State.CANCELED and ends == [State.CANCELED] and waits.started is None
    gate.go.set()
    ended(first)
    tasks.cancel(waits)  # again changes nothing
    assert not ran.is_set() and ends == [State.CANCELED]


def test_canceled_while_it_pauses(tmp_path):
    tasks = open_tasks(tmp_path, pause_ratio=1e9, max_pause=PATIENT)
    tasks.reserve(2.0)
    pausing, task = threading.Event(), Task(NIGHT, ANN.id)

    def work(task):
        pausing.set()
        task.on_progress(1, 2)
        raise AssertionError("it went on")

    tasks.submit(task, work)
    assert pausing.wait(PATIENT)
    tasks.cancel(task)
    assert ended(task).state is State.CANCELED
    tasks.close()


@pytest.mark.parametrize(
    ("error", "code", "ours"),
    [
        (MediaError("It stops.", code="truncated"), "truncated", False),
        (ZeroDivisionError("secret"), "internal", True),
        (SystemExit(1), "internal", True),
        (MemoryError(), "internal", True),
    ],
)
def test_whatever_a_worker_dies_of_the_task_fails_and_the_next_one_runs(
    tasks, caplog, error, code, ours
):
    with caplog.at_level(logging.ERROR):
        task = Task(PAGE, ANN.id)
        tasks.submit(task, Mock(side_effect=error))
        assert ended(task).state is State.FAILED
    assert task.fault.problem.code == code
    assert (task.fault.reference in caplog.text) == ours
    after = Task(PAGE, ANN.id)
    tasks.submit(after, lambda task: "runs")
    assert ended(after).state is State.DONE
    row = tasks._store.get(task.id)
    assert row.state == "failed" and row.fault.problem.code == code


def test_a_worker_that_cannot_be_started_fails_its_task_and_keeps_no_core(tmp_path):
    tasks = open_tasks(tmp_path)
    start = Mock(side_effect=RuntimeError("can't start new thread"))
    run, tasks.run_in_background = tasks.run_in_background, start
    failed = [Task(PAGE, ANN.id) for _ in range(3)]
    for task in failed:
        tasks.submit(task, lambda task: "done")
    assert all(task.state is State.FAILED for task in failed)
    start.side_effect = run
    task = Task(PAGE, ANN.id)
    tasks.submit(task, lambda task: "done")
    assert ended(task).state is State.DONE
    tasks.close()


def test_an_end_that_cannot_be_noted_is_an_end(tasks, monkeypatch):
    full = Mock(side_effect=RecordsError("The disk is full."))
    task = Task(kind("page", PAGE.priority, on_end=Mock(side_effect=ZeroDivisionError)), ANN.id)
    with monkeypatch.context() as patch:
        patch.setattr(tasks._store, "update", full)
        tasks.submit(task, lambda task: "done")
        assert ended(task).state is State.DONE
        patch.setattr(tasks._store, "add", full)
        with pytest.raises(RecordsError):
            tasks.submit(Task(PAGE, ANN.id), lambda task: "done")


def test_what_is_dismissed_is_stopped_and_gone(tasks):
    gate = Gate()
    mine, theirs = Task(PAGE, ANN.id, subject="a"), Task(NIGHT, BEN.id, subject="a")
    for task in (mine, theirs):
        tasks.submit(task, gate)
    tasks.dismiss(mine)
    assert ended(mine).state is State.CANCELED and mine.result is None and mine.fault is None
    assert tasks.find(mine.id, ANN) is None and tasks._store.get(mine.id) is None
    tasks.dismiss_subject(NIGHT, "a")  # the file itself is deleted: nobody's task goes on
    assert ended(theirs).state is State.CANCELED and tasks._store.get(theirs.id) is None


def test_memory_is_bounded_and_old_tasks_are_swept(tmp_path):
    few = kind("page", Priority.INTERACTIVE, max_in_memory=2)
    tasks = open_tasks(tmp_path, few)
    done = [Task(few, ANN.id) for _ in range(6)]
    for task in done:
        tasks.submit(task, lambda task: None)
        ended(task)
    assert len(tasks.visible(PAGE, ANN)) == 2
    assert all(tasks.find(task.id, ANN) for task in done)
    tasks.sweep(timedelta(hours=1))
    assert all(tasks.find(task.id, ANN) for task in done)
    tasks.sweep(timedelta(hours=1), now=datetime.now(UTC) + timedelta(hours=2))
    assert not any(tasks.find(task.id, ANN) for task in done)
    tasks.close()


def test_time_left_is_told_by_what_came_in_this_run(monkeypatch):
    seconds = 10.0
    slow = replace(PAGE, min_steps=3, min_seconds=2.0)
    for task in (Task(PAGE, ANN.id), Task(slow, ANN.id)):
        assert task.seconds_left is None and task.elapsed() == 0
        task.begin()
        monkeypatch.setattr(task, "elapsed", lambda: seconds)
        task.on_progress(500, 1000)  # a resumed file begins in the middle
        assert task.seconds_left is None
        task.on_progress(502, 1000)
        assert (task.seconds_left is None) == (task.kind is slow)
        task.on_progress(600, 1000)
        assert task.seconds_left == pytest.approx(40)
    seconds = 1.0
    assert task.seconds_left is None
    task.cancel.set()
    with pytest.raises(Canceled):
        task.on_progress(700, 1000)


def test_a_server_that_stops_offers_again_what_it_was_at(tmp_path):
    gate, tasks = Gate(), open_tasks(tmp_path)
    of, ends = noted()
    running, waiting = Task(of, ANN.id), Task(of, ANN.id)
    for task in (running, waiting):
        tasks.submit(task, gate)
    assert gate.begun.wait(PATIENT)
    tasks.close()
    assert running.state is waiting.state is State.INTERRUPTED and ends == []
    after = open_tasks(tmp_path)
    for task in (running, waiting):
        assert after.find(task.id, ANN).state is State.INTERRUPTED
    after.close()


class Counting(TaskStore):
    """Counts what is written of how far a task is."""

    writes = 0

    def update(self, task, state):
        self.writes += 1
        return super().update(task, state)


def test_progress_is_written_a_few_times_a_second_however_often_it_is_told(tmp_path):
    tasks = open_tasks(tmp_path)
    tasks._store = store = Counting(tasks._store.database)
    steps = 0

    def work(task):
        nonlocal steps
        begun = time.monotonic()
        while time.monotonic() - begun < 1.2:
            steps += 1
            task.on_progress(steps, 10**9)

    task = Task(PAGE, ANN.id)
    tasks.submit(task, work)
    assert ended(task).state is State.DONE
    assert steps > 100 and store.writes <= 5  # begun, at most two a second, ended
    tasks.close()


def test_another_server_sees_how_far_a_task_is_and_can_stop_it(tmp_path):
    other = victim(tmp_path, "steps")
    try:
        assert other.stdout.readline() == "runs\n"
        tasks = open_tasks(tmp_path)

        def seen():
            task = tasks.latest(NIGHT, "long", ANN)
            assert task.active
            return task

        until(lambda: seen().state is State.RUNNING and seen().done > 2)
        first = seen()
        assert first.stage == "counts" and first.total == 10**6
        until(lambda: seen().done > first.done)
        assert tasks.recover() == [], "what runs in another process is not taken for lost"
        assert tasks.latest(NIGHT, "long", BEN) is None
        again = Task(NIGHT, ANN.id, subject="long")
        assert (
            tasks.submit(again, lambda task: None, once_for=ANN).id == "waits"
        )  # it goes on there
        tasks.cancel(seen())
        assert other.stdout.readline() == "canceled\n"
        assert tasks.find("waits", ANN).state is State.CANCELED
        tasks.close()
    finally:
        other.kill()
        other.communicate()


VICTIM = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, ".")
from tests.unit.service.test_tasks import ANN, NIGHT, PAGE, open_tasks
from service.tasks.task import Task

data, where = Path(sys.argv[1]), sys.argv[2]
tasks = open_tasks(data)

def work(task):
    if where == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    print("runs", flush=True)
    for number in range(10**6):
        task.on_progress(number, 10**6, "counts")
        time.sleep(0.01)

tasks.submit(Task(PAGE, ANN.id, subject="other", id="done"), lambda task: None)
while tasks.find("done", ANN).active:
    time.sleep(0.01)
waits = Task(NIGHT, ANN.id, subject="long", id="waits", params={"models": ["a"]})
tasks.submit(waits, lambda task: work(task))
if where == "steps":
    while waits.active:
        time.sleep(0.01)
    print(waits.state, flush=True)
tasks.submit(Task(NIGHT, ANN.id, id="queued"), lambda task: None)
time.sleep(60)
"""


def victim(data, where):
    return subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(data), where],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_after_kill_9_every_task_is_done_or_offered_again(tmp_path):
    killed = victim(tmp_path, "kill")
    killed.communicate(timeout=PATIENT)
    assert killed.returncode == -signal.SIGKILL
    lost: list[str] = []
    night = kind("night", Priority.BATCH, on_interrupted=lambda task: lost.append(task.id))
    tasks = open_tasks(tmp_path, PAGE, night)
    assert lost in (["waits"], ["waits", "queued"])  # the second may not have come that far
    found = tasks.find("waits", ANN)
    assert found.state is State.INTERRUPTED and not found.active
    assert found.params == {"models": ["a"]}  # what it takes to run it again
    assert tasks.find("waits", BEN) is None
    assert tasks.find("done", ANN).state is State.DONE
    assert tasks.recover() == []  # told once
    tasks.close()
    after = open_tasks(tmp_path)
    assert after._store.get("waits").state == "interrupted"
    after.close()


def test_a_task_is_not_over_while_its_end_is_written():
    task = Task(PAGE, "ann")
    task.begin()
    task.fault, task.ended = fault_of(InputError("no")), datetime.now(UTC)
    seen = TaskView.of(task)
    assert (seen.state, seen.ended, seen.error) == (State.RUNNING, None, None)
    task.state = State.FAILED
    seen = TaskView.of(task)
    assert seen.state is State.FAILED and seen.ended == task.ended and seen.error is not None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness is of the whole process")
def test_a_task_and_what_it_starts_give_way_to_pages(tasks):
    def niceness():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    seen: list[int] = []

    def work():
        seen.append(niceness())
        below = threading.Thread(target=lambda: seen.append(niceness()))
        below.start()
        below.join()

    before = niceness()
    assert tasks.run_in_background("task", work, stop=lambda: None).wait(PATIENT)
    assert seen == [min(before + NICENESS, 19)] * 2 and niceness() == before


class TestSQLite(ServersContract): ...


SLOW = TaskKind("slow", Priority.BATCH, 1.0, Task, max_running=1)


def test_tasks_of_everybody_are_seen_what_runs_first(tasks):
    tasks.register(SLOW)
    go = threading.Event()
    first, second = Task(SLOW, LOCAL.id), Task(SLOW, "guest:abcdef")
    for task in (first, second):
        tasks.submit(task, lambda task: go.wait(60))
    until(lambda: first.state is State.RUNNING)
    assert tasks.active() == [first, second]
    go.set()
    until(lambda: not tasks.active())


def test_an_owner_is_a_kind_and_a_few_letters():
    assert owner_kind("local") == (PrincipalKind.LOCAL, "")
    assert owner_kind("guest:abcdefgh") == (PrincipalKind.GUEST, "abcd")
    assert owner_kind("key:123456") == (PrincipalKind.KEY, "1234")
    assert owner_kind("6f1c-22")[0] is PrincipalKind.USER


def test_a_download_can_be_stopped_and_is_never_run_twice(tasks):
    downloads = Downloads(tasks)
    turns, begun = [], threading.Event()

    def work(on_progress):
        turns.append(1)
        for done in range(100_000):
            on_progress(done, 100_000)
            begun.set()
            threading.Event().wait(0.005)

    one = downloads.start("a", work, ANN)
    assert begun.wait(PATIENT)
    assert downloads.start("a", work, ANN) is one and one.active
    assert downloads.find("a", BEN) is None and downloads.find("a", ADMIN) is one
    downloads.dismiss("a", ANN)  # it is under way
    assert downloads.find("a", ANN) is one
    tasks.cancel(one)
    assert "Stopped" in ended(one).error and len(turns) == 1 and one.code == ""
    downloads.dismiss("a", BEN)
    assert downloads.find("a", ANN) is one
    downloads.dismiss("a", ANN)
    assert downloads.find("a", ANN) is None


def test_a_broken_download_tells_no_more_than_a_person_needs(tasks, caplog):
    downloads = Downloads(tasks)

    one = ended(downloads.start("a", Mock(side_effect=RuntimeError("secret path")), ANN))
    assert "secret" not in one.error and one.error and one.code == ""
    assert "download failed" in caplog.text and "secret path" in caplog.text
    known = WeightsError("No connection to x.", code="no_connection")
    two = ended(downloads.start("b", Mock(side_effect=known), ANN))
    assert (two.error, two.code) == ("No connection.", "no_connection") and two.hint
    assert [r.levelname for r in caplog.records if "download" in r.message] == ["ERROR", "WARNING"]


def test_downloads_wait_for_nobody(tasks):
    downloads, go = Downloads(tasks), threading.Event()
    several = [downloads.start(f"{n}", lambda on_progress: go.wait(PATIENT), ANN) for n in range(9)]
    until(lambda: all(one.state is not State.QUEUED for one in several))
    assert all(one.state is State.RUNNING for one in several)
    go.set()
    assert all(ended(one).state is State.DONE for one in several)


def test_robustness_runs_one_file_at_a_time_and_keeps_the_outcome(tasks, monkeypatch):
    gate, kept = threading.Event(), []
    outcome = object()

    def perturb(path, analysis, analyzer, *, on_progress, cancel):
        on_progress(1, 2, "mirror")
        assert gate.wait(PATIENT)
        if cancel.is_set():
            raise Canceled()
        if path.name == "bad":
            raise MediaError("damaged")
        if path.name == "ours":
            raise ZeroDivisionError
        return outcome

    def job(key):
        return SimpleNamespace(key=key, path=Path(key))

    monkeypatch.setattr(kinds, "try_out", perturb)
    jobs = SimpleNamespace(update=lambda job, change: kept.append(job.key))
    line, analysis = RobustnessQueue(tasks, jobs, Mock()), make_analysis()
    first = line.start(job("a"), analysis, ANN)
    second = line.start(job("a"), analysis, ANN)
    assert second is first, "a second click changes nothing"
    assert line.find("a", BEN) is None and line.find("a", ADMIN) is first
    others = [line.start(job(key), analysis, ANN) for key in ("bad", "ours", "stopped")]
    tasks.cancel(others[2])
    more = [line.start(job(f"x{i}"), analysis, ANN) for i in range(MAX_WAITING - 2)]
    with pytest.raises(QueueFull, match="waiting"):
        line.start(job("one more"), analysis, BEN)
    gate.set()
    for task in (first, *others, *more):
        ended(task)
    assert kept == ["a", "x0", "x1", "x2"] and first.result is outcome and first.stage == "mirror"
    assert [t.error for t in others] == [
        "damaged", "It stopped. Your file is not at fault.", "You stopped it.",
    ]  # fmt: skip


def test_one_calibration_a_server_and_its_clips_go_with_it(tasks, tmp_path):
    go = threading.Event()

    def analyzer():
        assert go.wait(PATIENT)
        raise InputError("It can't be loaded.")

    calibrations = Calibrations(tasks, analyzer, tmp_path)
    clips = calibrations.keep_clips([("../a.mp4", io.BytesIO(b"x"))])
    folder = clips[0].parent
    assert folder.parent == tmp_path
    run = calibrations.start(CalibrationRequest(clips, None, 0.05, "", uploads=folder), ANN)
    assert calibrations.current(BEN) is None and calibrations.current(ADMIN) is run
    more = calibrations.keep_clips([("b.mp4", io.BytesIO(b"x"))])
    with pytest.raises(InputError, match="Another calibration"):
        calibrations.start(CalibrationRequest(more, None, 0.05, "", uploads=more[0].parent), ADMIN)
    assert not more[0].parent.exists() and folder.exists()
    go.set()
    assert ended(run).error == "It can't be loaded." and run.reference == ""
    assert not folder.exists() and (run.done, run.total) == (0, 1)
    # One that is stopped before it began.
    tasks.reserve(2.0)
    clips = calibrations.keep_clips([("c.mp4", io.BytesIO(b"x"))])
    go.clear()
    first = calibrations.start(
        CalibrationRequest(clips, None, 0.05, "", uploads=clips[0].parent), ANN
    )
    tasks.cancel(first)
    go.set()
    assert ended(first).state in (State.CANCELED, State.FAILED)
    assert not clips[0].parent.exists()


def test_a_self_check_runs_once_and_tells_everybody_how_fast_models_are(tasks, monkeypatch):
    go, runs = threading.Event(), []
    outcome = SimpleNamespace(id="texture", milliseconds=12.0)

    def check(progress):
        runs.append(1)
        assert go.wait(PATIENT)
        return [outcome]

    monkeypatch.setattr(selfcheck, "selfcheck", check)
    checks = SelfChecks(tasks)
    one = checks.start(ADMIN)
    assert checks.start(ADMIN) is one and checks.find(SELF_CHECK, BEN) is None
    assert checks.seconds("texture") is None
    go.set()
    assert ended(one).result == [outcome] and runs == [1]
    assert checks.seconds("texture") == 0.012 and checks.seconds("videomae") is None
