"""The service waits in one way: for a change of the task queue, or an event, never by looking."""

import ast
from pathlib import Path

import service

ROOT = Path(service.__file__).parent
WAITS = {"sleep", "wait", "wait_for", "get", "acquire", "join", "wait_for_change"}
LEAST = 1.0  # s

REASONS = {
    "api/routes/live.py": "readings change 20 times a second, and no thread announces each",
    "records/supabase/bucket.py": "an exponential back-off of three tries, not a look",
}
"""Files with shorter pauses, and why."""


def constants(tree):
    """The numbers that a module names."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, int | float)
    }


def short_waits(source):
    """The lines of calls within loops that wait less than a second, as far as can be seen."""
    tree = ast.parse(source)
    known, found = constants(tree), set()
    for loop in ast.walk(tree):
        if not isinstance(loop, ast.While | ast.For | ast.AsyncFor):
            continue
        for call in ast.walk(loop):
            if not isinstance(call, ast.Call):
                continue
            function = call.func
            name = function.attr if isinstance(function, ast.Attribute) else ""
            name = function.id if isinstance(function, ast.Name) else name
            if name not in WAITS:
                continue
            for given in [*call.args, *(keyword.value for keyword in call.keywords)]:
                for part in ast.walk(given):
                    value = part.value if isinstance(part, ast.Constant) else None
                    value = known.get(part.id) if isinstance(part, ast.Name) else value
                    if isinstance(value, float) and value < LEAST:
                        found.add(call.lineno)
            if name == "sleep":
                found.add(call.lineno)
    return sorted(found)


def test_no_loop_of_the_service_looks_more_often_than_once_a_second():
    found = {}
    for path in ROOT.rglob("*.py"):
        if lines := short_waits(path.read_text("utf-8")):
            found[path.relative_to(ROOT).as_posix()] = lines
    assert found.keys() == REASONS.keys(), found


def test_the_look_for_short_waits_finds_them():
    assert short_waits("EVERY = 0.2\nwhile True:\n    stop.wait(EVERY)") == [3]
    assert short_waits("while True:\n    time.sleep(5)") == [2]
    assert short_waits("for x in y:\n    await asyncio.sleep(0.05)") == [2]
    assert short_waits("while True:\n    stop.wait(10.0)\nstop.wait(0.1)") == []
