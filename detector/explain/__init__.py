"""Where a model looked: heatmaps of one face at one moment, made on demand.

A heatmap shows which places raised a score. It is no proof: a high score for a wrong reason has a
heatmap too.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from detector import media, vision
from detector.decision import sigmoid
from detector.errors import UsageError
from detector.explain.occlusion import occlude
from detector.helper_process import helper
from detector.models import registry
from detector.models.base import Border, CropRecipe, Model, ModelSpec
from detector.models.ready import ReadyModel
from detector.schema.analysis import (
    Analysis,
    Box,
    FrameSegment,
    Modality,
    ModelResult,
    Point,
    SpanSegment,
    Subject,
)
from detector.schema.ensemble import shown_name
from detector.sentences import _, known
from detector.vision import cut

WAYS = f"{__name__}.ways"
HIDDEN = 0.1  # Part of the crop, the hottest, that `without` hides


@dataclass(frozen=True)
class Heatmap:
    """A crop as the model saw it, and where the model looked in it."""

    crop: np.ndarray  # uint8 [S, S, 3] RGB
    map: np.ndarray  # float32 [S, S], 0..1, scaled per picture: compare places, not strength
    caption: str
    method: str = ""  # id of the method that made it
    place: np.ndarray | None = None  # float [2, 3]: from px of the crop to px of the frame
    run: np.ndarray | None = None  # video models: the whole window, uint8 [T, S, S, 3]
    run_map: np.ndarray | None = None
    """video models: a map for each of its frames, float32 [T, h, w]"""
    times: tuple[float, ...] = ()  # video models: s of the frames of the window
    border: Border = "black"  # what stands in the crop beyond the edge of the frame

    def mirrors(self, width: int, height: int) -> bool:
        """Return whether the crop reaches beyond the frame, where the model sees a mirror image."""
        if self.place is None or self.border != "mirror":
            return False
        rows, columns = self.crop.shape[:2]
        (x0, y0), (x1, y1) = (self.place @ (x, y, 1.0) for x, y in ((0, 0), (columns, rows)))
        return bool(min(x0, y0) < -1 or x1 > width + 1 or y1 > height + 1)

    @property
    def over_time(self) -> np.ndarray | None:
        """Return of video models how much each frame raised the score, float [T] in 0..1."""
        if self.run_map is None:
            return None
        shares = self.run_map.reshape(len(self.run_map), -1).mean(1)
        return shares / max(float(shares.max()), 1e-9)


def fit(values: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """Return a map at the size of its crop."""
    height, width = crop.shape[:2]
    resized = cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(resized, 0.0, 1.0)


def overlay(heat: Heatmap, alpha: float = 0.6) -> np.ndarray:
    """Return the map in inferno colors over the darkened crop, uint8 [S, S, 3]; `alpha` 1 is the
    map."""
    return _blend(heat.crop, heat.map, alpha)


def on_frame(rgb: np.ndarray, heat: Heatmap, alpha: float = 0.6) -> np.ndarray:
    """Return the map over the face in the frame, uint8 [H, W, 3]; the frame where its place is
    unknown."""
    if heat.place is None:
        return rgb
    size = (rgb.shape[1], rgb.shape[0])
    values = cv2.warpAffine(heat.map, heat.place, size, flags=cv2.INTER_LINEAR)
    return _blend(rgb, np.clip(values, 0, 1), alpha)


def without(
    heat: Heatmap, share: float = HIDDEN, rng: np.random.Generator | None = None
) -> Heatmap:
    """Return the crop with `share` of its hottest places blurred, or of random ones with an
    `rng`."""

    def hide(picture: np.ndarray, values: np.ndarray) -> np.ndarray:
        if rng is not None:
            values = fit(rng.random((8, 8)), picture)
        # Ties, as in a map of zeros, hide nothing: only what is above the bound.
        mask = (values > np.quantile(values, 1 - share)).astype(np.float32)
        mask = cv2.GaussianBlur(mask, (0, 0), len(picture) / 64)[..., None]
        blurred = cv2.GaussianBlur(picture, (0, 0), len(picture) / 12)
        return (picture * (1 - mask) + blurred * mask).round().astype(np.uint8)

    run = heat.run
    if run is not None and heat.run_map is not None:
        run = np.stack(
            [hide(one, fit(values, one)) for one, values in zip(run, heat.run_map, strict=True)]
        )
    return replace(heat, crop=hide(heat.crop, heat.map), run=run)


def _blend(rgb: np.ndarray, values: np.ndarray, alpha: float) -> np.ndarray:
    colors = cv2.applyColorMap((values * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    dark = rgb.astype(np.float32) * (1 - 0.5 * alpha)
    weight = alpha * values[..., None]
    return np.clip(dark * (1 - weight) + colors * weight, 0, 255).astype(np.uint8)


def share_in(values: np.ndarray, place: np.ndarray | None, box: Box) -> float | None:
    """Return how much of a map [S, S] lies in a box of the frame, 0..1; None for a map of zeros and
    where the `place` of the crop is unknown."""
    total = float(values.sum())
    if place is None or total <= 0:
        return None
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]] + 0.5
    x, y = np.tensordot(place[:, :2], np.stack([columns, rows]), 1) + place[:, 2, None, None]
    inside = (box[0] <= x) & (x <= box[2]) & (box[1] <= y) & (y <= box[3])
    return float(values[inside].sum()) / total


def place_of(
    shape: tuple[int, ...], box: Box, recipe: CropRecipe, landmarks: Sequence[Point]
) -> np.ndarray | None:
    """Return the map from px of a crop to px of its frame, [2, 3]; None where none is affine.

    A picture whose colors are its own coordinates is cut as the frame was, whatever the recipe."""
    height, width = shape[:2]
    side = max(box[2] - box[0], box[3] - box[1])
    whole = recipe.kind == "whole"
    reach = max(width, height) / 2 if whole else 2 * side
    middle = (width / 2, height / 2) if whole else ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    scale = 253 / (2 * reach)  # 1..254 inside, so that what was padded (0) is told apart
    columns, rows = (
        np.clip(1 + (np.arange(length) + 0.5 - (center - reach)) * scale, 1, 254)
        for length, center in ((width, middle[0]), (height, middle[1]))
    )
    coordinates = np.full((height, width, 3), 255, np.uint8)
    coordinates[..., 0] = columns.round()
    coordinates[..., 1] = rows.round()[:, None]
    mapped = cut(coordinates, box, recipe, landmarks)
    known = (mapped[..., 2] == 255) & ((mapped[..., :2] > 2) & (mapped[..., :2] < 253)).all(2)
    y, x = np.nonzero(known)
    if len(x) < 16:
        return None
    inside = np.column_stack([x + 0.5, y + 0.5, np.ones(len(x))])
    outside = (mapped[y, x, :2].astype(float) - 1) / scale + np.array(middle) - reach
    return np.asarray(np.linalg.lstsq(inside, outside, rcond=None)[0].T)


OnProgress = Callable[[float], object]
"""Called with the share of the work that is done, 0..1; may raise to stop."""


@dataclass(frozen=True)
class Method:
    """One way."""

    id: str
    title: str
    what: str  # What its map shows, with the model's name put in
    source: str  # Paper
    forwards: int  # Runs of the network it takes, about; a backward pass counts as two


_METHODS = (
    ("relevance", _("Relevance"), _("what raised the score of {model}"),
     "after Chefer et al., CVPR 2021, arXiv:2012.09838", 3),
    ("gradcam", "Grad-CAM", _("what raised the score of {model}"),
     "Selvaraju et al., ICCV 2017, arXiv:1610.02391", 3),
    ("gradcam++", "Grad-CAM++", _("what raised the score of {model}, several places weighed apart"),
     "Chattopadhyay et al., WACV 2018, arXiv:1710.11063", 3),
    ("own", _("Its own map"), _("what {model} marks by itself"), "the model’s own paper", 1),
    ("occlusion", _("Occlusion"), _("where hiding a part lowers the score of {model}"),
     "Zeiler and Fergus, ECCV 2014, arXiv:1311.2901", 50),
)  # fmt: skip
METHODS = {row[0]: Method(*row) for row in _METHODS}

DRAWS = 5  # random hidings that one hiding is held against


def face_at(track: Subject, time: float) -> FrameSegment:
    """Return the analyzed frame of a person that is nearest to a time."""
    return min(track.frames, key=lambda face: abs(face.time - time))


def find_track(analysis: Analysis, track_id: str) -> Subject:
    """Return the track with an id. UsageError when there is none."""
    for track in analysis.judged:
        if track.id == track_id:
            return track
    raise UsageError(_("There is no person {track_id} in this analysis.").format(track_id=track_id))


def methods_of(model_id: str) -> list[Method]:
    """Return the ways to look into a model, the usual one first. Loads it."""
    return [METHODS[id] for id in _methods(registry.load_model(model_id))]


def _methods(model: Model, waiting: Callable[[], object] = bool) -> tuple[str, ...]:
    if _apart(model):
        ids: tuple[str, ...] = helper.call(f"{WAYS}:methods_there", model.spec.id, waiting=waiting)
        return ids
    from detector.explain import ways  # imports torch

    return ways.methods(model)


def _draw(id: str, model: Model, batch: np.ndarray, on_progress: OnProgress) -> np.ndarray | None:
    """Return the maps of a crop, or of a window, by a method; None where it can't show it."""
    if id == "occlusion":
        return occlude(model, batch, on_progress)
    if _apart(model):
        waiting = partial(on_progress, 0.0)
        maps: np.ndarray | None = helper.call(
            f"{WAYS}:draw_there", id, model.spec.id, batch, waiting=waiting
        )
        return maps
    from detector.explain import ways

    return ways.draw(id, model, batch)


def _apart(model: Model) -> bool:
    """Return whether gradients are taken in the helper process, so that this one needs no PyTorch,
    whose import and networks would stay in its memory."""
    return isinstance(model, ReadyModel) and "torch" not in sys.modules


def heatmap(
    path: str | Path,
    analysis: Analysis,
    track_id: str,
    time: float,
    model_id: str,
    method_id: str | None = None,
    *,
    on_progress: OnProgress = bool,
) -> Heatmap | None:
    """Draw where `model_id` looked on a person's face in the frame nearest to `time`, by a key of
    `METHODS` or the model's usual one; `on_progress` gets the share done, 0..1, and may raise to
    stop.

    None where the model can't show it, is of another modality, or a video model has no window of
    this person. Raise UsageError for an unknown person, model or method, MediaError, ModelError."""
    track = find_track(analysis, track_id)
    face = face_at(track, time)
    model = registry.load_model(model_id)
    spec = model.spec
    if spec.modality not in (track.modality, Modality.FULL_FRAME):
        return None
    ids = _methods(model, partial(on_progress, 0.0))
    if method_id not in (None, *ids):
        raise UsageError(
            _("{title} can't be looked into by {method_id!r}.").format(
                title=spec.title, method_id=method_id
            ),
            hint=_("It can by: {names}.").format(names=", ".join(ids)),
        )

    def draw(batch: np.ndarray) -> tuple[str, str, np.ndarray] | None:
        """Return the method, what it shows and the maps by the first way that can show it."""
        for id in (method_id,) if method_id else ids:
            if (maps := _draw(id, model, batch, on_progress)) is not None:
                return id, METHODS[id].what.format(model=known(shown_name(spec))), maps
        return None

    if spec.kind != "video":
        frame = media.frame_at(path, analysis.media, face.time)
        crop, place = _cut(frame.rgb, vision.box_for(spec.crop, face.box), face.landmarks, spec)
        if (drawn := draw(crop[None])) is None:
            return None
        id, what, maps = drawn
        values, where = fit(maps[0], crop), place()
        return Heatmap(
            crop, values, _located(what, values, where, face.box), id, where,
            border=spec.crop.border,
        )  # fmt: skip
    window = _window(analysis, track, face.time, spec)
    if window is None:
        return None
    times = np.linspace(window.start, window.end, spec.clip_frames).tolist()
    frames = list(media.decode(path, analysis.media, times, notes=[]))
    cuts = []
    for position in range(spec.clip_frames):
        frame = max((f for f in frames if f.index <= position), key=lambda f: f.index)
        cuts.append(_cut(frame.rgb, *vision.between(track.frames, frame.time), spec))
    batch = np.stack([crop for crop, _ in cuts])
    if (drawn := draw(batch[None])) is None:
        return None
    id, what, maps = drawn
    run_map = maps[0][np.arange(len(batch)) * len(maps[0]) // len(batch)]
    position = int(np.argmin([abs(t - face.time) for t in times]))
    crop, place = cuts[position]
    caption = _("{what}, {start:.1f} to {end:.1f} s").format(
        what=what, start=window.start, end=window.end
    )
    shown, where = fit(run_map[position], crop), place()
    caption = _located(caption, shown, where, face.box)
    return Heatmap(crop, shown, caption, id, where, batch, run_map, tuple(times))


def _located(what: str, values: np.ndarray, place: np.ndarray | None, box: Box) -> str:
    """Return a caption that says where most of the heat that is seen as such, of half the highest
    and more, lies outside the face."""
    share = share_in(np.where(2 * values >= values.max(), values, 0.0), place, box)
    if share is None or share >= 0.5:
        return what
    return _("{what}; mostly outside the face").format(what=what)


def _window(analysis: Analysis, track: Subject, time: float, spec: ModelSpec) -> SpanSegment | None:
    """Return the window nearest to a time that a video model scored."""
    beside = (s for s in analysis.subjects if s.modality is spec.modality)
    fed = track if track.modality is spec.modality else next(beside, track)
    spans = [span for span in fed.spans if spec.id in span.logits]
    return min(spans, key=lambda span: abs(span.center - time), default=None)


def _cut(
    rgb: np.ndarray, box: Box, landmarks: Sequence[Point], spec: ModelSpec
) -> tuple[np.ndarray, Callable[[], np.ndarray | None]]:
    """Cut a crop; the second tells its place in the frame, None for two crops side by side."""
    crop = vision.cut(rgb, box, spec.crop, landmarks)
    if spec.crop.around:
        return crop, lambda: None
    return crop, lambda: place_of(rgb.shape, box, spec.crop, landmarks)


@dataclass(frozen=True)
class Effect:
    """What hiding the hottest places of a heatmap does to the score."""

    crop: np.ndarray  # uint8 [S, S, 3], with these places blurred away
    before: float  # The model's probability, calibrated where it is
    after: float
    at_random: float
    """The same with as much hidden elsewhere, mean of `DRAWS`: what hiding does by itself."""
    share: float  # How much was hidden, 0..1


def effect(heat: Heatmap, model: ModelResult, *, share: float = 0.1) -> Effect:
    """Hide the hottest places and score again, running the network `DRAWS` + 2 times; raise
    UsageError, ModelError."""
    network = registry.load_model(model.id)
    rng = np.random.default_rng(0)
    hidden = without(heat, share)
    elsewhere = [without(heat, share, rng) for _ in range(DRAWS)]
    items = [one.crop if one.run is None else one.run for one in (heat, hidden, *elsewhere)]
    map = model.calibration
    scale, offset = (map.scale, map.offset) if map else (1.0, 0.0)
    before, after, *random = (
        sigmoid(scale * float(logit) + offset) for logit in network.score(np.stack(items))
    )
    return Effect(hidden.crop, before, after, float(np.mean(random)), share)
