"""Pictures of a result: face tiles, frames, heatmaps and traces. The only part of the page that
decodes.

Pictures are cached with bounds; face tiles are cut in the background.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import streamlit as st
from cachetools import LRUCache

from dashboard.images import data_url, jpeg
from detector import explain, media, vision
from detector.errors import UnmaskError
from detector.helper_process import helper
from detector.models.base import CropRecipe
from detector.schema.analysis import Analysis, Box, FrameSegment, ModelResult
from detector.signals import views
from detector.vision.boxes import FaceBox, draw

log = logging.getLogger(__name__)

TILE = CropRecipe(scale=1.45, size=88, resize="area", border="replicate")
TILE_OF_PICTURE = CropRecipe(kind="whole", size=88, fit="cover", resize="antialias")
CROP = CropRecipe(scale=1.45, size=448, resize="area", border="black")
CROP_OF_PICTURE = CropRecipe(kind="whole", size=448, fit="cover", resize="antialias")
CACHED_STRIPS = 24
"""files whose face pictures are kept, about 100 kB each."""
STRIPS_TIMEOUT = 0.5
"""s a page waits for the strips before it draws them without pictures."""

Key = tuple[str, int]
"""Person and position of the moment."""


@dataclass
class _Strips:
    """Cached face tiles of one file; an empty address marks a tile that could not be cut."""

    pictures: dict[Key, str] = field(default_factory=dict)
    cutting: Future[None] | None = None


# No tasks of the queue: a page waits for them, and they end within a second or two.
_pool = ThreadPoolExecutor(1, thread_name_prefix="strips")
_submitting = threading.Lock()


@st.cache_resource(max_entries=CACHED_STRIPS, show_spinner=False)
def _strips(sha256: str) -> _Strips:
    return _Strips()


def strip_pictures(
    path: Path, analysis: Analysis, wanted: Collection[Key]
) -> tuple[dict[Key, str], bool]:
    """Return data URLs of the face tiles that are ready, and whether all are."""
    strips = _strips(analysis.media.sha256)
    with _submitting:
        missing = [key for key in wanted if key not in strips.pictures]
        if missing and (strips.cutting is None or strips.cutting.done()):
            strips.cutting = _pool.submit(_cut_all, path, analysis, missing, strips.pictures)
    if missing and strips.cutting is not None:
        with suppress(TimeoutError):
            strips.cutting.result(STRIPS_TIMEOUT)
    ready = {key: url for key in wanted if (url := strips.pictures.get(key))}
    return ready, all(key in strips.pictures for key in wanted)


def _cut_all(path: Path, analysis: Analysis, wanted: list[Key], pictures: dict[Key, str]) -> None:
    people = {track.id: {f.index: f.box for f in track.frames} for track in analysis.seen}
    faces = {track.id for track in analysis.people}
    boxes: dict[int, list[tuple[Key, Box]]] = {}
    for person, index in wanted:
        if (box := people.get(person, {}).get(index)) is not None:
            boxes.setdefault(index, []).append(((person, index), box))
    order = sorted(boxes)
    times = [analysis.timestamps[index] for index in order]
    try:
        for place, rgb in _frames(path, analysis, times):
            for key, box in boxes[order[place]]:
                tile = TILE if key[0] in faces else TILE_OF_PICTURE
                pictures[key] = data_url(jpeg(vision.cut(rgb, box, tile), 72), "jpeg")
    except (UnmaskError, OSError, ValueError):
        log.exception("the face pictures of a result could not be cut")
    for key in wanted:
        pictures.setdefault(key, "")


def _frames(path: Path, analysis: Analysis, times: list[float]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (index in times, picture) for each time; one picture may serve several."""
    last: tuple[int, np.ndarray] | None = None
    for frame in media.decode(path, analysis.media, times, notes=[]):
        if last is not None:
            yield from ((i, last[1]) for i in range(last[0], frame.index))
        last = (frame.index, frame.rgb)
    if last is not None:
        yield from ((i, last[1]) for i in range(last[0], len(times)))


@st.cache_resource(max_entries=3, show_spinner=False)
def _frame(path: Path, sha256: str, time: float, _analysis: Analysis) -> np.ndarray:
    """Return one full frame, read-only. The cache is small: a frame of an 8K picture is 100 MB."""
    return media.frame_at(path, _analysis.media, time).rgb


def frame(path: Path, analysis: Analysis, time: float) -> np.ndarray:
    """Return the full frame at a time, read-only."""
    return _frame(path, analysis.media.sha256, time, analysis)


def crop(path: Path, analysis: Analysis, time: float, box: Box, recipe: CropRecipe) -> np.ndarray:
    """Return a face with some room around it (`CROP`), or the middle of a whole picture
    (`CROP_OF_PICTURE`), [448, 448, 3]."""
    return vision.cut(_frame(path, analysis.media.sha256, time, analysis), box, recipe)


def whole_frame(
    path: Path,
    analysis: Analysis,
    time: float,
    boxes: Iterable[FaceBox],
    side: int,
    heat: explain.Heatmap | None = None,
    alpha: float = 0.6,
) -> np.ndarray:
    """Return the frame at a moment with boxes, at most `side` px long, and a heatmap over the
    face."""
    rgb = _frame(path, analysis.media.sha256, time, analysis)
    if heat is not None:
        rgb = explain.on_frame(rgb, heat, alpha)
    return draw(rgb, list(boxes), min(side, max(rgb.shape[:2])))


_drawing = threading.Lock()


CACHED_HEATMAPS = 96
"""Compare shows up to 48."""
# Not by Streamlit's cache: that draws a progress bar again wherever it was once drawn.
_heatmaps: LRUCache[tuple[object, ...], explain.Heatmap | None] = LRUCache(CACHED_HEATMAPS)


def heatmap(
    path: Path,
    analysis: Analysis,
    person: str,
    time: float,
    model: str,
    method: str | None = None,
    on_progress: Callable[[float], object] = bool,
) -> explain.Heatmap | None:
    """Return a model's heatmap; one at a time in this process, because they compete with analyses
    for the cores."""
    key = (path, analysis.id, person, time, model, method)
    helper.keep()  # warm while a person looks at a result
    with _drawing:
        if key not in _heatmaps:
            _heatmaps[key] = explain.heatmap(
                path, analysis, person, time, model, method, on_progress=on_progress
            )
        return _heatmaps[key]


@st.cache_data(max_entries=48, show_spinner=False)
def effect(key: tuple[object, ...], _model: ModelResult, _heat: explain.Heatmap) -> explain.Effect:
    """Return the effect of hiding the hottest places; `key` names the heatmap."""
    with _drawing:
        return explain.effect(_heat, _model)


@st.cache_data(max_entries=48, show_spinner=False)
def methods(model: str) -> list[explain.Method]:
    """Return the explanation methods of a model, the usual one first; loads the model."""
    with _drawing:
        return explain.methods_of(model)


@st.cache_data(max_entries=24, show_spinner=False)
def traces(
    path: Path, sha256: str, time: float, _face: FrameSegment, person: str, _analysis: Analysis
) -> views.Traces:
    """Return spectrum, noise and error level of one face at one moment."""
    return views.traces(_frame(path, sha256, time, _analysis), _face.box, _face.landmarks)
