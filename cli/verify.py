"""`unmask verify`: check of a report's seal and signature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cli.common import line, tell
from cli.options import arg, opt
from detector.media import files
from detector.sentences import _

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify(
    path: Annotated[Path, arg("", "REPORT")],
    public: Annotated[
        str | None,
        opt(
            "it must be signed with: a PEM file, or a server's key as /v1/seal-keys gives it",
            "--key",
            "PUBLIC",
        ),
    ] = None,
    media: Annotated[Path | None, opt("it must be about", "FILE")] = None,
) -> int:
    """Check the seal of a report, or that of the server which made a result (JSON of the REST API
    and of exports). Exit status 2 when it was changed."""
    from detector import report  # of the extra `report`, which --help does without

    key = public_key(public) if public else None
    if (tree := _result(path)) is not None:
        return _verify_result(tree, key, media)
    verification = report.verify(path, key)
    tell(*verification.lines())
    about = media is None or _is_about(verification.seal.media, media)
    return 0 if verification.good and about else 2


def _is_about(sha256: str, media: Path) -> bool:
    """Return whether a seal refers to a file."""
    with files.open_file(media) as file:
        same = files.sha256(file) == sha256
    name = line(media.name)
    if same:
        tell(_("{name} is the file that it is about.").format(name=name))
    else:
        tell(_("{name} is NOT the file that it is about.").format(name=name))
    return same


def public_key(text: str) -> Ed25519PublicKey:
    """Return the key in a PEM file or base64 text. Raise UsageError for anything else."""
    from detector import report, seals

    try:
        return seals.key_of(text)
    except ValueError:
        return report.public_key(text)


def _result(path: Path) -> dict[str, Any] | None:
    """Return the result in a JSON file, plain or as a REST response; None otherwise."""
    from detector.report.seal import LARGEST

    try:
        if path.stat().st_size > LARGEST:
            return None
        data = path.read_bytes()
        tree = json.loads(data) if data.lstrip()[:1] == b"{" else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(tree, dict) or "unmask_report" in tree:
        return None
    for found in (tree, tree.get("result"), tree.get("analysis")):
        if isinstance(found, dict) and "schema_version" in found:
            return found
    return None


def _verify_result(tree: dict[str, Any], key: Ed25519PublicKey | None, media: Path | None) -> int:
    from detector import seals
    from detector.report import NoSeal

    seal = seals.of_tree(tree)
    if seal is None or not seal.holds:
        hint = _("It was not made by a server of Unmask, or the seal was taken out.")
        raise NoSeal(_("No server's seal is under this result."), hint=hint)
    by = f"key {seals.fingerprint(seal.key)}"
    good = seals.holds(seal, tree, {seal.key})
    expected = key is None or seals.name_of(key) == seal.key
    if not good:
        tell(_("CHANGED since it was sealed, or the seal is WRONG."))
    else:
        text = _("Intact: as the server with {by} made it, {sealed}.")
        tell(text.format(by=by, sealed=line(seal.sealed)))
        if key is None:
            tell(_("Compare the key with the one the server publishes at /v1/seal-keys."))
        elif not expected:
            tell(_("That is ANOTHER key than the given one."))
    about = media is None or _is_about(seal.media, media)
    return 0 if good and expected and about else 2
