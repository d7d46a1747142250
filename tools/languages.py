"""Make the file of a language, or update it: python -m tools.languages de

Without a code it reports what each language lacks (`make languages`).

It writes locale/de/LC_MESSAGES/unmask.po: every text of the dashboard, the service, commands,
reports and the detector's sentences, and what the catalog says of the bundled models, with the
translations that exist. A text that changed a little keeps its translation, marked "fuzzy"; fuzzy
and empty ones are shown in English. Any gettext editor opens the file.
"""

import argparse
import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import get_args

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from detector import questions, samples
from detector.models import registry
from detector.perturbation import conditions
from detector.provenance import pictures
from detector.schema.ensemble import NotCounted
from detector.selfcheck import Order
from detector.sentences import spec_of
from detector.signals import list_signals
from service.languages import available

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "locale"
DASHBOARD = ROOT / "dashboard"
SERVICE = ROOT / "service"
DETECTOR = ROOT / "detector"
REPORT = DETECTOR / "report"
MARKS = dict.fromkeys(("_", "Template"), slice(0, 1))
MARKS |= {"ngettext": slice(0, 2), "count": slice(1, 3)}
"""What marks texts, and which of its arguments they are (`detector.sentences`)."""


def marked(call: ast.Call) -> list[ast.expr]:
    """Return the texts that a call marks: one, or the two forms of one."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name not in MARKS or (name == "count" and len(call.args) != 3):
        return []
    return call.args[MARKS[name]]


def helped(file: str, node: ast.AST) -> list[ast.expr]:
    """Return what the help of a command shows: its docstring, and the texts of its options."""
    if isinstance(node, ast.FunctionDef):
        marks = "".join(map(ast.unparse, node.decorator_list))
        # The last two stand in files of other commands.
        names = (Path(file).stem, "_unmask", "serve", "watch")
        named = node.name in names or "command(" in marks
        text = ast.get_docstring(node) if named and "help=" not in marks else None
        return [ast.Constant(text)] if text else []
    if not isinstance(node, ast.Call):
        return []
    group = node.args if ast.unparse(node.func) in ("group", "opt", "arg") else []
    group = [text for text in group if not re.match(r"['\"]-+\w", ast.unparse(text))]
    shown = ("help", "metavar", "subcommand_metavar")
    return [*group, *(key.value for key in node.keywords if key.arg in shown)]


def sources(folder: Path = DASHBOARD) -> Iterator[tuple[str, ast.Module]]:
    """Yield every file of the dashboard, or of another package, by its path there."""
    for file in sorted(folder.rglob("*.py")):
        yield file.relative_to(folder).as_posix(), ast.parse(file.read_text("utf-8"))


def facts() -> Iterator[str]:
    """Yield the data that sentences quote: of the bundled models, samples and signals, of
    Robustness's changes, what models are made for and why they are not counted, tags of files, and
    the self-check's answers."""
    for spec in registry.list_models():
        if spec.bundled:
            yield from (spec.plain, spec.finding, spec.confused_by)
        if spec.bundled and spec.calibration and (made_of := spec_of(spec.calibration.data)):
            yield made_of.text
    yield from (condition.title for condition in conditions.ALL)
    yield from _of_samples()
    yield from questions.QUESTION_OF
    for measure in list_signals():
        yield from measure.spec.texts
    for tags in (
        pictures.TAGS,
        pictures.STREAM_TAGS,
        pictures.EXIF,
        pictures.XMP,
        pictures.IIM,
        pictures.CHUNKS,
    ):
        yield from (name for _group, name in tags.values())
    yield from ("PNG text", "GIF text", "JPEG text", *get_args(Order), "verified")
    yield from (why.value for why in NotCounted)


@cache
def _of_samples() -> list[str]:
    shown = (sample for sample, _, _ in samples.gallery(Path()) if sample.offered)
    return [text for sample in shown for text in (sample.title, sample.subtitle)]


def texts(code: str | None = None) -> Catalog:
    """Return every text of the dashboard and of the detector's sentences, untranslated."""
    catalog = Catalog(locale=code, project="Unmask", fuzzy=False)
    rooms = (
        (".", [("app.py", ast.parse((ROOT / "app.py").read_text("utf-8")))]),
        ("dashboard", sources()),
        ("service", sources(SERVICE)),
        ("cli", sources(ROOT / "cli")),
        ("detector", sources(DETECTOR)),
        ("plugins", sources(ROOT / "plugins")),
    )
    for folder, files in rooms:
        for file, tree in files:
            for node in ast.walk(tree):
                place = [((Path(folder) / file).as_posix(), getattr(node, "lineno", 1))]
                marks = marked(node) if isinstance(node, ast.Call) else []
                command = folder == "cli" or file.startswith("mcp_server/")
                found = [*marks, *(helped(file, node) if command else [])]
                literals = [str(text.value) for text in found if isinstance(text, ast.Constant)]
                if len(literals) == len(marks) == 2:
                    catalog.add(tuple(literals), locations=place)
                    continue
                for text in filter(None, literals):
                    catalog.add(text, locations=place)
    for text in facts():
        if text and text not in catalog:
            catalog.add(text, locations=[("weights/manifest.toml", 1)])
    return catalog


def file_of(code: str) -> Path:
    """Return the path of a language's file."""
    return FOLDER / code / "LC_MESSAGES" / "unmask.po"


def update(code: str) -> tuple[int, int]:
    """Write a language's file; how many texts it has, and how many of them are translated."""
    file = file_of(code)
    catalog = Catalog(locale=code, project="Unmask", fuzzy=False)
    if file.exists():
        with file.open("rb") as before:
            catalog = read_po(before, locale=code)
    catalog.msgid_bugs_address = ""  # else the placeholder EMAIL@ADDRESS
    catalog.update(texts(code))
    for message in catalog:
        message.flags.discard("python-brace-format")  # a test compares the braces
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as output:
        write_po(output, catalog, width=0, sort_output=True, no_location=True, ignore_obsolete=True)
    ready = [m for m in catalog if m.id and _whole(m.string) and not m.fuzzy]
    return len(catalog), len(ready)


def _whole(string: str | Sequence[str] | None) -> bool:
    return bool(string and all(string))


def report() -> None:
    """Print how much of each language is translated, and the texts that it shows in English."""
    for code in available():
        with file_of(code).open("rb") as source:
            catalog = read_po(source, locale=code)
        wanted = [message.id for message in texts(code) if message.id]
        known = {m.id for m in catalog if m.id and _whole(m.string) and not m.fuzzy}
        missing = [id for id in wanted if id not in known]
        print(f"{code}: {len(wanted) - len(missing)} of {len(wanted)} texts translated")
        for id in missing:
            text = id if isinstance(id, str) else id[0]
            print(f"  English: {' '.join(text.split())}")


def main() -> None:
    """Update the file of the language that is named on the command line, or report on all."""
    parser = argparse.ArgumentParser(description="Make the file of a language, or update it.")
    parser.add_argument("code", nargs="?", help="of the language: de, fr, pt_BR; none: a report")
    code = parser.parse_args().code
    if code is None:
        report()
        return
    try:
        name = Locale.parse(code).english_name
    except (ValueError, UnknownLocaleError):
        raise SystemExit(f"unmask: {code!r} is not the code of a language") from None
    total, ready = update(code)
    place = file_of(code).relative_to(ROOT)
    print(f"unmask: {name}: {ready} of {total} texts translated, in {place}")


if __name__ == "__main__":
    main()
