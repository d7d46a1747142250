"""Tests marked `shared` compare with reference files that are not part of the repository.

They lie in `shared` beside the checkout. Where that folder is missing these tests are deselected,
and the summary says so.
"""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parent.parent / "shared"
_left_out = pytest.StashKey[int]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if SHARED.is_dir():
        return
    out = [item for item in items if item.get_closest_marker("shared")]
    if out:
        config.stash[_left_out] = len(out)
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if left_out := config.stash.get(_left_out, 0):
        terminalreporter.write_line(
            f"{left_out} tests were left out: they need the reference files in {SHARED}.",
            yellow=True,
        )


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference files; only for tests marked `shared`."""
    return SHARED
