"""Content of a report, gathered once for all its formats."""

import io
import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from PIL import Image

from detector import explain, media, vision
from detector.comparison import HEAT_LEVELS, aligned
from detector.errors import MediaError, UnmaskError, UsageError
from detector.media.files import open_file, sha256
from detector.models.base import CropRecipe
from detector.presentation import Picture, looks, pair, series
from detector.presentation.odds import EVEN
from detector.report.seal import NewSeal, Seal
from detector.schema.analysis import Analysis, Modality, ModelResult, Subject
from detector.schema.comparison import Comparison
from detector.sentences import _, say
from detector.vision.boxes import draw

log = logging.getLogger(__name__)

LONGEST_NOTES = 20_000  # characters of an analyst's notes: about eight pages
FRAME_SIDE = 900  # px of the longer side of a frame that is shown
HEATMAPS = 3  # models whose heatmap is shown, those that pulled most
CROP = CropRecipe(scale=1.45, size=360, resize="area", border="black")


@dataclass(frozen=True)
class ReportDetails:
    """Details that a person adds to a report."""

    case: str = ""  # number or name; empty: a line to write on
    reviewer: str = ""  # who answers for the report
    zone: tzinfo = UTC  # in which the times of a PDF are printed
    base_rate: float = EVEN  # share of fakes among the reader's files, by which odds are told


def time_zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name. Raise UsageError for any other name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(
            _("There is no time zone {name}.").format(name=repr(name)),
            hint=_("Use an IANA name: Europe/Berlin."),
        ) from None


@dataclass(frozen=True)
class Content:
    """Content of the report of an analysis."""

    analysis: Analysis
    exported: datetime  # UTC, whole seconds
    sha256: str | None = None
    """of the file when the report was exported; None when it was not there"""
    notes: str = ""  # the analyst's own words
    figures: tuple[Picture, ...] = ()
    missing: tuple[str, ...] = ()  # why there are no figures, or fewer, in sentences
    origin: str = ""  # what a server says of who made the result
    details: ReportDetails = ReportDetails()
    signed: bool = True  # the operator's certificate signs the PDF, where one is configured

    @property
    def seal(self) -> NewSeal:
        """Return the maker of this report's seal."""
        media, exported = self.analysis.media.sha256, self.exported.isoformat()
        return partial(Seal, analysis=self.analysis.id, media=media, exported=exported)


def collect(
    analysis: Analysis,
    path: str | os.PathLike[str] | None = None,
    *,
    notes: str = "",
    place: bool = True,
    pictures: bool = True,
    exported: datetime | None = None,
    details: ReportDetails = ReportDetails(),
) -> Content:
    """Gather a report; `place=False` leaves out where the file says it was recorded.

    The file at `path` is hashed again, and pictures are drawn of it only where it is unchanged;
    heatmaps run the models once, some seconds. Notes are cut after `LONGEST_NOTES` characters."""
    if not place:
        analysis = analysis.without_place()
    time = (exported or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    content = Content(analysis, time, notes=notes.strip()[:LONGEST_NOTES], details=details)
    if path is None:
        return content
    content = replace(content, sha256=_sha256(path))
    if content.sha256 is None:
        return replace(content, missing=(_("The file was not there when this report was made."),))
    if content.sha256 != analysis.media.sha256:
        why = _("The file has changed since it was analyzed, so no picture of it is shown.")
        return replace(content, missing=(why,))
    if not pictures or not analysis.seen:
        return content
    missing: list[str] = []
    try:
        figures = tuple(_figures(analysis, Path(path), missing))
        return replace(content, figures=figures, missing=tuple(missing))
    except (UnmaskError, OSError, ValueError) as error:
        log.warning("a report has no pictures: %s", error)
        return replace(content, missing=(_("The pictures could not be drawn."),))


def _figures(analysis: Analysis, path: Path, missing: list[str]) -> Iterator[Picture]:
    """Yield frame, face and heatmaps of the most suspicious moment; add failures to `missing`."""
    shown = looks.shown(analysis)
    if shown is None:
        return
    track, face = shown
    rgb = media.frame_at(path, analysis.media, face.time).rgb
    boxes = list(series.boxes_at(analysis, face.time, named=True).values())
    yield picture("frame", looks.highest(analysis, track, face), draw(rgb, boxes, FRAME_SIDE))
    if track.modality is Modality.FACE:
        yield picture("crop", looks.face(analysis, track, face), vision.cut(rgb, face.box, CROP))
    for model in explained(analysis, track)[:HEATMAPS]:
        heat, none = None, f"{looks.blind(model)}."
        try:
            heat = explain.heatmap(path, analysis, track.id, face.time, model.id)
        except UnmaskError as error:
            none = looks.no_heatmap(model, say(error.message))
        if heat is None:
            missing.append(none)
            continue
        caption = looks.heatmap(analysis, heat, model)
        yield picture("heatmap", caption, explain.overlay(heat))


def explained(analysis: Analysis, track: Subject) -> list[ModelResult]:
    """Return the models to draw heatmaps of, by pull."""
    pulls = {part.id: part.logit for part in analysis.verdict.contributions}
    return sorted(
        (model for model in analysis.models if model.counted and model.id in track.models),
        key=lambda m: -pulls.get(m.id, -math.inf),
    )


def picture(kind: str, caption: str, rgb: np.ndarray) -> Picture:
    """Return a picture [H, W, 3] as a JPEG with its caption."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(out, "JPEG", quality=88)
    return Picture(kind, caption, out.getvalue(), (rgb.shape[1], rgb.shape[0]))


# --- two files ------------------------------------------------------------------------------------


PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class PairContent:
    """Content of the report of a comparison."""

    comparison: Comparison
    exported: datetime  # UTC, whole seconds
    id: str = ""  # among its owner's records; empty where it is in none
    sha256s: tuple[str | None, str | None] = (None, None)
    """of copy and original at export; None for one that was not there"""
    figures: tuple[Picture, ...] = ()
    """copy, original and where they differ, at the moment of the largest difference"""
    missing: str = ""  # why there are no figures, a sentence
    zone: tzinfo = UTC  # in which the times of a PDF are printed
    signed: bool = True  # the operator's certificate signs the PDF, where one is configured

    @property
    def seal(self) -> NewSeal:
        """Return the maker of this report's seal."""
        copy, original = self.comparison.copy_media.sha256, self.comparison.original_media.sha256
        exported = self.exported.isoformat()
        return partial(Seal, analysis=self.id, media=copy, original=original, exported=exported)


def collect_pair(
    comparison: Comparison,
    copy: PathLike | None = None,
    original: PathLike | None = None,
    *,
    id: str = "",
    exported: datetime | None = None,
    zone: tzinfo = UTC,
) -> PairContent:
    """Gather the report of a comparison, of this `id` where it is stored. Both files are hashed
    again, and pictures are drawn only where neither has changed."""
    time = (exported or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    hashes = _sha256(copy), _sha256(original)
    content = PairContent(comparison, time, id, hashes, zone=zone)
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
        return replace(content, figures=tuple(_pair_figures(comparison, copy, original)))
    except (UnmaskError, OSError, ValueError) as error:
        log.warning("the report of a comparison has no pictures: %s", error)
        return replace(content, missing=_("The pictures could not be drawn."))


def _sha256(path: PathLike | None) -> str | None:
    try:
        if path is not None:
            with open_file(path) as file:
                return sha256(file)
    except MediaError:
        pass
    return None


def _pair_figures(comparison: Comparison, copy: PathLike, original: PathLike) -> Iterator[Picture]:
    """Yield both frames at the moment of the largest difference, and the map of differences."""
    moment = max(comparison.moments, key=lambda one: one.excess)
    paths = os.fspath(copy), os.fspath(original)
    (shown,) = aligned(*paths, comparison, [moment], side=FRAME_SIDE)
    if shown is None:
        raise MediaError(_("There is no picture at this moment."), code="undecodable")
    first, second = pair.pictures(comparison, moment)
    yield picture("copy", first, shown.copy)
    yield picture("original", second, shown.original)
    yield picture("heat", pair.map_scale(HEAT_LEVELS), shown.heat(HEAT_LEVELS))
