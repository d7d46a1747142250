"""The result as files: sealed report (PDF, JSON, CSV), and a copy that carries the verdict.

What is downloaded is made when it is asked for, in a thread of its own: no Streamlit call below.
"""

import json
import tempfile
from collections.abc import Callable
from datetime import UTC, tzinfo
from pathlib import Path, PurePath

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dashboard.i18n import _, say, speech
from detector import report, verdict_metadata
from detector.errors import UsageError
from detector.report import ReportDetails, certificate
from detector.schema.analysis import Analysis, Media
from service import exports
from service.records.model import ResultOrigin

MARKED = ("mp4", "mov", "3gp", "jpeg", "png")
"""containers whose metadata take a verdict"""
LARGEST_COPY = 500_000_000
"""bytes of a copy, which is held in memory while it is sent"""


class ExportOptions:
    """What a person wants in a report. One object a result, so that a download that was drawn
    before the last word was typed still has it."""

    def __init__(self) -> None:
        self.notes = self.case = self.reviewer = ""
        self.place = True
        self.zone: tzinfo = UTC


def maker(
    form: str, path: Path, analysis: Analysis, origin: ResultOrigin, options: ExportOptions
) -> Callable[[], bytes]:
    """Return what makes a sealed report when it is called, signed where this server has a key that
    can be used, in the language of whoever looks now."""
    language = speech()

    def made() -> bytes:
        details = ReportDetails(options.case, options.reviewer, options.zone, language)
        return exports.report(
            form, path, analysis, origin,
            notes=options.notes, place=options.place, details=details,
        )  # fmt: skip

    return made


def signing(origin: ResultOrigin) -> tuple[Ed25519PrivateKey | None, str]:
    """Return the key that signs reports of such a result, or None, and the message about it."""
    if origin is ResultOrigin.ELSEWHERE:
        return None, _("Sealed, not signed: this server did not make the result.")
    try:
        key, signer = report.signing_key(), certificate.signer()
    except UsageError as error:
        return None, _("Sealed, not signed: {problem}").format(problem=say(error.message))
    said = _("Sealed and signed with this server's key.") if key else _("Sealed, not signed.")
    if signer is not None:
        pdf = _("PDFs are signed with the certificate of {name}.")
        name = pdf.format(name=signer.subject_name)
        said = f"{said} {name}" if key else name
    return key, said


def takes_mark(media: Media) -> bool:
    """Return whether a copy of this file can carry the verdict. Other files get a sidecar."""
    return media.container in MARKED and media.size <= LARGEST_COPY


def marked(path: Path, analysis: Analysis) -> bytes:
    """Return a copy with the verdict in its metadata; nothing else of it is changed.

    Raises
    ------
    UsageError
        This very file can't take it.
    """
    with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
        target = Path(folder) / f"copy{path.suffix}"
        if verdict_metadata.write_copy(path, target, analysis) != target:
            raise UsageError(_("This file can't take a verdict without other changes."))
        return target.read_bytes()


def sidecar(analysis: Analysis) -> str:
    """Return the verdict as a small file to keep beside the media."""
    return json.dumps(verdict_metadata.properties(analysis), indent=2, ensure_ascii=False) + "\n"


def file_name(name: str, kind: str) -> str:
    """Return "council statement.unmask.json" for "council statement.mp4", safe on every system."""
    stem = PurePath(name.replace("\\", "/")).stem or "result"
    safe = "".join(c if c.isalnum() or c in " ._-" else "_" for c in stem).strip(" .")[:80]
    return f"{safe or 'result'}.unmask.{kind}"
