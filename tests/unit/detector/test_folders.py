"""Small files appear whole or not at all, and never bring a deleted folder back; and locks."""

import subprocess
import sys
import threading

import pytest

from detector import paths
from tests.support.processes import ROOT


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "notes.json"
    paths.write(path, "first")
    paths.write(path, "zweite Fassung: ä")
    with pytest.raises(UnicodeEncodeError):
        paths.write(path, "half \ud800 of it")
    assert path.read_text("utf-8") == "zweite Fassung: ä"
    assert list(tmp_path.iterdir()) == [path]


def test_a_deleted_folder_does_not_come_back(tmp_path):
    with pytest.raises(FileNotFoundError):
        paths.write(tmp_path / "gone" / "notes.json", "text")
    assert not (tmp_path / "gone").exists()


def test_readers_never_see_half_a_file(tmp_path):
    path = tmp_path / "notes.json"
    texts = [letter * 200_000 for letter in "ab"]
    paths.write(path, texts[0])

    def write(text):
        for _ in range(20):
            paths.write(path, text)

    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(path.read_text("utf-8"))
    assert seen <= set(texts)


def test_a_lock_keeps_others_out_and_ends_with_its_process(tmp_path):
    path = tmp_path / "one.lock"
    with paths.locked(path), pytest.raises(BlockingIOError), paths.locked(path, wait=False):
        pass
    code = (
        "import os, sys; from pathlib import Path; from detector import paths\n"
        "with paths.locked(Path(sys.argv[1])): print('here', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as other:
        assert other.stdout.readline() == b"here\n"
        with pytest.raises(BlockingIOError), paths.locked(path, wait=False):
            pass
        other.kill()
    with paths.locked(path):
        assert path.is_file()
