"""Supervised threads: an end that is always reported, queues that end, and the end of a process."""

import subprocess
import sys
import textwrap
import threading

import pytest

from detector import threads
from detector.threads import BoundedQueue, Stopped, Supervised
from tests.support.waiting import PATIENT, until


def supervised(work, **options):
    return Supervised("work", work, owner=PATIENT, stop=lambda: None, **options).start()


def test_a_result_reaches_every_thread_that_waits():
    thread = supervised(lambda: 7)
    assert thread.ended.result(PATIENT) == 7 and thread.wait(PATIENT) and thread.error is None


def test_an_error_reaches_who_waits_after_it_was_handled():
    handled: list[BaseException] = []
    thread = supervised(lambda: 1 / 0, on_error=handled.append)
    with pytest.raises(ZeroDivisionError):
        thread.ended.result(PATIENT)
    assert handled == [thread.error] and thread.wait(PATIENT)


def test_an_error_that_has_no_handler_is_logged_with_its_owner(caplog):
    assert supervised(lambda: 1 / 0).wait(PATIENT)
    assert "float: the thread work failed" in caplog.text and "ZeroDivision" in caplog.text


def test_a_handler_that_fails_does_not_hide_the_end(caplog):
    thread = supervised(lambda: 1 / 0, on_error=lambda error: [][0])
    with pytest.raises(ZeroDivisionError):
        thread.ended.result(PATIENT)
    assert "was not handled" in caplog.text


def test_a_thread_that_was_stopped_has_no_error():
    def work():
        raise Stopped

    thread = supervised(work)
    assert thread.ended.result(PATIENT) is None and thread.error is None


def test_a_thread_that_cannot_be_started_has_ended(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    thread = Supervised("work", lambda: None, owner=threads, stop=lambda: None)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(threading.Thread, "start", refused)
        thread.start()
    assert isinstance(thread.error, RuntimeError) and thread.wait(PATIENT)
    assert "work" not in " ".join(threads.running())


def test_closing_waits_so_long_and_no_longer(caplog):
    go = threading.Event()
    thread = supervised(lambda: go.wait(PATIENT))
    assert not thread.close(0.01) and "did not end within" in caplog.text
    go.set()
    assert thread.close(PATIENT) and not thread.alive


def test_a_thread_can_end_itself_without_waiting():
    ends: list[bool] = []
    thread = Supervised(
        "self", lambda: ends.append(thread.close(PATIENT)), owner=threads, stop=lambda: None
    )
    assert thread.start().wait(PATIENT) and ends == [False]


def test_a_queue_that_ended_gives_what_is_left():
    line: BoundedQueue[int] = BoundedQueue(3)
    for number in range(3):
        line.put(number)
    assert not line.offer(3), "full"
    line.end()
    assert list(line) == [0, 1, 2]
    for side in (line.take, lambda: line.put(1), lambda: line.offer(1)):
        with pytest.raises(Stopped):
            side()


def test_the_end_of_a_queue_wakes_both_sides():
    empty: BoundedQueue[int] = BoundedQueue(1)
    reader = supervised(lambda: list(empty))
    full: BoundedQueue[int] = BoundedQueue(1)
    full.put(0)
    writer = supervised(lambda: full.put(1))
    for line in (empty, full):
        line.end()
    assert reader.ended.result(PATIENT) == [] and writer.wait(PATIENT) and writer.error is None


def test_a_stopped_run_stops_its_queues_at_once():
    stop = threading.Event()
    line: BoundedQueue[int] = BoundedQueue(2, stop)
    line.put(1)
    stop.set()
    for side in (line.take, lambda: next(line), lambda: line.put(2)):
        with pytest.raises(Stopped):
            side()


def process(program):
    """Run a program; return its exit status and what it wrote to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=PATIENT, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_a_process_that_ends_stops_its_threads_and_waits_for_them():
    status, errors = process("""
        import sys, threading, time
        from detector.threads import Supervised, exiting

        stop = threading.Event()

        def work():
            stop.wait()
            assert exiting.is_set()
            time.sleep(0.3)
            print("ended", file=sys.stderr, flush=True)

        Supervised("work", work, owner=stop, stop=stop.set).start()
        sys.exit(3)
    """)
    assert (status, errors.strip()) == (3, "ended")


def test_a_thread_that_does_not_end_holds_the_process_for_a_while_only():
    status, errors = process("""
        import threading
        from detector import threads

        threads.Supervised(
            "stuck", threading.Event().wait, owner=threads, stop=lambda: 1 / 0
        ).start()
        threads.end_all(0.1)
    """)
    assert status == threads.UNENDED and "stuck" in errors


def test_a_visit_is_stopped_as_a_thread_of_its_own_would_be():
    stop, over = threading.Event(), threading.Event()

    def work():
        with threads.visit("analyze", stop.set):
            stop.wait(PATIENT)
        over.set()

    caller = threading.Thread(target=work)
    caller.start()
    until(lambda: "caller: analyze" in threads.running())
    (visit,) = (one for one in threads._running if one.name == "analyze")
    visit.stop()
    assert visit.wait(PATIENT) and over.wait(PATIENT)
    caller.join(PATIENT)
    assert "caller: analyze" not in threads.running()
