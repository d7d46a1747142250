"""Hashes that a model's entry lacks and the hub states.

No paper or README states them, but the hub says of every large file which one it is. The first
download asks for that, at the commit of that day, and keeps the answer: from then on the file is as
pinned as one whose hash the entry states.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detector import paths
from detector.errors import WeightsError
from detector.sentences import _
from detector.weights.download import HUB, digest
from detector.weights.entry import StoredEntry, WeightFile
from detector.weights.store import cache

_ADDRESS = re.compile(re.escape(HUB) + r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


def path() -> Path:
    """Return the file that keeps them. It need not exist."""
    return paths.data() / "pins.json"


def pinned() -> dict[str, dict[str, Any]]:
    """By a file's `path`: `sha256`, `size` and `url` at the commit."""
    return paths.read_json(path())


def can_pin(files: Sequence[WeightFile]) -> bool:
    """Return whether the hub can be asked for every hash that these files lack."""
    return all(file.sha256 or _ADDRESS.fullmatch(file.url or "") for file in files)


def pin(entry: StoredEntry) -> None:
    """Ask the hub for an entry's missing hashes and remember them; raise as `hub.listing`."""
    from detector.weights import hub  # imports huggingface_hub

    pins = pinned()
    for file in entry.files:
        address = _ADDRESS.fullmatch(file.url or "")
        if file.sha256 or not address:
            continue
        repo, revision, name = address.groups()
        listing = hub.listing(repo, revision)
        if name not in listing.files:
            raise WeightsError(
                _("{repo} has no {name} any more.").format(repo=repo, name=name), code="not_found"
            )
        sha256, size = listing.files[name].sha256, listing.files[name].size
        if sha256 is None:  # a small one, of which the hub only knows git's own hash
            small = hub.small(repo, listing.revision, name, cache() / "hub" / "small")
            sha256, size = digest(small), small.stat().st_size
            small.unlink()
        url = f"{HUB}/{repo}/resolve/{listing.revision}/{name}"
        pins[file.path] = {"sha256": sha256, "size": size, "url": url}
    paths.write_json(path(), pins)
