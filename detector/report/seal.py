"""Seals: a report names the sha256 of its own content, and an operator may sign that.

A seal without a signature shows that nothing was changed by accident or in passing; a person who
changes a report on purpose can seal it again. A signature can only be made with the operator's key.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import Field

from detector.config import get_config
from detector.errors import UsageError
from detector.schema.base import StrictModel
from detector.seals import canonical, digest, name_of, sign, verify
from detector.sentences import _

if TYPE_CHECKING:
    from pypdf import PageObject

PASSWORD = "UNMASK_SIGNING_PASSWORD"
"""Environment variable: what that file is encrypted with, if it is."""
LARGEST_KEY = 10_000  # bytes of a key file


class Seal(StrictModel):
    """What a report says about its own content."""

    version: Literal[1] = 1
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of everything but the seal")
    parts: dict[str, str] = Field(
        default_factory=dict, description="sha256 of each part, to say which one was changed"
    )
    analysis: str = Field(description="id of the analysis, or of the comparison")
    media: str = Field(description="sha256 of the file that was analyzed, or of the copy")
    original: str | None = Field(
        default=None, description="of a comparison: sha256 of the file the copy was held against"
    )
    exported: str = Field(description="ISO 8601, UTC")
    key: str | None = Field(default=None, description="the operator's public key, base64")
    signature: str | None = Field(
        default=None, description="Ed25519 over all the other fields, base64"
    )

    def payload(self) -> bytes:
        """Return what is signed: of an analysis the same as before comparisons had seals."""
        left_out = {"signature"} if self.original else {"signature", "original"}
        return canonical(self.model_dump(exclude=left_out))

    def signed_by(self, key: Ed25519PrivateKey | None) -> Seal:
        """Return this seal with a signature; without a key itself."""
        if key is None:
            return self
        named = self.model_copy(update={"key": name_of(key.public_key())})
        return named.model_copy(update={"signature": sign(key, named.payload())})

    def signature_holds(self) -> bool | None:
        """Return whether the signature is that of the key in the seal; None when there is none."""
        if self.signature is None and self.key is None:
            return None
        return verify(self.key or "", self.signature or "", self.payload())


NewSeal = Callable[[str, dict[str, str]], Seal]
"""Makes the seal of a content, of its sha256 and those of its parts."""


def signing_key(path: str | os.PathLike[str] | None = None) -> Ed25519PrivateKey | None:
    """Return the key of a file or of `UNMASK_SIGNING_KEY`, or None; raise UsageError."""
    config = get_config()
    named = path or config.signing_key
    if not named:
        return None
    password = config.signing_password
    data = _read(Path(named))
    try:
        key = load_pem_private_key(data, password.get_secret_value().encode() if password else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            _("{name} holds no private key that we can read.").format(name=Path(named).name),
            hint=_(
                "Make one with: openssl genpkey -algorithm ed25519 -out key.pem. "
                "The password of an encrypted one goes into {password}."
            ).format(password=PASSWORD),
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(
            _("{name} is not an Ed25519 key.").format(name=Path(named).name),
            hint=_("Make one with: openssl genpkey -algorithm ed25519 -out key.pem"),
        )
    return key


def public_key(path: str | os.PathLike[str]) -> Ed25519PublicKey:
    """Return the operator's public key, from a PEM file. UsageError when it is none."""
    try:
        key = load_pem_public_key(_read(Path(path)))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            _("{name} holds no public key that we can read.").format(name=Path(path).name)
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(_("{name} is not an Ed25519 key.").format(name=Path(path).name))
    return key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_KEY)
    except OSError as error:
        raise UsageError(
            _("{name} can't be read: {strerror}.").format(name=path.name, strerror=error.strerror)
        ) from None


# --- PDF ------------------------------------------------------------------------------------------


ATTACHMENT, PAIR_ATTACHMENT = "unmask-report.json", "unmask-comparison.json"
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
    for _name, item in list(pictures.get_object().items())[:MOST_PICTURES]:
        stream = item.get_object()
        if isinstance(stream, StreamObject):
            yield stream._data
