"""Asks a public database which packages of requirements.lock have known weaknesses.

    python tools/audit.py [--service ADDRESS]

pip-audit puts the questions, to OSV (osv.dev), with the names and versions of the lock; nothing
else is sent.

Exit status: 0 none is known, 1 some are (each is listed), 3 nobody answered, or not for every
package, so nothing was audited: that is never taken for good news.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
SERVICE = "https://api.osv.dev/v1/query"
TIMEOUT_SECONDS = 20
KNOWN, SILENT = 1, 3


class NoAnswerError(Exception):
    """The database did not answer, or not for every package."""


def pins(lock: Path = LOCK) -> dict[str, str]:
    """Return the version by package, from the lock."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def ask(service: str = SERVICE) -> dict[str, list[str]]:
    """Return the ids of the known weaknesses, by package; only packages that have some.

    Raises
    ------
    NoAnswerError
    """
    options = ["--no-deps", "--disable-pip", "--requirement", str(LOCK)]
    options += ["--vulnerability-service", "osv", "--osv-url", service]
    options += ["--timeout", str(TIMEOUT_SECONDS), "--format", "json", "--progress-spinner", "off"]
    command = [sys.executable, "-m", "pip_audit", *options]
    run = subprocess.run(command, capture_output=True, text=True)
    try:
        found = {
            package["name"]: [weakness["id"] for weakness in package["vulns"]]
            for package in json.loads(run.stdout)["dependencies"]
        }
    except (ValueError, KeyError, TypeError):
        # It ends with 1 for weaknesses and for its own failures: only what it found tells which.
        raise NoAnswerError((run.stderr.strip().splitlines() or [""])[-1]) from None
    if set(found) != set(pins()):
        raise NoAnswerError("some packages were left out")
    return {name: ids for name, ids in found.items() if ids}


def main(arguments: list[str] | None = None) -> int:
    """Print what is known; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--service", default=SERVICE, help="another address of the same database")
    service = parser.parse_args(arguments).service
    packages = pins()
    try:
        found = ask(service)
    except NoAnswerError as error:
        print(f"unmask: NOT AUDITED, nobody answered at {service}: {error}", file=sys.stderr)
        return SILENT
    for name, ids in sorted(found.items()):
        print(f"{name} {packages[name]}: {', '.join(ids)}")
    print(f"unmask: {len(packages)} packages asked for, {len(found)} with known weaknesses")
    return KNOWN if found else 0


if __name__ == "__main__":
    sys.exit(main())
