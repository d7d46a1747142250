"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ROOMS = ("detector", "service", "dashboard", "cli", "pages", "research")

MAX_FILE, MAX_FUNCTION = 400, 60
"""Lines; of a function without its docstring, which may say as much as it needs."""
REASON = "Longer than 400 lines because"
"""How a file's docstring begins to say why it is longer."""


def modules() -> list[Path]:
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(found) > 300
    return found


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The functions of a module, and how many lines each has without its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first, says = node.body[0], ast.get_docstring(node, clean=False) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if says else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_long_files_say_why_at_their_top() -> None:
    long = set()
    for path in modules():
        text = path.read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(text)) or ""
        if len(text.splitlines()) > MAX_FILE and REASON not in " ".join(docstring.split()):
            long.add(name(path))
    assert not long, "cut these, or say why they are long"


def test_functions_are_short() -> None:
    long = {
        f"{name(path)}:{function}"
        for path in modules()
        for function, lines in functions(ast.parse(path.read_text(encoding="utf-8")))
        if lines > MAX_FUNCTION
    }
    assert not long, "cut these"
