"""What goes into a report, gathered once for all its forms."""

import io
import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detector import explain, media, vision
from detector.comparison import HEAT_LEVELS, aligned
from detector.errors import MediaError, UnmaskError, UsageError
from detector.media.files import open_file, sha256
from detector.models.base import CropRecipe
from detector.presentation import Picture, looks, pair
from detector.presentation.lead import placed
from detector.presentation.odds import EVEN
from detector.report.seal import Seal
from detector.schema.analysis import Analysis, Label, Modality, ModelResult, Subject
from detector.schema.comparison import Comparison
from detector.sentences import _, say
from detector.vision.boxes import outline

log = logging.getLogger(__name__)

LONGEST_NOTES = 20_000  # characters of an analyst's notes: about eight pages
FRAME_SIDE = 900  # px of the longer side of a frame that is shown
HEATMAPS = 3  # models whose heatmap is shown, those that pulled most
CROP = CropRecipe(scale=1.45, size=360, resize="area", border="black")
STROKES = {
    Label.FAKE: (255, 138, 61),
    Label.PROBABLY_FAKE: (255, 184, 128),
    Label.INCONCLUSIVE: (242, 182, 50),
    Label.PROBABLY_REAL: (134, 219, 193),
    Label.REAL: (43, 197, 150),
    Label.NOT_APPLICABLE: (215, 219, 223),
}
"""RGB of a face's box by the person's label."""


@dataclass(frozen=True)
class ReportDetails:
    """What a person adds to a report beside notes."""

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
    """Everything a report says."""

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
    def unchanged(self) -> bool | None:
        """Return whether the file is the one that was analyzed; None when it was not there."""
        return None if self.sha256 is None else self.sha256 == self.analysis.media.sha256

    def seal(self, sha256: str, parts: dict[str, str]) -> Seal:
        """Return the seal of a report with this content."""
        return Seal(
            sha256=sha256,
            parts=parts,
            analysis=self.analysis.id,
            media=self.analysis.media.sha256,
            exported=self.exported.isoformat(),
        )


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
    try:
        with open_file(path) as file:
            content = replace(content, sha256=sha256(file))
    except MediaError:
        return replace(content, missing=(_("The file was not there when this report was made."),))
    if not content.unchanged:
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
    yield picture("frame", looks.highest(analysis, track, face), _boxed(rgb, analysis, face.index))
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
    """Return the models worth a heatmap: the counted by pull, then those of open questions."""
    verdict = analysis.verdict
    pulls = {part.id: part.logit for a in verdict.answers.values() for part in a.contributions
             if part.kind == "model"}  # fmt: skip
    return sorted(
        (model for model in analysis.models if model.counted and model.id in track.models),
        key=lambda m: (verdict.uncounted(m.question), -pulls.get(m.id, -math.inf)),
    )


def _boxed(rgb: np.ndarray, analysis: Analysis, index: int) -> np.ndarray:
    """Return a frame with everybody's box and name."""
    named = [
        NamedBox(placed(track), face.box, track.label)
        for track in analysis.people
        for face in track.frames
        if face.index == index
    ]
    return draw_boxes(rgb, named)


def picture(kind: str, caption: str, rgb: np.ndarray) -> Picture:
    """Return a picture [H, W, 3] as a report holds it."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(out, "JPEG", quality=88)
    return Picture(kind, caption, out.getvalue(), (rgb.shape[1], rgb.shape[0]))


# --- boxes ----------------------------------------------------------------------------------------


LETTERS, ROOM = 3.2, 5  # mm; of the letters there. px around them.
INK = (15, 18, 21)
Corners = tuple[float, float, float, float]  # (x0, y0, x1, y1) in px


@dataclass(frozen=True)
class NamedBox:
    """Who is where, and how they were judged."""

    name: str
    corners: Corners
    label: Label


def draw_boxes(rgb: np.ndarray, boxes: list[NamedBox]) -> np.ndarray:
    """Return a frame [H, W, 3] with boxes, `FRAME_SIDE` long: in a small one no letter shows."""
    scale = FRAME_SIDE / max(rgb.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=way)
    for box in boxes:
        corners = tuple(round(edge * scale) for edge in box.corners)
        outline(resized, corners, box.label, STROKES[box.label], 3)
    frame = Image.fromarray(resized)
    pen = ImageDraw.Draw(frame)
    from detector.report.paper import SANS, height_of  # its imports take half a second

    font = ImageFont.truetype(SANS, LETTERS * frame.height / height_of(frame.size))
    taken: list[Corners] = []
    for box in boxes:
        x0, y0, x1, y1 = (v * scale for v in box.corners)
        right, bottom = (v + 2 * ROOM for v in pen.textbbox((0, 0), box.name, font)[2:])
        at = _free_place((x0, y0, x1, y1), (right, bottom), frame.size, taken)
        taken.append(at)
        pen.rectangle(at, fill=STROKES[box.label])
        pen.text((at[0] + ROOM, at[1] + ROOM), box.name, INK, font)
    return np.asarray(frame)


def _free_place(
    box: Corners, name: tuple[float, float], frame: tuple[int, int], taken: list[Corners]
) -> Corners:
    """Return a name's place over, under or in its box, in the frame and clear of others."""
    width, height = name
    x = max(0.0, min(box[0], frame[0] - width))
    places = [(x, y, x + width, y + height) for y in (box[1] - height, box[3], box[1])]
    for place in places[:2]:
        inside = place[1] >= 0 and place[3] <= frame[1]
        if inside and not any(_meet(place, other) for other in taken):
            return place
    return places[2]


def _meet(a: Corners, b: Corners) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


# --- two files ------------------------------------------------------------------------------------


PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class PairContent:
    """Everything the report of a comparison says."""

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
    """Yield both at the moment at which most differs, and where they do."""
    moment = max(comparison.moments, key=lambda one: one.excess)
    paths = os.fspath(copy), os.fspath(original)
    (shown,) = aligned(*paths, comparison, [moment], side=FRAME_SIDE)
    if shown is None:
        raise MediaError(_("There is no picture at this moment."), code="undecodable")
    first, second = pair.pictures(comparison, moment)
    yield picture("copy", first, shown.copy)
    yield picture("original", second, shown.original)
    scale = _("Where they differ: black is 0, white {number} gray levels or more")
    yield picture("heat", scale.format(number=HEAT_LEVELS), shown.heat(HEAT_LEVELS))
