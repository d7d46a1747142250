"""Batches: what is brought, run a few at a time, paused, stopped, gone on with by a new server."""

import io
import os
from collections.abc import Sequence

import pytest
from PIL import Image
from sqlalchemy import update

from detector.errors import MediaError
from detector.schema.analysis import Settings
from service import batches as module
from service import metrics
from service.batch_files import IncomingFile, RefusedFile, opened
from service.batches import BatchRow, BatchService, BatchState
from service.context import LOCAL, Principal, PrincipalKind, RequestContext, Role
from service.links import LinkFetches
from service.records.batches import Batches
from service.records.model import State
from service.records.store import RecordScope
from service.records.tables import TaskRow
from service.storage import uploads as storage
from service.storage.uploads import Uploads
from service.tasks.jobs import Jobs
from tests.support.containers import TEXT, docx, packed, pdf, picture
from tests.support.scopes import local
from tests.support.waiting import until
from tests.unit.service.test_jobs import Analyzer, open_jobs

OWNER = RequestContext(LOCAL, loopback=True)


class Bench:
    """A server with batches."""

    def __init__(self, data, analyzer, **options):
        self.jobs: Jobs = open_jobs(data, analyzer, workers=1, **options)
        self.batches = Batches(self.jobs.store.database)
        self.service = BatchService(
            self.jobs._tasks, self.jobs, self.batches, LinkFetches(self.jobs._tasks)
        )
        self.jobs._tasks.recover()
        self.scope: RecordScope = local(self.jobs)

    def add(self, *names, id=None):
        return self.bring_files(*((name, name.encode()) for name in names), id=id)

    def bring_files(self, *files, id=None):
        incoming = [IncomingFile(io.BytesIO(data), name, len(data)) for name, data in files]
        return self.service.add(OWNER, self.scope, incoming, Settings(), id=id)

    def now(self, batch):
        return self.batches.get(LOCAL.id, batch.id)

    def rows(self, batch):
        return self.service.rows(self.scope, batch)

    def states(self, batch):
        return [row.state for row in self.rows(batch)]

    def kill(self, batch):
        """Leave the tasks as a server leaves them that is killed."""
        task = self.service.task(LOCAL, batch)
        self.jobs._tasks._closing.set()
        task.cancel.set()
        until(lambda: not task.active)
        with self.jobs.store.database.writing() as connection:
            connection.execute(update(TaskRow).values(server="killed"))

    def state(self, batch):
        return self.service.state(LOCAL, batch, self.rows(batch))


@pytest.fixture
def analyzer():
    return Analyzer()


@pytest.fixture
def open_bench(tmp_path, analyzer, monkeypatch):
    opened: list[Bench] = []

    def make(**options):
        opened.append(Bench(tmp_path, analyzer, **options))
        return opened[-1]

    yield make
    analyzer.go.set()
    for bench in opened:
        bench.jobs.close()


@pytest.fixture
def bench(open_bench):
    return open_bench()


def test_more_files_than_the_queue_takes_are_all_analyzed_in_their_order(open_bench, analyzer):
    bench = open_bench(waiting=2)
    names = [f"{number:02}.mp4" for number in range(9)]
    batch = bench.add(*names)
    until(lambda: bench.state(batch) is BatchState.DONE)
    assert bench.states(batch) == [State.DONE] * 9
    assert analyzer.begun == names
    assert [found.id for found in bench.batches.latest(LOCAL.id, 3)] == [batch.id]


def test_a_pause_lets_the_running_file_end_and_going_on_does_the_rest_once(bench, analyzer):
    analyzer.go.clear()
    batch = bench.add("a", "b", "c")
    until(lambda: bench.rows(batch)[0].sampled == (3, 8))
    assert [row.sampled for row in bench.rows(batch)[1:]] == [(0, 0), (0, 0)]
    bench.service.pause(LOCAL, batch)
    assert bench.state(batch) is BatchState.PAUSING
    analyzer.go.set()
    until(lambda: bench.state(batch) is BatchState.PAUSED)
    assert bench.states(batch) == [State.DONE, State.WAITING, State.WAITING]
    bench.service.resume(LOCAL, bench.scope, batch)
    until(lambda: bench.state(batch) is BatchState.DONE)
    assert analyzer.begun == ["a", "b", "c"]


def test_stopping_cancels_what_runs_and_what_waits(bench, analyzer):
    batch = bench.add("a")
    until(lambda: bench.state(batch) is BatchState.DONE)
    analyzer.go.clear()
    batch = bench.add("b", "c", id=batch.id)
    until(lambda: "b" in analyzer.begun)
    bench.service.stop(LOCAL, bench.scope, batch)
    until(lambda: bench.state(batch) is BatchState.DONE)
    assert bench.states(batch) == [State.DONE, State.CANCELED, State.CANCELED]
    assert analyzer.begun == ["a", "b"]


def test_a_new_server_goes_on_with_what_was_left_and_redoes_nothing(open_bench, analyzer):
    first = open_bench()
    batch = first.add("a")
    until(lambda: first.state(batch) is BatchState.DONE)
    analyzer.go.clear()
    batch = first.add("b", "c", id=batch.id)
    until(lambda: "b" in analyzer.begun)
    first.jobs.close()
    analyzer.go.set()

    second = open_bench()
    again = second.batches.get(LOCAL.id, batch.id)
    until(lambda: second.state(again) is BatchState.DONE)
    assert second.states(again) == [State.DONE] * 3
    assert analyzer.begun == ["a", "b", "b", "c"]


def test_a_batch_that_brings_down_two_servers_waits_for_somebody(bench, open_bench, analyzer):
    analyzer.go.clear()
    batch = bench.add("b", "c")
    until(lambda: "b" in analyzer.begun)
    for _server in range(2):
        bench.kill(batch)
        bench = open_bench()
        until(lambda: analyzer.begun.count("b") == 2)
    assert bench.states(batch) == [State.INTERRUPTED, State.WAITING]
    assert bench.state(batch) is BatchState.INTERRUPTED
    analyzer.go.set()
    bench.service.resume(LOCAL, bench.scope, batch)
    until(lambda: bench.state(batch) is BatchState.DONE)
    assert bench.states(batch) == [State.DONE] * 2


def test_a_paused_batch_stays_paused_on_a_new_server(open_bench, analyzer):
    analyzer.go.clear()
    first = open_bench()
    batch = first.add("a", "b")
    until(lambda: "a" in analyzer.begun)
    first.service.pause(LOCAL, batch)
    analyzer.go.set()
    until(lambda: first.state(batch) is BatchState.PAUSED)
    first.jobs.close()
    second = open_bench()
    assert second.states(batch) == [State.DONE, State.WAITING]
    assert second.state(batch) is BatchState.INTERRUPTED and analyzer.begun == ["a"]


def _failed():
    """How many analyses failed in this process."""
    value = metrics.REGISTRY.get_sample_value("unmask_analyses_total", {"state": "failed"})
    return value or 0.0


def test_a_file_that_is_none_is_a_row_at_once_and_never_run(open_bench, analyzer):
    def check(path):
        if path.read_text() == "notes":
            raise MediaError("This file is text.", code="not_media")

    analyzer.go.clear()
    bench, before = open_bench(check=check), _failed()
    batch = bench.add("clip", "other", "notes")
    until(lambda: bench.states(batch)[2] is State.FAILED)
    assert _failed() - before == 1
    assert bench.service.rows(bench.scope, batch)[2].error == "This file is text."
    analyzer.go.set()
    until(lambda: bench.state(batch) is BatchState.DONE)
    assert analyzer.begun == ["clip", "other"]


def test_what_may_not_be_brought_says_why_in_its_row(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MAX_FILES", 2)
    batch = bench.add("a", "b", "c")
    assert [bool(item.refused) for item in batch.items] == [False, False, True]
    assert batch.items[2].refused["message"] == "A batch has 2 files at most."
    reader = RequestContext(Principal("reader", PrincipalKind.USER, Role.VIEWER))
    scope = RecordScope("reader", bench.jobs.store)
    archive = packed(tmp_path / "x.zip", {f"{n}.png": b"%d" % n for n in range(3)}).read_bytes()
    files = [IncomingFile(io.BytesIO(archive), "x.zip", len(archive))]
    theirs = bench.service.add(reader, scope, files, Settings())
    (item,) = theirs.items  # the archive is not opened
    assert item.name == "x.zip" and item.refused["code"] == "not_allowed"
    assert bench.service.state(reader.principal, theirs, []) is BatchState.DONE


def test_an_archive_is_a_row_a_file_and_each_is_analyzed(bench, analyzer, tmp_path):
    inner = packed(tmp_path / "inner.zip", {"x.png": b"x"}).read_bytes()
    files = {"in/a.png": b"a", "b.png": b"b", "../c.png": b"c", "inner.zip": inner}
    archive = packed(tmp_path / "press.zip", files).read_bytes()
    batch = bench.bring_files(("first", b"first"), ("press.zip", archive))
    until(lambda: bench.state(batch) is BatchState.DONE)
    rows = bench.service.rows(bench.scope, batch)
    assert [(row.item.name, row.state) for row in rows] == [
        ("first", State.DONE),
        ("press.zip/in/a.png", State.DONE),
        ("press.zip/b.png", State.DONE),
        ("press.zip/../c.png", None),
        ("press.zip/inner.zip", None),
    ]
    assert all(row.error for row in rows[3:])
    assert analyzer.begun == ["first", "a.png", "b.png"]


def test_an_archive_with_more_than_a_batch_takes_loses_none_of_the_first(
    bench, monkeypatch, tmp_path
):
    monkeypatch.setattr(module, "MAX_FILES", 3)
    files = {f"{n}.png": f"{n}".encode() for n in range(5)}
    archive = packed(tmp_path / "five.zip", files).read_bytes()
    batch = bench.bring_files(("zero", b"zero"), ("five.zip", archive))
    assert [item.analysis is not None for item in batch.items] == [True, True, True, False]
    assert batch.items[3].refused["message"].startswith("3 more files are in it")
    assert bench.add("late", id=batch.id).items[-1].refused["code"] == "too_many_files"


def test_each_file_of_an_archive_counts_as_one_that_was_brought(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("UNMASK_GUEST_FILES_PER_HOUR", "2")
    guest = RequestContext(Principal("guest:zip", PrincipalKind.GUEST), address="203.0.113.7")
    scope = RecordScope("guest:zip", bench.jobs.store)
    archive = packed(tmp_path / "x.zip", {f"{n}.png": b"%d" % n for n in range(3)}).read_bytes()
    files = [IncomingFile(io.BytesIO(archive), "x.zip", len(archive))]
    batch = bench.service.add(guest, scope, files, Settings())
    assert [item.refused and item.refused["code"] for item in batch.items] == [None, None, "quota"]


def test_the_same_content_under_other_names_is_analyzed_once(bench, analyzer):
    before = bench.bring_files(("a", b"same"))
    until(lambda: bench.state(before) is BatchState.DONE)
    analyzer.go.clear()
    batch = bench.bring_files(("b", b"same"), ("c", b"new"), ("d", b"new"))
    batch = bench.bring_files(("e", b"new"), id=batch.id)
    assert [item.known for item in batch.items] == [True, False, True, True]
    assert [item.name for item in batch.items] == ["b", "c", "d", "e"]
    analyzer.go.set()
    until(lambda: bench.state(batch) is BatchState.DONE)
    assert bench.states(batch) == [State.DONE] * 4
    seen: dict[str, BatchRow] = {}
    for _look in range(2):
        rows = bench.service.rows(bench.scope, batch, seen)
        assert [row.item.name for row in rows] == ["b", "c", "d", "e"]
    assert analyzer.begun == ["a", "c"]
    kept = {path.name for path in bench.jobs.uploads.root.iterdir()}
    assert kept == {item.analysis for item in batch.items}


def test_who_is_asked_for_comes_first_and_again_comes_once_more(open_bench, analyzer):
    analyzer.go.clear()
    bench = open_bench(waiting=1)
    batch = bench.add("a", "b", "c", "d")
    ids = [item.analysis or "" for item in batch.items]
    until(lambda: analyzer.begun == ["a"])
    bench.service.prioritize(bench.scope, batch, [ids[3]])
    analyzer.go.set()
    until(lambda: bench.state(batch) is BatchState.DONE)
    assert analyzer.begun == ["a", "d", "b", "c"]
    # More than the line takes, also where nothing of the batch runs any more.
    bench.service.retry(OWNER, bench.scope, batch, ids[:3])
    until(lambda: bench.state(batch) is BatchState.DONE and len(analyzer.begun) == 7)
    assert sorted(analyzer.begun[4:]) == ["a", "b", "c"]
    assert [item.analysis for item in bench.now(batch).items] == ids  # their order stands


def test_what_is_asked_for_again_waits_while_the_batch_is_paused(bench, analyzer):
    analyzer.go.clear()
    batch = bench.add("a", "b")
    until(lambda: analyzer.begun == ["a"])
    bench.service.pause(LOCAL, batch)
    analyzer.go.set()
    until(lambda: bench.state(batch) is BatchState.PAUSED)
    bench.service.retry(OWNER, bench.scope, batch, [batch.items[0].analysis or ""])
    assert bench.states(batch) == [State.WAITING] * 2
    assert bench.state(batch) is BatchState.PAUSED
    bench.service.resume(LOCAL, bench.scope, batch)
    until(lambda: bench.state(batch) is BatchState.DONE)
    assert analyzer.begun == ["a", "a", "b"]


def test_the_time_left_does_not_count_what_was_done_before(bench, analyzer):
    batch = bench.add("a", "b", "c")
    until(lambda: bench.state(batch) is BatchState.DONE)
    analyzer.go.clear()
    batch = bench.add("d", "e", id=batch.id)
    until(lambda: analyzer.begun[-1] == "d")
    task = bench.service.task(LOCAL, batch)
    until(lambda: task.total == 5)
    assert task.done == 3 and task.seconds_left is None


def test_a_batch_has_a_name_that_can_be_changed(bench):
    batch = bench.service.add(OWNER, bench.scope, [], Settings(), name=" Forwards,\nweek 47 ")
    assert batch.name == "Forwards, week 47"
    bench.batches.rename(LOCAL.id, batch.id, "x" * 200)
    assert bench.now(batch).name == "x" * 80
    bench.batches.rename("guest:somebody", batch.id, "theirs")
    assert bench.now(batch).name == "x" * 80


def test_a_link_that_may_not_be_fetched_says_so_in_its_row(bench):
    batch = bench.service.add(OWNER, bench.scope, ["http://127.0.0.1/a.mp4"], Settings())
    (item,) = batch.items
    assert item.analysis is None and item.name == "http://127.0.0.1/a.mp4"
    assert item.refused["message"]


MB = 1 << 20


@pytest.fixture
def uploads(tmp_path):
    return Uploads(tmp_path / "data")


def brought(uploads, name, content, *, largest=MB):
    """What comes of a file: what is taken, by name, and the codes of what is not."""
    taken, refused = {}, {}
    file = IncomingFile(io.BytesIO(content), name, len(content))
    for one in opened(file, uploads, most=100, largest=largest):
        if isinstance(one, RefusedFile):
            refused[one.name] = one.error.code
        else:
            taken[one.name] = one.source.read()
            assert one.size == len(taken[one.name])
    assert list(uploads.root.iterdir()) == []  # nothing is left behind
    return taken, refused


def zipped(tmp_path, files):
    return packed(tmp_path / "made.zip", files).read_bytes()


def test_any_other_file_is_itself(uploads, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture())
    for name in ("list.csv", "list.txt", "no.zip", "clip.mp4"):
        content = f"path\n{secret}\n".encode()
        assert brought(uploads, name, content) == ({name: content}, {})


def test_an_archive_is_its_files_and_what_is_bad_in_it_says_so(uploads, tmp_path):
    inner = zipped(tmp_path, {"a.png": picture()})
    content = zipped(
        tmp_path,
        {
            "in/good.png": picture(1),
            "../up.png": picture(2),
            "/etc/passwd.png": picture(2),
            "inner.zip": inner,
            "innocent.png": inner,
            "large.png": bytes(MB + 1),
            "also good.png": picture(3),
        },
    )
    taken, refused = brought(uploads, "press.zip", content)
    assert taken == {"press.zip/in/good.png": picture(1), "press.zip/also good.png": picture(3)}
    assert refused == {
        "press.zip/../up.png": "path_trick",
        "press.zip//etc/passwd.png": "path_trick",
        "press.zip/inner.zip": "nested_archive",
        "press.zip/innocent.png": "nested_archive",
        "press.zip/large.png": "too_large",
    }


def test_the_pictures_of_documents_say_their_page(uploads, tmp_path):
    paper = pdf(tmp_path / "paper.pdf").read_bytes()
    taken, refused = brought(uploads, "paper.pdf", paper)
    assert list(taken) == [
        "paper.pdf, page 1, picture 1.jpg",
        "paper.pdf, page 3, picture 1.png",
        "paper.pdf, page 3, picture 2.png",
    ]
    assert not refused
    assert all(Image.open(io.BytesIO(data)).size == (40, 40) for data in taken.values())
    text = TEXT.format('<w:lastRenderedPageBreak/><a:blip r:embed="r1"/>')
    letter = docx(tmp_path / "letter.docx", text).read_bytes()
    taken, refused = brought(uploads, "letter.docx", letter)
    assert "letter.docx, page 2, image1.png" in taken and len(taken) == 2 and not refused


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lambda folder: zipped(folder, {"zeros.bmp": bytes(80 * MB)}), "zip_bomb"),
        (lambda folder: zipped(folder, {"a.png": picture()})[:-30], "bad_archive"),
        (lambda folder: zipped(folder, {"readme.txt": b"text"}), "no_media"),
        (lambda folder: zipped(folder, {}), "no_media"),
        (lambda folder: b"%PDF-1.7\nand nothing", "bad_archive"),
    ],
    ids=["bomb", "cut", "text only", "empty", "broken PDF"],
)
def test_what_is_no_use_is_one_row(uploads, tmp_path, content, code):
    assert brought(uploads, "x.zip", content(tmp_path)) == ({}, {"x.zip": code})


def test_an_archive_may_be_as_large_as_any_file(uploads, tmp_path):
    content = zipped(tmp_path, {"a.png": os.urandom(2000), "b.png": os.urandom(2000)})
    assert brought(uploads, "x.zip", content, largest=3000) == ({}, {"x.zip": "too_large"})
    taken, refused = brought(uploads, "x.zip", content, largest=5000)
    assert len(taken) == 2 and not refused


def test_a_full_disk_is_said(uploads, tmp_path, monkeypatch):
    content = zipped(tmp_path, {"a.png": picture()})
    monkeypatch.setattr(storage, "MIN_FREE_BYTES", 1 << 60)
    assert brought(uploads, "a.zip", content) == ({}, {"a.zip": "disk_full"})


def test_a_file_is_read_from_where_it_stands(uploads, tmp_path):
    source = io.BytesIO(b"before" + zipped(tmp_path, {"a.png": picture()}))
    source.seek(6)
    names: Sequence[str] = [
        one.name for one in opened(IncomingFile(source, "a.zip"), uploads, most=9, largest=MB)
    ]
    assert names == ["a.zip/a.png"]
