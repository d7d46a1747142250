"""PAdES signature of a report with an operator's certificate, as PDF readers verify it. Needs
pyHanko (the extra `signing`)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from detector.config import get_config
from detector.errors import UsageError
from detector.installation import install
from detector.sentences import _

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from pyhanko.sign.signers import SimpleSigner

CERTIFICATE = "UNMASK_PDF_CERTIFICATE"
"""Environment variable: a PKCS#12 or PEM file with a private key and its certificate."""
PASSWORD = "UNMASK_PDF_PASSWORD"  # Environment variable: what that file is encrypted with, if it is
LARGEST = 1_000_000  # bytes of a certificate file
NO_PYHANKO = _("This needs pyHanko, which is not installed.")


@dataclass(frozen=True)
class CertificateSignature:
    """A certificate's signature in a PDF; whether to trust its names is up to the reader."""

    subject: str
    issuer: str
    intact: bool  # every byte of the file is as it was signed


def signer() -> SimpleSigner | None:
    """Return the key and certificate of `UNMASK_PDF_CERTIFICATE`, or None; raise UsageError."""
    config = get_config()
    if config.pdf_certificate is None:
        return None
    path, secret = config.pdf_certificate, config.pdf_password
    data = read(path, LARGEST)
    return _load(data, path.name, secret.get_secret_value() if secret else "")


def read(path: Path, most: int) -> bytes:
    """Return at most so many bytes of a key file; raise UsageError where it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise UsageError(
            _("{name} can't be read: {strerror}.").format(name=path.name, strerror=error.strerror)
        ) from None


@lru_cache(maxsize=4)
def _load(data: bytes, name: str, password: str) -> SimpleSigner:
    _require_pyhanko()
    try:
        key, certificates = _parse(data, password.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            _("{name} holds no private key with its certificate that we can read.").format(
                name=name
            ),
            hint=_("It has to be PKCS#12 or PEM. The password goes into {password}.").format(
                password=PASSWORD
            ),
        ) from error
    from asn1crypto.keys import PrivateKeyInfo
    from asn1crypto.x509 import Certificate
    from pyhanko.sign import signers
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    own, *chain = (Certificate.load(one.public_bytes(Encoding.DER)) for one in certificates)
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register_multiple([own, *chain])
    return signers.SimpleSigner(own, PrivateKeyInfo.load(plain), store)


def _parse(data: bytes, password: bytes | None) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    """Return the key and its certificates, its own first; raise ValueError where one is missing."""
    key: PrivateKeyTypes | None
    if b"-----BEGIN" in data:
        key = load_pem_private_key(data, password)
        certificates = x509.load_pem_x509_certificates(data)
    else:
        key, own, others = load_key_and_certificates(data, password)
        certificates = [*([own] if own else []), *others]
    if key is None:
        raise ValueError("no private key")
    public = key.public_key()
    certificates.sort(key=lambda certificate: certificate.public_key() != public)
    if not certificates or certificates[0].public_key() != public:
        raise ValueError("no certificate of this key")
    return key, certificates


def _require_pyhanko() -> None:
    """Raise UsageError without pyHanko, whose import takes most of a second."""
    if find_spec("pyhanko") is None:
        hint = _("Install it with: {command}").format(command=install("signing"))
        raise UsageError(NO_PYHANKO, hint=hint)


def sign(pdf: bytes, by: SimpleSigner, exported: datetime) -> bytes:
    """Return a finished PDF with the signature appended; no later change is allowed."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import signers
    from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter

    out = io.BytesIO()
    signers.sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(pdf)),
        signers.PdfSignatureMetadata(
            field_name="Signature",
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
            reason=f"Report of Unmask, exported {exported:%Y-%m-%d %H:%M:%S} UTC",
        ),
        signer=by,
        output=out,
    )
    return out.getvalue()


def check(pdf: bytes) -> CertificateSignature | None:
    """Return a PDF's certificate signature, or None; raise UsageError without pyHanko."""
    _require_pyhanko()
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
    from pyhanko.sign.validation.errors import SignatureValidationError
    from pyhanko_certvalidator import ValidationContext

    try:
        signatures = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
        if len(signatures) != 1:
            return None
        (signature,) = signatures
        own = signature.signer_cert
        # Whom to trust is not asked here: its own certificate passes.
        trusted = ValidationContext(trust_roots=[own], allow_fetching=False)
        status = validate_pdf_signature(signature, trusted)
    except (PdfError, SignatureValidationError, ValueError, LookupError, TypeError):
        return None
    whole = status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    names = own.subject.human_friendly, own.issuer.human_friendly
    return CertificateSignature(*names, intact=status.intact and status.valid and whole)
