"""What the integration tests share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from service.application import Application


@pytest.fixture(autouse=True)
def at_this_computer(monkeypatch):
    """Draw pages for a browser on this computer: AppTest has none, and who has none is a guest."""
    if "streamlit.testing.v1" not in sys.modules:
        yield
        return
    from dashboard import session
    from service.application import Application
    from service.auth.caller import Caller

    composed: dict[Path, Application] = {}

    def application(data):
        if data not in composed:
            composed[data] = Application(data)
        return composed[data]

    browser = Caller("127.0.0.1", (("host", "localhost:8501"),))
    monkeypatch.setattr(session, "page_caller", lambda: browser)
    monkeypatch.setattr(session, "_application", application)
    yield
    for each in composed.values():
        each.stop()


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Set a data folder of the test's own, which is not there yet."""
    monkeypatch.setenv("UNMASK_DATA", str(tmp_path / "data"))
    return tmp_path / "data"
