"""Reports and heatmaps of results, made on request.

One is made at a time in a process: they run networks, which compete with analyses for the cores.
"""

import io
import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from detector import explain, media
from detector import report as reports
from detector.errors import UsageError
from detector.presentation.origin import made
from detector.report import ReportDetails, certificate, signing_key
from detector.report.seal import Seal, seal_pdf
from detector.schema.analysis import Analysis
from detector.seals import document_hash
from service.records.model import ResultOrigin
from service.records.tables import KeptComparison

log = logging.getLogger(__name__)

MAX_SIDE = 1280  # px of the longer side of a drawn frame

_making = threading.Lock()


def report(
    form: str,
    path: Path,
    analysis: Analysis,
    origin: ResultOrigin,
    *,
    notes: str = "",
    place: bool = True,
    details: ReportDetails | None = None,
) -> bytes:
    """Return a sealed report as "pdf", "json" or "csv", signed if this server made the result and
    has a key. `path` is the media (a missing one is stated), `origin` the maker of the result,
    `notes` the analyst's; `place=False` omits where it was recorded."""
    seal = analysis.seal
    if seal is not None and document_hash(analysis.model_dump(mode="json")) != seal.document:
        # The seal is of another result: thresholds may have been moved since.
        analysis = analysis.model_copy(update={"seal": None})
    with _making:
        content = reports.collect(
            analysis,
            path,
            notes=notes,
            place=place,
            pictures=form == "pdf",
            details=details or reports.ReportDetails(),
        )
        ours = origin is not ResultOrigin.ELSEWHERE
        about = made(origin)[1]
        content = replace(content, origin=about, signed=ours and _may_sign())
        key = _signing_key() if ours else None
        return reports.FORMS[form](content, key)


def comparison_report(
    form: str, kept: KeptComparison, copy: Path | None, original: Path | None, *, zone: tzinfo = UTC
) -> bytes:
    """Return the sealed report of a comparison as "pdf" or "json", signed if this server has a key,
    in a language and time zone. A deleted file is stated."""
    with _making:
        content = reports.collect_pair(kept.comparison, copy, original, id=kept.id, zone=zone)
        content = replace(content, signed=_may_sign())
        return reports.PAIR_FORMS[form](content, _signing_key())


def sealed_case(pdf: bytes, id: str, head: str, *, sign: bool) -> bytes:
    """Return a case's merged report, sealed, and signed if this server made all its results."""
    exported = datetime.now(UTC).replace(microsecond=0)

    seal = partial(Seal, analysis=f"case {id}", media=head, exported=exported.isoformat())
    sealed = seal_pdf(pdf, seal, _signing_key() if sign else None)
    signer = certificate.signer() if sign and _may_sign() else None
    return sealed if signer is None else certificate.sign(sealed, signer, exported)


def heatmap(
    path: Path, analysis: Analysis, index: int, subject_id: str | None, model_id: str | None
) -> bytes | None:
    """Return the heatmap of a model over the frame at `Analysis.timestamps[index]`, as a JPEG; by
    default of the most suspicious person and the first counted model there. None if there is no
    such subject or model, or the model has no heatmaps."""
    shown = next(
        (
            (subject, frame)
            for subject in analysis.judged
            for frame in subject.frames
            if frame.index == index and subject_id in (None, subject.id)
        ),
        None,
    )
    if shown is None:
        return None
    subject, frame = shown
    able = [model for model in analysis.models if model.id in subject.models]
    able.sort(key=lambda model: not model.counted)
    model_id = model_id or next((model.id for model in able), None)
    if model_id not in subject.models or model_id is None:
        return None
    with _making:
        heat = explain.heatmap(path, analysis, subject.id, frame.time, model_id)
        if heat is None:
            return None
        rgb = media.frame_at(path, analysis.media, frame.time).rgb
    image = Image.fromarray(explain.on_frame(rgb, heat))
    image.thumbnail((MAX_SIDE, MAX_SIDE))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()


def _may_sign() -> bool:
    """Return whether the PDF certificate can be used, or none is configured."""
    try:
        certificate.signer()
    except UsageError as error:
        log.warning("a report was not signed with a certificate: %s", error.message)
        return False
    return True


def _signing_key() -> Ed25519PrivateKey | None:
    try:
        return signing_key()
    except UsageError as error:
        log.warning("a report was not signed: %s", error.message)
        return None
