"""What the command takes and says: options, cases, training, and what it can not take."""

import io
import json
import re
import sys
import zipfile
from pathlib import Path

from pypdf import PdfReader

from cli import command, main
from cli import terminal as terminals
from cli.analyze import ANSWER_LINES, answer, summary
from cli.case import BROKEN
from cli.common import ProgressBar
from detector import media
from detector.errors import UsageError
from detector.schema.analysis import Label
from lab.cli.train import TrainingProgressBar
from tests.support.kept import put
from tests.support.result_sample import make_analysis, make_clip

LEADS = "  The face of Person B (right), 00:01 to 00:08 and 00:10 to"


def test_of_several_people_it_is_said_who_leads_and_what_the_others_are():
    two = summary(make_analysis()).splitlines()
    assert two[1].startswith(LEADS)
    assert two[2] == "  No sign of manipulation found for Person A (left)."
    many = make_analysis(people="ABCDEFG")
    for subject in many.seen:
        if subject.id != many.verdict.subject:
            subject.label = Label.INCONCLUSIVE
    lines = summary(many).splitlines()
    assert lines[1].startswith(LEADS)
    assert lines[2] == "  Can’t tell for 6 more people."


def test_without_a_sign_all_people_are_counted():
    assert summary(make_analysis(fake=False)).splitlines()[1] == "  For 2 people, in 32 frames."


def test_one_person_has_no_side_and_of_several_generated_heads_each_is_named():
    assert summary(make_analysis(people="B")).splitlines()[1].startswith("  The face of Person B, ")
    generated = summary(make_analysis(whole=3.0)).splitlines()
    assert generated[1].startswith("  Mostly the head of Person B (right), ")
    assert "Likely AI-generated too: Person A (left)." in "\n".join(generated)


LINK = "https://www.example.com/watch?v=abc"


def test_a_link_is_refused_where_none_are_fetched(tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main(["analyze", LINK, "--json", str(out)]) == 2
    assert f"unmask: {LINK}: Links are not fetched here" in capsys.readouterr().err
    tree = json.loads(out.read_text())
    assert (tree["name"], tree["error"]["code"]) == (LINK, "links_off")
    said = "Links are not read here. Download the file first, or give the link on the page, where"
    for words in (
        ["analyze", "a.mp4", "--original", LINK],
        ["compare", "a.mp4", LINK],
        ["robustness", LINK],
    ):
        assert main(words) == 2
        assert capsys.readouterr().err.startswith(f"unmask: {said}")


def test_a_folder_is_told_which_command_takes_it(tmp_path, capsys):
    assert main(["analyze", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "This is a folder, not a file. `unmask batch FOLDER --out DIR`" in error


def test_labels_that_are_no_file_are_said_as_every_other(tmp_path, capsys):
    missing = tmp_path / "missing.csv"
    assert main(["evaluate", str(missing)]) == 2
    assert capsys.readouterr().err == (
        f"unmask: {missing}: There is no such file. Check the path.\n"
    )
    assert main(["evaluate", str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"unmask: Nothing in {tmp_path} says which files are real. Put them into the folders real/ "
        "and fake/, or write a CSV of labels.\n"
    )


def test_an_unknown_model_is_told_the_nearest_and_what_lists_all(tmp_path, capsys):
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\na.mp4,real\nb.mp4,fake\n")
    assert main(["evaluate", str(labels), "--models", "nosuch"]) == 2
    error = capsys.readouterr().err
    assert "There is no model 'nosuch'. The nearest are" in error
    assert "`unmask models` lists all." in error and len(error) < 150


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


def test_options_without_a_value_have_one_and_a_value_is_kept():
    evaluate = command("evaluate")
    first = evaluate.make_context("evaluate", ["--conditions", "--frames", "4", "a.csv"])
    assert first.params["conditions"] == "few"
    bare = evaluate.make_context("evaluate", ["a.csv", "--baselines", "--conditions"])
    named = evaluate.make_context(
        "evaluate", ["a.csv", "--baselines", "x,y", "--conditions", "all"]
    )
    assert (bare.params["baselines"], bare.params["conditions"]) == ("all", "few")
    assert (named.params["baselines"], named.params["conditions"]) == ("x,y", "all")


def test_train_takes_several_weights_after_one_option():
    arguments = ["clip", "--data", "set.csv", "-o", "out", "--weights", "A", "B", "--begin", "clip"]
    params = command("train").make_context("train", arguments).params
    assert [Path(path) for path in params["weights"]] == [Path("A"), Path("B")]


class Screen(io.StringIO):
    """A terminal that keeps what was drawn on it."""

    def isatty(self):
        return True


def follow(meter):
    """Two kinds of faces, then eight steps with two checks."""
    for total in (3, 2):
        for done in range(1, total + 1):
            meter("faces", done, total, {})
    for step in range(1, 9):
        meter("training", step, 8, {"loss": 0.5 / step, "dfdc auc": 0.75} if step % 4 == 0 else {})


def test_a_file_gets_a_line_a_stage_and_a_check(capsys):
    follow(TrainingProgressBar())
    assert capsys.readouterr().err.splitlines() == [
        "3 of 3 files searched for faces",
        "2 of 2 files searched for faces",
        "training 4 of 8  loss 0.125  dfdc auc 0.750",
        "training 8 of 8  loss 0.062  dfdc auc 0.750",
    ]


def terminal(monkeypatch):
    """Takes the place of standard error; called in a test, since pytest puts its own there."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    return screen


def drawn(screen):
    """The lines that stay on the screen, without colors."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    lines = (re.split(r"\x1b\[2K|\r", line)[-1].strip() for line in plain.split("\n"))
    return [line for line in lines if line and not line.startswith("\x1b")]


def test_a_terminal_gets_a_bar_and_the_figures_above_it(monkeypatch):
    screen = terminal(monkeypatch)
    follow(TrainingProgressBar())
    lines = drawn(screen)
    assert any("3 of 3 files searched for faces" in line and "━" in line for line in lines)
    assert any("4 of 8 steps" in line or "7 of 8 steps" in line for line in lines)
    assert [line for line in lines if line.startswith("training")] == [
        "training 4 of 8  loss 0.125  dfdc auc 0.750",
        "training 8 of 8  loss 0.062  dfdc auc 0.750",
    ]
    assert screen.getvalue().rstrip().rfind("\x1b[?25h") > screen.getvalue().rfind("\x1b[?25l")


def test_work_that_breaks_leaves_the_terminal_as_it_was(monkeypatch):
    screen, out = terminal(monkeypatch), sys.stdout

    def broken(*_args, **_more):
        ProgressBar("scored")(1, 9)
        assert sys.stdout is out, "results are never taken for progress"
        raise UsageError("It broke.")

    monkeypatch.setattr("detector.selfcheck.selfcheck", broken)
    assert main(["selfcheck"]) == 2
    assert sys.stderr is screen and "It broke." in screen.getvalue()
    assert screen.getvalue().rfind("\x1b[?25h") > screen.getvalue().rfind("\x1b[?25l") >= 0


def test_a_download_of_unknown_size_is_drawn_too(monkeypatch):
    screen = terminal(monkeypatch)
    bar = ProgressBar("net.bin", "bytes")
    bar(1_000_000, 0)
    bar(2_000_000, 2_000_000)
    assert any("net.bin" in line and "2.0/2.0 MB" in line for line in drawn(screen))


def test_a_file_is_told_nothing_of_downloads(capsys):
    ProgressBar("net.bin", "bytes")(2, 2)
    ProgressBar("clip.mp4", "share")(1.0, 1)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_at_most_eight_lines_unless_more_are_asked_for():
    analysis = make_analysis(people="ABCDEFG")
    notes = [f"Note {n} takes a whole line of a terminal, and a part of the next" for n in range(9)]
    noted = analysis.media.model_copy(update={"notes": notes})
    analysis = analysis.model_copy(update={"media": noted})
    shown = terminals.wrapped(answer(analysis), 80).splitlines()
    assert 4 <= len(shown) <= ANSWER_LINES and max(map(len, shown)) <= 80
    assert shown[0].startswith(f"{analysis.media.name}: ")
    assert len(summary(analysis).splitlines()) > 15
