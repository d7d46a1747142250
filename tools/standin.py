"""Fetches what tests/supabase_standin/bridge.mjs serves: a local stand-in of Supabase's API.

    python tools/standin.py           prints the folder of its packages; fetches them if it has to

The exact versions of tests/supabase_standin/package-lock.json, into a cache of the user outside the
repository. Nothing of it is shipped. Node itself is the system's (20 or newer).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "tests" / "supabase_standin"
OLDEST = 20
"""Node; what PGlite and the bridge are tried with."""
LISTS = ("package.json", "package-lock.json")


def node() -> str | None:
    """Path of a Node that is new enough: what NODE names, else the PATH's."""
    path = shutil.which(os.environ.get("NODE") or "node")
    if path is None:
        return None
    said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    found = re.match(r"v(\d+)", said)
    return path if found and int(found[1]) >= OLDEST else None


def folder() -> Path:
    """Where the packages of this lock belong. It need not exist."""
    lock = b"".join((SOURCE / name).read_bytes() for name in LISTS)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "unmask" / f"standin-{hashlib.sha256(lock).hexdigest()[:16]}"


def find() -> Path | None:
    """The packages' folder, or None as long as they were not fetched."""
    modules = folder() / "node_modules"
    return modules if modules.is_dir() else None


def install() -> None:
    """Fetch Node where this may, and the packages. What npm says goes to stderr; a failure shows
    in `find`. The folder gets its name when it is complete: a run cut off leaves none."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if (node() is None or shutil.which("npm") is None) and root and shutil.which("apt-get"):
        print("unmask: installing Node", file=sys.stderr)
        _run("apt-get", "update", "-qq")
        _run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "nodejs", "npm")
    if shutil.which("npm") is None:
        return
    print("unmask: fetching the stand-in of Supabase's API", file=sys.stderr)
    target = folder()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        for name in LISTS:
            shutil.copy(SOURCE / name, temporary)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund")
        done = _run("npm", "ci", "--prefix", temporary, *quiet)
        if done == 0 and not target.exists():
            Path(temporary).rename(target)
            Path(temporary).mkdir()  # for the context manager to remove


def main() -> None:
    """Print the folder, or end with the command that a person has to type."""
    if node() is None or find() is None:
        install()
    if node() is None:
        sys.exit(
            f"unmask: the tests of accounts need Node {OLDEST} or newer: "
            "sudo apt-get install nodejs npm, or name it in NODE"
        )
    modules = find()
    if modules is None:
        sys.exit("unmask: npm could not fetch the stand-in of Supabase's API (its words are above)")
    print(modules)


def _run(*command: str) -> int:
    try:
        return subprocess.run(command, stdout=sys.stderr, check=False).returncode
    except OSError as error:
        print(f"unmask: {command[0]}: {error.strerror}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    main()
