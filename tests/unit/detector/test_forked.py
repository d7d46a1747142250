"""A process that was forked after networks ran says so, and never waits for missing threads."""

import os

import pytest

from detector import Analyzer, forked
from detector.errors import UsageError

CODES = {"forked": 3, "not_found": 4}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def in_child(work):
    """Return the exit status of a function in a forked process, by the code of its error."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            status = 0
        except UsageError as error:
            status = CODES.get(error.code, 1)
        except BaseException:
            status = 2
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(forked, "_state", {"ran": False, "forked": False})


def test_a_process_forked_after_the_first_analysis_says_so():
    assert in_child(forked.about_to_run) == 0
    forked.about_to_run()
    assert in_child(forked.about_to_run) == CODES["forked"]
    analyzer = Analyzer()
    assert in_child(lambda: analyzer.analyze("clip.mp4")) == CODES["forked"]
    forked.about_to_run()  # the first process goes on


def test_a_process_forked_from_such_a_one_says_so_too():
    forked.about_to_run()
    assert in_child(lambda: os._exit(in_child(forked.about_to_run))) == CODES["forked"]
