"""Batches with real networks: the same numbers as one by one, and nothing lost to a kill."""

import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from cli import main
from detector.batch import BatchOptions, BatchRun, read_source
from detector.batch.journal import Journal
from detector.errors import UsageError
from detector.pipeline import Analyzer
from detector.schema.analysis import Analysis, Settings
from detector.schema.origin import FileSource, Posted
from tests.conftest import write_clip
from tests.support.footage import many
from tests.support.links import PRIVATE, serving, whole
from tests.support.timeless import timeless
from tests.support.waiting import until

DOCS = Path(__file__).resolve().parents[3] / "docs"
QUICK = ["--models", "texture", "--frames", "3"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    from tests.support.clips import face_clip

    folder = tmp_path_factory.mktemp("clips")
    for n, seconds in enumerate((1, 2, 3)):
        shutil.copy(face_clip(seconds, 320, 240, 25), folder / f"{n}.mp4")
    shutil.copy(folder / "1.mp4", folder / "copy.mp4")
    Image.fromarray(data.astronaut()).save(folder / "picture.png")
    return folder


def lines(out):
    return [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]


def test_numbers_do_not_depend_on_the_batch(clips, tmp_path):
    settings = Settings(frames=6)
    with BatchRun(tmp_path / "out", BatchOptions(settings=settings, parallel=4)) as batch:
        tally = batch.run(read_source(clips).entries)
    assert (tally.analyzed, tally.found, tally.failed) == (4, 1, 0)
    alone = Analyzer()
    found = {line["file"]: line["analysis"] for line in lines(tmp_path / "out")}
    assert set(found) == {path.name for path in clips.iterdir()}
    for name, tree in found.items():
        assert timeless(tree) == timeless(alone.analyze(clips / name, settings))


def test_a_batch_that_was_killed_goes_on_and_does_nothing_twice(tmp_path):
    source, out = many(tmp_path / "clips", 12), tmp_path / "out"
    command = [sys.executable, "-m", "cli", "batch", str(source), "--out", str(out), *QUICK]
    journal = out / "results.jsonl"
    kept: list[bytes] = []
    for least in (2, 5):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            until(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= least)  # noqa: B023
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        whole = [line for line in journal.read_bytes().splitlines(True) if line.endswith(b"\n")]
        assert whole[: len(kept)] == kept
        assert not [line for line in whole if b'"analysis"' not in line]
        kept = whole
    assert 5 <= len(kept) < 12
    with journal.open("ab") as file:
        file.write(kept[0][:1000])  # as a power cut leaves it
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{12 - len(kept)} analyzed, {len(kept)} known already" in done.stderr
    assert journal.read_bytes().splitlines(True)[: len(kept)] == kept
    assert sorted(line["file"] for line in lines(out)) == [f"{n:02}.mp4" for n in range(12)]
    for line in lines(out):
        Analysis.model_validate(line["analysis"])
    rows = (out / "results.csv").read_text().splitlines()
    assert len(rows) == 13
    assert {path.name for path in out.iterdir()} <= {
        "results.jsonl", "results.csv", "batch.json", ".lock",
    }  # fmt: skip


def test_a_full_disk_stops_it_with_a_sentence_and_it_goes_on(tmp_path, monkeypatch, capsys):
    source, out = many(tmp_path / "clips", 4), tmp_path / "out"
    command = ["batch", str(source), "--out", str(out), "--parallel", "2", *QUICK]
    fsync, calls = os.fsync, 0

    def full(fd):
        nonlocal calls
        if os.readlink(f"/proc/self/fd/{fd}") == str(out / "results.jsonl"):
            calls += 1
            if calls > 2:
                raise OSError(errno.ENOSPC, "No space left on device")
        fsync(fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert main(command) == 1
    error = capsys.readouterr().err
    assert "is full. What is finished is kept." in error and "Traceback" not in error
    before = (out / "results.jsonl").read_bytes()
    assert before.count(b"\n") == 2
    assert main(command) == 0
    assert (out / "results.jsonl").read_bytes().startswith(before)
    assert len(lines(out)) == 4


def test_errors_are_listed_counted_and_tried_again_only_where_they_are_ours(
    clips, tmp_path, monkeypatch, capsys
):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    shutil.copy(clips / "0.mp4", source / "good.mp4")
    shutil.copy(clips / "1.mp4", source / "unlucky.mp4")
    (source / "text.mp4").write_text("this is not a video")
    analyze = Analyzer.analyze

    def unlucky(self, path, *given, **named):
        if path.name == "unlucky.mp4":
            raise RuntimeError("the moon")
        return analyze(self, path, *given, **named)

    command = ["batch", str(source), "--out", str(out), *QUICK]
    with monkeypatch.context() as patched:
        patched.setattr(Analyzer, "analyze", unlucky)
        assert main(command) == 1
    told = capsys.readouterr().err
    assert "unmask: text.mp4: This file is text" in told and "RuntimeError: the moon" in told
    assert "1 analyzed, 2 failed (" in told
    errors = {x["file"]: x["error"]["code"] for x in lines(out) if "error" in x}
    assert errors == {"text.mp4": "unsupported", "unlucky.mp4": "internal"}
    assert main(command) == 2
    assert "1 analyzed, 1 known already, 1 failed (unsupported 1)" in capsys.readouterr().err
    assert [x["file"] for x in lines(out)].count("unlucky.mp4") == 1


def test_a_command_that_is_wrong_is_one_line(clips, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["batch", str(clips), "--out", str(out), "--limit", "1", *QUICK]) == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    capsys.readouterr()
    for arguments, word in (
        ([str(tmp_path / "none")], "no such file"),
        ([str(empty)], "no video"),
        ([str(clips), "--models", "mesonett"], "mesonett"),
        ([str(clips), "--models", "texture", "--frames", "4"], "other settings"),
        ([str(clips), "--format", "xml"], "xml"),
        ([str(clips), "--limit", "0"], "--limit"),
    ):
        assert main(["batch", *arguments, "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert word in error and len(error.strip().splitlines()) == 1


def test_links_of_a_list_are_fetched_where_they_are_allowed(clips, tmp_path, monkeypatch):
    answers = {"/a.png": whole((clips / "picture.png").read_bytes()), "/b": whole(b"<html></html>")}
    with serving(PRIVATE, answers) as web:
        (tmp_path / "list.txt").write_text(
            f"{web.url(PRIVATE, '/a.png?token=secret')}\n{web.url(PRIVATE, '/b')}\n"
        )
        command = ["batch", str(tmp_path / "list.txt"), "--out", str(tmp_path / "out"), *QUICK]
        assert main(command) == 2 and not web.came
        monkeypatch.setenv("UNMASK_LINKS", "1")
        assert main(command) == 2 and not web.came, "nor from this computer"
        monkeypatch.setenv("UNMASK_LINKS_PRIVATE", "1")
        monkeypatch.setenv("UNMASK_LINKS_PORTS", str(web.server_port))
        assert main(command) == 2
    newest = {line["file"].rpartition("/")[2]: line for line in lines(tmp_path / "out")}
    assert newest["b"]["error"]["code"] == "link_page"
    assert newest["a.png?token=secret"]["analysis"]["media"]["name"] == "a.png"


def test_each_link_of_a_list_has_who_posted_it(clips, tmp_path):
    """Also where two of them have the same content, which is analyzed once."""
    by = {"https://a.example/1": "Alice", "https://b.example/2": "Bob", "https://c.example/3": None}
    (tmp_path / "list.txt").write_text("\n".join(by))

    def page(url):
        source = FileSource(posted=Posted(by=by[url])) if by[url] else None
        return lambda folder: (clips / "picture.png", source)

    entries = read_source(tmp_path / "list.txt", links=page).entries
    settings = Settings(models=["texture"], frames=3)
    with BatchRun(tmp_path / "out", BatchOptions(settings, parallel=1)) as run:
        assert run.run(entries).analyzed == 1
    posted = {line["file"]: line["analysis"]["provenance"]["posted"] for line in lines(run.out)}
    assert {url: page and page["by"] for url, page in posted.items()} == by


def test_two_programs_do_not_fill_one_folder(tmp_path):
    with BatchRun(tmp_path / "out"), pytest.raises(UsageError, match="Another batch"):
        BatchRun(tmp_path / "out")
    BatchRun(tmp_path / "out").__exit__()


def test_reports_are_made_for_what_is_finished_without_them(clips, tmp_path):
    archive, out = tmp_path / "a.zip", tmp_path / "out"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(clips / "picture.png", "in/picture.png")
    command = ["batch", str(archive), "--out", str(out), *QUICK]
    assert main(command) == 0
    before = (out / "results.jsonl").read_bytes()
    assert main([*command, "--report"]) == 0
    (made,) = (out / "reports").iterdir()
    assert made.name.startswith("in_picture.png-") and made.read_bytes().startswith(b"%PDF")
    assert main(["verify", str(made)]) == 0
    assert (out / "results.jsonl").read_bytes() == before


def test_a_watched_file_is_taken_once_it_has_stopped_growing(clips, tmp_path):
    folder, out, stop = tmp_path / "incoming", tmp_path / "out", threading.Event()
    folder.mkdir()
    content = (clips / "0.mp4").read_bytes()
    target = folder / "late.mp4"
    seen: list[str] = []
    with BatchRun(out, BatchOptions(Settings(models=["texture"], frames=3))) as batch:
        noted = lambda tally, entry, error: seen.append(entry.name)  # noqa: E731
        watching = threading.Thread(target=batch.watch, args=(folder, stop, 0.5, noted))
        watching.start()
        try:
            with target.open("wb", buffering=0) as file:
                for n in range(20):
                    file.write(content[n * len(content) // 20 : (n + 1) * len(content) // 20])
                    time.sleep(0.1)
                assert not seen
            until(lambda: seen == ["late.mp4"])
            shutil.copy(clips / "picture.png", target)  # another content under its name
            until(lambda: len(seen) == 2)
        finally:
            stop.set()
            watching.join(60)
        (line,) = batch.journal.lines()
    assert line["analysis"]["media"]["kind"] == "image"
    assert len(lines(out)) == 1


def test_the_commands_of_the_document(clips, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    shutil.copy(clips / "picture.png", "clips")
    for number in range(3):  # of few frames: each is looked at, by half a dozen commands
        write_clip(f"clips/{number}.mp4", seconds=1 + number, fps=4)
    shutil.copy("clips/1.mp4", "clips/copy.mp4")
    Path("labels.csv").write_text("file,label\nclips/0.mp4,real\n")
    Path("list.txt").write_text("clips/0.mp4\nclips/picture.png\n")
    with zipfile.ZipFile("clips.zip", "w") as packed:
        packed.write("clips/0.mp4")
    Path("incoming").mkdir()
    shutil.copy("clips/0.mp4", "incoming")
    text = (DOCS / "batch.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
    commands = [shlex.split(x, comments=True) for block in blocks for x in block.splitlines()]
    assert {command[1] for command in commands} == {"batch", "watch"}
    for _, *arguments in commands:
        if arguments[0] == "batch":
            assert main(arguments) == 0
            continue
        process = subprocess.Popen([sys.executable, "-m", "cli", *arguments])
        journal = Path("results-incoming", "results.jsonl")
        try:
            until(lambda: journal.exists() and journal.read_bytes().count(b"\n") == 1)  # noqa: B023
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
    assert len(lines(Path("results"))) == 5 and len(lines(Path("first"))) == 2
    assert not Path("from-list", "results.csv").exists()


def test_a_journal_is_closed_when_opening_the_batch_fails(tmp_path):
    (tmp_path / "results.jsonl").write_text("something of yours\n")
    with pytest.raises(UsageError, match="not the journal"):
        BatchRun(tmp_path)
    (tmp_path / "results.jsonl").unlink()
    Journal(tmp_path / "results.jsonl").close()
    BatchRun(tmp_path).__exit__()
