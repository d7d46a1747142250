"""Imports: the arrows of docs/contracts.md, no cycles, and every one a declared dependency."""

import ast
import functools
import importlib.metadata
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.support.dependencies import OTHERS as FOLDERS
from tests.support.dependencies import declared

ROOT = Path(__file__).resolve().parents[3]
PRODUCT = ("detector", "service", "dashboard", "cli")
OTHERS = tuple(FOLDERS.values())
ROOMS = {*PRODUCT, *(Path(other).name for other in OTHERS), "pages", "deploy", "tests", "tools"}


@functools.cache
def nodes(path):
    """Everything in a file, read once for all tests."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports(path):
    """Dotted names that a file imports, anywhere in it."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def sources(*rooms):
    """The modules of these folders."""
    return [path for room in rooms for path in (ROOT / room).rglob("*.py")]


def outside(paths):
    """Top-level names of other people's packages that these files import, and one that does."""
    found = {name.split(".")[0]: path for path in paths for name in imports(path)}
    ours = ROOMS | set(sys.stdlib_module_names)
    return {name: path for name, path in found.items() if name not in ours}


def test_the_arrows_hold():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "kept, 0 broken" in run.stdout


def test_the_library_starts_nothing_above_it():
    """A module's name in a string is an import as well."""
    above = re.compile(r"python -m (service|cli)|\b(service|cli)\.[a-z_]+")
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sources("detector")
        for match in above.finditer(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_a_page_is_an_import_and_a_call():
    for path in (ROOT / "pages").glob("*.py"):
        module = f"dashboard.pages.{path.stem}"
        assert list(imports(path)) == [module, f"{module}.view"], path
        assert len(path.read_text("utf-8").splitlines()) == 5, path
    for path in sources(*PRODUCT):
        assert not {"app", "pages"} & {name.split(".")[0] for name in imports(path)}, path


def test_one_module_touches_what_streamlit_does_not_promise():
    """`dashboard._compat` gives each piece its reason; a new version is tried there first."""
    inside = ("runtime", "web", "config", "net_util", "source_util", "proto")
    private = {f"streamlit.{name}" for name in inside}
    found = {
        path.relative_to(ROOT).as_posix()
        for path in [*sources("dashboard", "service", "pages"), ROOT / "app.py"]
        if any(".".join(name.split(".")[:2]) in private for name in imports(path))
        or re.search(r"\bst\.runtime\b", path.read_text("utf-8"))
    }
    assert found == {"dashboard/_compat.py"}


def test_html_is_written_in_components_alone():
    """Pages say what is there: they draw no HTML, and nothing makes text HTML unseen."""
    inside = ROOT / "dashboard" / "components"
    wrong = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in sources("dashboard", "pages")
        if not path.is_relative_to(inside)
        for call in nodes(path)
        if isinstance(call, ast.Call)
        if (isinstance(call.func, ast.Attribute) and call.func.attr == "html")
        or (isinstance(call.func, ast.Name) and call.func.id == "tag")
        or any(word.arg == "unsafe_allow_html" for word in call.keywords)
    ]
    assert not wrong


@functools.cache
def distributions():
    """Top-level import name -> normalized names of the packages that bring it."""
    brought = importlib.metadata.packages_distributions()
    return {name: {canonicalize_name(d) for d in dists} for name, dists in brought.items()}


def names(*extras: str) -> set[str]:
    """Normalized names of what is declared."""
    return {canonicalize_name(one.name) for one in declared(*extras)}


@pytest.mark.parametrize(
    ("places", "extras"),
    [
        (["detector", "cli"], ["full"]),
        (["service", "dashboard", "pages", "app.py"], ["dashboard"]),
        (["plugins/published"], ["plugins/published"]),
        (["plugins/cluster"], ["plugins/cluster"]),
        (["plugins/mcp_server"], ["plugins/mcp_server"]),
        (["plugins/s3"], ["plugins/s3"]),
        (["plugins/ytdlp"], ["plugins/ytdlp"]),
        (["lab"], ["dashboard", "lab", "test"]),
        (["tests", "conftest.py"], ["dashboard", "lab", "test"]),
    ],
)
def test_what_is_imported_is_declared(places, extras):
    """An import that only works because another package happens to bring it breaks one day."""
    files = [*sources(*places), *(ROOT / place for place in places if place.endswith(".py"))]
    allowed = names(*extras)
    missing = {
        name: str(path.relative_to(ROOT))
        for name, path in outside(files).items()
        if not distributions().get(name, {name}) & allowed
    }
    assert not missing


def test_ray_is_known_in_one_room():
    assert "ray" in outside(sources("plugins/cluster"))
    others = set(OTHERS) - {"plugins/cluster"}
    assert "ray" not in outside(sources(*PRODUCT, *others))


def test_every_dependency_is_of_use():
    used: set[str] = set()
    for name in outside(sources(*PRODUCT, "plugins/published")):
        used |= distributions().get(name, {name})
    pins = {"uharfbuzz"}  # not imported: fpdf2 looks for it
    assert names("dashboard") - used == pins


def test_each_class_has_a_name_of_its_own():
    places: dict[str, list[str]] = {}
    for path in sources(*PRODUCT, *OTHERS):
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())
    assert len(places) > 300
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


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


@pytest.mark.parametrize("package", [*PRODUCT, *OTHERS])
def test_modules_do_not_need_each_other(package):
    room = ROOT / package
    assert cycle(modules(room.parent, room.name)) == []
