"""Finds the PostgreSQL server that the policies in supabase/ are tried on, and installs one.

    python tools/postgres.py          prints the folder of its programs; installs them if it has to

Its programs are enough: the tests make a database of their own in a temporary folder, and touch
none that runs already.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = 15
"""Supabase's own; the migrations use what this version brought."""
PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat, Fedora
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


def find() -> Path | None:
    """Folder with initdb and pg_ctl of the newest version: what POSTGRES names, else the system's,
    which keeps them off the PATH, else the PATH's."""
    if chosen := os.environ.get("POSTGRES"):
        return Path(chosen) if (Path(chosen) / "initdb").exists() else None
    places = [path for pattern in PLACES for path in Path("/").glob(pattern.lstrip("/"))]
    if on_path := shutil.which("initdb"):
        places.append(Path(on_path).resolve().parent)
    known = {place: version(place) for place in places if (place / "pg_ctl").exists()}
    new_enough = [place for place, number in known.items() if number >= OLDEST]
    return max(new_enough, key=known.__getitem__, default=None)


def version(place: Path) -> int:
    """Major version of the programs in a folder; 0 if they don't run."""
    try:
        said = subprocess.run([place / "initdb", "--version"], capture_output=True, text=True)
    except OSError:
        return 0
    found = re.search(r"(\d+)", said.stdout)
    return int(found[1]) if found else 0


def install() -> None:
    """Install one where this may. What the installer says goes to stderr; a failure shows in
    `find`. The package would start a server of its own: it is told not to."""
    if not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get")):
        return
    print("unmask: installing PostgreSQL", file=sys.stderr)
    quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
    for command in (
        ("apt-get", "update", "-qq"),
        ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"),
    ):
        subprocess.run(command, stdout=sys.stderr, env=quiet, check=False)


def main() -> None:
    """Print the folder, or end with the command that a person has to type."""
    if find() is None:
        install()
    place = find()
    if place is None:
        sys.exit(
            f"unmask: the tests of accounts need PostgreSQL {OLDEST} or newer: "
            "sudo apt-get install postgresql, or name its bin folder in POSTGRES"
        )
    print(place)


if __name__ == "__main__":
    main()
