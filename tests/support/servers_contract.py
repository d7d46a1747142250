"""What servers on one database must know of each other, whichever database it is. Each has a folder
of its own here, as on machines of their own.

A subclass has a fixture `where`: the database, empty."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, literal, select

from service.records import instances
from service.records.database import Database
from service.records.instances import BEAT_SECONDS, LEASE_SECONDS, STALE_SECONDS, Server
from service.records.model import RecordsError, State
from service.records.tables import ServerRow, UtcDateTime
from service.tasks.queue import TaskQueue
from service.tasks.task import Priority, Task, TaskKind, TaskStore
from tests.support.tasks import ANN, ended
from tests.support.waiting import PATIENT, until


class Clock:
    """The database's, which stands still until a test moves it."""

    now = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def forward(self, seconds, *beating):
        """Let time go by; these beat as they do."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(end, self.now + timedelta(seconds=BEAT_SECONDS))
            for server in beating:
                server.beat()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(Database, "now", property(lambda self: literal(clock.now, UtcDateTime)))
    monkeypatch.setattr(instances, "BEAT_SECONDS", BEAT_SECONDS)
    # Beats when the test says so.
    monkeypatch.setattr(Server, "_go_on", lambda self: None)
    return clock


class ServersContract:
    """Subclass with a fixture `where`."""

    @pytest.fixture
    def opened(self):
        made: list[Any] = []
        yield made
        for one in reversed(made):
            one.close()

    @pytest.fixture
    def start(self, where, tmp_path, opened):
        def start(name):
            database = Database(where)
            server = Server(tmp_path / name, database)
            opened.extend([database, server])
            return server

        return start

    @pytest.fixture
    def manage(self, where, tmp_path, opened):
        def manage(name, *kinds):
            database = Database(where)
            server = Server(tmp_path / name, database)
            tasks = TaskQueue(TaskStore(database), server, 2.0)
            for kind in kinds:
                tasks.register(kind)
            opened.append(tasks)
            return tasks

        return manage

    def test_whoever_beats_lives_and_whoever_does_not_is_dead_after_the_lease(self, clock, start):
        one, other = start("one"), start("other")
        assert one.alive(other.id) and other.alive(one.id) and one.alive(one.id)
        clock.forward(10 * LEASE_SECONDS, one, other)
        assert one.alive(other.id) and other.alive(one.id)
        clock.forward(LEASE_SECONDS, one)
        assert one.alive(other.id), "not a moment too early"
        clock.forward(1, one)
        assert not one.alive(other.id)
        other.beat()
        assert one.alive(other.id), "it was only away"

    def test_whoever_closes_is_gone_at_once_and_who_never_was_is_dead(self, clock, start):
        one, other = start("one"), start("other")
        other.close()
        assert not one.alive(other.id)
        assert not one.alive("0123456789ab") and not one.alive("../../x") and not one.alive("")

    def test_who_just_came_takes_nobody_for_dead_before_a_lease_is_over(self, clock, start):
        start("other")
        clock.forward(10 * LEASE_SECONDS)
        one = start("one")
        (other,) = (id for id in self._rows(one) if id != one.id)
        assert one.alive(other)
        clock.forward(LEASE_SECONDS, one)
        assert not one.alive(other)

    @pytest.mark.parametrize("jump", [timedelta(hours=3), -timedelta(hours=3)])
    def test_a_clock_that_jumps_buries_nobody(self, clock, start, jump):
        one, other, dead = start("one"), start("other"), start("dead")
        clock.forward(2 * LEASE_SECONDS, one, other)
        assert not one.alive(dead.id)
        clock.now += jump
        assert one.alive(other.id), "nobody has beaten since"
        one.beat()
        assert one.alive(other.id), "it alone has beaten since"
        clock.forward(LEASE_SECONDS, one, other)
        assert one.alive(other.id) and not one.alive(dead.id)

    def test_whoever_was_paused_itself_judges_nobody(self, clock, start):
        one, other = start("one"), start("other")
        clock.forward(3 * LEASE_SECONDS, one, other)
        clock.forward(2 * LEASE_SECONDS, other)
        clock.forward(LEASE_SECONDS + BEAT_SECONDS)  # now both
        one.beat()
        assert one.alive(other.id)

    def test_a_folder_that_is_shared_tells_at_once(self, clock, start):
        one, other = start("same"), start("same")
        clock.forward(10 * LEASE_SECONDS, one)
        assert one.alive(other.id), "it holds its lock: it is busy, not dead"
        other._lock.close()  # as the system does, whatever ended it
        other.beat()
        assert not one.alive(other.id)

    def test_rows_of_the_dead_are_cleared_away(self, clock, start):
        one = start("one")
        clock.forward(STALE_SECONDS + 1)
        other = start("other")
        assert self._rows(other) == {other.id}
        one.beat()  # it was only away
        assert self._rows(other) == {one.id, other.id}

    def test_the_heart_goes_on_after_the_database_was_away(self, start, monkeypatch):
        monkeypatch.setattr(instances, "BEAT_SECONDS", 0.02)
        beats: list[str] = []
        right = Server.beat

        def beat(self):
            beats.append(self.id)
            if len(beats) in (3, 4):
                raise RecordsError("away")
            right(self)

        monkeypatch.setattr(Server, "beat", beat)
        one = start("one")
        until(lambda: len(beats) > 6)
        first = self._seen(one)
        until(lambda: self._seen(one) > first)

    def test_the_clock_is_the_databases(self, start):
        one = start("one")
        with one._database.reading() as connection:
            now = connection.execute(select(one._database.now)).scalar_one()
            assert now.tzinfo is not None and abs(now - datetime.now(UTC)) < timedelta(minutes=5)
            own = connection.execute(select(func.count()).where(ServerRow.seen <= now)).scalar_one()
        assert own == 1

    def test_a_server_takes_nothing_of_its_own_for_lost_whoever_looks(self, manage):
        kind = TaskKind("night", Priority.BATCH, 1.0, Task)
        tasks, go = manage("here", kind), threading.Event()
        task = Task(kind, ANN.id)
        tasks.submit(task, lambda task: go.wait(PATIENT))
        with ThreadPoolExecutor(1) as another_thread:
            assert another_thread.submit(tasks.recover).result() == []
            another_thread.submit(tasks.apply_remote_cancellations).result()
            found = another_thread.submit(tasks._restore, task.id).result()
        assert found.active
        go.set()
        assert ended(task).state is State.DONE

    def test_what_a_dead_server_left_is_taken_over_once(self, clock, manage):
        lost: list[str] = []

        def kind():
            return TaskKind(
                "night", Priority.BATCH, 1.0, Task, on_interrupted=lambda t: lost.append(t.id)
            )

        dead, one, other = (manage(name, kind()) for name in ("dead", "one", "other"))
        go = threading.Event()
        task = Task(dead._kinds["night"], ANN.id, subject="set", params={"a": 1})
        dead.submit(task, lambda task: go.wait(PATIENT))
        until(lambda: task.state is State.RUNNING)
        clock.forward(LEASE_SECONDS, dead.server, one.server, other.server)
        assert one.recover() == [] and (found := one.find(task.id, ANN)) and found.active
        clock.forward(LEASE_SECONDS + 1, one.server, other.server)
        assert other.find(task.id, ANN).state is State.INTERRUPTED, "before it is taken over"
        assert [t.id for t in one.recover()] == [task.id] == lost
        assert other.recover() == [] and lost == [task.id]
        found = other.find(task.id, ANN)
        assert found.state is State.INTERRUPTED and found.params == {"a": 1}
        go.set()
        ended(task)

    def test_a_server_that_was_taken_for_dead_stops_what_others_took_over(
        self, clock, manage, monkeypatch
    ):
        monkeypatch.setattr("service.tasks.queue.REPORT_SECONDS", 0.0)
        ends: list[State] = []
        kind = TaskKind(
            "night", Priority.BATCH, 1.0, Task, on_end=lambda task, state, fault: ends.append(state)
        )
        slept, one = manage("slept", kind), manage("one", kind)
        go = threading.Event()

        def work(task):
            task.on_progress(0, 2)
            go.wait(PATIENT)
            task.on_progress(1, 2)
            raise AssertionError("it went on")

        task = Task(kind, ANN.id)
        slept.submit(task, work)
        until(lambda: task.state is State.RUNNING and task.progress is not None)
        clock.forward(LEASE_SECONDS, one.server)
        clock.forward(1, one.server)
        assert [t.id for t in one.recover()] == [task.id]
        slept.server.beat()
        go.set()
        assert ended(task).state is State.INTERRUPTED and ends == []
        assert one.find(task.id, ANN).state is State.INTERRUPTED

    @pytest.mark.parametrize("how", ["cancel", "dismiss"])
    def test_what_waits_on_one_server_is_stopped_from_another(self, clock, manage, how):
        kind = TaskKind("night", Priority.BATCH, 1.0, Task, max_running=1)
        here, there = manage("here", kind), manage("there", kind)
        go, ran = threading.Event(), threading.Event()
        runs, waits = Task(kind, ANN.id), Task(kind, ANN.id)
        here.submit(runs, lambda task: go.wait(PATIENT))
        here.submit(waits, lambda task: ran.set())
        found = there.find(waits.id, ANN)
        assert found.state is State.QUEUED
        getattr(there, how)(found)
        assert waits.state is State.QUEUED
        here.apply_remote_cancellations()
        assert waits.state is State.CANCELED and not runs.cancel.is_set()
        assert (there.find(waits.id, ANN) is None) == (how == "dismiss")
        go.set()
        assert ended(runs).state is State.DONE and not ran.is_set()

    def test_a_task_of_another_server_is_followed_to_its_end(self, clock, manage):
        kind = TaskKind("night", Priority.BATCH, 1.0, Task)
        here, there = manage("here", kind), manage("there", kind)
        go = threading.Event()
        task = Task(kind, ANN.id)
        here.submit(task, lambda task: go.wait(PATIENT))
        until(lambda: task.state is State.RUNNING)
        assert here.now(task) is task and here.runs_here(task)
        found = there.find(task.id, ANN)
        assert found.active and not there.runs_here(found)
        assert there.now(found).active
        go.set()
        ended(task)
        assert there.now(found).state is State.DONE

    @staticmethod
    def _rows(server):
        with server._database.reading() as connection:
            return set(connection.execute(select(ServerRow.id)).scalars())

    @staticmethod
    def _seen(server):
        query = select(ServerRow.seen).where(ServerRow.id == server.id)
        with server._database.reading() as connection:
            return connection.execute(query).scalar_one()
