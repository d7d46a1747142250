"""`unmask case`, from its opening to a log that somebody changed."""

import json
import zipfile

from pypdf import PdfReader

from cli import main
from cli.case import BROKEN
from detector import media
from tests.support.kept import put
from tests.support.result_sample import make_analysis, make_clip


def test_a_case_by_hand(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    clip = make_clip(tmp_path / "clip.webm")
    made = make_analysis(clip).model_copy(update={"media": media.probe(clip)})
    analysis = put(tmp_path / "data", clip, made)

    def run(*words):
        assert main(["case", *words]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    id = run("open", "Council statement", "--by", "Ada").strip()
    run("add", id, analysis, "--by", "Ada")
    run("link", id, "https://example.org/post/1")
    run("note", id, "Brought by mail.")
    run("status", id, "reviewed", "--reviewer", "Bob")
    (listed,) = json.loads(run("list", "--json"))
    assert (listed["title"], listed["reviewer"], len(listed["log"])) == (
        "Council statement", "Bob", 5,
    )  # fmt: skip
    assert "Ada (local)" in run("show", id)

    bag = tmp_path / "case.zip"
    run("export", id, str(bag), "--media")
    run("verify", str(bag))
    with zipfile.ZipFile(bag) as opened:
        names = [name for name in opened.namelist() if "/data/media/" in name]
        (log,) = [name for name in opened.namelist() if name.endswith("log.jsonl")]
        text = opened.read(log).decode()
    assert len(names) == 1
    pdf = tmp_path / "case.pdf"
    run("export", id, str(pdf), "--zone", "Asia/Kathmandu")
    pages = [page.extract_text() for page in PdfReader(pdf).pages]
    assert "UTC+05:45" in pages[0] and "UTC+05:45" in pages[1]
    assert main(["case", "export", id, str(pdf), "--zone", "Mars/Olympus"]) == 2
    assert "time zone" in capsys.readouterr().err
    changed = tmp_path / "log.jsonl"
    changed.write_text(text.replace("Brought by mail.", "Brought by hand."), "utf-8")
    assert main(["case", "verify", str(changed)]) == BROKEN
    assert "entry 4" in capsys.readouterr().err
    assert main(["case", "status", id, "reviewed"]) == 2
    assert main(["case", "export", id, str(tmp_path / "case.docx")]) == 2
    run("delete", id)
    assert run("list") == ""
