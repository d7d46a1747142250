"""Writes requirements.lock: the exact version of everything Unmask brings along.

    make lock

Takes what is installed in the environment and belongs to Unmask's dependencies. The file is used as
a constraint, so a line for a package that another platform doesn't need does no harm.
"""

from __future__ import annotations

import importlib.metadata as metadata
import re
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
EXTRAS = ("dashboard", "postgres", "test")
HEAD = """\
# The exact versions that Unmask is tested and shipped with. Written by `make lock`.
# torch is named without its build, so that the CPU and the CUDA wheel both fit.
"""


def closure(name: str, extras: tuple[str, ...] = ()) -> set[str]:
    """Normalized names of the installed packages that `name` needs, directly or not."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    queue = [(name, extras)]
    seen = set()
    while queue:
        name, extras = item = queue.pop()
        if item in seen:
            continue
        seen.add(item)
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker and not any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                continue
            found.add(normalize(requirement.name))
            queue.append((requirement.name, tuple(sorted(requirement.extras))))
    return found


def normalize(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Write the lock beside pyproject.toml."""
    names = sorted(closure("unmask", EXTRAS) - {"pip"})  # what installs is not what is installed
    lines = [f"{name}=={metadata.version(name).split('+')[0]}" for name in names]
    LOCK.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"unmask: {len(lines)} packages in {LOCK.name}")


if __name__ == "__main__":
    main()
