"""Finds the Caddy that the gateway of compose.yaml is tried with, and fetches one.

    python tools/caddy.py          prints its path; fetches it if it has to

Debian's package, unpacked into a cache of the user: installed, it would start a server.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def folder() -> Path:
    """Where the unpacked package belongs. It need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unmask" / "caddy"


def find() -> str | None:
    """Path of the program: what CADDY names, else the PATH's, else the one that was fetched."""
    if chosen := os.environ.get("CADDY"):
        return shutil.which(chosen)
    return shutil.which("caddy") or shutil.which("caddy", path=folder() / "usr" / "bin")


def install() -> None:
    """Fetch it, where there are Debian's tools. What they say goes to stderr; a failure shows in
    `find`. The folder gets its name when it is complete."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return
    print("unmask: fetching Caddy", file=sys.stderr)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        _run("apt-get", "update", "-qq")
    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        place = Path(temporary)
        _run("apt-get", "download", "-qq", "caddy", cwd=place)
        for package in place.glob("*.deb"):
            _run("dpkg-deb", "--extract", str(package), str(place / "caddy"))
        if (place / "caddy").is_dir() and not target.exists():
            (place / "caddy").rename(target)


def main() -> None:
    """Print the path, or end with the command that a person has to type."""
    if find() is None:
        install()
    path = find()
    if path is None:
        sys.exit(
            "unmask: the test of compose.yaml's gateway needs Caddy: sudo apt-get install caddy, "
            "brew install caddy, or name it in CADDY"
        )
    print(path)


def _run(*command: str, cwd: Path | None = None) -> None:
    try:
        subprocess.run(command, stdout=sys.stderr, cwd=cwd, check=False)
    except OSError as error:
        print(f"unmask: {command[0]}: {error.strerror}", file=sys.stderr)


if __name__ == "__main__":
    main()
