"""What the tests in a browser share."""

from pathlib import Path

import pytest

from tests.support.browser import BRIEF, chrome, serve
from tests.support.visits import visitors


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="package")
def browser():
    """One browser for all files that need no flags of their own."""
    with chrome(BRIEF) as opened:
        yield opened


@pytest.fixture(scope="package")
def server(tmp_path_factory):
    """One server for all files that need no settings of their own: its models are loaded once."""
    with serve(tmp_path_factory.mktemp("data"), OMP_NUM_THREADS="1") as started:
        yield started


@pytest.fixture
def visit(browser, server):
    """Lets people in to the `server` of a file; see `tests.support.visits`."""
    with visitors(browser, server.url) as go:
        yield go
