"""Makes a language of the dashboard, or brings one up to date.

    python tools/language.py de

writes dashboard/languages/de.po: every text of the dashboard, with the translations there were.
A text that changed a little keeps its old translation, marked "fuzzy"; such, and empty ones, are
shown in English. Any editor for gettext files opens it.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

DASHBOARD = Path(__file__).resolve().parents[1] / "dashboard"
FOLDER = DASHBOARD / "languages"
MARKS = {"_": slice(0, 1), "ngettext": slice(0, 2), "count": slice(1, 3)}
"""What marks texts, and which of its arguments they are: dashboard/language.py, words.py."""


def marked(call: ast.Call) -> list[ast.expr]:
    """The texts that a call marks: one, or the two forms of one."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name not in MARKS or (name == "count" and len(call.args) != 3):
        return []
    return call.args[MARKS[name]]


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Every file of the dashboard, by its path in it."""
    for file in sorted(DASHBOARD.rglob("*.py")):
        yield file.relative_to(DASHBOARD).as_posix(), ast.parse(file.read_text("utf-8"))


def texts(code: str | None = None) -> Catalog:
    """Every text of the dashboard, untranslated.

    Read from the syntax tree: before Python 3.12 Babel's own reader sees nothing in an f-string.
    """
    catalog = Catalog(locale=code, project="Unmask", fuzzy=False)
    for file, tree in sources():
        for node in ast.walk(tree):
            found = marked(node) if isinstance(node, ast.Call) else []
            literals = [str(text.value) for text in found if isinstance(text, ast.Constant)]
            if literals:
                message = literals[0] if len(literals) == 1 else tuple(literals)
                catalog.add(message, locations=[(f"dashboard/{file}", node.lineno)])
    return catalog


def update(code: str) -> tuple[int, int]:
    """Write a language's file; how many texts it has, and how many of them are translated."""
    file = FOLDER / f"{code}.po"
    catalog = Catalog(locale=code, project="Unmask", fuzzy=False)
    if file.exists():
        with file.open("rb") as before:
            catalog = read_po(before, locale=code)
    catalog.update(texts(code))
    FOLDER.mkdir(exist_ok=True)
    with file.open("wb") as output:
        write_po(output, catalog, width=100, omit_header=False, sort_output=True)
    ready = [m for m in catalog if m.id and _whole(m.string) and not m.fuzzy]
    return len(catalog), len(ready)


def _whole(string: str | tuple[str, ...]) -> bool:
    return all(string) if isinstance(string, tuple) else bool(string)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("code", help="of the language: de, fr, pt_BR")
    code = parser.parse_args().code
    try:
        name = Locale.parse(code).english_name
    except (ValueError, UnknownLocaleError):
        raise SystemExit(f"unmask: {code!r} is not the code of a language") from None
    total, ready = update(code)
    print(f"unmask: {name}: {ready} of {total} texts translated, in {FOLDER.name}/{code}.po")


if __name__ == "__main__":
    main()
