"""The Library tab of the History page in each of its states, drawn without a browser."""

import hashlib
import threading
from functools import partial

import pytest

from dashboard import session
from dashboard.pages.history import library
from detector.schema.summary import ANALYSES
from service.context import LOCAL, Principal, PrincipalKind
from service.library.catalog import Library
from service.library.watch import WatchState
from service.limits import NotAllowed
from service.records.model import Preferences
from tests.conftest import write_clip
from tests.support import pages
from tests.support.footage_contract import made
from tests.support.pages import OWNER, buttons, come_as, press, run, texts
from tests.support.tasks import ended
from tests.support.waiting import PATIENT, until

GUEST = Principal("guest:x", PrincipalKind.GUEST)
HOSTILE = "<b>rally.mp4"


page = partial(pages.page, "history", tab="library")


def known():
    return session.application().originals.known


def keep(owner, number, name="", source="upload"):
    kept = known().store.add(
        owner, name or f"{number}.mp4", made(number), sha256=f"{number:064x}", source=source,
        duration=14.0,
    )  # fmt: skip
    assert kept is not None
    return kept


def listed(at):
    return list(at.dataframe[0].value["file"]) if at.dataframe else []


def click(at, key):
    at.button(key=key).click()
    run(at)


def wait(at, principal=LOCAL):
    task = known().find(principal.id, principal)
    assert task is not None
    ended(task)
    run(at)
    return task


@pytest.fixture
def folder(tmp_path_factory):
    """Outside of the data folder."""
    return tmp_path_factory.mktemp("press")


@pytest.fixture
def clip(folder):
    return write_clip(folder / "rally.mp4", seconds=0.6)


def test_an_empty_library_says_what_to_do(jobs):
    at = page()
    assert "No footage yet" in texts(at)
    assert "Add the folder where your originals are; only their prints are kept." in texts(at)
    assert at.text_input(key="library-folder").label == "Folder on this computer"
    assert not at.dataframe and at.title == []
    assert "Nothing here yet" not in texts(at)


def test_the_tab_stands_in_the_address(jobs):
    at = page(tab="")
    assert "Nothing here yet" in texts(at)
    at.segmented_control(key="history-tab").set_value("library")
    run(at)
    assert "No footage yet" in texts(at) and at.query_params["tab"] == "library"
    at.segmented_control(key="history-tab").set_value("analyses")
    run(at)
    assert "Nothing here yet" in texts(at) and "tab" not in at.query_params
    at.query_params["tab"] = "library"  # the browser's Back
    assert "No footage yet" in texts(run(at))


def test_switched_off_it_says_so(jobs):
    keep(LOCAL.id, 1, source=ANALYSES)
    assert "switched off" not in texts(page())
    jobs.store.save_preferences(LOCAL.id, Preferences(find_originals=False))
    assert "switched off: analyses do not ask this library" in texts(page())


def test_a_folder_is_added_and_looked_through_again(jobs, clip, folder):
    (folder / "<b>broken.mp4").write_bytes(b"no film at all")
    at = page()
    at.text_input(key="library-folder").set_value(str(folder))
    press(at, "Add the folder")
    task = wait(at)
    assert (task.added, task.unread) == (1, 1)
    assert "1 file added" in texts(at) and "&lt;b&gt;broken.mp4: " in texts(at)
    assert "<b>broken" not in texts(at)
    assert listed(at) == ["rally.mp4"] and str(folder) in texts(at)
    press(at, "Done")
    assert known().find(LOCAL.id, LOCAL) is None and "1 file added" not in texts(at)

    write_clip(folder / "second.mp4", seconds=0.6, size=(240, 240))
    press(at, "Look again")
    assert (wait(at).added, set(listed(at))) == (1, {"rally.mp4", "second.mp4"})
    assert "1 known already" in texts(at)

    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    at = page()
    assert "can’t be reached; its prints are kept" in texts(at)
    assert "Look again" not in buttons(at) and len(listed(at)) == 2


def switch(at):
    [toggle] = [one for one in at.toggle if one.label == "Watch"]
    toggle.set_value(not toggle.value)
    return run(at)


def looked_again(folder):
    before = (known().watch_state(folder) or WatchState()).looked
    known().watch_folders()
    return lambda: (known().watch_state(folder) or WatchState()).looked != before


def test_a_folder_is_watched_until_it_is_removed(jobs, clip, folder):
    ended(known().add_folder(OWNER, str(folder)))
    known().dismiss(LOCAL.id, LOCAL)
    try:
        at = switch(page())
        assert known().watched() == (str(folder),)
        until(lambda: (known().watch_state(str(folder)) or WatchState()).looked)
        assert "last looked at" in texts(run(at))
        write_clip(folder / "second.mp4", seconds=0.6, size=(240, 240))
        until(looked_again(str(folder)))
        until(looked_again(str(folder)))  # it has to be the same twice
        assert set(listed(run(at))) == {"rally.mp4", "second.mp4"}
        assert switch(at).toggle[0].value is False
        assert known().watched() == () and "last looked at" not in texts(at)
        switch(at)
        press(at, "Remove")
        click(at, "library-removed")
        assert known().watched() == () and not listed(at), "else it would come again"
    finally:
        known().close()


def test_watching_is_of_who_sits_at_the_computer(jobs, clip, monkeypatch):
    keep(GUEST.id, 1, source=str(clip.parent))
    come_as(monkeypatch, GUEST)
    assert not page().toggle
    with pytest.raises(NotAllowed):
        known().watch(session.request_context(), str(clip.parent), on=True)
    assert known().watched() == ()


def test_a_missing_folder_is_said_at_once(jobs, tmp_path):
    at = page()
    press(at, "Add the folder")
    assert "Write the path of a folder." in texts(at)
    for text in (str(tmp_path / "nowhere"), "<i>x</i>"):
        at.text_input(key="library-folder").set_value(text)
        press(at, "Add the folder")
        assert "There is no folder" in texts(at) and "<i>x</i>" not in texts(at)
    assert known().find(LOCAL.id, LOCAL) is None


@pytest.mark.parametrize(
    ("name", "passed"), [(None, ""), ("notes.txt", "1 file passed over: 1 text")]
)
def test_a_folder_without_footage_is_said(jobs, folder, name, passed):
    if name:
        (folder / name).write_text("no media")
    ended(known().add_folder(OWNER, str(folder)))
    shown = texts(page())
    assert f"There was no footage in it. {passed}".strip() in shown and "0 files added" not in shown
    assert ("passed over" in shown) is bool(passed)


def test_what_runs_is_shown_and_stopped(jobs, clip, monkeypatch):
    gate, entered = threading.Event(), threading.Event()

    def slow(self, *args):
        entered.set()
        assert gate.wait(PATIENT)
        return "0" * 64  # the sha256 of what is known

    monkeypatch.setattr(Library, "_read", slow)
    (clip.parent / "second.mp4").write_bytes(b"x")
    task = known().add_folder(OWNER, str(clip.parent))
    assert entered.wait(PATIENT)
    at = page()
    assert "Adding footage" in texts(at) and "Add the folder" not in buttons(at)
    press(at, "Cancel")
    gate.set()
    ended(task)
    assert "You stopped it. What was added stays." in texts(run(at))
    assert "Go on" in buttons(at) and "There was no footage" not in texts(at)


def test_files_are_brought_and_not_kept(jobs, clip):
    at = page()
    at.file_uploader(key="library-files-0").set_value([
        (HOSTILE, clip.read_bytes(), "video/mp4"), ("no.mp4", b"no film", "video/mp4"),
    ])  # fmt: skip
    run(at)
    task = wait(at)
    assert (task.added, task.unread) == (1, 1) and listed(at) == [HOSTILE]
    assert HOSTILE not in texts(at) and "Uploaded here" in texts(at)
    assert list(jobs.uploads.root.iterdir()) == []
    assert at.file_uploader(key="library-files-1").value == []  # a fresh one


def test_a_guest_has_a_library_of_their_own_and_names_no_folder(jobs, clip, monkeypatch):
    keep(LOCAL.id, 1, name="secret.mp4", source="/home/ann/press")
    ended(known().add_folder(OWNER, str(clip.parent)))
    come_as(monkeypatch, GUEST)
    at = page()
    assert "No footage yet" in texts(at) and "Add your originals" in texts(at)
    assert [one.key for one in at.text_input] == [] and "Add the folder" not in buttons(at)
    assert "file added" not in texts(at) and "secret" not in texts(at)
    at.file_uploader(key="library-files-0").set_value([("a.mp4", clip.read_bytes(), "video/mp4")])
    run(at)
    wait(at, GUEST)
    assert listed(at) == ["a.mp4"]
    assert "yours alone" in texts(at) and "deleted after 30 days" in texts(at)
    known().dismiss(GUEST.id, GUEST)
    come_as(monkeypatch, Principal("guest:y", PrincipalKind.GUEST), loopback=True)
    assert not page().dataframe


def test_fingerprints_go_out_and_come_in(jobs, monkeypatch):
    keep(LOCAL.id, 1, name="rally.mp4", source="/home/ann/press")
    keep("guest:other", 2, name="not mine.mp4")
    exported = known().export(LOCAL.id)
    assert b"rally.mp4" in exported and b"ann" not in exported and b"not mine" not in exported
    assert any(one.proto.label == "Export" for one in page().get("download_button"))
    come_as(monkeypatch, GUEST)
    at = page()
    assert not any(one.proto.label == "Export" for one in at.get("download_button"))
    at.file_uploader(key="library-import-0").set_value([("prints", b"nonsense", "text/plain")])
    run(at)
    wait(at, GUEST)
    assert "This is no file of fingerprints." in texts(at)
    at.file_uploader(key="library-import-1").set_value([("prints", exported, "text/plain")])
    run(at)
    wait(at, GUEST)
    assert listed(at) == ["rally.mp4"] and "Fingerprints of others" in texts(at)


def test_too_large_a_library_is_exported_by_the_command(jobs, monkeypatch):
    keep(LOCAL.id, 1)
    monkeypatch.setattr(library, "MAX_EXPORTED_FRAMES", 5)
    at = page()
    assert "unmask library export" in texts(at)
    assert not any(one.proto.label == "Export" for one in at.get("download_button"))


@pytest.fixture
def many(jobs):
    yield [
        keep(LOCAL.id, n, f"clip {n}.mp4", "/press" if n % 2 else ANALYSES) for n in range(12)
    ]  # fmt: skip


def mark(at, rows):
    """Choose in the table, as Streamlit's own element would tell it."""
    total = known().store.version(LOCAL.id)[0]
    key = f"library-table-library-page-{hashlib.sha256().hexdigest()[:12]}-1-{total}"
    at.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    return run(at)


def test_what_is_known_is_listed_and_searched(many):
    at = page()
    assert listed(at) == [f"clip {n}.mp4" for n in range(11, 1, -1)]
    table = at.dataframe[0].value
    assert set(table["source"]) == {"Your analyses", "/press"}
    assert set(table["length"]) == {"14\u00a0s"}
    assert "12 files known" in texts(at) and "6 files" in texts(at) and "automatic" in texts(at)
    assert "1 to 10 of 12" in texts(at)
    at.text_input(key="library-search").set_value("CLIP 1.mp4")
    assert listed(run(at)) == ["clip 11.mp4", "clip 1.mp4"]
    at.text_input(key="library-search").set_value("nothing like it")
    assert "Nothing matches." in texts(run(at)) and not at.dataframe


def test_marked_files_are_removed_after_a_question(many):
    at = page()
    assert "Remove 2" not in buttons(at)
    mark(at, [0, 2])
    click(at, "library-remove")
    assert "Remove 2 files from your library?" in texts(at) and "clip 9.mp4" in texts(at)
    assert len(known().store.list(LOCAL.id)) == 12
    press(at, "Keep them")
    assert len(known().store.list(LOCAL.id)) == 12
    click(at, "library-remove")
    click(at, "library-removed")
    assert len(known().store.list(LOCAL.id)) == 10
    assert "2 files were removed from your library." in texts(at)
    assert listed(at)[:2] == ["clip 10.mp4", "clip 8.mp4"]


def test_a_folder_is_removed_as_a_whole(many):
    at = page()
    buttons = [one for one in at.button if (one.key or "").startswith("library-forget-")]
    assert len(buttons) == 2
    buttons[0].click()  # that of the newest: /press
    run(at)
    assert "Remove 6 files from your library?" in texts(at)
    click(at, "library-removed")
    assert {one.source for one in known().store.list(LOCAL.id)} == {ANALYSES}
    assert "6 files were removed" in texts(at)


def test_unread_files_are_named_up_to_a_number(jobs, folder, monkeypatch):
    monkeypatch.setattr(library, "MAX_NAMED", 2)
    for number in range(4):
        (folder / f"{number}.mp4").write_bytes(b"no film")
    ended(known().add_folder(OWNER, str(folder)))
    assert "and 2 more" in texts(page()) and page().expander[0].label == "4\u00a0files not added"
