"""Find the programs that the tests drive, and install what is missing.

    python tools/programs.py          as root on Debian or Ubuntu with apt, else says what to type

CHROMIUM, POSTGRES (its folder bin), NODE and CADDY name others than the system's. PostgreSQL and
Caddy are installed, not started.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

STANDIN = Path(__file__).resolve().parent.parent / "tests" / "supabase_standin"
OLDEST_POSTGRES = 15  # what the migrations use, and Supabase's own
OLDEST_NODE = 20


def chromium() -> str | None:
    """Return the path of a Chromium or Chrome: the system's, else Playwright's."""
    if chosen := os.environ.get("CHROMIUM"):
        return shutil.which(chosen)
    for name in ("chromium", "chromium-browser", "google-chrome"):
        # Ubuntu's is a script that says how to install a snap.
        if (path := shutil.which(name)) and b"snap install" not in Path(path).read_bytes()[:4096]:
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


def postgres() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs, which Debian keeps off the PATH."""
    if chosen := os.environ.get("POSTGRES"):
        return Path(chosen) if (Path(chosen) / "initdb").exists() else None
    folders = [*Path("/usr/lib/postgresql").glob("*/bin")]
    if on_path := shutil.which("initdb"):
        folders.append(Path(on_path).resolve().parent)
    known = {f: _major([f / "initdb", "--version"]) for f in folders if (f / "pg_ctl").exists()}
    newest = max(known, key=known.__getitem__, default=None)
    return newest if newest and known[newest] >= OLDEST_POSTGRES else None


def node() -> str | None:
    """Return the path of a Node.js that is new enough."""
    path = shutil.which(os.environ.get("NODE") or "node")
    return path if path and _major([path, "--version"]) >= OLDEST_NODE else None


def caddy() -> str | None:
    """Return the path of Caddy, which serves the gateway of compose.yaml."""
    return shutil.which(os.environ.get("CADDY") or "caddy")


def standin() -> Path | None:
    """Return the folder of the stand-in's npm packages, if those of its lock are installed."""
    modules, lock = STANDIN / "node_modules", STANDIN / "package-lock.json"
    done = modules / ".package-lock.json"  # npm writes it last
    return modules if done.exists() and done.stat().st_mtime >= lock.stat().st_mtime else None


def _major(command: list[str | Path]) -> int:
    """Return the major version that a program prints."""
    printed = subprocess.run(command, capture_output=True, text=True).stdout
    found = re.search(r"\d+", printed)
    return int(found[0]) if found else 0


PACKAGES = {chromium: "chromium", postgres: "postgresql", node: "nodejs npm", caddy: "caddy"}
"""Debian's packages, by what finds the program."""
if shutil.which("apt-get"):
    PACKAGES[lambda: shutil.which("debootstrap")] = "debootstrap"


def main() -> None:
    """Install what is missing, or end with the command to type."""
    missing = [name for find, names in PACKAGES.items() if not find() for name in names.split()]
    apt = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        silent = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1", "SYSTEMD_OFFLINE": "1"}
        for command in (["apt-get", "update", "-qq"], apt):
            subprocess.run(command, stdout=sys.stderr, env=os.environ | silent)
    if not chromium():  # not in Ubuntu's packages
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])
    if shutil.which("npm") and not standin():
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(STANDIN))
        subprocess.run(["npm", "ci", *quiet], stdout=sys.stderr)
    if missing := [names for find, names in PACKAGES.items() if not find()]:
        sys.exit(f"unmask: the tests need more: sudo apt-get install {' '.join(missing)}")
    if not standin():
        sys.exit("unmask: the tests need the packages of tests/supabase_standin, by npm ci")


if __name__ == "__main__":
    main()
