"""Reports as sealed PDF/A-3 with their data attached."""

import io
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detector.presentation import Presentation
from detector.report import certificate
from detector.report.content import Content, PairContent
from detector.report.document import checking, document
from detector.report.pages import ReportPages, laid_out
from detector.report.seal import ATTACHMENT, PAIR_ATTACHMENT, seal_pdf
from detector.report.table import as_json
from detector.sentences import _


def as_pdf(content: Content | PairContent, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a sealed PDF/A-3 with the JSON report attached; equal content gives equal bytes."""
    shown, signer = document(content), certificate.signer() if content.signed else None
    by = (signer.subject_name or "") if signer else ""
    attachment = PAIR_ATTACHMENT if isinstance(content, PairContent) else ATTACHMENT

    def draw(pdf: ReportPages) -> None:
        pdf.document(shown)
        pdf.section(checking(attachment, signed=key is not None, by=by, numbered=pdf.numbered))

    pdf = laid_out(draw, shown.title, _footer(content), content.exported)
    pdf.embed_file(
        bytes=as_json(content, key), basename=attachment, mime_type="application/json",
        associated_file_relationship="Data", modification_date=pdf.creation_date,
    )  # fmt: skip
    out = io.BytesIO()
    pdf.output(out)
    sealed = seal_pdf(out.getvalue(), content.seal, key)
    return sealed if signer is None else certificate.sign(sealed, signer, content.exported)


def of_document(document: Presentation, footer: str, created: datetime) -> bytes:
    """Return a document as PDF, unsealed."""
    drawn = laid_out(lambda pdf: pdf.document(document), document.title, footer, created)
    return bytes(drawn.output())


def _footer(content: Content | PairContent) -> str:
    if isinstance(content, PairContent):
        copy, original = content.comparison.copy_media, content.comparison.original_media
        return f"sha256 {copy.sha256[:24]}…  against {original.sha256[:24]}…"
    media = content.analysis.media
    of = _("a live session, no file") if media.live else f"sha256 {media.sha256[:32]}…"
    return f"{of}  analysis {content.analysis.id[:16]}"
