"""The seal of a PDF: a comment line near its end, and what of the file it speaks for."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detector.report.seal import NewSeal
from detector.seals import digest

if TYPE_CHECKING:
    from pypdf import PageObject

ATTACHMENT = "unmask-report.json"
PDF_MARK = b"%unmask-seal "
PDF_SEAL = re.compile(rb"%unmask-seal ([^\r\n]{1,100000})\r?\n")
MOST_PAGES, MOST_PICTURES = 400, 60  # of a report, and of one of its pages


def seal_pdf(pdf: bytes, new_seal: NewSeal, key: Ed25519PrivateKey | None) -> bytes:
    """Append a seal behind a PDF's object table; it covers every byte but its own line."""
    seal = new_seal(digest(pdf), pdf_parts(pdf)).signed_by(key)
    at = pdf.rindex(b"startxref")
    line = PDF_MARK + seal.model_dump_json(exclude_none=True).encode() + b"\n"
    return pdf[:at] + line + pdf[at:]


def pdf_parts(pdf: bytes) -> dict[str, str]:
    """Return sha256 of each page's drawing, of pictures and data; raises as the parser does."""
    from pypdf import PdfReader  # a third of a second that most pages have no use for

    reader = PdfReader(io.BytesIO(pdf))
    parts = {}
    for number, page in enumerate(reader.pages[:MOST_PAGES], 1):
        contents = page.get_contents()
        parts[f"page {number}"] = digest(contents.get_data() if contents is not None else b"")
        if pictures := b"".join(sorted(_pictures(page))):
            parts[f"pictures of page {number}"] = digest(pictures)
    for name, versions in reader.attachments.items():
        parts[f"attached data ({name})"] = digest(b"".join(versions))
    return parts


def _pictures(page: PageObject) -> Iterator[bytes]:
    """Yield what is in the pictures of a page, compressed as they are."""
    from pypdf.generic import StreamObject

    resources = page.get("/Resources")
    pictures = resources.get_object().get("/XObject") if resources is not None else None
    if pictures is None:
        return
    for _, item in list(pictures.get_object().items())[:MOST_PICTURES]:
        stream = item.get_object()
        if isinstance(stream, StreamObject):
            yield stream._data
