"""The result as files: sealed report (PDF, JSON, CSV), and a copy that carries the verdict.

What is downloaded is made when it is asked for, in a thread of its own: no Streamlit call below.
Reports are imported when one is made: their fonts and PDFs take longer than the first page.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dashboard.i18n import _, say
from detector import verdict_metadata
from detector.errors import UsageError
from detector.schema.analysis import Analysis, Media

MIME = {"pdf": "application/pdf", "json": "application/json", "csv": "text/csv"}
MARKED = ("mp4", "mov", "3gp", "jpeg", "png")
"""containers whose metadata take a verdict"""
LARGEST_COPY = 500_000_000
"""bytes of a copy, which is held in memory while it is sent"""

_making = threading.Lock()


class ExportOptions:
    """What a person wants in a report. One object a result, so that a download that was drawn
    before the last word was typed still has it."""

    def __init__(self) -> None:
        self.notes = ""
        self.place = True


def maker(form: str, path: Path, analysis: Analysis, wishes: ExportOptions) -> Callable[[], bytes]:
    """What makes a report in one form when it is called."""
    return partial(make, form, path, analysis, wishes)


def make(form: str, path: Path, analysis: Analysis, wishes: ExportOptions) -> bytes:
    """A sealed report, signed where this server has a key. One is made at a time: heatmaps run
    networks, which compete with analyses for the cores."""
    from detector import report

    with _making:
        content = report.collect(
            analysis, path, notes=wishes.notes, place=wishes.place, pictures=form == "pdf"
        )
        return report.FORMS[form](content, signing()[0])


def signing() -> tuple[Ed25519PrivateKey | None, str]:
    """This server's key, if it has one, and what is said of it."""
    from detector import report

    try:
        key = report.signing_key()
    except UsageError as error:
        return None, _("Sealed, not signed: {problem}").format(problem=say(error.message))
    return key, _("Sealed and signed with this server's key.") if key else _("Sealed, not signed.")


def takes_mark(media: Media) -> bool:
    """Whether a copy of this file can carry the verdict. Other files get a sidecar."""
    return media.container in MARKED and media.size <= LARGEST_COPY


def marked(path: Path, analysis: Analysis) -> bytes:
    """A copy with the verdict in its metadata; nothing else of it is changed.

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
    """The verdict as a small file to keep beside the media."""
    return json.dumps(verdict_metadata.properties(analysis), indent=2, ensure_ascii=False) + "\n"


def file_name(name: str, kind: str) -> str:
    """ "council statement.mp4" -> "council statement.unmask.json", safe on every system."""
    stem = PurePath(name.replace("\\", "/")).stem or "result"
    kept = "".join(c if c.isalnum() or c in " ._-" else "_" for c in stem).strip(" .")[:80]
    return f"{kept or 'result'}.unmask.{kind}"
