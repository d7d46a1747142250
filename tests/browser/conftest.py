"""What the tests in a browser share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import BRIEF, Server, chrome, serve
from tests.support.visits import Visitor, visitors


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all files that need no flags of their own."""
    with chrome(BRIEF) as opened:
        yield opened


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all files that need no settings of their own: its models are loaded once."""
    with serve(tmp_path_factory.mktemp("data"), OMP_NUM_THREADS="1") as started:
        yield started


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visitor]:
    """Lets people in to the `server` of a file; see `tests.support.visits`."""
    with visitors(browser, server.url) as go:
        yield go
