"""Reports: an analysis as PDF, Markdown, JSON and CSV, sealed, and checked again.

    content = collect(analysis, "clip.mp4", notes="Received by mail on Monday.")
    Path("report.pdf").write_bytes(as_pdf(content, signing_key()))
    print(verify("report.pdf").lines())

Says only what is in the `Analysis`; scores nothing. Heatmaps are drawn on the way.
"""

from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detector.report.content import Content as Content
from detector.report.content import PairContent as PairContent
from detector.report.content import ReportDetails as ReportDetails
from detector.report.content import collect as collect
from detector.report.content import collect_pair as collect_pair
from detector.report.content import time_zone as time_zone
from detector.report.seal import NoSeal as NoSeal
from detector.report.seal import Seal as Seal
from detector.report.seal import Verification as Verification
from detector.report.seal import public_key as public_key
from detector.report.seal import signing_key as signing_key
from detector.report.seal import verify as verify
from detector.report.table import as_csv, as_markdown
from detector.report.table import as_json as as_json
from detector.report.table import scores as scores


def as_pdf(content: Content | PairContent, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a sealed report as PDF/A-3; see `detector.report.pdf.as_pdf`."""
    from detector.report import pdf  # fonts and matplotlib take half a second

    return pdf.as_pdf(content, key)


PAIR_FORMS: Mapping[str, Callable[[PairContent, Ed25519PrivateKey | None], bytes]] = {
    "pdf": as_pdf,
    "md": as_markdown,
    "json": as_json,
}
"""What writes the report of a comparison, by the ending of its name."""
FORMS: Mapping[str, Callable[[Content, Ed25519PrivateKey | None], bytes]] = {
    "pdf": as_pdf,
    "md": as_markdown,
    "json": as_json,
    "csv": as_csv,
}
"""What writes the report of an analysis."""
