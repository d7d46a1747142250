"""Reports: an analysis as PDF, JSON and CSV, sealed, and checked again.

    content = collect(analysis, "clip.mp4", notes="Received by mail on Monday.")
    Path("report.pdf").write_bytes(as_pdf(content, signing_key()))
    print(verify("report.pdf").lines())

Says only what is in the `Analysis`; scores nothing. Heatmaps are drawn on the way.
"""

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detector.report.content import (
    Content,
    PairContent,
    ReportDetails,
    collect,
    collect_pair,
    time_zone,
)
from detector.report.seal import Seal, public_key, signing_key
from detector.report.table import as_csv, as_json, pair_json, scores
from detector.report.verify import NoSeal, Verification, verify

__all__ = [
    "FORMS",
    "PAIR_FORMS",
    "Content",
    "NoSeal",
    "PairContent",
    "ReportDetails",
    "Seal",
    "Verification",
    "as_csv",
    "as_json",
    "as_pdf",
    "collect",
    "collect_pair",
    "pair_json",
    "pair_pdf",
    "public_key",
    "scores",
    "signing_key",
    "time_zone",
    "verify",
]


def as_pdf(content: Content, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a sealed report as PDF/A-3; see `detector.report.pdf.as_pdf`."""
    from detector.report import pdf  # fonts and matplotlib take half a second

    return pdf.as_pdf(content, key)


FORMS: Mapping[str, Callable[[Content, Ed25519PrivateKey | None], bytes]] = {
    "pdf": as_pdf,
    "json": as_json,
    "csv": as_csv,
}
"""What writes a report, by the ending of its name."""


def pair_pdf(content: PairContent, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return the sealed report of a comparison as PDF/A-3; see `pair_paper.as_pdf`."""
    from detector.report import pair_paper

    return pair_paper.as_pdf(content, key)


PAIR_FORMS: Mapping[str, Callable[[PairContent, Ed25519PrivateKey | None], bytes]] = {
    "pdf": pair_pdf,
    "json": pair_json,
}
"""What writes the report of a comparison, by the ending of its name."""
