"""What the tests in a browser share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import Server, Visitor, chrome, visitors


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all files that need no flags of their own: people in it know nothing of each
    other."""
    with chrome() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visitor]:
    """Lets people in to the `server` of a file; see `tests.support.browser.visitors`."""
    with visitors(browser, server.url) as go:
        yield go
