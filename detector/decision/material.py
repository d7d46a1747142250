"""Quality of the material behind a score: face size, sharpness, compression, number of frames.

Numbers only: their wording is in `detector.messages.reasons`.
"""

import itertools
import math
from collections.abc import Sequence
from enum import StrEnum
from statistics import median

from detector.decision import voice
from detector.decision.numbers import rate, rated
from detector.schema.analysis import Analysis, Evidence, Media, Modality, ReasonCode, Subject

MIN_DURATION = 0.5
"""s; a shorter video has a handful of near-identical frames: save one as a picture instead"""
MIN_FRAMES = 3
"""scored frames of a person in a video; fewer is a glimpse"""
WIDE_GAP = 2.0
"""s between two samples from which on a short change can hide between them"""
POOR_WIDTH = 64
"""px; narrower faces are scored, but too poor for a verdict"""
FAIR_WIDTH = 120
"""px; below it the frame model of our first study fell from 0.87 to 0.74 AUC"""
POOR_SHARPNESS = 12.0
FAIR_SHARPNESS = 40.0
"""variance of the Laplacian of the face at 128 px (`Quality.sharpness`)"""
SQUARE, POOR_SURROUNDINGS, ALL = 1.5, 0.9, 0.99
"""Side, in face boxes, of the square in which frame models compare a face with its surroundings;
shares of it inside the picture below which that is poor, or incomplete: an earlier default had an
AUC of 0.82 on clips that show all of it, 0.6 on others."""
POOR_BITS = {"video": 0.02, "animation": 0.2, "image": 0.4}
FAIR_BITS = {"video": 0.06, "animation": 0.8, "image": 1.0}
"""bits per pixel (per frame for a video) below which the compression is very heavy / heavy"""


def bits_per_pixel(media: Media) -> float | None:
    """Return the bits spent on one pixel of one frame; None if unknown."""
    pixels = media.width * media.height
    if media.live or media.frozen or not pixels:  # a still picture takes next to none
        return None
    if media.kind == "image":
        return media.size * 8 / pixels
    if not media.duration or not media.fps:
        return None
    rate = media.bit_rate or media.size * 8 / media.duration
    return rate / (pixels * media.fps)


def widest_gap(analysis: Analysis) -> float:
    """Return the longest gap between samples of a clip, s; 0 for pictures and sounds."""
    times = analysis.timestamps
    if analysis.media.kind in ("image", "audio") or analysis.media.live:
        return 0.0
    if analysis.coverage is not None:
        return analysis.coverage.longest_gap
    return max((b - a for a, b in itertools.pairwise(times)), default=0.0)


def evidence(analysis: Analysis, top: Subject | None) -> list[Evidence]:
    """Rate the material of the most suspicious subject: a face, a full frame or a voice."""
    heard = voice.heard_of(analysis, top.id if top else None)
    if heard and (analysis.media.kind == "audio" or (top and top.modality.of_sound)):
        return voice.evidence(heard)
    if top is None or not top.frames:
        return []
    width = float(median(f.quality.width for f in top.frames))
    sharpness = float(median(f.quality.sharpness for f in top.frames))
    items = []
    if top.modality is Modality.FACE:
        rating = rate(width, POOR_WIDTH, FAIR_WIDTH)
        items.append(rated("face_size", rating, width=round(width)))
    items.append(rated("sharpness", rate(sharpness, POOR_SHARPNESS, FAIR_SHARPNESS)))
    bits = bits_per_pixel(analysis.media)
    if bits is not None:
        kind = analysis.media.kind
        items.append(rated("compression", rate(bits, POOR_BITS[kind], FAIR_BITS[kind])))
    if analysis.media.kind != "image":
        scored = sum(f.score is not None for f in top.frames)
        planned = max(scored, _planned(analysis, top))
        rating = "poor" if scored < MIN_FRAMES else "fair" if scored < planned / 2 else "good"
        items.append(rated("frames", rating, scored=scored, looked=planned))
    seen = _surroundings(analysis.media, top)
    if seen is not None and seen < ALL:
        rating = rate(seen, POOR_SURROUNDINGS, ALL)
        items.append(rated("surroundings", rating, seen=math.floor(100 * seen)))
    return items


def poor(analysis: Analysis, subject: Subject) -> bool:
    """Return True if the material is too poor to clear a file by its score."""
    items = evidence(analysis, subject)
    return any(item.rating == "poor" for item in items if item.code != "frames")


def _planned(analysis: Analysis, top: Subject) -> int:
    """Return how many of the sampled frames were to be scored: all, unless every frame model is
    made for fewer (`ModelSpec.moments`)."""
    sampled = len(analysis.timestamps)
    meant = [
        model.moments
        for model in analysis.models
        if model.question is top.question and model.kind in ("frame", "image") and model.scored
    ]
    if analysis.settings.sampling == "closer" or analysis.media.live or not meant or 0 in meant:
        return sampled
    return min(sampled, max(meant))


def _surroundings(media: Media, face: Subject) -> float | None:
    """Return the median share of the square about a face inside the picture."""
    if face.modality is not Modality.FACE or not media.width or not media.height:
        return None
    size = media.width, media.height
    return float(median(share_seen(frame.box, *size) for frame in face.frames))


def share_seen(box: Sequence[float], width: int, height: int) -> float:
    """Return the share, 0..1, inside the picture of the square around a box (`SQUARE`)."""
    x0, y0, x1, y1 = box
    half, x, y = SQUARE * max(x1 - x0, y1 - y0) / 2, (x0 + x1) / 2, (y0 + y1) / 2
    across = min(x + half, width) - max(x - half, 0)
    down = min(y + half, height) - max(y - half, 0)
    return max(0.0, across) * max(0.0, down) / (2 * half) ** 2


HEAVY, EFFICIENT = 0.03, 2 / 3
"""bits per pixel and frame below which a video retains little detail, and the share of that which
newer codecs need: CRF 40 leaves 0.005 to 0.03, CRF 20 0.06 to 0.31"""
NEWER = ("hevc", "vp9", "av1", "vvc")
PALETTE = 256  # colors


class Stratum(StrEnum):
    """A kind of material that is rare in the calibration, and may not get every answer.

    The limits are quantiles of 140 clips of the calibration; the shift of untouched scores by kind
    is in `docs/experiments.md` ("Thresholds and material").
    """

    FEW_COLORS = "few_colors"
    HEAVY_COMPRESSION = "heavy_compression"
    INTERLACED = "interlaced"


def strata(analysis: Analysis, subject: Subject) -> tuple[Stratum, ...]:
    """Return the rare kinds of material that a face belongs to."""
    media = analysis.media
    if subject.modality is not Modality.FACE or not subject.frames:
        return ()
    bits = bits_per_pixel(media) if media.kind == "video" else None
    enough = HEAVY * (EFFICIENT if media.codec in NEWER else 1.0)
    found = {
        Stratum.FEW_COLORS: media.colors is not None and media.colors <= PALETTE,
        Stratum.HEAVY_COMPRESSION: bits is not None and bits < enough,
        Stratum.INTERLACED: media.interlaced,
    }
    return tuple(stratum for stratum, holds in found.items() if holds)


PIXELATED = 1.4
"""Median `Quality.lattice` of a face: one of 702 single frames without a mosaic is above it, and
all with one of 8 to 16 cells, 93 % with 20, 84 % with 24 and 65 % with 30."""


def distance(subject: Subject) -> float | None:
    """Return the median of a subject's `Segment.unlike`; None where it was not measured."""
    far = [segment.unlike for segment in subject.segments if segment.unlike is not None]
    return round(float(median(far)), 3) if far else None


def unlike(analysis: Analysis, subject: Subject) -> ReasonCode | None:
    """Return why nothing like a subject was in the tests, so that its scores mean nothing; None
    where they do."""
    if analysis.media.false_colors and not subject.modality.of_sound:
        return ReasonCode.FALSE_COLORS
    if analysis.media.view is not None and not subject.modality.of_sound:
        return ReasonCode.VIEWS
    lattices = [f.quality.lattice for f in subject.frames if f.usable and f.quality.lattice]
    if lattices and median(lattices) > PIXELATED:
        return ReasonCode.PIXELATED
    drawn = [segment.graphic for segment in subject.segments if segment.graphic is not None]
    if drawn and median(drawn) > 0:
        return ReasonCode.GRAPHIC
    far = distance(subject)
    return ReasonCode.UNLIKE_TESTED if far is not None and far > 0 else None
