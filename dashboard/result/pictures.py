"""Pictures cut out of the file: faces for the strips, one frame, one heatmap.

The only place of the result view that decodes. What is drawn is kept, bounded; the strips are made
in the background, so that nothing waits for them.
"""

from __future__ import annotations

import base64
import io
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw

from dashboard import series
from dashboard.theme import ON_VIDEO
from detector import explain, media, vision
from detector.errors import UnmaskError
from detector.models.base import CropRecipe
from detector.schema.analysis import Analysis, Box, FrameSegment, Label, ModelResult
from detector.signals import views

log = logging.getLogger(__name__)

TILE = CropRecipe(scale=1.45, size=88, resize="area", border="replicate")
CROP = CropRecipe(scale=1.45, size=448, resize="area", border="black")
FRAME_SIDE = 960
"""px of the longer side of the frame in the inspector."""
KEPT_STRIPS = 24
"""analyses whose face pictures are kept, about 100 kB each."""
PATIENCE = 0.5
"""s a page waits for the strips before it draws them without pictures."""

Key = tuple[str, int]
"""Person and position of the moment."""


def jpeg(rgb: np.ndarray, quality: int = 80) -> bytes:
    """A picture as JPEG bytes."""
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=quality)
    return out.getvalue()


class _Strips:
    """Face pictures by analysis, cut in the background by one thread."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="strips")
        self.lock = threading.Lock()
        self.made: OrderedDict[str, dict[Key, str]] = OrderedDict()
        self.doing: dict[str, Future[None]] = {}

    def get(
        self, path: Path, analysis: Analysis, wanted: Collection[Key]
    ) -> tuple[dict[Key, str], bool]:
        id = analysis.media.sha256
        with self.lock:
            made = self.made.setdefault(id, {})
            self.made.move_to_end(id)
            while len(self.made) > KEPT_STRIPS:
                self.made.popitem(last=False)
            missing = [key for key in wanted if key not in made]
            job = self.doing.get(id)
            if missing and (job is None or job.done()):
                job = self.pool.submit(_cut_all, path, analysis, missing, made)
                self.doing[id] = job
        if job is not None and missing:
            try:
                job.result(timeout=PATIENCE)
            except TimeoutError:
                pass
            else:
                with self.lock:
                    self.doing.pop(id, None)
        ready = {key: made[key] for key in wanted if made.get(key)}
        return ready, all(key in made for key in wanted)


def _cut_all(path: Path, analysis: Analysis, wanted: list[Key], made: dict[Key, str]) -> None:
    """One pass through the file. A face that can't be cut gets an empty address, so that nobody
    asks for it again."""
    people = {track.id: {f.index: f.box for f in track.frames} for track in analysis.judged}
    boxes: dict[int, list[tuple[Key, Box]]] = {}
    for key in wanted:
        box = people.get(key[0], {}).get(key[1])
        if box is not None:
            boxes.setdefault(key[1], []).append((key, box))
    order = sorted(boxes)
    times = [analysis.moments[index] for index in order]
    try:
        for place, rgb in _frames(path, analysis, times):
            for key, box in boxes[order[place]]:
                url = base64.b64encode(jpeg(vision.cut(rgb, box, TILE), 72)).decode()
                made[key] = f"data:image/jpeg;base64,{url}"
    except (UnmaskError, OSError, ValueError):
        log.exception("the face pictures of a result could not be cut")
    for key in wanted:
        made.setdefault(key, "")


def _frames(path: Path, analysis: Analysis, times: list[float]) -> Iterator[tuple[int, np.ndarray]]:
    """(position in times, picture) for each time; one picture may answer several."""
    last: tuple[int, np.ndarray] | None = None
    for frame in media.decode(path, analysis.media, times, notes=[]):
        if last is not None:
            yield from ((i, last[1]) for i in range(last[0], frame.index))
        last = (frame.index, frame.rgb)
    if last is not None:
        yield from ((i, last[1]) for i in range(last[0], len(times)))


@st.cache_resource(show_spinner=False)
def _strips() -> _Strips:
    return _Strips()


def strip_pictures(
    path: Path, analysis: Analysis, wanted: Collection[Key]
) -> tuple[dict[Key, str], bool]:
    """Data addresses of the face pictures that are ready, and whether all are."""
    return _strips().get(path, analysis, wanted)


@st.cache_resource(max_entries=3, show_spinner=False)
def _frame(path: Path, sha256: str, time: float, _analysis: Analysis) -> np.ndarray:
    """One full frame. Kept few: a frame of an 8K picture is 100 MB. Never changed by a caller."""
    return media.frame_at(path, _analysis.media, time).rgb


def crop(path: Path, analysis: Analysis, time: float, box: Box) -> np.ndarray:
    """A face with some room around it, [448, 448, 3]."""
    return vision.cut(_frame(path, analysis.media.sha256, time, analysis), box, CROP)


def whole_frame(
    path: Path,
    analysis: Analysis,
    time: float,
    boxes: Mapping[str, tuple[Box, Label]],
    side: int = FRAME_SIDE,
    heat: explain.Heatmap | None = None,
    alpha: float = 0.6,
) -> np.ndarray:
    """The frame at a moment with the faces' boxes burned in, at most `side` px long.

    Parameters
    ----------
    heat, alpha : Heatmap, float
        Laid over the face, where given.
    """
    rgb = _frame(path, analysis.media.sha256, time, analysis)
    if heat is not None:
        rgb = explain.on_frame(rgb, heat, alpha)
    scale = min(1.0, side / max(rgb.shape[:2]))
    image = Image.fromarray(rgb)
    if scale < 1:
        image = image.resize(
            (max(1, round(image.width * scale)), max(1, round(image.height * scale))),
            Image.Resampling.LANCZOS,
            reducing_gap=3,
        )
    draw = ImageDraw.Draw(image)
    stroke = max(2, round(max(image.size) / 240))
    for box, label in boxes.values():
        color, dash = ON_VIDEO[label]
        _rectangle(draw, [v * scale for v in box], color, dash, stroke)
    return np.asarray(image)


def boxes_at(analysis: Analysis, time: float) -> dict[str, tuple[Box, Label]]:
    """Everybody's box and state at the looked-at moment nearest to a time."""
    found = {}
    for track in analysis.judged:
        face = series.nearest_face(track, analysis.moments, time)
        if face is not None:
            judged = face.score is not None
            found[track.id] = (face.box, track.label if judged else Label.NOT_APPLICABLE)
    return found


def _rectangle(
    draw: ImageDraw.ImageDraw, box: list[float], color: str, dash: str, stroke: int
) -> None:
    """A box whose state can be read without color: solid, dashed or dotted."""
    x0, y0, x1, y1 = box
    if dash == "solid":
        draw.rectangle((x0, y0, x1, y1), outline=color, width=stroke)
        return
    on, off = (4 * stroke, 2.5 * stroke) if dash == "dashed" else (stroke, 1.6 * stroke)
    for (ax, ay), (bx, by) in (
        ((x0, y0), (x1, y0)), ((x1, y0), (x1, y1)), ((x0, y1), (x1, y1)), ((x0, y0), (x0, y1)),
    ):  # fmt: skip
        length = max(abs(bx - ax), abs(by - ay))
        at = 0.0
        while at < length:
            to = min(at + on, length)
            a, b = at / length, to / length
            draw.line(
                (ax + (bx - ax) * a, ay + (by - ay) * a, ax + (bx - ax) * b, ay + (by - ay) * b),
                fill=color, width=stroke,
            )  # fmt: skip
            at += on + off


_drawing = threading.Lock()


@st.cache_data(max_entries=96, show_spinner=False)  # the Compare page shows up to 48
def heatmap(
    path: Path,
    analysis_id: str,
    person: str,
    time: float,
    model: str,
    _analysis: Analysis,
    method: str | None = None,
    _tell: Callable[[float], object] | None = None,
) -> explain.Heatmap | None:
    """Where a model looked. One is drawn at a time in this process: they compete for the cores
    with running analyses."""
    with _drawing:
        return explain.heatmap(path, _analysis, person, time, model, method, tell=_tell)


@st.cache_data(max_entries=48, show_spinner=False)
def effect(
    analysis_id: str,
    person: str,
    time: float,
    method: str,
    _model: ModelResult,
    model: str,
    _heat: explain.Heatmap,
) -> explain.Effect:
    """What hiding the hottest places does to the score."""
    with _drawing:
        return explain.effect(_heat, _model)


@st.cache_data(max_entries=48, show_spinner=False)
def methods(model: str) -> list[explain.Method]:
    """The ways to look into a model, the usual one first. Loads it the first time."""
    with _drawing:
        return explain.methods_of(model)


@st.cache_data(max_entries=24, show_spinner=False)
def traces(
    path: Path, sha256: str, time: float, _face: FrameSegment, person: str, _analysis: Analysis
) -> views.Traces:
    """Spectrum, noise and error level of one face at one moment."""
    return views.traces(_frame(path, sha256, time, _analysis), _face.box, _face.landmarks)
