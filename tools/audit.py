"""Asks a public database which packages of requirements.lock have known weaknesses.

    python tools/audit.py [--service ADDRESS]

One question to OSV (osv.dev, the database that other auditing tools ask too) with the names and
versions of the lock; nothing else is sent. Needs only the standard library.

Exit status: 0 none is known, 1 some are (each is listed), 3 nobody answered, so nothing was
audited: that is never taken for good news.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
SERVICE = "https://api.osv.dev/v1/querybatch"
PATIENCE = 20.0
"""s for the answer"""
KNOWN, SILENT = 1, 3


class NoAnswerError(Exception):
    """The database did not answer, or not with what was asked for."""


def pins(lock: Path = LOCK) -> dict[str, str]:
    """Version by package, from the lock."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def ask(packages: dict[str, str], service: str = SERVICE) -> dict[str, list[str]]:
    """Ids of the known weaknesses, by package; only packages that have some.

    Raises
    ------
    NoAnswerError
    """
    queries = [
        {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
        for name, version in packages.items()
    ]
    request = urllib.request.Request(
        service,
        json.dumps({"queries": queries}).encode(),
        {"Content-Type": "application/json", "User-Agent": "unmask-audit"},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            results = json.load(answer)["results"]
        if len(results) != len(queries):
            raise ValueError("another number of answers than of questions")
        found = {
            name: [weakness["id"] for weakness in result.get("vulns") or []]
            for name, result in zip(packages, results, strict=True)
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoAnswerError(str(error) or type(error).__name__) from error
    return {name: ids for name, ids in found.items() if ids}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--service", default=SERVICE, help="another address of the same database")
    service = parser.parse_args(arguments).service
    packages = pins()
    try:
        found = ask(packages, service)
    except NoAnswerError as error:
        print(f"unmask: NOT AUDITED, nobody answered at {service}: {error}", file=sys.stderr)
        return SILENT
    for name, ids in sorted(found.items()):
        print(f"{name} {packages[name]}: {', '.join(ids)}")
    print(f"unmask: {len(packages)} packages asked for, {len(found)} with known weaknesses")
    return KNOWN if found else 0


if __name__ == "__main__":
    sys.exit(main())
