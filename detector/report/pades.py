"""PAdES signatures with pyHanko, which takes most of a second to import."""

import io
from collections.abc import Sequence
from datetime import datetime

from asn1crypto.keys import PrivateKeyInfo
from asn1crypto.x509 import Certificate
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

FIELD = "Signature"


def signer(key: bytes, certificates: Sequence[bytes]) -> signers.SimpleSigner:
    """Return the signer of a key (PKCS#8) and its certificates, its own first, all as DER."""
    first, *chain = (Certificate.load(certificate) for certificate in certificates)
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register_multiple([first, *chain])
    return signers.SimpleSigner(first, PrivateKeyInfo.load(key), store)


def sign(pdf: bytes, by: signers.SimpleSigner, exported: datetime) -> bytes:
    """Return a finished PDF with the signature appended; no later change is allowed."""
    out = io.BytesIO()
    signers.sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(pdf)),
        signers.PdfSignatureMetadata(
            field_name=FIELD,
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


def check(pdf: bytes) -> tuple[str, str, bool] | None:
    """Return subject, issuer and intactness of a PDF's certificate signature, or None."""
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
    return *names, status.intact and status.valid and whole
