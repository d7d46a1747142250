"""What goes into the report of a comparison: two files, what was found, and their pictures."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from detector.comparison import HEAT_LEVELS, aligned
from detector.errors import MediaError, UnmaskError
from detector.media.files import open_file, sha256
from detector.messages import ENGLISH, Speech
from detector.report.content import FRAME_SIDE, ReportPicture, picture
from detector.report.seal import Seal
from detector.report.table import sealed
from detector.schema.comparison import Comparison

log = logging.getLogger(__name__)

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class PairContent:
    """Everything the report of a comparison says."""

    comparison: Comparison
    exported: datetime  # UTC, whole seconds
    id: str = ""  # among its owner's records; empty where it is in none
    sha256s: tuple[str | None, str | None] = (None, None)
    """of copy and original at export; None for one that was not there"""
    figures: tuple[ReportPicture, ...] = ()
    """copy, original and where they differ, at the moment of the largest difference"""
    missing: str = ""  # why there are no figures, a sentence
    zone: tzinfo = UTC  # in which the times of a PDF are printed
    speech: Speech = ENGLISH  # the language of a PDF
    signed: bool = True  # the operator's certificate signs the PDF, where one is configured

    def seal(self, sha256: str, parts: dict[str, str]) -> Seal:
        """Return the seal of a report with this content."""
        return Seal(
            sha256=sha256,
            parts=parts,
            analysis=self.id,
            media=self.comparison.copy_media.sha256,
            original=self.comparison.original_media.sha256,
            exported=self.exported.isoformat(),
        )


def collect_pair(
    comparison: Comparison,
    copy: PathLike | None = None,
    original: PathLike | None = None,
    *,
    id: str = "",
    exported: datetime | None = None,
    zone: tzinfo = UTC,
    speech: Speech = ENGLISH,
) -> PairContent:
    """Gather the report of a comparison, of this `id` where it is stored. Both files are hashed
    again, and pictures are drawn only where neither has changed."""
    time = (exported or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    hashes = _sha256(copy), _sha256(original)
    content, _ = PairContent(comparison, time, id, hashes, zone=zone, speech=speech), speech.gettext
    held = comparison.copy_media.sha256, comparison.original_media.sha256
    if copy is None or original is None or None in hashes:
        gone = _("One of the two was not there when this report was made.")
        return replace(content, missing=gone)
    if hashes != held:
        why = _("One of the two has changed since they were compared, so no picture is shown.")
        return replace(content, missing=why)
    if not comparison.moments:
        return replace(content, missing=_("No moment of one was found in the other."))
    try:
        return replace(content, figures=tuple(_figures(comparison, copy, original, speech)))
    except (UnmaskError, OSError, ValueError) as error:
        log.warning("the report of a comparison has no pictures: %s", error)
        return replace(content, missing=_("The pictures could not be drawn."))


def titles(comparison: Comparison, speech: Speech = ENGLISH) -> tuple[str, str]:
    """Return what the two files are called: their roles where these are known, else their names."""
    if comparison.roles_known:
        return speech.gettext("Suspected copy"), speech.gettext("Original")
    return comparison.copy_media.name, comparison.original_media.name


def pair_json(content: PairContent, key: Ed25519PrivateKey | None = None) -> bytes:
    """Return a sealed report as JSON: the Comparison under "comparison", the seal under "seal"."""
    copy, original = content.sha256s
    tree = {
        "unmask_comparison_report": 1,
        "exported": content.exported.isoformat(),
        "sha256_at_export": {"copy": copy, "original": original},
        "comparison": content.comparison.model_dump(mode="json"),
    }
    return sealed(tree, content.seal, key)


def _sha256(path: PathLike | None) -> str | None:
    try:
        if path is not None:
            with open_file(path) as file:
                return sha256(file)
    except MediaError:
        pass
    return None


def _figures(
    comparison: Comparison, copy: PathLike, original: PathLike, speech: Speech
) -> Iterator[ReportPicture]:
    """Yield both at the moment at which most differs, and where they do."""
    _ = speech.gettext
    moment = max(comparison.moments, key=lambda one: one.excess)
    paths = os.fspath(copy), os.fspath(original)
    (shown,) = aligned(*paths, comparison, [moment], side=FRAME_SIDE)
    if shown is None:
        raise MediaError(_("There is no picture at this moment."), code="undecodable")
    first, second = titles(comparison, speech)
    if comparison.copy_media.duration:
        at = _("{file} at {seconds} s")
        first = at.format(file=first, seconds=f"{moment.time:.2f}")
        second = at.format(file=second, seconds=f"{moment.original_time:.2f}")
    yield picture("copy", first, shown.copy)
    laid = _("{file}, laid on the other").format(file=second)
    yield picture("original", laid, shown.original)
    scale = _("Where they differ: black is 0, white {number} gray levels or more")
    yield picture("heat", scale.format(number=HEAT_LEVELS), shown.heat(HEAT_LEVELS))
