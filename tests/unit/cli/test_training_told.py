"""What a terminal, and a file, are told of a training run."""

import io
import re
import sys

from cli import main
from cli.common import ProgressBar
from cli.train import TrainingProgressBar
from detector.errors import UsageError


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
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
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
