"""Finds the Chromium that the browser test drives, and installs one where there is none.

    python tools/chromium.py          prints its path; installs one first if it has to

The system's package where this may install one (root on Debian), Playwright's own elsewhere.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """Path of a Chromium or Chrome: what CHROMIUM names, else the system's, else Playwright's."""
    if chosen := os.environ.get("CHROMIUM"):
        return shutil.which(chosen)
    for name in NAMES:
        path = shutil.which(name)
        # Ubuntu's is a script that only says to install a snap.
        if path and not _is_snap_stub(path):
            return path
    return _playwright()


def install() -> None:
    """Install one. What the installer says goes to stderr; a failure shows in `find`."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root and _is_debian():
        print("unmask: installing the system's Chromium", file=sys.stderr)
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
    if find() is None:
        print("unmask: installing Playwright's Chromium", file=sys.stderr)
        libraries = ["--with-deps"] if root else []  # the system's, which only root may install
        _run(sys.executable, "-m", "playwright", "install", *libraries, "chromium")


def main() -> None:
    """Print the path, or end with the command that a person has to type."""
    if find() is None:
        install()
    path = find()
    if path is None:
        sys.exit(
            "unmask: the browser test needs Chromium: sudo apt-get install chromium, or "
            f"{sys.executable} -m playwright install --with-deps chromium"
        )
    print(path)


def _playwright() -> str | None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _is_debian() -> bool:
    try:
        return platform.freedesktop_os_release().get("ID") == "debian"
    except OSError:
        return False


def _is_snap_stub(path: str) -> bool:
    with open(path, "rb") as file:
        start = file.read(4096)
    return start.startswith(b"#!") and b"snap" in start and not Path("/snap/bin/chromium").exists()


def _run(*command: str) -> None:
    try:
        subprocess.run(command, stdout=sys.stderr, check=False)
    except OSError as error:
        print(f"unmask: {command[0]}: {error.strerror}", file=sys.stderr)


if __name__ == "__main__":
    main()
