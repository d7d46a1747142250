"""Decisions of a comparison: the same recording or not, which regions differ, and when.

Two logistic regressions decide whether both are the same recording, and whether a face differs at
a moment. `lab.bench.comparison fit` fits them with whole footage left out, into `decision.json`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from detector.comparison import align, place
from detector.comparison.measure import HEAD, RIM, FaceMeasure, Layers, MeasuredMoment, tile_sums
from detector.comparison.place import gray
from detector.correlation import correlation
from detector.schema.comparison import ComparedPerson, Edit, Span
from detector.schema.subject import letter

Part = Literal["none", "mouth", "face"]

TILE_ALIKE, MOMENT_ALIKE, LEAST_ALIKE = 0.7, 0.6, 0.2
"""Correlation from which a tile shows the same; share of tiles from which a moment does, and where
all that moves moves alike, so that an overlay does not count."""
ALL_MOTION = 0.85
MOST = 0.6  # Share of the moments from which a file shows the same
MOTION, OVER_NOISE = 2.0, 3.0
"""Gray levels of change in a tile that count as motion, and the same in multiples of the noise."""
FEWEST_MOVING, MANY_MOVING = 4, 12
"""tiles in motion from which it is compared, and from which its quartiles are"""
COVERED = 0.15  # Share of the original's change under which the copy's tile is covered
STILL = 0.9  # Correlation assumed of a scene in which nothing moves
LONG = 6  # moments of a stretch from which its even playback is measured
PERSISTS = 0.12  # Share of a person's moments that have to differ, and at least two of them
UPPER_SAME, MOUTH_ALONE = 2.0, 1.7
"""Of a mouth that differs: highest ratio of the upper face, lowest factor of the lower on it."""
EDIT_RATIO, EDIT_LEVELS, EDIT_OVER_REST, EDIT_ALIKE = 3.0, 5.0, 4.0, 0.9
"""Of an edited tile: multiple of what is expected, gray levels, multiple of the median tile, and
correlation above which it shows the same in other colors."""
EDIT_PERSISTS, EDIT_TILES = 0.25, 2

FEWEST = 3  # moments from which overlays are looked for
LEVELS, STANDS = 8.0, 4.0
"""Gray levels by which an overlay differs, and by which it changes between moments."""
LASTS = 0.25  # share of the moments
SMALLEST, LARGEST, FILLED = 0.01, 0.34, 0.8
"""Share of the picture of an overlay, of all together, and of its bounding box that it fills."""
OUTSIDE, UNLIKE = 0.33, 0.7
"""Share outside faces; correlation with the original above which it is no overlay."""
EDGE, NEAR = 2, 3  # px about an overlay that are left out, and of heads
ALWAYS, DRAWN, STREWN, MORE, BESIDE = 0.9, 14.0, 0.01, 3.0, 0.1
"""Of a watermark: share of the moments, gray levels, share of what is beside faces, factor on that
in faces, least share of the picture beside faces."""
THICK, LETTERS, EDGED = 11, 0.3, 1.2
"""px from which strokes are areas, and their share; how much steeper than the original they end."""


@cache
def _models() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_name("decision.json").read_text())
    return found


def log_odds(model: Mapping[str, Any], features: Mapping[str, float]) -> float:
    """Return the log odds of a regression for these features."""
    weights: dict[str, float] = model["weights"]
    return float(model["bias"] + sum(w * features[name] for name, w in weights.items()))


@dataclass(frozen=True)
class Sameness:
    """Similarity of both backgrounds in place, in motion and in time."""

    place: tuple[float, ...]  # 0..1 for each moment: share of its tiles that correlate
    motion: float | None = None
    """-1..1: median correlation of the changes of a tile between moments; None: too little motion
    """
    strong: float | None = None
    """-1..1: lower quartile over the half of the tiles with most motion; None: too few tiles"""
    on_time: float = 1.0  # share of the moments within half a frame of even playback
    jitter: float = 0.0  # frames off even playback, three quarters of the moments at most

    @property
    def moments(self) -> tuple[bool, ...]:
        """Return which moments show the same."""
        alike = LEAST_ALIKE if (self.motion or 0.0) >= ALL_MOTION else MOMENT_ALIKE
        return tuple(share >= alike for share in self.place)

    @property
    def features(self) -> dict[str, float]:
        """Return the inputs of the regression."""
        moving = self.strong if self.strong is not None else self.motion
        moving = STILL if moving is None else max(0.0, moving)
        return {
            "place": float(np.median(self.place)),
            "motion": moving,
            "on_time": self.on_time,
            "jitter": float(np.log1p(self.jitter)),
        }

    @property
    def score(self) -> float:
        """Return the log odds that both are the same recording."""
        return log_odds(_models()["same"], self.features)

    @property
    def is_likely(self) -> bool:
        """Return True if both are probably the same recording."""
        shown = self.moments
        enough = bool(shown) and sum(shown) >= MOST * len(shown)
        return enough and self.score >= float(_models()["same"]["likely"])

    @property
    def supports_manipulation(self) -> bool:
        """Return True if it is certain enough to report that a face differs."""
        return self.score >= float(_models()["same"]["certain"])


def sameness(moments: Sequence[MeasuredMoment], frame: float) -> Sameness:
    """Return how alike backgrounds are; `frame` is the duration of a frame of the slower file, s.
    Faces are left out: they may be swapped."""
    shares = tuple(_share(moment.alike) for moment in moments)
    motion, strong = _motion(moments)
    times = [m.pair.time for m in moments], [m.pair.original_time for m in moments]
    stretches = align.ranges(*times)
    residuals = [align.time_residuals(times[0][i:j], times[1][i:j]) for i, j in stretches]
    exact = sum(
        int((r <= 0.5 * frame + align.ROUNDED).sum())
        for r in residuals
        if len(r) >= min(LONG, len(moments))
    )
    return Sameness(
        place=shares,
        motion=motion,
        strong=strong,
        on_time=exact / len(moments),
        jitter=float(np.percentile(np.concatenate(residuals), 75)) / frame,
    )


def _motion(moments: Sequence[MeasuredMoment]) -> tuple[float | None, float | None]:
    copies = [gray(moment.layers.copy) for moment in moments]
    theirs = [gray(moment.layers.original) for moment in moments]
    masks = [m.layers.rest(RIM) for m in moments]
    count = len(moments)
    both, ours_only, theirs_only, pixels = (np.zeros(moments[0].tiles.shape) for _ in range(4))
    for i in range(count - 1):
        for j in {i + 1, (i + count // 2) % count} - {i}:
            mask = (masks[i] & masks[j]).astype(np.float32)
            a, b = (theirs[j] - theirs[i]) * mask, (copies[j] - copies[i]) * mask
            both += tile_sums(a * b)
            theirs_only += tile_sums(a * a)
            ours_only += tile_sums(b * b)
            pixels += tile_sums(mask)
    levels = np.concatenate([m.levels[np.isfinite(m.levels)] for m in moments])
    noise = float(np.percentile(levels, 25)) if len(levels) else 0.0
    least = max(MOTION, OVER_NOISE * noise)
    moving = (theirs_only > least**2 * np.maximum(pixels, 1.0)) & (pixels > 0)
    covered = moving & (ours_only < COVERED * theirs_only)
    frozen = covered.sum() >= 0.5 * moving.sum()  # by an encoder of few bits
    if not frozen:
        moving &= ~covered
    if moving.sum() < FEWEST_MOVING:
        return None, None
    alike = both[moving] / np.sqrt(np.maximum(ours_only, 1e-6) * theirs_only)[moving]
    if len(alike) < MANY_MOVING or frozen:
        return float(np.median(alike)), None
    energy = theirs_only[moving] / pixels[moving]
    strongest = alike[energy >= np.median(energy)]
    return float(np.median(alike)), float(np.percentile(strongest, 25))


def _share(alike: np.ndarray) -> float:
    counted = alike[np.isfinite(alike)]
    return float((counted > TILE_ALIKE).mean()) if len(counted) else 1.0


@dataclass(frozen=True)
class Decided:
    """Differences over all moments together."""

    people: list[ComparedPerson]
    parts: list[dict[int, Part]]  # for each moment: differing part of the face by person's number
    limits: list[dict[int, float]]
    """for each moment: gray levels from which a face differs, by person's number"""
    edits: list[Edit]

    @property
    def accuses(self) -> bool:
        """Return True if more than overlays differs."""
        areas = any(edit.kind == "area" for edit in self.edits)
        return areas or any(person.changed_region != "none" for person in self.people)


def decide(moments: Sequence[MeasuredMoment], shown: Span, frame: tuple[float, float]) -> Decided:
    """Return the differences in the stretch of the copy that shows the original; `frame`: px (x, y)
    of the upright copy for a px of the layers."""
    parts: list[dict[int, Part]] = [{} for _ in moments]
    limits: list[dict[int, float]] = [{} for _ in moments]
    numbers = sorted({face.person for moment in moments for face in moment.faces})
    people = [_person(number, moments, parts, limits, shown) for number in numbers]
    changed = {n for p in parts for n in p if p[n] != "none"}
    return Decided(people, parts, limits, _edits(moments, changed, shown, frame))


def face_features(
    face: FaceMeasure, moment: MeasuredMoment, factor: float = 1.0
) -> dict[str, float]:
    """Return the regression's inputs for one face at one moment, with its difference scaled by
    `factor` and its rim unchanged."""
    tiles = moment.tiles[np.isfinite(moment.tiles)]
    most = _log(factor * max(face.inside.ratio, face.lower.ratio, face.upper.ratio))
    excess = factor * face.inside.difference - face.inside.expected
    return {
        "upper": _log(factor * face.upper.ratio),
        "lower": _log(factor * face.lower.ratio),
        "over_rim": most - _log(face.rim.ratio),
        "over_tiles": most - _log(float(np.percentile(tiles, 97)) if len(tiles) else 1.3),
        "levels": float(np.log1p(max(0.0, excess))),
    }


def _log(ratio: float) -> float:
    return float(np.log(np.clip(ratio, 0.2, 20.0)))


def _median(tiles: np.ndarray, otherwise: float) -> float:
    counted = tiles[np.isfinite(tiles)]
    return float(np.median(counted)) if len(counted) else otherwise


def _limit(face: FaceMeasure, moment: MeasuredMoment) -> float:
    """Return the gray levels from which a face differs, all else as measured."""
    model = _models()["face"]
    for factor in np.exp(np.linspace(-3, 3, 61)):
        if log_odds(model, face_features(face, moment, float(factor))) >= model["moment"]:
            break
    return float(factor * face.inside.difference)


def _person(
    number: int,
    moments: Sequence[MeasuredMoment],
    parts: list[dict[int, Part]],
    limits: list[dict[int, float]],
    stretch: Span,
) -> ComparedPerson:
    """Return the comparison of one person, and fill in `parts` and `limits`."""
    model = _models()["face"]
    rows = [(i, f) for i, m in enumerate(moments) for f in m.faces if f.person == number]
    differs = [
        log_odds(model, face_features(face, moments[i])) >= model["moment"] for i, face in rows
    ]
    for k in range(1, len(differs) - 1):  # a single moment between two of the same kind
        if differs[k - 1] == differs[k + 1] != differs[k]:
            differs[k] = differs[k - 1]
    part: Part = "none"
    if any(differs) and sum(differs) >= max(min(2, len(differs)), PERSISTS * len(differs)):
        changed = [face for (_, face), yes in zip(rows, differs, strict=True) if yes]
        upper = float(np.median([face.upper.ratio for face in changed]))
        lower = float(np.median([face.lower.ratio for face in changed]))
        part = "mouth" if upper < UPPER_SAME and lower > MOUTH_ALONE * upper else "face"
    else:
        differs = [False] * len(rows)
    for (i, face), yes in zip(rows, differs, strict=True):
        parts[i][number] = part if yes else "none"
        limits[i][number] = _limit(face, moments[i])
    shown = [row for row, yes in zip(rows, differs, strict=True) if yes] or rows
    return ComparedPerson(
        id=letter(number),
        changed_region=part,
        spans=spans([moments[i].pair.time for i, _ in rows], differs, stretch),
        difference=_mean([face.inside.difference for _, face in shown]),
        rim=_mean([face.rim.difference for _, face in shown]),
        noise_threshold=_mean([limits[i][number] for i, _ in shown]),
        moments=len(rows),
    )


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 2) if values else 0.0


def spans(times: Sequence[float], differs: Sequence[bool], within: Span) -> list[Span]:
    """Return the stretches of differing moments: they extend halfway to the next other moment, or
    to the end of the stretch that shows the original."""
    found, at = [], 0
    middles = ((a + b) / 2 for a, b in pairwise(times))
    edges = [round(t, 3) for t in (within.start, *middles, max(within.end, times[-1]))]
    for yes, run in groupby(differs):
        first, at = at, at + len(list(run))
        if yes:
            found.append(Span(start=edges[first], end=edges[at]))
    return found


def _edits(
    moments: Sequence[MeasuredMoment], changed: set[int], shown: Span, frame: tuple[float, float]
) -> list[Edit]:
    """Return tiles outside heads that differ for several moments, the largest first."""
    flags = []
    for moment in moments:
        over = moment.tiles > EDIT_RATIO * max(1.0, _median(moment.tiles, 1.0))
        over &= moment.levels > max(EDIT_LEVELS, EDIT_OVER_REST * _median(moment.levels, 0.0))
        over &= ~(moment.alike > EDIT_ALIKE)
        # Not in tiles that a changed head may reach: hair, neck, a pasted square.
        heads = (face for number, face in moment.layers.faces if number in changed)
        mask = place.ellipses(moment.layers.valid.shape, heads, HEAD * 1.5).astype(np.uint8)
        reached = cv2.resize(mask, moment.tiles.shape[::-1], interpolation=cv2.INTER_AREA) > 0
        flags.append(over & ~reached)
    longest = current = np.zeros(flags[0].shape, int)
    for flag in flags:
        current = (current + 1) * flag
        longest = np.maximum(longest, current)
    needed = min(max(min(2, len(moments)), EDIT_PERSISTS * len(moments)), 6)
    count, labels = cv2.connectedComponents((longest >= needed).astype(np.uint8))
    size, found = moments[0].layers.valid.shape[::-1], []
    for label in range(1, count):
        area = labels == label
        if area.sum() < EDIT_TILES:
            continue
        during = tuple(bool((flag & area).sum() >= EDIT_TILES) for flag in flags)
        levels = [
            float(np.nanmean(m.levels[area])) for m, d in zip(moments, during, strict=True) if d
        ]
        wide = cv2.resize(area.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        kind: Literal["overlay", "area"] = "overlay" if _stands(moments, wide) else "area"
        different = Area(wide, during, _mean(levels), kind)
        found.append(different.edit([m.pair.time for m in moments], shown, frame))
    return sorted(found, key=lambda e: -(e.box[2] - e.box[0]) * (e.box[3] - e.box[1]))


def _stands(moments: Sequence[MeasuredMoment], wide: np.ndarray) -> bool:
    """Return True if a region is static while the original below it changes."""
    if len(moments) < FEWEST:
        return False
    apart = np.median([m.difference for m in moments], axis=0)
    mask = wide & (apart > max(EDIT_LEVELS, float(np.median(apart[wide]))))
    if not mask.any():
        return False
    ours, theirs = (
        float(np.mean([np.abs(b - a)[mask].mean() for a, b in pairwise(pictures)]))
        for pictures in ([m.layers.copy for m in moments], [m.layers.original for m in moments])
    )
    return ours < 0.5 * theirs or ours < 3.0


@dataclass(frozen=True)
class Area:
    """A differing region outside faces."""

    mask: np.ndarray  # bool [H, W], of the layers
    during: tuple[bool, ...]  # for each moment, whether it differs
    levels: float  # difference in gray levels
    kind: Literal["overlay", "area"] = "overlay"
    """`overlay`: a bar, box or watermark over the copy"""

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom, px of the layers."""
        rows, columns = np.nonzero(self.mask)
        return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1

    def edit(self, times: Sequence[float], shown: Span, frame: tuple[float, float]) -> Edit:
        """Convert to an edit; `times`: of the moments, other parameters as for `decide`."""
        x0, y0, x1, y1 = self.box
        return Edit(
            box=(x0 * frame[0], y0 * frame[1], x1 * frame[0], y1 * frame[1]),
            spans=spans(times, self.during, shown),
            difference=round(self.levels, 2),
            kind=self.kind,
        )


def find_overlays(layers: Sequence[Layers]) -> list[Area]:
    """Return static bars and boxes, and watermarks, of graded moments."""
    if len(layers) < FEWEST:
        return []
    apart = [place.blurred(np.abs(one.original - one.copy).mean(2), 1.0) for one in layers]
    same = [np.abs(b.copy - a.copy).mean(2) < STANDS for a, b in pairwise(layers)]
    stands = np.array([a | b for a, b in pairwise([same[0], *same, same[-1]])])
    flags = np.array([
        (a > max(LEVELS, EDIT_OVER_REST * float(np.median(a[layer.valid])))) & layer.valid & still
        if layer.valid.any() else np.zeros_like(layer.valid)
        for a, layer, still in zip(apart, layers, stands, strict=True)
    ])  # fmt: skip
    lasting = flags.sum(0) >= max(FEWEST, LASTS * len(flags))
    faces = np.mean([layer.valid & ~layer.rest(1.0) for layer in layers], axis=0)
    shown = np.mean([layer.valid for layer in layers], axis=0) > 0.5
    found = []
    for area in _boxes(lasting):
        flagged = area & lasting
        during = [bool(flag[flagged].mean() > 0.5) for flag in flags]
        moments = [k for k, there in enumerate(during) if there]
        wide = cv2.dilate(area.astype(np.uint8), np.ones((2 * EDGE + 1,) * 2, np.uint8)) > 0
        if not moments or float((1 - faces)[flagged].mean()) < OUTSIDE:
            continue
        seen = wide & shown
        alike = [
            correlation(gray(layers[k].original)[seen], gray(layers[k].copy)[seen]) for k in moments
        ]
        if np.median(alike) > UNLIKE:
            continue
        levels = float(np.mean([apart[k][flagged].mean() for k in moments]))
        found.append(Area(wide, tuple(during), levels))
    found += _watermark(layers, _any([o.mask for o in found], shown))
    return found if _any([o.mask for o in found], shown).mean() <= LARGEST else []


def _any(masks: Sequence[np.ndarray], like: np.ndarray) -> np.ndarray:
    return np.asarray(np.any([np.zeros_like(like), *masks], axis=0))


def without_overlays(found: Sequence[Area], layer: Layers) -> Layers:
    """Return a moment whose valid region excludes overlays, and in heads their surroundings."""
    covered = _any([overlay.mask for overlay in found], layer.valid)
    near = cv2.dilate(covered.astype(np.uint8), np.ones((2 * NEAR + 1,) * 2, np.uint8)) > 0
    return replace(layer, valid=layer.valid & ~covered & (layer.rest(RIM) | ~near))


def _watermark(layers: Sequence[Layers], known: np.ndarray) -> list[Area]:
    """Return thin marks that are lighter (or darker) in all moments, beside faces as in them."""
    apart = np.array([gray(place.blurred(one.copy - one.original, 0.5)) for one in layers])
    valid = np.all([layer.valid for layer in layers], axis=0) & ~known
    beside = valid & np.all([layer.rest(RIM) for layer in layers], axis=0)
    faces = valid & ~beside
    if beside.mean() < BESIDE:
        return []
    middle, size = np.median(apart, axis=0), np.abs(apart)
    least = max(DRAWN, EDIT_OVER_REST * float(np.median(size[:, valid])))
    found = []
    for sign in (1, -1):
        drawn = valid & ((sign * apart > least / 2).mean(0) >= ALWAYS) & (sign * middle > least)
        share = float(drawn[beside].mean())
        if share < STREWN or (faces.any() and float(drawn[faces].mean()) > MORE * share):
            continue
        thick = cv2.morphologyEx(
            drawn.astype(np.uint8), cv2.MORPH_OPEN, np.ones((THICK, THICK), np.uint8)
        )
        ends = cv2.morphologyEx(drawn.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
        theirs, ours = (
            float(np.hypot(*np.gradient(gray(np.mean(rgbs, axis=0))))[ends].mean())
            for rgbs in ([one.original for one in layers], [one.copy for one in layers])
        )
        if thick.sum() > LETTERS * drawn.sum() or ours < EDGED * max(1.0, theirs):
            continue  # clothes in another color; fine lines that were smoothed away
        wide = cv2.dilate(drawn.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        found.append(Area(wide, (True,) * len(layers), float(size[:, drawn].mean())))
    return found


def _boxes(lasting: np.ndarray) -> list[np.ndarray]:
    """Return the regions that fill a rectangle at any angle, bool [H, W] each."""
    mask = cv2.morphologyEx(lasting.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(mask, connectivity=4)
    found = []
    for label in range(1, count):
        area = (labels == label).astype(np.uint8)
        if area.sum() < SMALLEST * area.size:
            continue
        contours, _ = cv2.findContours(area, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        width, height = cv2.minAreaRect(np.concatenate(contours))[1]
        if area.sum() >= FILLED * (width + 1) * (height + 1):
            found.append(area > 0)
    return found
