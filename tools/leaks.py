"""Looks for secrets in files that are about to be published.

    python tools/leaks.py            every file that git tracks

Keys and tokens are told by the shape that their makers give them, and by names such as SECRET next
to a long value. Only the place is printed, never what stands there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 2_000_000
"""bytes of a file that is looked into; weights and pictures are larger"""
NEVER = re.compile(r"(^|/)(\.env(\..+)?|secrets\.toml|id_(rsa|ed25519)|.*\.(pem|key|p12))$")
"""Names of files that hold secrets."""

_SHAPES = re.compile(
    rb"""
    -----BEGIN\ (?:RSA\ |EC\ |OPENSSH\ |ENCRYPTED\ )?PRIVATE\ KEY-----\s*[A-Za-z0-9+/=]{40}
    | \bhf_[A-Za-z0-9]{30,}
    | \bsb_secret_[A-Za-z0-9_-]{20,}
    | \bgh[opsur]_[A-Za-z0-9]{36,}
    | \bgithub_pat_[A-Za-z0-9_]{40,}
    | \bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}
    | \bAKIA[A-Z0-9]{16}\b
    | \bAIza[A-Za-z0-9_-]{35}\b
    | \bxox[abp]-[A-Za-z0-9-]{20,}
    | \beyJhbGciOi[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}
    | (?i:\b[A-Z0-9_]*(?:SECRET|PASSWORD|API_KEY|ACCESS_KEY)[A-Z0-9_]*\s*[=:]\s*
        ["'][A-Za-z0-9+/=_-]{24,}["'])
    """,
    re.VERBOSE,
)


def leaks(files: Iterable[Path], root: Path = ROOT) -> Iterator[str]:
    """Where a secret seems to stand: "path" for a file that holds nothing else, "path:line"."""
    for file in files:
        name = file.relative_to(root).as_posix()
        if NEVER.search(name):
            yield name
            continue
        if file.stat().st_size > LARGEST:
            continue
        content = file.read_bytes()
        for found in _SHAPES.finditer(content):
            line = content.count(b"\n", 0, found.start()) + 1
            yield f"{name}:{line}"


def tracked(root: Path = ROOT) -> list[Path]:
    """Every file that git tracks and that is there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def main() -> int:
    found = list(leaks(tracked()))
    for place in found:
        print(f"unmask: this looks like a secret: {place}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
