"""Downloads of a result: sealed reports, and a copy of the media with the verdict in its metadata.

Files are made on demand in a thread without Streamlit calls.
"""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath

import streamlit as st
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dashboard.components import controls, typography
from dashboard.result import base_rate
from dashboard.result.linked import ExportOptions, ResultViewState
from detector import report, verdict_metadata
from detector.errors import UsageError
from detector.report import ReportDetails, certificate
from detector.schema.analysis import Analysis, Media
from detector.sentences import _, say
from service import exports
from service.records.model import ResultOrigin

MARKED = ("mp4", "mov", "3gp", "jpeg", "png")
"""containers whose metadata take a verdict"""
LARGEST_COPY = 500_000_000
"""bytes of a copy, which is held in memory while it is sent"""


def maker(
    form: str, path: Path, analysis: Analysis, origin: ResultOrigin, options: ExportOptions
) -> Callable[[], bytes]:
    """Return a function that makes a sealed report in the viewer's language, signed if this server
    has a usable key."""
    rate = base_rate.chosen()

    def made() -> bytes:
        details = ReportDetails(options.case, options.reviewer, options.zone, base_rate=rate)
        return exports.report(
            form, path, analysis, origin,
            notes=options.notes, place=options.place, details=details,
        )  # fmt: skip

    return made


def signing(origin: ResultOrigin) -> tuple[Ed25519PrivateKey | None, str]:
    """Return the key for reports of such a result, or None, and a message on it."""
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
    """Return whether a copy can carry the verdict; other files get a sidecar."""
    return media.container in MARKED and media.size <= LARGEST_COPY


def marked(path: Path, analysis: Analysis) -> bytes:
    """Return a copy with the verdict in its metadata and no other change. Raise UsageError if this
    file can't carry it."""
    with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
        target = Path(folder) / f"copy{path.suffix}"
        if verdict_metadata.write_copy(path, target, analysis) != target:
            raise UsageError(_("This file can't take a verdict without other changes."))
        return target.read_bytes()


def sidecar(analysis: Analysis) -> str:
    """Return the verdict as a small file next to the media."""
    return json.dumps(verdict_metadata.properties(analysis), indent=2, ensure_ascii=False) + "\n"


def file_name(name: str, kind: str) -> str:
    """Return "council statement.unmask.json" for "council statement.mp4", safe on every system."""
    stem = PurePath(name.replace("\\", "/")).stem or "result"
    safe = "".join(c if c.isalnum() or c in " ._-" else "_" for c in stem).strip(" .")[:80]
    return f"{safe or 'result'}.unmask.{kind}"


# --- the card -------------------------------------------------------------------------------------


FORMS = {
    "pdf": (_("Report"), "picture_as_pdf", _("The whole result as a PDF, its data attached")),
    "md": (_("Markdown"), "notes", _("The whole result as text")),
    "json": ("JSON", "data_object", _("The whole result as data")),
    "csv": (_("Scores"), "table", _("A row for each person and moment")),
}
"""Name, icon and what it is."""


def draw_card(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the buttons and the notes on reports."""
    typography.title(_("Download"), space=True)
    options, name = linked.export, linked.record.name
    with st.container(horizontal=True, key="downloads"):
        for form, (label, icon, help) in FORMS.items():
            make = maker(form, linked.path, analysis, linked.record.origin, options)
            file, key = file_name(name, form), linked.widget(f"file.{form}")
            controls.download(say(label), make, file, key, symbol=icon, help=say(help))
        if not linked.read_only:
            _mark(analysis, linked)
    with st.container(gap="small"):
        typography.caption(signing(linked.record.origin)[1], after=True)
        if linked.read_only:
            return
        with st.container(horizontal=True):
            for name, label, value in (
                ("case", _("Case"), options.case),
                ("reviewer", _("Reviewer"), options.reviewer),
            ):
                st.text_input(
                    label,
                    value=value,
                    key=linked.widget(name),
                    max_chars=200,
                    placeholder=_("for the report"),
                    on_change=linked.choose_export,
                )
        st.text_area(
            _("Notes for the report"),
            value=options.notes,
            key=linked.widget("notes"),
            height=68,
            max_chars=5_000,
            placeholder=_("Where the file came from, who asked, what else was checked"),
            on_change=linked.choose_export,
        )
        if analysis.provenance is not None and analysis.provenance.place is not None:
            st.toggle(
                _("Leave out where it was recorded"),
                value=not options.place,
                key=linked.widget("no-place"),
                on_change=linked.choose_export,
            )


def _mark(analysis: Analysis, linked: ResultViewState) -> None:
    path, name = linked.path, linked.record.name
    data: Callable[[], bytes] | str
    if takes_mark(analysis.media) and path.is_file():
        label, data = _("Marked copy"), partial(marked, path, analysis)
        file = file_name(name, path.suffix.lstrip("."))
        help = _(
            "A copy with the verdict in its metadata; pictures and sound stay as they are. "
            "A signed origin (C2PA) holds for the original only."
        )
    else:
        label, data = _("Sidecar"), sidecar(analysis)
        file = f"{name}.unmask.json"
        help = _("The verdict as a small file to keep beside this one, which can't carry it")
    key = linked.widget("file.mark")
    controls.download(label, data, file, key, symbol="sell", help=help)
