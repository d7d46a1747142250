"""Copies against originals: whose a finding is, when it goes, and how a comparison ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import detector
from detector import comparison as engine
from detector.errors import Canceled, MediaError
from detector.schema.analysis import Media
from detector.schema.comparison import Comparison, ComparisonFinding, TimeAlignment
from service.records.comparisons import ComparisonStore
from service.records.database import FILE, Database
from service.records.model import State
from service.tasks.comparisons import ComparedFile, Comparisons
from service.tasks.manager import TaskManager
from tests.support.tasks import ADMIN, ANN, BEN, ended, make_tasks
from tests.support.waiting import PATIENT


def media(name: str, sha256: str) -> Media:
    return Media(
        name=name, sha256=sha256, kind="video", size=1, width=640, height=360, duration=20.0,
        container="mp4", codec="h264",
    )  # fmt: skip


def made(copy: str, original: str) -> Comparison:
    return Comparison(
        copy_media=media("copy.mp4", copy),
        original_media=media("press.mp4", original),
        finding=ComparisonFinding.NOTHING_DIFFERS,
        time=TimeAlignment(compared=3, matched=3),
    )


A, B, C = ("a" * 64, "b" * 64, "c" * 64)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ComparisonStore]:
    database = Database(tmp_path / FILE)
    yield ComparisonStore(database)
    database.close()


def test_what_was_found_is_its_owners_alone(store: ComparisonStore) -> None:
    kept = store.save("ann", made(A, B))
    assert store.find("ann", A, B) == kept == store.get("ann", kept.id)
    assert store.find("ben", A, B) is None and store.get("ben", kept.id) is None
    assert store.find("ann", B, A) is None, "which is the copy is part of the question"
    store.forget("ben", [A, B])
    assert store.get("ann", kept.id) == kept
    store.forget("ann", [B])
    assert store.get("ann", kept.id) is None


def test_a_pair_is_kept_once_and_an_older_version_does_not_count(
    store: ComparisonStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.save("ann", made(A, B))
    monkeypatch.setattr(detector, "__version__", "0.0.0-later")
    assert store.find("ann", A, B) is None and store.get("ann", first.id) == first
    second = store.save("ann", made(A, B))
    assert store.get("ann", first.id) is None and store.find("ann", A, B) == second


def test_time_ends_them(store: ComparisonStore) -> None:
    kept = store.save("ann", made(A, C))
    store.sweep(datetime.now(UTC) - timedelta(hours=1))
    assert store.get("ann", kept.id) == kept
    store.sweep(datetime.now(UTC) + timedelta(seconds=1))
    assert store.get("ann", kept.id) is None


# --- the task -------------------------------------------------------------------------------------


@pytest.fixture
def tasks(tmp_path: Path) -> Iterator[TaskManager]:
    manager = make_tasks(tmp_path)
    yield manager
    manager.close()


@pytest.fixture
def comparisons(tasks: TaskManager, store: ComparisonStore) -> Comparisons:
    return Comparisons(tasks, store)


def file(name: str, sha256: str) -> ComparedFile:
    return ComparedFile(Path(name), name, sha256, media("on-disk", sha256))


def test_each_person_s_comparison_is_a_task_of_their_own(
    comparisons: Comparisons, store: ComparisonStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(copy: Path, original: Path, **more: Any) -> Comparison:
        assert more["copy_media"].name == "x.mp4", "as its owner named it"
        more["on_progress"](0.5)
        return made(more["copy_media"].sha256, more["original_media"].sha256)

    monkeypatch.setattr(engine, "compare", compare)
    one = comparisons.start(file("x.mp4", A), file("y.mp4", B), ANN)
    two = comparisons.start(file("x.mp4", A), file("y.mp4", B), BEN)
    assert ended(one).state is State.DONE and ended(two).state is State.DONE
    assert one is not two and (one.done, one.total) == (50, 100)
    assert store.find(ANN.id, A, B) is not None and store.find(BEN.id, A, B) is not None
    assert store.get(BEN.id, one.result) is None
    assert comparisons.find(A, B, ADMIN) is None, "an administrator is not given another's"


def test_one_that_was_canceled_leaves_nothing_and_can_be_begun_anew(
    comparisons: Comparisons,
    store: ComparisonStore,
    tasks: TaskManager,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = threading.Event()

    def compare(copy: Path, original: Path, **more: Any) -> Comparison:
        begun.set()
        more["cancel"].wait(PATIENT)
        raise Canceled

    monkeypatch.setattr(engine, "compare", compare)
    one = comparisons.start(file("x.mp4", A), file("y.mp4", B), ANN)
    assert begun.wait(PATIENT)
    assert comparisons.start(file("x.mp4", A), file("y.mp4", B), ANN) is one
    tasks.cancel(one)
    assert ended(one).state is State.CANCELED and "You stopped it." in one.error
    assert store.find(ANN.id, A, B) is None
    comparisons.dismiss(A, B, ANN)
    assert comparisons.find(A, B, ANN) is None


def test_a_file_that_cannot_be_read_says_so(
    comparisons: Comparisons, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(copy: Path, original: Path, **more: Any) -> Comparison:
        raise MediaError("This is no video.", hint="Bring another one.")

    monkeypatch.setattr(engine, "compare", compare)
    task = ended(comparisons.start(file("x.mp4", A), file("y.mp4", B), ANN))
    assert (task.state, task.error, task.hint) == (
        State.FAILED, "This is no video.", "Bring another one.",
    )  # fmt: skip
