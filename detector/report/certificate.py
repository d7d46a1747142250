"""The signature that PDF readers verify (PAdES): over the whole file, with an operator's
certificate. Needs pyHanko (the extra `signing`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import ModuleType
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
    """The certificate's signature in a PDF. Whether its names are to be trusted is for the reader
    to decide."""

    subject: str
    issuer: str
    intact: bool  # every byte of the file is as it was signed


def signer() -> SimpleSigner | None:
    """Return the key and certificate of `UNMASK_PDF_CERTIFICATE`, or None; raise UsageError."""
    config = get_config()
    if config.pdf_certificate is None:
        return None
    path = config.pdf_certificate
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST)
    except OSError as error:
        raise UsageError(
            _("{name} can't be read: {strerror}.").format(name=path.name, strerror=error.strerror)
        ) from None
    secret = config.pdf_password
    return _load(data, path.name, secret.get_secret_value() if secret else "")


@lru_cache(maxsize=4)
def _load(data: bytes, name: str, password: str) -> SimpleSigner:
    pades = _pades()
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
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    signer: SimpleSigner = pades.signer(
        plain, [certificate.public_bytes(Encoding.DER) for certificate in certificates]
    )
    return signer


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


def _pades() -> ModuleType:
    """Import what uses pyHanko, which takes most of a second; raise UsageError without it."""
    try:
        from detector.report import pades
    except ModuleNotFoundError:
        raise UsageError(
            NO_PYHANKO, hint=_("Install it with: {command}").format(command=install("signing"))
        ) from None
    return pades


def sign(pdf: bytes, by: SimpleSigner, exported: datetime) -> bytes:
    """Return a finished PDF with the signature appended; no later change is allowed."""
    signed: bytes = _pades().sign(pdf, by, exported)
    return signed


def check(pdf: bytes) -> CertificateSignature | None:
    """Return a PDF's certificate signature, or None; raise UsageError without pyHanko."""
    found = _pades().check(pdf)
    return CertificateSignature(*found) if found else None
