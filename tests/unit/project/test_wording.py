"""Plain English in the source and in commit subjects."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tools import languages

ROOT = Path(__file__).parents[3]
SINCE = "2026-11-28"
"""Commit subjects are checked from this day on."""
ADVICE = {
    "what is fed": "the input",
    "whom it is of": "name the person or the file",
    "who(ever)? asks": "the caller",
    "it is said": "name who reports it, and where",
    "said of": "the text, the label or the scores of",
    "(is|are|was|were) told of": "reported",
    "nobody waits": "name the mechanism: background, asynchronous, lazy",
    "as it comes": "by default",
    "is no address": "is not a valid URL",
    "is not for that": "lacks the scope, may not",
    "answered from before": "served from cache",
    "that (is|are) none(?! of)": "invalid",
    "there is none of": "there is no …",
    "came from there": "from this address",
    r"of no \w+ under it": "no … differs",
    "is being made": "preparing",
    "comes any more": "stopped",
    "rates are of": "the subset that the rates refer to",
    "would be others than": "differ from",
    "(waits )?for the collector": "reference cycle, so that memory is freed at once",
    "those that spin": "busy-waiting threads",
    "nothing is known yet": "reset the state",
    "thresholds keep": "the error rates that thresholds must satisfy",
    "who comes in": "a new face",
    "sure of nothing": "abstentions",
}
"""Phrase to avoid -> what to write instead."""


DOCSTRINGS = {
    "whom": "name the person, the file or the principal",
    "nobody": "no person, no caller; not measured, by default",
    "somebody": "a person, a user, a caller",
    "whoever": "the user, the viewer, the operator, the reader",
    "held against": "compared with",
    "heard": "the sound, analyzed",
    "ours": "Unmask's, the shipped one, internal",
    "theirs": "the person's, the original's",
    "is said": "is shown, is reported; return the message",
    "(is|are) told": "is reported; is distinguished",
}
"""Words of docstrings to avoid -> what to write instead. Names in backticks are free."""
STRICT = DOCSTRINGS | {r"stands?\b(?! still\b| for\b)": "is, has, is written, is listed"}
PACKAGES = (
    "detector", "service", "dashboard", "cli", "pages", "plugins", "lab", "tools",
)  # fmt: skip
STRICT_ROOMS = ("lab", "detector/evaluation", "detector/comparison", "detector/schema")
PLAIN = STRICT | {
    "(any|every)body": "anyone; the user; untrusted",
    "strangers?": "untrusted",
    "looked (at|for)": "sampled, checked, searched, detected",
    "lets? go": "release, close, unload",
    "this room": "this package",
    "so many": "this number of",
    "says": "states, returns, documents",
    "(brings?|brought)": "load, download, move, scale; supplied by the user",
    r"what (is|was|are|were)\b": "the noun of it",
    "who (is|was|asks|has)": "the user, the caller",
}
NAMED_ROOMS = (
    "plugins/published/", "detector/audio/", "detector/isolation/", "detector/links/",
    "detector/media/", "detector/models/", "detector/provenance/", "detector/signals/",
    "detector/vision/", "detector/weights/",
)  # fmt: skip
"""Rooms whose modules begin with a noun and whose docstrings keep to `PLAIN`."""
ELSEWHERE = ("detector/models/ready.py", "detector/models/families/timbre.py")


QUESTIONS = re.compile(
    r"(about|do|does|from|how|if|is|of|what|when|where|whether|which|who|whom|whose|why)\b", re.I
)
"""Words that the docstring of a module does not begin with: it begins with the field's noun."""


def docstrings(path):
    """Yield the line and the text of each docstring, also those below a constant or a field."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for one in node.body:
                if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
                    yield one.lineno, str(one.value.value)


def test_docstrings_name_who_and_what_acts():
    found = []
    for room in PACKAGES:
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            words = STRICT if name.startswith(STRICT_ROOMS) else DOCSTRINGS
            if name.startswith(NAMED_ROOMS) and name not in ELSEWHERE:
                words = PLAIN
            for line, text in docstrings(path):
                plain = re.sub(r"`[^`]*`", "", " ".join(text.lower().split()))
                found += [
                    f"{name}:{line}: {word!r}; write: {instead}"
                    for word, instead in words.items()
                    if re.search(rf"\b{word}\b", plain)
                ]
    assert not found, "\n".join(found)


def test_modules_begin_with_the_noun_of_what_they_hold():
    modules = [path for room in NAMED_ROOMS for path in (ROOT / room).rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}: {text.splitlines()[0]}"
        for path in modules
        if QUESTIONS.match(text := ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
    ]
    assert not found, "\n".join(found)


SURFACES = ("dashboard", "cli", "service", "detector/live", "detector/report")
VALUES = ("alarms", "answer", "caption", "change", "finding", "levels", "likelihood",
          "probability", "reading", "said", "score", "seen", "verdict")  # fmt: skip
MEASURES = ("AUC", "calibration error", "correlation", "gray levels", "precision", "recall")
"""Nouns of what was measured of a result."""


def texts_of(*rooms):
    """Yield (place, text) of each text that these rooms mark."""
    for path in sorted(path for room in rooms for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for text in languages.marked(node) if isinstance(node, ast.Call) else ():
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    yield f"{path.relative_to(ROOT)}:{text.lineno}", text.value


def test_no_surface_has_a_sentence_of_its_own_about_a_result():
    """What fills in a value of a result is worded in the presentation, and none of its sentences
    stands in a surface as well."""
    known = {plain(text) for _place, text in texts_of("detector/presentation", "detector/messages")}
    values = re.compile(rf"\{{({'|'.join(VALUES)})\b")
    measures = re.compile(rf"\b({'|'.join(MEASURES)})\b", re.IGNORECASE)
    results = ("dashboard/charts", "dashboard/components", "dashboard/result",
               "dashboard/pages/compare", "dashboard/pages/evaluate")  # fmt: skip
    own = [
        f"{place}: {text!r}"
        for place, text in texts_of(*SURFACES)
        if values.search(text)
        or (text.count(" ") > 2 and plain(text) in known)
        or (place.startswith(results) and measures.search(text))
    ]
    own += [f"{place}: {text!r}" for place, text in texts_of("dashboard/charts")]
    assert not own, "\n".join(own)


def plain(text):
    return text.replace("’", "'").rstrip(".").lower()


def test_no_phrase_of_the_word_list_is_used():
    found = []
    for room in (*PACKAGES, "docs"):
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix not in {".py", ".md", ".js", ".css"}:
                continue
            text = " ".join(path.read_text("utf-8").lower().split())
            found += [
                f"{path.relative_to(ROOT)}: {phrase!r}; write: {instead}"
                for phrase, instead in ADVICE.items()
                if re.search(rf"\b{phrase}\b", text)
            ]
    assert not found, found


def test_commit_subjects_are_short_and_imperative():
    if not (ROOT / ".git").exists():
        pytest.skip("no Git history here")
    command = ["git", "log", "--no-merges", "--format=%s", f"--since={SINCE}T00:00:00Z"]
    subjects = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wrong = [
        subject
        for subject in subjects.splitlines()
        if len(subject) > 72 or not re.match(r"[A-Z].*[^.\s]$", subject)
        or re.match(r"(The|A|An|No|Of|Who|What|Where|That|Nobody)\b", subject)
    ]  # fmt: skip
    assert not wrong, wrong
