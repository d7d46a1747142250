"""Earlier verdicts embedded in a file's metadata or sidecar: read and shown, never trusted."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from detector.provenance.text import clean
from detector.schema.origin import EarlierVerdict

SIDECAR = ".unmask.json"  # Added to the whole name of a file: `clip.webm.unmask.json`
MAX_BYTES = 64_000  # bytes of a sidecar


def from_metadata(properties: Mapping[str, str]) -> EarlierVerdict | None:
    """Return the verdict in the XMP properties of a file, if any."""
    claims = {
        key.removeprefix("unmask:").lower(): value
        for key, value in properties.items()
        if key.startswith("unmask:")
    }
    return _verdict(claims, "metadata")


def from_sidecar(path: Path) -> EarlierVerdict | None:
    """Return the verdict in the sidecar of a file, if any is readable."""
    beside = path.with_name(path.name + SIDECAR)
    try:
        if not beside.is_file() or beside.stat().st_size > MAX_BYTES:
            return None
        claims = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return _verdict(claims, "sidecar") if isinstance(claims, dict) else None


def _verdict(
    claims: Mapping[str, Any], where: Literal["metadata", "sidecar"]
) -> EarlierVerdict | None:
    if not claims.get("label"):
        return None
    likelihood = str(claims.get("likelihood", ""))
    try:
        return EarlierVerdict(
            label=clean(claims["label"], 40),
            likelihood=int(likelihood) if likelihood.isascii() and likelihood.isdigit() else None,
            analyzed=clean(claims.get("analyzed", ""), 40),
            sha256=clean(claims.get("sha256", ""), 64),
            version=clean(claims.get("version", ""), 40),
            analysis=clean(claims.get("analysis", ""), 64),
            where=where,
        )
    except (ValidationError, ValueError):
        return None
