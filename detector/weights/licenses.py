"""Which licenses a person has accepted, and when."""

import threading
from datetime import UTC, datetime
from pathlib import Path

from detector import paths
from detector.errors import ModelError
from detector.weights.entry import StoredEntry

_lock = threading.Lock()


def accepted_license(spec: StoredEntry) -> datetime | None:
    """Return when this model's license, as it reads now, was accepted here, or None."""
    entry = paths.read_json(_path()).get(spec.architecture, {})
    if entry.get("license") != spec.license_weights:
        return None
    return datetime.fromisoformat(entry["accepted"])


def accept_license(spec: StoredEntry) -> datetime:
    """Remember that a person accepted the license of a model. It holds for all its weights."""
    now = datetime.now(UTC).replace(microsecond=0)
    with _lock:
        known = paths.read_json(_path())
        known[spec.architecture] = {"license": spec.license_weights, "accepted": now.isoformat()}
        paths.write_json(_path(), known)
    return now


def require_license(spec: StoredEntry) -> None:
    """Raise ModelError ("license") unless the license is free, accepted, or of a person's own
    file."""
    if spec.research_only and not spec.own and accepted_license(spec) is None:
        raise ModelError(
            f"{spec.title} is not free for every use: its license is {spec.license_weights}.",
            code="license",
            hint=f"`unmask fetch {spec.id} --accept-license` accepts it.",
        )


def _path() -> Path:
    return paths.data() / "licenses.json"
