"""Hashes that a model's entry lacks and the hub states.

Nobody wrote them into a paper or a README, but the hub says of every large file which one it is.
The first download asks for that, at the commit of that day, and keeps the answer: from then on the
file is as pinned as one whose hash the entry states.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detector import paths
from detector.errors import WeightsError
from detector.weights import hub
from detector.weights.download import HUB
from detector.weights.entry import StoredEntry, StoredFile
from detector.weights.store import cache
from detector.weights.verify import digest

_ADDRESS = re.compile(re.escape(HUB) + r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


def path() -> Path:
    """Return the file that keeps them. It need not exist."""
    return paths.data() / "pins.json"


def pinned() -> dict[str, dict[str, Any]]:
    """By a file's `path`: `sha256`, `size` and `url` at the commit."""
    try:
        return dict(json.loads(path().read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def can_pin(files: Sequence[StoredFile]) -> bool:
    """Whether the hub can be asked for every hash that these files lack."""
    return all(file.sha256 or _ADDRESS.fullmatch(file.url or "") for file in files)


def pin(entry: StoredEntry) -> None:
    """Ask the hub for the hashes that the files of an entry lack, and keep them.

    Raises
    ------
    WeightsError
        As `hub.listing`: it can't be reached, refuses, or has no such file.
    """
    found = pinned()
    for file in entry.files:
        address = _ADDRESS.fullmatch(file.url or "")
        if file.sha256 or not address:
            continue
        repo, revision, name = address.groups()
        known = hub.listing(repo, revision)
        if name not in known.files:
            raise WeightsError(f"{repo} has no {name} any more.", code="not_found")
        sha256, size = known.files[name].sha256, known.files[name].size
        if sha256 is None:  # a small one, of which the hub only knows git's own hash
            small = hub.small(repo, known.revision, name, cache() / "hub" / "small")
            sha256, size = digest(small), small.stat().st_size
            small.unlink()
        url = f"{HUB}/{repo}/resolve/{known.revision}/{name}"
        found[file.path] = {"sha256": sha256, "size": size, "url": url}
    path().parent.mkdir(parents=True, exist_ok=True)
    paths.write(path(), json.dumps(found, indent=2) + "\n")
