"""No module needs a module that needs it, however late or for whatever it imports."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def modules(folder, package):
    """Every module of a package by its dotted name."""
    found = {}
    for path in (folder / package).rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def graph(known):
    """Which modules each imports, at its top, within functions and for type checkers alike."""
    needs: dict[str, set[str]] = {}
    for name, path in known.items():
        asked = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                asked |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    asked.add(full if full in known else node.module)
        needs[name] = (asked & set(known)) - {name}
    return needs


def cycle(known):
    """Return the modules of one circle, or an empty list."""
    try:
        TopologicalSorter(graph(known)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("package", ["detector", "service", "dashboard", "cli"])
def test_modules_do_not_need_each_other(package):
    assert cycle(modules(ROOT, package)) == []
