"""`tools/chromium.py` finds a browser, brings one, or says what to type."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import chromium


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it, and a Playwright that has brought nothing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(chromium, "_playwright", lambda: None)
    return tmp_path


def program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> str:
    file = folder / name
    file.write_text(text)
    file.chmod(0o755)
    return str(file)


def test_the_systems_is_found_unless_another_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chromium.find() is None
    chrome = program(path, "google-chrome")
    assert chromium.find() == chrome
    assert (system := program(path, "chromium")) == chromium.find()
    other = program(path, "other")
    monkeypatch.setenv("CHROMIUM", other)
    assert chromium.find() == other != system


def test_a_script_that_only_asks_for_a_snap_is_no_browser(path: Path) -> None:
    program(path, "chromium-browser", "#!/bin/sh\necho 'sudo snap install chromium'\n")
    assert chromium.find() is None


def test_playwrights_own_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "_playwright", lambda: "/somewhere/chrome")
    assert chromium.find() == "/somewhere/chrome"


@pytest.mark.parametrize(("debian", "root"), [(True, True), (True, False), (False, True)])
def test_what_is_missing_is_installed(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    debian: bool,
    root: bool,
) -> None:
    """The system's package where that may be installed, Playwright's elsewhere."""
    asked: list[str] = []

    def install(*command: str) -> None:
        asked.append(" ".join(command))
        if "install" in command:
            program(path, "chromium")

    monkeypatch.setattr(chromium, "_is_debian", lambda: debian)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr(chromium, "_run", install)
    chromium.main()
    assert capsys.readouterr().out.strip() == str(path / "chromium")
    assert asked[-1].endswith("chromium")
    assert any("apt-get" in line for line in asked) == (debian and root)
    assert any("playwright install" in line for line in asked) != (debian and root)


def test_nothing_helps_and_the_command_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chromium, "_run", lambda *command: None)
    with pytest.raises(SystemExit) as caught:
        chromium.main()
    (line,) = str(caught.value).splitlines()
    assert "sudo apt-get install chromium" in line and "playwright install" in line
