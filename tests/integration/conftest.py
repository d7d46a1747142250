"""What the integration tests share."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def at_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw pages for a browser on this computer: AppTest has none, and who has none is a guest."""
    if "streamlit.testing.v1" not in sys.modules:
        return
    from dashboard import session
    from service.auth.caller import Caller

    browser = Caller("127.0.0.1", (("host", "localhost:8501"),))
    monkeypatch.setattr(session, "page_caller", lambda: browser)
