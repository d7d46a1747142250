"""Lines and tables of a terminal, and of a pipe."""

import io
import json
import sys

import pytest

from cli import common, main, sections, terminal
from detector.presentation import Grid, Row, Section, Text, facts


class Screen(io.StringIO):
    def isatty(self):
        return True


LONG = "  - " + "a suspicion that is worded in many words " * 5 + "ends here"
ROWS = [
    ("clip", "frame", "ready", "A network of pictures, read after four of its blocks, by words"),
    ("texture-of-faces", "frame", "not on this computer", "Filters and the grain of a face"),
]
HEADS = ("Model", "Kind", "State", "About")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_end_at_spaces_and_keep_their_indent(width):
    first, *rest = terminal.wrapped(LONG, width).split("\n")
    assert first.startswith("  - a") and rest and max(map(len, [first, *rest])) <= width
    assert all(line.startswith("    ") and line[4] != " " for line in rest)
    assert " ".join(line.strip() for line in [first, *rest]) == LONG.strip()


def test_what_continues_a_value_stands_under_it():
    text = "  Inside the face:     12.5 of 255 gray levels apart, in every frame that has it"
    assert terminal.wrapped(text, 60).split("\n") == [
        "  Inside the face:     12.5 of 255 gray levels apart, in",
        "                       every frame that has it",
    ]


def test_a_number_and_its_unit_and_a_path_stay_whole():
    text = f"It took 12 s, 88 %, to write /{'a' * 50}/results.jsonl"
    lines = terminal.wrapped(text, 11).replace("\u00a0", " ").split("\n")
    assert lines == ["It took", "12 s, 88 %,", "to write", f"/{'a' * 50}/results.jsonl"]


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_a_table_fits_its_terminal_without_a_broken_word(width):
    lines = "\n".join(terminal.table(HEADS, ROWS, width)).split("\n")
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    assert all(word in words for row in ROWS for cell in row[1:] for word in cell.split()[:-1])
    if width < 80:
        assert lines[0] == "clip" and lines[1].startswith("  Kind: frame; State: ready;")


def test_a_table_of_a_pipe_is_a_line_a_row():
    head, first, second = terminal.table(HEADS, ROWS)
    assert head.startswith("Model             Kind   State") and not head.endswith(" ")
    assert first.endswith(ROWS[0][-1]) and second.startswith("texture-of-faces  frame  not on")


def test_sections_are_drawn_for_a_terminal():
    blocks = Text("What we answer", "subhead"), Grid(HEADS, ROWS), facts([Row("Length", "14 s")])
    shown = [Section("x", "Clips", (*blocks, Text(LONG, "item")))]
    lines = "\n".join(sections.lines(shown, 80)).replace("\u00a0", " ").split("\n")
    assert lines[:2] == ["Clips", "====="] and "Length  14 s" in lines
    assert max(map(len, lines)) <= 80


def test_what_goes_to_a_pipe_is_not_wrapped(capsys, monkeypatch):
    common.tell(LONG)
    assert capsys.readouterr().out == f"{LONG}\n"
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")
    common.tell(LONG, "\x1b[31mred")
    said = screen.getvalue()
    assert "\x1b" not in said and max(map(len, said.split("\n"))) <= 60


def stream(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "gbk", "ascii", "latin-1", "utf-8"])
def test_output_of_every_encoding_is_written(monkeypatch, encoding):
    out = stream(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    terminal.prepare()
    common.tell("Łódź, 視 “−3” … ≤ 10 × 5")
    common.write_json("-", {"name": "視\udcff"})
    out.flush()
    said, data = out.buffer.getvalue().decode(encoding).split("\n", 1)
    if encoding == "utf-8":
        assert said == "Łódź, 視 “−3” … ≤ 10 × 5"
    else:
        assert said.endswith("10 x 5") or said.endswith("10 × 5")
        assert json.loads(data)["name"].startswith("視")
    assert "3" in said and said.replace("視", "?").count("?") == 1


def test_closed_streams_are_no_error(monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["verify", "no such file"]) == 2
    opened = [sys.stdin, sys.stdout, sys.stderr]
    assert all(one is not None for one in opened)
    for one in opened:
        one.close()
