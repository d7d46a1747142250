"""Reports that are signed with a certificate, as PDF readers verify it."""

import io
from datetime import UTC, datetime

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.validation import SignatureCoverageLevel

from detector import report
from detector.errors import UsageError
from detector.report import certificate as signing
from tests.support.certificates import self_signed
from tests.support.pdf import text_of
from tests.support.result_sample import make_analysis

WHEN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def analysis():
    return make_analysis()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return self_signed(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(params=["p12", "pem"])
def signed(request, analysis, certificate, monkeypatch):
    """A report signed with the certificate that the environment names."""
    certificate.sign_pdfs(monkeypatch)
    monkeypatch.setenv("UNMASK_PDF_CERTIFICATE", str(getattr(certificate, request.param)))
    return report.as_pdf(report.collect(analysis, exported=WHEN))


def written(writer):
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_pdf_is_signed_with_the_operators_certificate(signed, certificate, save):
    status = certificate.validated(signed)
    assert status.bottom_line and status.intact and status.valid and status.trusted
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    assert status.docmdp_ok and status.signing_cert.dump() == certificate.der
    assert "certificate of Unmask test" in text_of(signed)
    checked = report.verify(save(signed, "pdf"))
    assert checked.good and checked.certificate.intact
    assert "Common Name: Unmask test" in checked.certificate.subject
    assert any("Signed with the certificate of" in line for line in checked.lines())


def test_a_wrong_byte_breaks_the_certificates_signature(signed, certificate, save):
    at = signed.index(b"stream\n") + 40  # within what a page draws
    wrong = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
    status = certificate.validated(wrong)
    assert not status.intact and not status.bottom_line
    assert not report.verify(save(wrong, "pdf")).good


def test_what_is_appended_to_a_signed_pdf_is_told(signed, certificate, save):
    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Rotate"] = generic.NumberObject(90)
    writer.update_container(page)
    longer = written(writer)
    status = certificate.validated(longer)
    assert status.coverage is not SignatureCoverageLevel.ENTIRE_FILE and not status.bottom_line
    assert not report.verify(save(longer, "pdf")).good


def test_a_certificate_does_not_vouch_for_pages_that_were_put_under_it(
    analysis, certificate, save, monkeypatch
):
    writer = IncrementalPdfFileWriter(io.BytesIO(report.as_pdf(report.collect(analysis))))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"BT ET"))
    writer.update_container(page)
    certificate.sign_pdfs(monkeypatch)
    by = signing.signer()
    assert by is not None
    checked = report.verify(save(signing.sign(written(writer), by, WHEN), "pdf"))
    assert not checked.good and "page 1" in checked.changed


def test_a_certificate_that_cannot_be_used_is_said(certificate, tmp_path, monkeypatch):
    monkeypatch.setenv("UNMASK_PDF_CERTIFICATE", str(certificate.p12))
    with pytest.raises(UsageError, match="no private key with its certificate"):
        signing.signer()
    other = tmp_path / "other.pem"
    other.write_text("-----BEGIN nothing")
    monkeypatch.setenv("UNMASK_PDF_CERTIFICATE", str(other))
    with pytest.raises(UsageError, match=r"other\.pem holds no private key"):
        signing.signer()
