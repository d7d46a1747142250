"""Each sentence of an error is marked for translation, where a person may read it."""

import ast
from pathlib import Path

from detector import paths

ROOT = Path(paths.__file__).parents[1]
PACKAGES = ("detector", "service", "dashboard", "cli")


def errors():
    """The names of all classes below UnmaskError."""
    bases: dict[str, set[str]] = {}
    for _path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                names = {base.id for base in node.bases if isinstance(base, ast.Name)}
                bases.setdefault(node.name, set()).update(names)
    known = {"UnmaskError"}
    while more := {name for name, above in bases.items() if above & known} - known:
        known |= more
    return known


def trees():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, ast.parse(path.read_text("utf-8"))


def bare(node):
    """Whether an expression is a sentence that no translation reaches."""
    if isinstance(node, ast.JoinedStr):
        words = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        return any(letter.isalpha() for letter in words) and " " in words
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value


def unmarked(tree, names):
    """The lines of errors with a text or hint that is not marked."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and bare(node.value):
            target = node.targets[0]
            named = target.attr if isinstance(target, ast.Attribute) else ""
            named = target.id if isinstance(target, ast.Name) else named
            if named == "hint":
                found.append(node.lineno)
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.id if isinstance(function, ast.Name) else ""
        hints = [keyword.value for keyword in node.keywords if keyword.arg == "hint"]
        if name in names and any(map(bare, [*node.args[:1], *hints])):
            found.append(node.lineno)
    return found


def test_each_sentence_of_an_error_is_marked():
    names = errors()
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path, tree in trees()
        for line in unmarked(tree, names)
    ]
    assert not found
