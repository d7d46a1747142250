"""The command as a shell sees it: what it prints, where, and its exit status."""

import csv
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path
from unittest.mock import Mock, call

import pytest
import skimage.data
from PIL import Image

from cli import common, known, main
from cli.analyze import summary
from detector import media, pipeline
from detector.schema.analysis import Analysis
from detector.schema.comparison import ComparisonFinding
from tests.conftest import write_clip
from tests.support import containers, links
from tests.support.processes import ROOT, python
from tests.support.result_sample import make_analysis
from tests.support.waiting import until


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    from tests.support.clips import face_clip

    path = face_clip(2, 640, 360, 25)
    target = tmp_path_factory.mktemp("cli") / "clip.mp4"
    target.write_bytes(path.read_bytes())
    return target


def test_json_on_standard_output_is_the_analysis(clip, capsys):
    assert main(["analyze", str(clip), "--frames", "6", "--json", "-"]) == 0
    analysis = Analysis.model_validate_json(capsys.readouterr().out)
    assert analysis.media.name == "clip.mp4"
    assert len(analysis.timestamps) == 6
    assert analysis.verdict.probability is not None


def test_a_file_is_piped_in_and_its_result_is_one_line(clip, tmp_path):
    command = [sys.executable, "-m", "cli", "analyze", "-", "--frames", "4", "--json", "-"]
    with clip.open("rb") as piped:
        done = subprocess.run(command, stdin=piped, capture_output=True, check=True, cwd=ROOT)
    (line,) = done.stdout.decode().splitlines()
    analysis = Analysis.model_validate_json(line)
    assert analysis.media.name == "standard input"
    assert analysis.media.sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
    saved = tmp_path / "report.md"
    command = [sys.executable, "-m", "cli", "report", "-", "--out", str(saved)]
    subprocess.run(command, input=done.stdout, check=True, cwd=ROOT)
    assert "standard input" in saved.read_text()


@pytest.mark.parametrize(
    ("words", "index", "wanted"),
    [("unmask ana", 1, "analyze"), ("unmask analyze --jso", 2, "--json")],
)
def test_a_shell_completes_commands_and_options(words, index, wanted):
    asked = {"_UNMASK_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(index)}
    command = [sys.executable, "-m", "cli"]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, cwd=ROOT)
    assert wanted in done.stdout.split()


def test_a_dash_without_a_pipe_is_told_what_to_type(capsys, monkeypatch):
    common._standard_input.cache_clear()
    monkeypatch.setattr(sys, "stdin", Mock(isatty=lambda: True))
    for words in ("analyze -", "robustness -", "compare - b.mp4", "report - --out a.md"):
        assert main(words.split()) == 2
        assert "cat clip.mp4 | unmask analyze -" in capsys.readouterr().err


def test_the_pictures_of_a_document_are_analyzed_with_what_it_says_of_itself(tmp_path, capsys):
    paper = containers.pdf(tmp_path / "paper.pdf")
    assert main(["analyze", str(paper), "--models", "texture", "--json", "-"]) == 0
    results = [Analysis.model_validate_json(line) for line in capsys.readouterr().out.splitlines()]
    assert [one.media.name for one in results] == [
        "paper.pdf, page 1, picture 1",
        "paper.pdf, page 3, picture 1",
        "paper.pdf, page 3, picture 2",
    ]
    for one in results:
        said = one.provenance.document
        assert said.name == "paper.pdf" and said.created.startswith("20") and said.edits == 0
    assert (
        "The document it stands in, by its own account: Document: paper.pdf; Created: 20"
        in summary(results[0])
    )
    (tmp_path / "cut.pdf").write_bytes(paper.read_bytes()[:300])
    assert main(["analyze", str(tmp_path / "cut.pdf")]) == 2
    assert "This document is damaged." in capsys.readouterr().err


def test_a_link_is_fetched_and_analyzed_where_links_are_on(clip, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("UNMASK_LINKS", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    links.small_internet(monkeypatch)
    missing, found = links.whole(b"", 404), links.whole(clip.read_bytes())
    with links.serving(links.PUBLIC, {"/a/talk.mp4": found, "/gone.mp4": missing}) as server:
        monkeypatch.setenv("UNMASK_LINKS_PORTS", str(server.server_port))
        urls = [server.url(links.PUBLIC, path) for path in ("/a/talk.mp4?key=secret", "/gone.mp4")]
        assert main(["analyze", *urls, "--frames", "6", "--json", "-"]) == 2
    talk, gone = map(json.loads, capsys.readouterr().out.splitlines())
    assert talk["media"]["name"] == "talk.mp4" and len(talk["timestamps"]) == 6
    assert gone["error"]["code"] == "link_status"
    assert not list(tmp_path.rglob("link"))  # nothing of it is kept


def test_frames_a_second_are_not_cut_to_the_usual_number(capsys):
    from tests.support.clips import face_clip

    path = face_clip(5, 320, 240, 25)
    assert main(["analyze", str(path), "--sampling", "fps", "--fps", "8", "--json", "-"]) == 0
    moments = Analysis.model_validate_json(capsys.readouterr().out).timestamps
    assert len(moments) == 40
    steps = [b - a for a, b in itertools.pairwise(moments)]
    assert sum(steps) / len(steps) == pytest.approx(1 / 8, abs=0.01)


def test_several_files_give_a_list_in_order_and_a_bad_one_an_error_in_its_place(
    clip, tmp_path, capsys
):
    bad = tmp_path / "notes.mp4"
    bad.write_text("this is not a video")
    out = tmp_path / "out.json"
    paths = [str(clip), str(bad), str(clip)]
    assert main(["analyze", *paths, "--frames", "4", "--json", str(out)]) == 2
    first, second, third = json.loads(out.read_text())
    assert second["name"] == "notes.mp4"
    assert second["error"]["code"]
    assert first["id"] == third["id"]
    printed = capsys.readouterr()
    assert len(printed.err.strip().splitlines()) == 1
    assert "notes.mp4" in printed.err


def test_what_is_wrong_with_one_of_several_files_leaves_the_others(clip, tmp_path, capsys):
    short, broken = write_clip(tmp_path / "short.mp4", seconds=1), tmp_path / "broken.mp4"
    shutil.copy(clip, broken)
    analyze = pipeline.Analyzer.analyze

    def analyzed(self, path, *args, **more):
        if Path(path) == broken:
            raise RuntimeError("a library gave up")
        return analyze(self, path, *args, **more)

    call = ["analyze", str(short), str(clip), "--start", "1.2", "--frames", "4"]
    call += ["--models", "texture", "--json", "-"]
    assert main(call) == 2, "the part that is asked for is not in one of them"
    first, second = json.loads(capsys.readouterr().out)
    assert first["error"]["code"] == "usage" and second["media"]["name"] == "clip.mp4"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.Analyzer, "analyze", analyzed)
        assert main(["analyze", str(broken), *call[2:]]) == 1
    printed = capsys.readouterr()
    first, second = json.loads(printed.out)
    assert first["error"]["code"] == "internal" and "a library gave up" in printed.err
    assert second["media"]["name"] == "clip.mp4"


def test_the_film_behind_a_picture_is_analyzed_in_its_place(clip, tmp_path, capsys):
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 64)).save(photo)
    assert main(["analyze", str(photo), "--film"]) == 2
    assert "There is no film behind this picture." in capsys.readouterr().err
    photo.write_bytes(photo.read_bytes() + clip.read_bytes())
    call = ["analyze", str(photo), "--film", "--models", "texture", "--frames", "4", "--json", "-"]
    assert main(call) == 0
    about = Analysis.model_validate_json(capsys.readouterr().out).media
    assert about.kind == "video" and about.name == "photo.jpg (film).mp4"


def test_a_number_that_is_no_time_is_not_printed(clip, capsys):
    assert main(["analyze", str(clip), "--start", "1e308"]) == 2
    assert len(capsys.readouterr().err) < 120


def test_a_missing_file_an_unknown_model_and_a_bad_number_are_one_line_each(
    clip, capsys, monkeypatch
):
    for arguments, word in (
        (["/no/such/file.mp4"], "file.mp4"),
        ([str(clip), "--models", "mesonett"], "mesonett"),
        ([str(clip), "--frames", "0"], "--frames"),
        ([str(clip), "--report", "x.docx"], "JSON"),
    ):
        assert main(["analyze", *arguments]) == 2
        error = capsys.readouterr().err
        assert word in error
        assert len(error.strip().splitlines()) == 1
    monkeypatch.setenv("UNMASK_MEMORY", "much")
    assert main(["models"]) == 2
    assert capsys.readouterr().err.startswith("unmask: UNMASK_MEMORY must be an amount")


def test_the_summary_says_the_verdict_in_words(clip, capsys):
    assert main(["analyze", str(clip), "--frames", "4"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("clip.mp4: ")
    assert "likelihood" in text
    assert "Who changed it, or why." not in text, "asked of a file that looks changed"


def test_models_are_listed(capsys):
    assert main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert any(row["bundled"] and row["ready"] and row["default"] for row in rows)
    assert main(["models"]) == 0
    assert rows[0]["id"] in capsys.readouterr().out


def test_a_strangers_words_do_not_steer_the_terminal(tmp_path, clip, capsys):
    """Nor write a line of ours: a changed report can't say of itself that it is intact."""
    verdict = "Intact: nothing was changed since it was sealed."
    trick = f"a\x1b[2J\u202eb\n{verdict}\tc"
    good, bad = tmp_path / f"{trick}.mp4", tmp_path / f"{trick}2.mp4"
    shutil.copy(clip, good)
    bad.write_text("no video")
    report = tmp_path / "report.json"
    assert main(["analyze", str(good), "--frames", "4", "--report", str(report)]) == 0
    assert main(["analyze", str(good), str(bad), "--frames", "4"]) == 2
    assert main(["verify", str(report), "--media", str(good)]) == 0
    tree = json.loads(report.read_text())
    tree["seal"] |= {"exported": trick, "analysis": trick, "media": trick}
    tree[trick] = trick
    report.write_text(json.dumps(tree))
    assert main(["verify", str(report), "--media", str(good)]) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline.Analyzer, "analyze", Mock(side_effect=RuntimeError(trick)))
        assert main(["analyze", str(good)]) == 1
    printed = capsys.readouterr()
    said = printed.out + printed.err
    assert "CHANGED since it was sealed." in said.splitlines() and said.count(verdict) > 9
    assert [row for row in said.splitlines() if row.startswith(verdict)] == [verdict]
    assert {c for c in said if unicodedata.category(c) in ("Cc", "Cf")} == {"\n"}


def test_nothing_stays_among_the_temporary_files(tmp_path, face_clip):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    variables = {"TMPDIR": str(scratch), "UNMASK_DATA": str(tmp_path / "data")}
    done = python("-m", "cli", "analyze", face_clip, "--frames", "2", variables=variables)
    assert done.returncode == 0, done.stderr
    assert list(scratch.iterdir()) == []


def test_no_library_speaks_before_an_answer(tmp_path):
    exif, clip = tmp_path / "exif.tif", tmp_path / "damaged.ts"
    Image.new("RGB", (64, 64)).save(exif, tiffinfo={34665: 7, 33434: "1/0"})
    write_clip(clip, seconds=1)
    data = bytearray(clip.read_bytes())
    data[4_000:4_400] = bytes(400)
    clip.write_bytes(data)
    call = ("analyze", exif, clip, "--frames", "2", "--models", "texture")
    done = python("-m", "cli", *call, variables={"UNMASK_DATA": str(tmp_path / "data")})
    assert (done.returncode, done.stderr) == (0, "")
    assert "damaged.ts: " in done.stdout


def test_both_answers_stand_in_the_summary():
    text = summary(make_analysis(whole=3.0, fake=False))
    assert text.startswith("council statement.webm: Likely AI-generated\n")
    # The question that most of the evidence comes from is first, and what pulled is under it.
    assert text.index("AI-generated head?") < text.index("Is a face fake?")
    assert re.search(r"AI-generated head\? Likely AI-generated, 9\d % of the evidence", text)
    assert "+3.1  Synthesis" in text


def test_a_folder_is_meant_from_where_the_command_was_given(tmp_path):
    """Also where the person's own folder has a `service` in it."""
    here = tmp_path / "here"
    (here / "service").mkdir(parents=True)
    (here / "service" / "__init__.py").write_text("raise SystemExit('not ours')")
    command = ("-P", "-m", "cli", "export-labels", "confirmed")
    done = python(*command, variables={"UNMASK_DATA": "kept"}, cwd=here)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(Path("confirmed", "labels.csv"))
    assert (here / "confirmed" / "labels.csv").is_file()
    assert (here / "kept" / "unmask.db").is_file()


def test_what_was_analyzed_outlives_a_kill(tmp_path):
    """A result is in the file as soon as it is there, not when the last one is."""
    from tests.support.clips import face_clip

    out, clips = tmp_path / "out.json", []
    for number in range(40):
        clip = tmp_path / f"clip-{number}.mp4"
        clip.write_bytes(face_clip(2, 640, 360, 25).read_bytes())
        clips.append(str(clip))
    command = ["analyze", *clips, "--frames", "4", "--json", str(out)]
    with subprocess.Popen(
        [sys.executable, "-m", "cli", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    ) as process:
        until(lambda: out.exists() and len(read_list(out)) >= 2)
        process.kill()
    results = read_list(out)
    assert 2 <= len(results) < len(clips)
    for number, result in enumerate(results):
        assert Analysis.model_validate(result).media.name == f"clip-{number}.mp4"


def read_list(path):
    """The results in a file that is being written; none while it is empty."""
    text = path.read_text("utf-8")
    return json.loads(text) if text else []


class Replaced(Exception):
    """Stands in for the end of this process: the server takes its place."""


def test_servers_are_started_where_they_are_told_to_listen(monkeypatch):
    """Unless it is told: where .streamlit/config.toml says, on this computer alone."""
    execv = Mock(side_effect=Replaced)
    monkeypatch.setattr(os, "execv", execv)
    for words in (["app", "--port", "8601"], ["app", "--address", "0.0.0.0"]):
        with pytest.raises(Replaced):
            main(["-v", *words])  # as it is raised
    first, second = (command for (_path, command), _ in execv.call_args_list)
    assert first[-2:] == ["--server.port", "8601"]
    assert second[-2:] == ["--server.address", "0.0.0.0"]
    served = Mock()
    monkeypatch.setattr("service.api.app.serve", served)
    assert main(["serve", "--port", "8602", "--address", "0.0.0.0"]) == 0
    assert main(["serve"]) == 0
    assert served.call_args_list == [call("0.0.0.0", 8602), call("127.0.0.1", 8502)]


@pytest.mark.parametrize(
    ("command", "shown"), [("library", "ACTION"), ("keys", "ACTION"), ("export-labels", "FOLDER")]
)
def test_help_of_a_command_that_a_module_runs_is_the_module_s(command, shown):
    done = python("-m", "cli", command, "--help", check=True)
    assert f"Usage: unmask {command}" in done.stdout and shown in done.stdout


def test_a_library_s_actions_are_named_where_none_is_given():
    done = python("-m", "cli", "library")
    assert done.returncode == 2
    assert "Take fingerprints of files" in done.stderr


def test_a_library_that_fails_is_asked_once_and_holds_nothing_up(clip, tmp_path, monkeypatch):
    (tmp_path / "unmask.db").touch()
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path))
    opened = Mock(side_effect=RuntimeError)
    monkeypatch.setattr(known, "open_originals", opened)
    about = media.probe(clip)
    with known.OriginalFinder() as library:
        assert [library.original_of(clip, about) for _ in range(3)] == [(None, None)] * 3
    opened.assert_called_once()


def test_an_analysis_asks_the_library_of_this_computer(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    (tmp_path / "press").mkdir()
    clip = write_clip(tmp_path / "press" / "talk.mp4", seconds=2)
    shared = write_clip(tmp_path / "shared.mp4", seconds=2, options={"crf": "30"})

    def unmask(*args, status=0):
        assert main([str(arg) for arg in args]) == status
        said = capsys.readouterr()
        return said.out if status == 0 else said.err

    asked = ("analyze", shared, "--frames", 4, "--json", tmp_path / "result.json")
    alone = unmask(*asked)
    assert "library" not in alone
    python("-m", "cli", "library", "add", clip.parent, check=True)  # its readers are confined
    found = unmask(*asked)
    place = f"The same footage is in your library: talk.mp4, from {clip.parent}."
    assert f"  {place} Begins at 00:00 of it. 4 of 4 frames match.\n" in found
    result = Analysis.model_validate_json((tmp_path / "result.json").read_text())
    assert result.comparison.original_media.name == "talk.mp4"
    assert result.comparison.finding is ComparisonFinding.NOTHING_DIFFERS
    assert unmask(*asked, "--no-library") == alone
    watched = ("live", shared, "--models", "texture")
    assert "  The same footage is in your library: talk.mp4, from" in unmask(*watched)
    assert "library" not in unmask(*watched, "--no-library")

    out = tmp_path / "batch"
    (tmp_path / "many").mkdir()
    shutil.copy(shared, tmp_path / "many" / "shared.mp4")
    Image.fromarray(skimage.data.coffee()).save(tmp_path / "many" / "other.png")
    (tmp_path / "many" / "broken.mp4").write_bytes(b"no video")
    many = ("batch", tmp_path / "many", "--out", out, "--frames", 4, "--models", "texture")
    assert "2 analyzed, 1 failed (unsupported 1)" in unmask(*many, status=2)
    lines = map(json.loads, (out / "results.jsonl").read_text().splitlines())
    told = {line["file"]: (line.get("analysis") or {}).get("comparison") for line in lines}
    assert told.pop("shared.mp4")["finding"] == "nothing_differs"
    assert told == {"other.png": None, "broken.mp4": None}
    with (out / "results.csv").open() as file:
        rows = {row["file"]: (row["original"], row["finding"]) for row in csv.DictReader(file)}
    assert rows["shared.mp4"] == ("talk.mp4", "nothing_differs")
    assert rows["other.png"] == rows["broken.mp4"] == ("", "")

    clip.unlink()  # what is known of it is left
    found = unmask(*asked)
    assert "is in your library: talk.mp4" in found
    result = Analysis.model_validate_json((tmp_path / "result.json").read_text())
    assert result.comparison is None
