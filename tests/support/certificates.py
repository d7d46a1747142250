"""A certificate authority for tests, files signed under it with C2PA manifests, and certificates
that sign themselves."""

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import c2pa
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CAMERA = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


@dataclass(frozen=True)
class Authority:
    """A root certificate (PEM) and somebody who signs under it."""

    root: str
    chain: str
    key: str

    def sign(
        self,
        path,
        target,
        mime,
        *,
        source=CAMERA,
        agent="Test camera",
        generator="unmask tests",
        remote=None,
    ):
        """Write a copy of a file with a manifest."""
        action = {"action": "c2pa.created", "digitalSourceType": source,
                  "softwareAgent": {"name": agent}}  # fmt: skip
        manifest: dict[str, Any] = {
            "claim_generator_info": [{"name": generator, "version": "1"}],
            "title": path.name,
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
        }
        signer = c2pa.Signer.from_info(
            c2pa.C2paSignerInfo("es256", self.chain.encode(), self.key.encode(), None)
        )
        builder = c2pa.Builder(json.dumps(manifest))
        if remote:
            builder.set_no_embed()
            builder.set_remote_url(remote)
        out = io.BytesIO()
        with path.open("rb") as file:
            builder.sign(signer, mime, file, out)
        target.write_bytes(out.getvalue())
        return target


def make_authority(organization="Test newsroom"):
    """A new root and a signer under it, valid for a day."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate("Test root", organization, root_key, "Test root", root_key, ca=True)
    leaf = _certificate("Test signer", organization, key, "Test root", root_key, ca=False)
    return Authority(root, leaf + root, _pem(key).decode())


def _pem(key, encryption=None):
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(*form, encryption or serialization.NoEncryption())


def certificate(folder, name):
    """Write a certificate for a host name, signed by itself, with its key behind it."""
    key, path = ec.generate_private_key(ec.SECP256R1()), folder / f"{name}.pem"
    made = _certificate(name, "Test newsroom", key, name, key, ca=True, host=name)
    path.write_bytes(made.encode() + _pem(key))
    return path


def _certificate(subject, organization, key, issuer, issuer_key, *, ca, host=None):
    def name(common):
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )

    public, now = key.public_key(), datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=ca, crl_sign=ca, **usage),
            critical=True,
        )
    )
    if not ca:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    if host:
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = builder.add_extension(names, critical=False)
    made = builder.sign(issuer_key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@dataclass(frozen=True)
class SelfSigned:
    """A key with its own certificate: as PKCS#12 and as PEM, both encrypted."""

    p12: Path
    pem: Path
    password: str
    der: bytes

    def sign_pdfs(self, patch):
        """Have the server sign its PDFs with this certificate."""
        patch.setenv("UNMASK_PDF_CERTIFICATE", str(self.p12))
        patch.setenv("UNMASK_PDF_PASSWORD", self.password)

    def validated(self, pdf):
        """What pyHanko's own validator says, with the certificate as its only root."""
        (signature,) = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
        root = asn1_x509.Certificate.load(self.der)
        trusted = ValidationContext(trust_roots=[root], allow_fetching=False)
        return validate_pdf_signature(signature, trusted)


def self_signed(folder):
    """A new one, valid for a day."""
    key, password = ec.generate_private_key(ec.SECP256R1()), b"correct horse"
    pem = _certificate("Unmask test", "Test newsroom", key, "Unmask test", key, ca=True)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    hidden = serialization.BestAvailableEncryption(password)
    p12, both = folder / "key.p12", folder / "key.pem"
    p12.write_bytes(
        pkcs12.serialize_key_and_certificates(b"unmask", key, certificate, None, hidden)
    )
    both.write_bytes(pem.encode() + _pem(key, hidden))
    return SelfSigned(
        p12, both, password.decode(), certificate.public_bytes(serialization.Encoding.DER)
    )
