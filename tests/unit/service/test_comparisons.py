"""Copies against originals: whose a finding is, when it goes, and how a comparison ends."""

import threading
from pathlib import Path
from unittest.mock import Mock

import pytest

from detector.errors import Canceled, MediaError
from service.records.comparisons import ComparisonStore
from service.records.model import State
from service.tasks import comparisons as engine
from service.tasks.comparisons import ComparedFile, ComparedPair, Comparisons, pair_subject
from tests.support.comparisons_contract import A, B, ComparisonsContract, made, media
from tests.support.tasks import ADMIN, ANN, BEN, ended
from tests.support.waiting import PATIENT


@pytest.fixture
def store(database):
    return ComparisonStore(database)


class TestSQLite(ComparisonsContract): ...


@pytest.fixture
def comparisons(tasks, store):
    return Comparisons(tasks, store)


def file(name, sha256):
    return ComparedFile(Path(name), name, sha256, media("on-disk", sha256))


def test_each_person_s_comparison_is_a_task_of_their_own(comparisons, store, monkeypatch):
    def compare(copy, original, **more):
        assert more["copy_media"].name == "x.mp4", "as its owner named it"
        more["on_progress"](0.5)
        return made(more["copy_media"].sha256, more["original_media"].sha256)

    monkeypatch.setattr(engine, "compare", compare)
    one = comparisons.start(ComparedPair(file("x.mp4", A), file("y.mp4", B)), ANN)
    two = comparisons.start(ComparedPair(file("x.mp4", A), file("y.mp4", B)), BEN)
    assert ended(one).state is State.DONE and ended(two).state is State.DONE
    assert one is not two and (one.done, one.total) == (50, 100)
    assert store.find(ANN.id, A, B) is not None and store.find(BEN.id, A, B) is not None
    assert store.get(BEN.id, one.result) is None
    assert comparisons.find(pair_subject(ADMIN, A, B), ADMIN) is None, (
        "an administrator is not given another's"
    )


def test_one_that_was_canceled_leaves_nothing_and_can_be_begun_anew(
    comparisons, store, tasks, monkeypatch
):
    begun = threading.Event()

    def compare(copy, original, **more):
        begun.set()
        more["cancel"].wait(PATIENT)
        raise Canceled

    monkeypatch.setattr(engine, "compare", compare)
    one = comparisons.start(ComparedPair(file("x.mp4", A), file("y.mp4", B)), ANN)
    assert begun.wait(PATIENT)
    assert comparisons.start(ComparedPair(file("x.mp4", A), file("y.mp4", B)), ANN) is one
    tasks.cancel(one)
    assert ended(one).state is State.CANCELED and "You stopped it." in one.error
    assert store.find(ANN.id, A, B) is None
    comparisons.dismiss(pair_subject(ANN, A, B), ANN)
    assert comparisons.find(pair_subject(ANN, A, B), ANN) is None


def test_a_file_that_cannot_be_read_says_so(comparisons, monkeypatch):
    error = MediaError("This is no video.", hint="Bring another one.")
    monkeypatch.setattr(engine, "compare", Mock(side_effect=error))
    task = ended(comparisons.start(ComparedPair(file("x.mp4", A), file("y.mp4", B)), ANN))
    assert (task.state, task.error, task.hint) == (
        State.FAILED, "This is no video.", "Bring another one.",
    )  # fmt: skip
