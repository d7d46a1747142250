"""What a terminal, and a file, are told of a training run."""

from __future__ import annotations

import io
import sys

import pytest

from detector.cli import common
from detector.cli.train import TrainingProgressBar


class Screen(io.StringIO):
    """A terminal that keeps what was drawn on it."""

    def isatty(self) -> bool:
        return True


def follow(meter: TrainingProgressBar) -> None:
    """Two kinds of faces, then eight steps with two checks."""
    for total in (3, 2):
        for done in range(1, total + 1):
            meter("faces", done, total, {})
    for step in range(1, 9):
        meter("training", step, 8, {"loss": 0.5 / step, "dfdc auc": 0.75} if step % 4 == 0 else {})


def test_a_file_gets_a_line_a_stage_and_a_check(capsys: pytest.CaptureFixture[str]) -> None:
    follow(TrainingProgressBar())
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "3 of 3 files searched for faces",
        "2 of 2 files searched for faces",
        "training 4 of 8  loss 0.125  dfdc auc 0.750",
        "training 8 of 8  loss 0.062  dfdc auc 0.750",
    ]


def test_a_terminal_gets_a_bar_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, clock = Screen(), iter(range(1000))
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(common.time, "monotonic", lambda: next(clock) * 10.0)
    follow(TrainingProgressBar())
    drawn = screen.getvalue().split("\r")
    bars = [line.rstrip() for line in drawn if line.startswith("[")]
    assert bars[0] == f"[{'#' * 8}{'.' * 16}] 1 of 3 files searched for faces, about 20 s left"
    assert f"[{'#' * 6}{'.' * 18}] 2 of 8 steps, about 60 s left" in bars
    assert f"[{'#' * 15}{'.' * 9}] 5 of 8 steps, about 30 s left" in bars
    # Figures stand on lines of their own, with no rest of the bar behind them.
    kept = [line.rpartition("\r")[2].rstrip() for line in screen.getvalue().split("\n")]
    assert kept[2:] == [
        "training 4 of 8  loss 0.125  dfdc auc 0.750",
        "training 8 of 8  loss 0.062  dfdc auc 0.750",
        "",
    ]


def test_a_terminal_is_not_drawn_on_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, clock = Screen(), iter(range(10_000))
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(common.time, "monotonic", lambda: 100 + next(clock) * 0.01)
    meter = TrainingProgressBar()
    for step in range(1, 501):
        meter("training", step, 500, {})
    assert 40 < screen.getvalue().count("\r") < 60
