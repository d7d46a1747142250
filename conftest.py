"""Tests marked `shared` compare with reference files that are not part of the repository.

They lie in `shared` beside the checkout. Where that folder is missing these tests are deselected.
So are tests marked `quarantine`: they are flaky, and the marker states the cause. The summary
reports both. No failing test is run again.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Their assertions explain themselves as those of test files do.
pytest.register_assert_rewrite("tests.support.records_contract", "tests.support.sql_contract")

SHARED = Path(__file__).resolve().parent.parent / "shared"
_deselected = pytest.StashKey[list[str]]()

FIRST_BROWSER = ("browser", "browser_live", "browser_records", "browser_result", "browser_verdict")
"""Half of what drives a browser, by time."""


class Turns(LoadFileScheduling):
    """What a worker runs in one go: a file, whose tests share its fixtures; and either half of all
    that drives a browser, since three browsers at once starve each other on two cores, and all in
    one row take longer than everything else."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        name = Path(file).stem.removeprefix("test_")
        if not name.startswith("browser"):
            return file
        return "a browser" if name in FIRST_BROWSER else "another browser"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Turns:
    return Turns(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Long files first, so that neither of two workers is left with one at the end.
    items.sort(key=lambda item: not (_is(item, "large") or _is(item, "browser")))
    flaky = [item for item in items if _is(item, "quarantine")]
    out = [] if SHARED.is_dir() else [item for item in items if _is(item, "shared")]
    lines = [f"quarantined: {item.nodeid}: {_cause(item)}" for item in flaky]
    if out:
        lines.append(f"{len(out)} tests were left out: they need the reference files in {SHARED}.")
    config.stash[_deselected] = lines
    if hasattr(config, "workeroutput"):
        config.workeroutput["deselected"] = lines
    if leave := {*flaky, *out}:
        config.hook.pytest_deselected(items=[item for item in items if item in leave])
        items[:] = [item for item in items if item not in leave]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker deselected: the process that prints the summary collects nothing."""
    node.config.stash[_deselected] = getattr(node, "workeroutput", {}).get("deselected", [])


def pytest_collection_finish() -> None:
    # Modules live to the end: a million objects that every search for garbage would walk through.
    gc.collect()
    gc.freeze()


def _is(item: pytest.Item, marker: str) -> bool:
    return item.get_closest_marker(marker) is not None


def _cause(item: pytest.Item) -> str:
    marker = item.get_closest_marker("quarantine")
    return str(marker.args[0]) if marker else ""


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash.get(_deselected, []):
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference files; only for tests marked `shared`."""
    return SHARED
