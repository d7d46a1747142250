"""Visible marks of generators: matching of own templates near the edges of frames.

A mark informs and never votes: anyone can add one to a picture or crop it off.
`detector.provenance.certainty` decides whether one is certain enough for the headline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detector.correlation import correlation
from detector.isolation import Frame
from detector.large_frames import halved
from detector.provenance import certainty
from detector.schema.origin import GeneratorMark
from detector.sentences import _

FRAMES = 12  # searched, spread over the clip
SIDE = 360  # px of a scaled frame's shorter side; the search begins at half of it
PIXELS = 4 * SIDE**2  # of such a frame, at most: of 1 x 2000 px its longer side would be 720,000 px
BAND, CORNER = 0.2, 0.42
"""regions searched for marks: fraction of the height at top and bottom, of the width at each end"""
HEIGHTS = (10.0, 13.0, 17.0, 22.0)  # px of a capital's height that are tried first, at `SIDE`
STARS = (10.0, 12.5, 15.5, 19.0, 23.5, 29.0)  # px of half a star's height
HOLLOW = (0.42, 0.5, 0.58, 0.68)  # exponents of a star's outline: 1 is a diamond
STAR, MOVING = "Gemini", "Sora"
CORNERS = ("bottom left", "bottom right", "top left", "top right")


class KnownMark(NamedTuple):
    """A mark to detect."""

    maker: str
    limit: float
    """Score from which it counts as detected: above that of nearly every file without one, see
    docs/experiments.md."""
    places: tuple[str, ...]  # Corners to search
    texts: tuple[str, ...] = ()
    """Its word, cut into parts that are matched separately, since letter spacing differs between
    fonts; one of several lines is not cut"""
    widths: tuple[float, ...] = (0.9, 1.04)  # of its letters, as shares of the font's own
    name: str = ""  # Display name, if other tools use its words as well
    layout: certainty.Layout | None = None
    """Layout in its tool's own pictures; None if none were available, so that it stays a hint"""


LONG = (0.82, 0.91, 1.0, 1.1)  # widths of a word whose length differs much from font to font
MARKS = {
    "Gemini": KnownMark(
        "Google", 0.76, ("bottom right",),
        layout=certainty.Layout(
            (0.035, 0.08), (0.4, 1.8), (0.4, 1.8), 0.3, opacity=(0.2, 0.8), gain=0.92, large=24.0
        ),
    ),
    "Veo": KnownMark(
        "Google", 0.62, ("bottom right",), ("V|e|o",),
        layout=certainty.Layout((0.02, 0.045), (0.5, 2.2), (0.5, 2.2)),
    ),
    "Kling": KnownMark(
        "Kuaishou", 0.58, CORNERS[:2], ("KLI|NG |AI", "Kl|ing|AI"),
        layout=certainty.Layout((0.02, 0.045), (0.8, 4.0), (0.8, 2.2)),
    ),
    "Sora": KnownMark(  # it jumps from place to place
        "OpenAI", 0.55, (), ("So|ra",),
        layout=certainty.Layout((0.05, 0.085), (0.4, 1.6), (0.4, 12.0)),
    ),
    "HeyGen": KnownMark(
        "HeyGen", 0.5, CORNERS, ("He|yG|en", "Hey\nGen"),
        layout=certainty.Layout((0.09, 0.16), (0.4, 1.2), (0.4, 1.2)),
    ),
    "Synthesia": KnownMark("Synthesia", 0.5, CORNERS, ("syn|the|sia", "Syn|the|sia")),
    "D-ID": KnownMark(
        "D-ID", 0.52, ("bottom left",), ("D|-I|D",), (0.7, 0.85),
        layout=certainty.Layout((0.045, 0.075), (0.2, 0.8), (0.8, 1.6)),
    ),
    "TikTok": KnownMark(
        "TikTok", 0.46, ("bottom left", "top left"), ("AI-g|ene|rat|ed",), LONG, "TikTok or similar"
    ),
    "Meta": KnownMark("Meta", 0.46, ("bottom left",), ("Ima|gin|ed |wit|h A|I",), LONG),
}  # fmt: skip
FONTS = (("Aileron", 0.0), ("Aileron", 0.05), ("DejaVuSans-Bold", 0.0))
"""fonts to try, each with a stroke width as a fraction of the size"""
CANDIDATES, COARSE = 4, 0.25
"""number of positions refined at full size, and their minimum score at half size"""
LETTERS = 1  # letters at which alternatives are tried
GROUPS = 3  # groups of consecutive frames in which a moving mark is searched
STRIPS, SLACK = 3, 0.1
"""number of vertical strips of a star, and how much worse than the whole one may fit"""
ICON, GAP = 1.6, 0.37
"""height of Sora's cloud, and its distance from the word, as shares of a capital's height"""
NOISE = 4.0  # gray levels added as noise, so that flat regions correlate with nothing
BLUR = 7.5, 4.5
"""px of the blur subtracted from a star's surroundings, and from a word's: the latter horizontal
only, so that horizontal bars and edges don't resemble a word"""
_ROOM = 7


class MarkSearch:
    """Visible mark detection in a picture, or in some of a clip's sampled frames."""

    def __init__(self) -> None:
        self._times: set[float] = set()
        self._frames: list[np.ndarray] = []  # RGB
        self._scale = 1.0  # of the last frame

    @staticmethod
    def possible() -> bool:
        """Return True if the fonts of the marks are installed, which come with matplotlib."""
        return find_spec("matplotlib") is not None

    def begin(self, sampled: Sequence[float]) -> None:
        """Choose among the sampled times, s."""
        places = np.linspace(0, len(sampled) - 1, min(FRAMES, len(sampled))).round().astype(int)
        self._times = {sampled[place] for place in places}

    def add(self, frame: Frame, times: Sequence[float]) -> None:
        """Store a decoded frame, scaled down, if it is chosen; `times` are those that it
        answers."""
        if not self._times.isdisjoint(times):
            rgb = halved(frame.rgb)
            height, width = rgb.shape[:2]
            scale = min(SIDE / min(height, width), (PIXELS / (height * width)) ** 0.5)
            self._scale = scale * width / frame.rgb.shape[1]
            kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=kind)
            if not self._frames or small.shape == self._frames[0].shape:
                self._frames.append(small)

    @property
    def found(self) -> list[GeneratorMark]:
        """Return the detected marks, the certain ones first."""
        if not self._frames:
            return []
        marks = [
            GeneratorMark(
                name=MARKS[mark].name or mark,
                maker=MARKS[mark].maker,
                place=hit.place,
                score=round(min(hit.score, 1.0), 3),
                certain=certainty.is_certain(self._evidence(hit), MARKS[mark].layout),
            )
            for mark, hit in scores([_gray(frame) for frame in self._frames]).items()
            if hit.score >= MARKS[mark].limit
        ]
        return sorted(marks, key=lambda mark: not mark.certain)

    def _evidence(self, hit: Hit) -> certainty.MarkEvidence:
        frames = [self._frames[index] for index in hit.frames]
        return certainty.measure(frames, _drawings(hit.shape), hit.at, 1 / self._scale)


@dataclass(frozen=True, order=True)
class _Shape:
    mark: str
    text: str
    height: float
    width: float = 1.0  # of the font's own: fonts differ, and a picture may have been squeezed
    font: str = FONTS[0][0]
    stroke: float = 0.03


@dataclass(frozen=True)
class _Template:
    """A drawn mark: parts with their offsets from the left, and total size, px."""

    parts: list[tuple[int, np.ndarray]]
    size: tuple[int, int]


class Hit(NamedTuple):
    """Best match of a mark."""

    score: float
    place: str
    at: tuple[int, int] = (0, 0)  # x and y of its drawing in a frame, px
    shape: _Shape = _Shape("", "", 0.0)
    frames: tuple[int, ...] = ()  # searched frames


@dataclass(frozen=True, order=True)
class _Fit:
    """Match of a template at a position of a region."""

    score: float
    x: int
    y: int


def scores(frames: Sequence[np.ndarray], marks: Sequence[str] = tuple(MARKS)) -> dict[str, Hit]:
    """Return the match of each mark in small gray frames: in their mean, moving content is blurred
    and a static mark remains."""
    star, words = (_corners(_mean(frames, word=word)) for word in (False, True))
    every = tuple(range(len(frames)))
    found = {}
    for mark in marks:
        if mark == MOVING:
            continue
        corners = star if mark == STAR else words
        places = {place: corners[place] for place in MARKS[mark].places}
        best = _fit(places, mark)
        down, across = corners[MARKS[mark].places[0]].shape
        x = best.at[0] + (frames[0].shape[1] - across) * best.place.endswith("right")
        y = best.at[1] + (frames[0].shape[0] - down) * best.place.startswith("bottom")
        found[mark] = best._replace(at=(x, y), frames=every)
    if MOVING in marks:
        # One match may be chance: two groups must match, at any position.
        each: list[Hit] = []
        for group in np.array_split(np.arange(len(frames)), min(GROUPS, len(frames))):
            mean = _mean([frames[index] for index in group], word=True)
            best = _fit({"": mean}, MOVING)
            each.append(best._replace(frames=tuple(map(int, group))))
            if len(each) == 2 and not any(hit.score for hit in each):
                break
        found[MOVING] = sorted(each)[-2:][0]
    return found


def _gray(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def _mean(frames: Sequence[np.ndarray], *, word: bool) -> np.ndarray:
    return _sharpened(np.mean(frames, axis=0), 1.0, word=word)


def _corners(image: np.ndarray) -> dict[str, np.ndarray]:
    height, width = image.shape
    down, across = 2 * round(BAND * height / 2), 2 * round(CORNER * width / 2)
    return {
        _("top left"): image[:down, :across],
        _("top right"): image[:down, -across:],
        _("bottom left"): image[-down:, :across],
        _("bottom right"): image[-down:, -across:],
    }


def _fit(regions: dict[str, np.ndarray], mark: str) -> Hit:
    """Return a mark's best match, refined from the candidates at half size."""
    stack = np.vstack(list(regions.values()))  # one pass over all of them is much faster
    half = cv2.resize(stack, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    rows = len(half) // len(regions)
    candidates = []
    for shape in _first_shapes(mark):
        template = _template(shape, 0.5)
        fits = _alike(half, template, 1)
        last = rows - template.size[0] + 1
        if fits is None or last < 1:
            continue
        for number, place in enumerate(regions):
            fit = _highest(fits[number * rows : number * rows + last])
            candidates.append((fit, place, shape, template.size))
    candidates.sort(key=lambda candidate: candidate[0], reverse=True)
    near = []
    for fit, place, shape, (high, wide) in candidates[:CANDIDATES]:
        if fit.score < COARSE:
            break
        top, left = max(0, 2 * fit.y - _ROOM), max(0, 2 * fit.x - _ROOM)
        window = regions[place][top : 2 * (fit.y + high) + _ROOM, left : 2 * (fit.x + wide) + _ROOM]
        if (best := _closest(window, _shapes_near(shape))) is not None:
            near.append((*best, place, (left, top), window))
    if not near:
        return Hit(0.0, "")
    near.sort(key=lambda found: found[0], reverse=True)
    for _score, shape, place, corner, window in near[:LETTERS]:
        if shape.text and (other := _closest(window, _other_letters(shape))) is not None:
            near.append((*other, place, corner, window))
    closer, shape, place, (left, top), _window = max(near, key=lambda found: found[0])
    at = left + closer.x, top + closer.y
    end = at[0] + _template(shape, 1.0).size[1]
    return Hit(closer.score, place or _where(end, at[1], regions[place]), at, shape)


def _closest(image: np.ndarray, shapes: list[_Shape]) -> tuple[_Fit, _Shape] | None:
    fits = [(_best(image, _template(shape, 1.0), 2), shape) for shape in shapes]
    room = [(fit, shape) for fit, shape in fits if fit is not None]
    return max(room, key=lambda found: found[0]) if room else None


def _where(x: int, y: int, image: np.ndarray) -> str:
    height, width = image.shape
    rows, columns = ("top ", "", "bottom "), ("left", "right")
    return rows[min(2, 3 * y // height)] + columns[x > width / 2]


def _first_shapes(mark: str) -> list[_Shape]:
    if mark == STAR:
        return [_Shape(mark, "", height) for height in STARS]
    return [
        _Shape(mark, text, height, width)
        for text in MARKS[mark].texts
        for height in HEIGHTS
        for width in MARKS[mark].widths
    ]


def _shapes_near(shape: _Shape) -> list[_Shape]:
    if not shape.text:
        return [
            replace(shape, height=shape.height * share) for share in (0.86, 0.93, 1.0, 1.08, 1.16)
        ]
    return [
        replace(shape, height=shape.height * share, width=shape.width * wide)
        for share in (0.9, 1.0, 1.1)
        for wide in (0.93, 1.0, 1.07)
    ]


def _other_letters(shape: _Shape) -> list[_Shape]:
    return [
        replace(
            shape, font=font, stroke=stroke,
            width=shape.width * wide * (0.82 if font.startswith("DejaVu") else 1.0),
        )
        for font, stroke in FONTS
        for wide in (0.97, 1.0, 1.03)
    ]  # fmt: skip


@cache
def _template(shape: _Shape, scale: float) -> _Template:
    whole = _sharpened(_coverage(shape, scale), scale, word=bool(shape.text))
    return _Template([(a, whole[:, a:b]) for a, b in _spans(shape, scale)], whole.shape)


def _drawings(shape: _Shape) -> list[certainty.Parts]:
    """Return the possible drawings of a mark: of a star, all widths and hollows."""
    if not shape.text:
        size = max(6, round(2 * shape.height))
        return [[(0, _star(size + more, hollow))] for more in range(-2, 4) for hollow in HOLLOW]
    whole = _coverage(shape, 1.0)
    return [[(a, whole[:, a:b]) for a, b in _spans(shape, 1.0)]]


def _spans(shape: _Shape, scale: float) -> list[tuple[int, int]]:
    """Return start and end of each part of a mark, px."""
    whole = _coverage(shape, scale).shape[1]
    cuts = _letters(shape.text, shape.font, shape.stroke)[2] if shape.text else []
    if len(cuts) < 3:
        return [(0, whole)]
    edge, begin = _edge(shape, scale), _icon(shape, scale)
    ends = [begin + round(cut * (whole - 2 * edge - begin)) for cut in cuts]
    spans = [(a, b + 2 * edge) for a, b in pairwise(ends)]
    return [(0, begin + edge), *spans] if begin else spans


def _edge(shape: _Shape, scale: float) -> int:
    return max(1, round(shape.height * scale / 4))


def _icon(shape: _Shape, scale: float) -> int:
    """Return the offset of the word behind its cloud, px."""
    height = shape.height * scale
    if shape.mark != MOVING:
        return 0
    return max(5, round(ICON * height)) + max(1, round(GAP * height))


@cache
def _coverage(shape: _Shape, scale: float) -> np.ndarray:
    """Return a mark's coverage of a picture, 0 to 255."""
    height = shape.height * scale
    if not shape.text:
        return _star(max(6, round(2 * height)))
    large, capital, _ = _letters(shape.text, shape.font, shape.stroke)
    wide = max(4, round(large.shape[1] * height / capital * shape.width))
    high = max(3, round(large.shape[0] * height / capital))
    small = cv2.resize(large, (wide, high), interpolation=cv2.INTER_AREA)
    begin = _icon(shape, scale)
    if begin:
        icon = _cloud(max(5, round(ICON * height)))
        both = np.zeros((max(len(icon), high), begin + wide), np.float32)
        for part, x in ((icon, 0), (small, begin)):
            y = (len(both) - len(part)) // 2
            both[y : y + len(part), x : x + part.shape[1]] = part
        small = both
    return np.pad(small, _edge(shape, scale))


@cache
def _letters(
    text: str, font: str, stroke: float, size: int = 96
) -> tuple[np.ndarray, int, list[float]]:
    """Return a rendered text, its capital height, px, and its cuts, 0 to 1."""
    if font == "Aileron":  # Pillow's own
        face = ImageFont.load_default(size)
    else:
        import matplotlib  # takes long; its font is there wherever reports are printed

        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        face = ImageFont.truetype(str(folder / f"{font}.ttf"), size)
    parts = text.split("|")
    text = "".join(parts)
    lengths = [
        face.getlength("".join(parts[:count]).replace("\n", "")) for count in range(len(parts) + 1)
    ]
    edge = round(size * stroke)
    drawing = ImageDraw.Draw(Image.new("L", (1, 1)))
    style: dict[str, Any] = {"font": face, "stroke_width": edge, "spacing": 0, "align": "center"}
    x0, y0, x1, y1 = drawing.textbbox((0, 0), text, **style)
    image = Image.new("L", (int(x1 - x0), int(y1 - y0)))
    ImageDraw.Draw(image).text((-x0, -y0), text, 255, stroke_fill=255, **style)
    _, top, _, bottom = face.getbbox("H")
    picture = np.asarray(image, np.float32)
    return picture, int(bottom - top), [length / lengths[-1] for length in lengths]


def _cloud(size: int) -> np.ndarray:
    y, x = np.mgrid[: 4 * size, : 4 * size] / (2 * size) - 1
    inside = np.hypot(x, y) <= 0.9 + 0.07 * np.cos(6 * np.arctan2(y, x))
    for eye in (-0.3, 0.3):
        inside &= ((x - eye) / 0.14) ** 2 + (y / 0.28) ** 2 > 1
    large = np.where(inside, 255, 0).astype(np.float32)
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)


@cache
def _star(size: int, hollow: float = 0.58) -> np.ndarray:
    axis = np.abs(np.linspace(-1.15, 1.15, 4 * size))
    inside = axis[:, None] ** hollow + axis[None] ** hollow <= 1.0
    large = np.where(inside, 255, 0).astype(np.float32)
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)


def _sharpened(gray: np.ndarray, scale: float, *, word: bool) -> np.ndarray:
    image, blur = gray.astype(np.float32), BLUR[word] * scale
    size = (2 * round(2.5 * blur) + 1, 1) if word else (0, 0)
    return image - cv2.GaussianBlur(image, size, blur, borderType=cv2.BORDER_REPLICATE)


def _best(image: np.ndarray, template: _Template, give: int) -> _Fit | None:
    """Return a template's best match; a star's is that of its worst strip."""
    alike = _alike(image, template, give)
    if alike is None:
        return None
    fit = _highest(alike)
    if len(template.parts) > 1:
        return fit
    (_, star), (high, wide) = template.parts[0], template.size
    at = image[fit.y : fit.y + high, fit.x : fit.x + wide]
    strip = wide // STRIPS
    worst = min(
        correlation(at[:, x : x + strip], star[:, x : x + strip])
        for x in range(0, STRIPS * strip, strip)
    )
    return replace(fit, score=min(fit.score, worst + SLACK))


def _alike(image: np.ndarray, template: _Template, give: int) -> np.ndarray | None:
    """Return a template's score at each position: mean and minimum of its parts, halved."""
    high, wide = template.size
    rows, columns = image.shape[0] - high + 1, image.shape[1] - wide + 1
    if rows < 1 or columns < 1:
        return None
    if len(template.parts) == 1:
        return _correlation(image, template.parts[0][1])
    room = np.ones((3, 2 * give + 1), np.uint8)
    alike = np.stack(
        [
            cv2.dilate(_correlation(image, part), room)[:rows, x : x + columns]
            for x, part in template.parts
        ]
    )
    both: np.ndarray = 0.5 * alike.mean(axis=0) + 0.5 * alike.min(axis=0)
    return both


def _highest(alike: np.ndarray) -> _Fit:
    _, score, _, (x, y) = cv2.minMaxLoc(alike)
    return _Fit(score, x, y)


def _correlation(image: np.ndarray, template: np.ndarray) -> np.ndarray:
    high, wide = template.shape
    centered = template - template.mean()
    product = cv2.matchTemplate(image, centered, cv2.TM_CCORR)
    rows, columns = product.shape
    mean, square = (
        box(image, -1, (wide, high), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)[:rows, :columns]
        for box in (cv2.boxFilter, cv2.sqrBoxFilter)
    )
    variance = np.maximum(square - mean**2, 0.0) + NOISE**2
    alike: np.ndarray = product / np.sqrt(
        template.size * variance * float((centered**2).sum()) + 1e-9
    )
    return alike
