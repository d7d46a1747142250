"""Which licenses a person has accepted, and when."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

from detector import paths
from detector.errors import ModelError
from detector.weights.entry import Licensed

_lock = threading.Lock()


def accepted_license(spec: Licensed) -> datetime | None:
    """When the license of this model was accepted on this computer; None: it was not.

    An acceptance holds for the license as it was read then, not for another one.
    """
    entry = _read().get(spec.architecture, {})
    if entry.get("license") != spec.license_weights:
        return None
    return datetime.fromisoformat(entry["accepted"])


def accept_license(spec: Licensed) -> datetime:
    """Remember that a person accepted the license of a model. It holds for all its weights."""
    now = datetime.now(UTC).replace(microsecond=0)
    with _lock:
        known = _read()
        known[spec.architecture] = {"license": spec.license_weights, "accepted": now.isoformat()}
        path = _path()
        path.parent.mkdir(parents=True, exist_ok=True)
        paths.write(path, json.dumps(known, indent=2) + "\n")
    return now


def require_license(spec: Licensed) -> None:
    """Raise ModelError (code "license") unless the model's license needs no word or has it.

    A person's own file was not given by us: its license is between them and its author.
    """
    if spec.research_only and not spec.own and accepted_license(spec) is None:
        raise ModelError(
            f"{spec.title} is not free for every use: its license is {spec.license_weights}.",
            code="license",
            hint=f"`unmask fetch {spec.id} --accept-license` accepts it.",
        )


def _path() -> Path:
    return paths.data() / "licenses.json"


def _read() -> dict[str, dict[str, str]]:
    try:
        return dict(json.loads(_path().read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
