"""What people add to their libraries: what is taken, what is refused, and what is left of it."""

import io
import os
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from unittest.mock import Mock

import pytest

from cli import main
from detector.comparison.fingerprint import Fingerprints
from detector.errors import InputError, MediaError
from detector.schema.analysis import Media
from service import known_footage, limits
from service.batch_files import IncomingFile
from service.context import LOCAL, Principal, PrincipalKind, RequestContext, Role
from service.known_footage import MAX_FILES, KnownFootage, LibraryTask
from service.library import catalog
from service.library.catalog import Library, media_in
from service.records.database import FILE, Database
from service.records.footage import FootageStore
from service.records.model import State
from service.storage.uploads import Uploads
from service.tasks.task import QueueFull
from tests.support.footage_contract import made
from tests.support.tasks import ADMIN, ANN, BEN, ended, make_tasks
from tests.support.waiting import PATIENT

HERE = RequestContext(LOCAL, loopback=True)
ELSEWHERE = RequestContext(ANN)


class StubLibrary(Library):
    """A library that knows a file by its bytes, and what begins with "bad" is no footage."""

    def __init__(self, store):
        super().__init__(store)
        self.read: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def _read(self, owner, path, name, cancel):
        self.read.append(path.name)
        assert self.gate.wait(PATIENT)
        data = path.read_bytes()
        if data.startswith(b"bad"):
            raise MediaError("It is no video.")
        sha256 = f"{hash(data) % 2**64:064x}"
        if self.store.knows(owner, sha256):
            return sha256
        prints = made(len(data))
        about = Media(
            name=name or path.name, sha256=sha256, kind="video", size=len(data),
            width=64, height=48, container="mp4", codec="h264",
        )  # fmt: skip
        return about, Fingerprints(prints.times, prints.hashes, prints.hashes)


@pytest.fixture
def tasks(tmp_path):
    manager = make_tasks(tmp_path / "data")
    yield manager
    manager.close()


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def library(tmp_path):
    database = Database(tmp_path / "data" / FILE)
    yield StubLibrary(FootageStore(database))
    database.close()


@pytest.fixture
def known(tasks, library, data):
    return KnownFootage(tasks, library.store, lambda: library, Mock(uploads=Uploads(data)))


@pytest.fixture
def press(tmp_path):
    """A folder with three clips, one of which is none, in two folders."""
    folder = tmp_path / "press"
    (folder / "older").mkdir(parents=True)
    (folder / "one.mp4").write_bytes(b"first")
    (folder / "older" / "two.mp4").write_bytes(b"second one")
    (folder / "older" / "bad.mp4").write_bytes(b"bad")
    (folder / "notes.txt").write_text("no media")
    (folder / ".hidden.mp4").write_bytes(b"hidden")
    return folder


def file(data, name="clip.mp4"):
    return IncomingFile(io.BytesIO(data), name, len(data))


def names(library, owner=LOCAL.id):
    return sorted(footage.name for footage in library.store.list(owner))


def left(data):
    return [path.name for path in (data / "uploads").iterdir()]


def test_a_folder_is_added_and_then_only_what_is_new(known, library, press):
    task = ended(known.add_folder(HERE, f'  "{press}" '))
    assert (task.state, task.added, task.known, task.unread) == (State.DONE, 2, 0, 1)
    assert [(one.name, one.error.message) for one in task.left_out] == [
        ("older/bad.mp4", "It is no video.")
    ]
    assert names(library) == ["one.mp4", "two.mp4"] and task.total == 3
    [source] = library.store.sources(LOCAL.id)
    assert (source.source, source.files) == (str(press), 2)

    library.read.clear()
    (press / "three.mp4").write_bytes(b"the third")
    again = ended(known.add_folder(HERE, str(press)))
    assert (again.added, again.known, again.unread) == (1, 2, 1)
    assert sorted(library.read) == ["bad.mp4", "three.mp4"]  # the others are not opened
    assert known.find(LOCAL.id, LOCAL) is again


def test_what_was_changed_since_is_read_again(known, library, press):
    ended(known.add_folder(HERE, str(press)))
    library.read.clear()
    later = (datetime.now(UTC) + timedelta(seconds=5)).timestamp()
    (press / "one.mp4").write_bytes(b"other")  # as long as it was
    os.utime(press / "one.mp4", (later, later))
    assert ended(known.add_folder(HERE, str(press))).added == 1
    assert "one.mp4" in library.read and "two.mp4" not in library.read


def test_two_files_of_one_name_and_size_are_both_read(known, library, press):
    ended(known.add_folder(HERE, str(press)))
    (press / "older" / "one.mp4").write_bytes(b"F1rst")
    assert ended(known.add_folder(HERE, str(press))).added == 1
    assert ended(known.add_folder(HERE, str(press))).added == 0


def test_only_who_sits_here_names_folders(known, press):
    account = Principal("u", PrincipalKind.USER, Role.ADMIN)
    for context in (ELSEWHERE, RequestContext(account, loopback=True), RequestContext(LOCAL)):
        with pytest.raises(limits.NotAllowed):
            known.add_folder(context, str(press))


@pytest.mark.parametrize("text", ["", "press", "../press", "/nowhere/at all", "/dev/null", "a\0b",
                                  "/\0", "~nobody-here/x", "x" * 5000])  # fmt: skip
def test_what_is_no_folder_is_said(known, text):
    with pytest.raises(InputError, match="There is no folder"):
        known.add_folder(HERE, text)
    assert known.find(LOCAL.id, LOCAL) is None


def test_our_own_files_are_no_footage(known, library, press, data, tmp_path):
    (data / "uploads" / "x.mp4").write_bytes(b"somebody's")
    link = tmp_path / "link"
    link.symlink_to(data)
    for folder in (data, data / "uploads", link):
        with pytest.raises(InputError, match="keeps its own files"):
            known.add_folder(HERE, str(folder))
    ended(known.add_folder(HERE, str(tmp_path)))
    assert names(library) == ["one.mp4", "two.mp4"]


def test_links_lead_nowhere_else(known, library, press, tmp_path):
    outside = tmp_path / "private"
    outside.mkdir()
    (outside / "diary.mp4").write_bytes(b"private thoughts")
    (press / "diary.mp4").symlink_to(outside / "diary.mp4")
    (press / "folder").symlink_to(outside)
    (press / "round.mp4").symlink_to(press / "round.mp4")
    (press / "within.mp4").symlink_to(press / "one.mp4")
    task = ended(known.add_folder(HERE, str(press)))
    assert names(library) == ["one.mp4", "two.mp4"] and task.known == 1
    assert {one.name for one in task.left_out} == {"diary.mp4", "round.mp4", "older/bad.mp4"}


def test_a_folder_that_can_t_be_listed_is_said(press, monkeypatch):
    def refused(path):
        raise PermissionError(13, "no", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(catalog.os, "scandir", refused)
        with pytest.raises(InputError, match="can’t be read"):
            list(media_in(press, lambda path, error: None))
    real, said = os.scandir, []

    def one_refused(path):
        return refused(path) if str(path).endswith("older") else real(path)

    monkeypatch.setattr(catalog.os, "scandir", one_refused)
    found = list(media_in(press, lambda path, error: said.append((path.name, error.message))))
    assert [path.name for path in found] == ["one.mp4"]
    assert said == [("older", "This folder can’t be read.")]


def test_too_many_files_are_too_many(known, press, monkeypatch):
    monkeypatch.setattr(known_footage, "MAX_FOOTAGE", 2)
    task = ended(known.add_folder(HERE, str(press)))
    assert task.state is State.FAILED and "more than 2 files" in task.error


def test_files_are_read_side_by_side_and_told_in_order(known, library, press, monkeypatch):
    both, read = threading.Barrier(2), library._read

    def together(owner, path, *more):
        both.wait(PATIENT)
        return read(owner, path, *more)

    (press / "three.mp4").write_bytes(b"the third")
    monkeypatch.setattr(library, "_read", together)
    task = ended(known.add_folder(HERE, str(press)))
    assert (task.state, task.added, task.unread, task.done) == (State.DONE, 3, 1, 4)
    monkeypatch.setattr(library, "_read", read)
    brought = [file(bytes(9 - n), f"{n}.mp4") for n in range(7)]
    assert ended(known.add_files(ELSEWHERE, brought)).added == 7
    kept = sorted(library.store.list(ANN.id), key=lambda footage: footage.added)
    assert [footage.name for footage in kept] == [one.name for one in brought]


def test_a_disk_that_fails_is_said_of_its_file(known, library, press, monkeypatch):
    fails = Mock(side_effect=OSError(5, "Input/output error"))
    monkeypatch.setattr(library, "_read", partial(Library._read, library))
    monkeypatch.setattr("service.library.catalog.media.identify", fails)
    task = ended(known.add_folder(HERE, str(press)))
    assert (task.state, task.unread) == (State.DONE, 3)
    assert {one.error.message for one in task.left_out} == {"This file can’t be read."}


def test_it_can_be_stopped_and_gone_on_with(known, library, tasks, press):
    library.gate.clear()
    task = known.add_folder(HERE, str(press))
    with pytest.raises(QueueFull, match="already"):
        known.add_folder(HERE, str(press))
    with pytest.raises(QueueFull, match="already"):
        known.add_files(HERE, [file(b"x")])
    known.dismiss(LOCAL.id, LOCAL)  # it is under way
    assert known.find(LOCAL.id, LOCAL) is task
    tasks.cancel(task)
    library.gate.set()
    assert ended(task).state is State.CANCELED and "What was added stays" in task.error
    assert ended(known.add_folder(HERE, task.folder)).state is State.DONE
    assert names(library) == ["one.mp4", "two.mp4"]


def test_after_a_restart_it_is_offered_again(known, library, tasks, press, data):
    library.gate.clear()
    known.add_folder(HERE, str(press))
    brought = known.add_files(ELSEWHERE, [file(b"a clip")])
    tasks._closing.set()  # the server is told to stop
    for task in (known.find(LOCAL.id, LOCAL), known.find(ANN.id, ANN)):
        tasks.cancel(task)
    library.gate.set()
    tasks.close()
    assert left(data) == [brought.params["uploads"]]

    later = make_tasks(data)
    service = KnownFootage(later, library.store, lambda: library, Mock(uploads=Uploads(data)))
    later.recover()
    folder, files = service.find(LOCAL.id, LOCAL), service.find(ANN.id, ANN)
    assert folder.state is files.state is State.INTERRUPTED and folder.folder == str(press)
    assert "The server stopped" in folder.error and left(data) == []
    assert ended(service.add_folder(HERE, folder.folder)).state is State.DONE
    assert names(library) == ["one.mp4", "two.mp4"]
    later.close()


def test_files_and_folders_are_added_by_the_command(library, press, data, monkeypatch, capsys):
    monkeypatch.setattr("detector.media.isolate", lambda: None)
    monkeypatch.setattr("service.library.catalog.Library", lambda store: library)
    (press / "three.mp4").write_bytes(b"the third")
    older = press / "older"
    files = [f"{press}/one.mp4", f"{older}/bad.mp4", f"{press}/three.mp4"]
    assert main(["library", "add", *files]) == 2
    shown = capsys.readouterr()
    assert [line.split()[1] for line in shown.out.splitlines()] == ["one.mp4", "three.mp4"]
    assert shown.err.splitlines() == ["unmask: bad.mp4: It is no video.", "2 files known"]
    assert main(["library", "add", str(older), f"{press}/one.mp4"]) == 2
    sources = {source.source: source.files for source in library.store.sources(LOCAL.id)}
    assert sources == {str(press): 2, str(older): 1}


def test_each_sees_their_own_alone(known, library):
    task = ended(known.add_files(ELSEWHERE, [file(b"a clip")]))
    assert (
        known.find(ANN.id, ANN) is task
        and known.find(BEN.id, BEN) is None
        and known.find(ADMIN.id, ADMIN) is None
    )
    known.dismiss(BEN.id, BEN)
    assert known.find(ANN.id, ANN) is task
    assert library.store.list(BEN.id) == [] and b"clip.mp4" not in known.export(BEN.id)
    assert b"clip.mp4" in known.export(ANN.id)
    known.dismiss(ANN.id, ANN)
    assert known.find(ANN.id, ANN) is None


def test_limits_hold_for_what_is_brought(known, data, monkeypatch):
    with pytest.raises(InputError, match=f"At most {MAX_FILES} files"):
        known.add_files(HERE, [file(b"x")] * (MAX_FILES + 1))
    reader = RequestContext(Principal("r", PrincipalKind.USER, Role.VIEWER))
    with pytest.raises(limits.NotAllowed):
        known.add_files(reader, [file(b"x")])
    with pytest.raises(limits.NotAllowed):
        known.add_prints(reader, file(b"x"))
    monkeypatch.setenv("UNMASK_GUEST_MAX_MB", "1")
    with pytest.raises(limits.TooLarge):
        known.add_files(ELSEWHERE, [IncomingFile(io.BytesIO(b"x"), "a.mp4", 2 << 20)])
    monkeypatch.setattr(Uploads, "has_room", lambda self, size=0: False)
    with pytest.raises(InputError, match="not enough room"):
        known.add_files(HERE, [file(b"x")])
    assert left(data) == []


def test_a_library_elsewhere_has_an_end(known, library, monkeypatch):
    monkeypatch.setattr(known_footage, "MAX_SHARED_FRAMES", 6)
    task = ended(known.add_files(ELSEWHERE, [file(b"one clip"), file(b"another")]))
    assert task.state is State.FAILED and "more footage than" in task.error and task.added == 1
    exported = known.export(ANN.id)
    other = RequestContext(BEN)
    assert ended(known.add_prints(other, file(exported))).added == 1
    library.store.add(ANN.id, "b", made(9), sha256="9" * 64, source="upload")
    library.store.remove(BEN.id, [footage.id for footage in library.store.list(BEN.id)])
    full = ended(known.add_prints(other, file(known.export(ANN.id))))
    assert full.state is State.FAILED and "more footage than" in full.error
    assert library.store.list(BEN.id) == []
    assert ended(known.add_prints(HERE, file(known.export(ANN.id)))).added == 2


def test_fingerprints_of_others_come_in_whole_or_not_at_all(known, library, data):
    for seed in (1, 2):
        library.store.add(ANN.id, f"{seed}.mp4", made(seed), sha256=f"{seed:064x}", source="upload")
    exported = known.export(ANN.id)
    other = RequestContext(BEN)
    broken = ended(known.add_prints(other, file(exported[:-20])))
    assert broken.state is State.FAILED and "Line 3" in broken.error and not broken.added
    assert library.store.list(BEN.id) == []
    task = ended(known.add_prints(other, file(exported)))
    assert (task.added, task.known, task.total) == (2, 0, 2)
    assert ended(known.add_prints(other, file(exported))).known == 2
    assert {footage.source for footage in library.store.list(BEN.id)} == {"import"}
    assert left(data) == []
    assert isinstance(task, LibraryTask) and not task.folder
