"""A journal that outlives kills and full disks, and batches shared across runs."""

import csv
import errno
import io
import os
import threading
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from detector.batch.journal import Journal
from detector.batch.table import Table
from detector.errors import UsageError
from detector.models.base import Model
from detector.pipeline.batching import LARGEST, DynamicBatcher

OPENED: list[Journal] = []


@pytest.fixture(autouse=True)
def closed():
    """What a test leaves open, as a killed program does."""
    yield
    while OPENED:
        OPENED.pop()._file.close()


def journal_at(path):
    OPENED.append(Journal(path))
    return OPENED[-1]


def line(name, id="", **more):
    return {"file": name, "page": None, "id": id, **more}


def left(path):
    """What stands in a journal: names and ids, in their order."""
    journal = journal_at(path)
    try:
        return [(x["file"], x["id"]) for x in journal.lines()]
    finally:
        journal.close()


def failure(name, code, **more):
    return line(name, **more) | {"error": {"code": code, "message": "It is so.", "hint": ""}}


def test_what_was_added_is_there_after_it_was_opened_again(tmp_path):
    path = tmp_path / "results.jsonl"
    journal = journal_at(path)
    journal.add(line("ä.mp4", "1", analysis={"a": 1}))
    journal.add(failure("b.mp4", "empty"))
    again = journal_at(path)  # as after a kill: nothing was closed
    for known in (journal, again):
        finished = known.get("ä.mp4")
        assert finished is not None and known.line(finished)["analysis"] == {"a": 1}
        assert known.same("1") == finished and known.same("2") is None
    assert [x["file"] for x in again.lines()] == ["ä.mp4", "b.mp4"]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_a_kill_cut_off_is_taken_away(tmp_path, cut):
    path = tmp_path / "results.jsonl"
    journal = journal_at(path)
    journal.add(line("a.mp4", "1"))
    whole = path.read_bytes()
    journal.add(line("b.mp4", "2"))
    path.write_bytes(path.read_bytes()[:-cut])
    again = journal_at(path)
    assert again.get("b.mp4") is None and again.get("a.mp4") is not None
    assert path.read_bytes() == whole
    again.add(line("b.mp4", "3"))
    assert [id for _, id in left(path)] == ["1", "3"]


def test_a_newer_line_takes_the_place_of_an_older_one(tmp_path):
    path = tmp_path / "results.jsonl"
    journal = journal_at(path)
    journal.add(line("a.mp4", "1"))
    journal.add(line("b.mp4", "2"))
    journal.add(line("a.mp4", "3"))
    journal.close()
    assert left(path) == [("b.mp4", "2"), ("a.mp4", "3")]
    assert len(path.read_bytes().splitlines()) == 2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["hello\n", '[1]\n{"file": "a"}\n', "a,b"])
def test_a_file_that_is_no_journal_stays_as_it_is(tmp_path, text):
    path = tmp_path / "results.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError):
        journal_at(path)
    assert path.read_text() == text


def test_a_full_disk_leaves_the_journal_as_it_stood(tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    journal = journal_at(path)
    journal.add(line("a.mp4", "1"))
    before = path.read_bytes()

    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", Mock(side_effect=full))
        with pytest.raises(OSError, match="No space"):
            journal.add(line("b.mp4", "2"))
    assert path.read_bytes() == before and journal.get("b.mp4") is None
    journal.add(line("b.mp4", "2"))
    assert [id for _, id in left(path)] == ["1", "2"]


def test_the_table_is_whole_again_after_a_kill_and_no_formula(tmp_path):
    journal = journal_at(tmp_path / "results.jsonl")
    path = tmp_path / "results.csv"
    Table(path, journal)
    journal.add(failure("=cmd.mp4", "empty"))
    path.write_text(path.read_text() + "half a ro")
    table = Table(path, journal)
    last = failure("b,\n.mp4", "empty")
    journal.add(last)
    table.add(last)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [(row["file"], row["error"]) for row in rows] == [
        ("'=cmd.mp4", "empty"),
        ("b,\n.mp4", "empty"),
    ]


class Network(Model):
    """Says what it is given; the first pass waits until it is let go."""

    def __init__(self):
        super().__init__(SimpleNamespace(id="stub"))
        self.passes: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()

    def preprocess(self, picture):
        raise NotImplementedError

    def forward(self, batch):
        raise NotImplementedError

    def score(self, batch):
        self.passes.append(len(batch))
        self.begun.set()
        assert self.go.wait(30)
        if (batch == 255).any():
            raise ValueError("a picture it can't stand")
        return batch.reshape(len(batch), -1)[:, 0].astype(np.float32)


def shared(batches):
    """Score batches side by side, all that follow the first while the first is being scored."""
    network, front = Network(), DynamicBatcher()
    out: list[Any] = [None] * len(batches)

    def one(n):
        try:
            out[n] = front.score(network, batches[n]).tolist()
        except ValueError as error:
            out[n] = error

    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(batches))]
    threads[0].start()
    assert network.begun.wait(30)
    for thread in threads[1:]:
        thread.start()
    lane = front._lanes[network]
    while len(lane._waiting) < len(batches) - 1:
        threading.Event().wait(0.005)
    network.go.set()
    for thread in threads:
        thread.join(30)
    return out, network.passes


def items(count, first, side=2):
    numbers = np.arange(first, first + count, dtype=np.uint8)
    return np.broadcast_to(numbers[:, None, None, None], (count, side, side, 3)).copy()


def test_what_waits_for_a_model_goes_through_it_together():
    out, passes = shared([items(3, 0), items(2, 10), items(4, 20)])
    assert out == [[0, 1, 2], [10, 11], [20, 21, 22, 23]]
    assert passes == [3, 6]


def test_other_shapes_and_what_is_too_much_go_apart():
    out, passes = shared([items(1, 0), items(2, 10), items(2, 20, side=3), items(LARGEST - 1, 30)])
    assert [x[0] for x in out] == [0, 10, 20, 30]
    assert sorted(passes) == [1, 2, 2, LARGEST - 1]


def test_one_that_fails_does_not_fail_the_others():
    out, _ = shared([items(1, 0), items(2, 10), items(1, 255)])
    assert out[:2] == [[0], [10, 11]]
    assert isinstance(out[2], ValueError)
