"""Tests marked `shared` compare with reference files that are not part of the repository.

They lie in `shared` beside the checkout. Where that folder is missing these tests are deselected,
and the summary says so.
"""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Their assertions explain themselves as those of test files do.
pytest.register_assert_rewrite("tests.support.records_contract", "tests.support.sql_contract")

UNIT = Path(__file__).parent / "tests" / "unit"
SHARED = Path(__file__).resolve().parent.parent / "shared"
_left_out = pytest.StashKey[int]()
_tried = pytest.StashKey[bool]()


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
    if SHARED.is_dir():
        return
    out = [item for item in items if _is(item, "shared")]
    if out:
        config.stash[_left_out] = len(out)
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


def pytest_collection_finish() -> None:
    # Modules live to the end: a million objects that every search for garbage would walk through.
    gc.collect()
    gc.freeze()


def _is(item: pytest.Item, marker: str) -> bool:
    return item.get_closest_marker(marker) is not None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A test of real processes, servers or a browser that fails is tried once more, with those of
    its own, and the summary names it with its failure: on a busy computer one of two thousand is
    late. What fails when those of a whole file are closed stands as it is, and so do unit tests.

    By hand, since pytest-rerunfailures keeps what a file shares: the second try would meet the
    browser that hangs and the server that holds what the first one left."""
    if UNIT in item.path.parents or item.stash.get(_tried, False):
        return None
    item.stash[_tried] = True
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=item.parent)  # type: ignore[arg-type]
    again = any(report.failed for report in reports)
    rest = pytest.CallInfo.from_call(
        lambda: item.session._setupstate.teardown_exact(None if again else nextitem), "teardown"
    )
    for report in reports:
        if report.failed:
            report.outcome = "retried"  # type: ignore[assignment]
        item.ihook.pytest_runtest_logreport(report=report)
    if rest.excinfo:
        report = item.ihook.pytest_runtest_makereport(item=item, call=rest)
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem) if again else True


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    return ("retried", "R", "RETRIED") if report.outcome == "retried" else None


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if left_out := config.stash.get(_left_out, 0):
        terminalreporter.write_line(
            f"{left_out} tests were left out: they need the reference files in {SHARED}.",
            yellow=True,
        )
    retried = terminalreporter.getreports("retried")
    if names := sorted({report.nodeid for report in retried}):
        terminalreporter.write_line(
            f"tried once more, {len(names)}: {', '.join(names)}", yellow=True
        )
    for report in retried:
        terminalreporter.section(f"failed, and was tried once more: {report.nodeid}", yellow=True)
        terminalreporter.write_line(report.longreprtext)
        for name, text in report.sections:
            terminalreporter.write_line(f"--- {name}\n{text}")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference files; only for tests marked `shared`."""
    return SHARED
