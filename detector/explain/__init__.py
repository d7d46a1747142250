"""Where a model looked: heatmaps of one face at one moment, made on demand.

A heatmap shows which places raised a score. It is no proof: a high score for a wrong reason has a
heatmap too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector import media, vision
from detector.decision import sigmoid
from detector.errors import UsageError
from detector.explain.methods import METHODS, Method, OnProgress
from detector.explain.picture import Heatmap, fit, on_frame, overlay, place_of, without
from detector.models import registry
from detector.models.base import ModelSpec
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
from detector.sentences import _, known

__all__ = [
    "METHODS",
    "Effect",
    "Heatmap",
    "Method",
    "effect",
    "face_at",
    "find_track",
    "heatmap",
    "methods_of",
    "on_frame",
    "overlay",
]

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
    from detector.explain import ways  # imports torch

    return ways.methods(registry.load_model(model_id))


def heatmap(
    path: str | Path,
    analysis: Analysis,
    track_id: str,
    time: float,
    model_id: str,
    method_id: str | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> Heatmap | None:
    """Draw where `model_id` looked on a person's face in the frame nearest to `time`, by a key of
    `METHODS` or the model's usual one; `on_progress` gets the share done, 0..1, and may raise to
    stop.

    None where the model can't show it, is of another modality, or a clip model has no window of
    this person. Raise UsageError for an unknown person, model or method, MediaError, ModelError."""
    from detector.explain import ways  # imports torch

    track = find_track(analysis, track_id)
    face = face_at(track, time)
    model = registry.load_model(model_id)
    method = _choose(model.spec, ways.methods(model), method_id)
    spec = model.spec
    if spec.modality not in (track.modality, Modality.FULL_FRAME):
        return None
    what = method.what.format(model=known(spec.plain or spec.title))
    if spec.kind != "clip":
        frame = media.frame_at(path, analysis.media, face.time)
        crop, place = _cut(frame.rgb, vision.box_for(spec.crop, face.box), face.landmarks, spec)
        maps = ways.draw(method, model, crop[None], on_progress)
        if maps is None:
            return None
        return Heatmap(crop, fit(maps[0], crop), what, method.id, place(), border=spec.crop.border)
    window = _window(analysis, track, face.time, spec)
    if window is None:
        return None
    times = np.linspace(window.start, window.end, spec.clip_frames).tolist()
    frames = list(media.decode(path, analysis.media, times, notes=[]))
    cuts = []
    for position in range(spec.clip_frames):
        frame = max((f for f in frames if f.index <= position), key=lambda f: f.index)
        cuts.append(_cut(frame.rgb, *_interpolate(track.frames, frame.time), spec))
    batch = np.stack([crop for crop, _ in cuts])
    maps = ways.draw(method, model, batch[None], on_progress)
    if maps is None:
        return None
    run_map = maps[0][np.arange(len(batch)) * len(maps[0]) // len(batch)]
    position = int(np.argmin([abs(t - face.time) for t in times]))
    crop, place = cuts[position]
    caption = _("{what}, {start:.1f} to {end:.1f} s").format(
        what=what, start=window.start, end=window.end
    )
    shown = fit(run_map[position], crop)
    return Heatmap(crop, shown, caption, method.id, place(), batch, run_map, tuple(times))


def _choose(spec: ModelSpec, known: Sequence[Method], method_id: str | None) -> Method:
    if method_id is None:
        return known[0]
    for method in known:
        if method.id == method_id:
            return method
    names = ", ".join(method.id for method in known)
    raise UsageError(
        _("{title} can't be looked into by {method_id!r}.").format(
            title=spec.title, method_id=method_id
        ),
        hint=_("It can by: {names}.").format(names=names),
    )


def _window(analysis: Analysis, track: Subject, time: float, spec: ModelSpec) -> SpanSegment | None:
    """Return the window nearest to a time that a clip model scored."""
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


def _interpolate(faces: Sequence[FrameSegment], time: float) -> tuple[Box, list[Point]]:
    """Interpolate a person's box and landmarks between two analyzed frames."""
    times = [face.time for face in faces]
    numbers = [np.vstack([np.reshape(face.box, (2, 2)), *face.landmarks]) for face in faces]
    columns = np.stack(numbers).reshape(len(faces), -1).T
    (x0, y0), (x1, y1), *points = np.reshape(
        [np.interp(time, times, column) for column in columns], (-1, 2)
    ).tolist()
    return (x0, y0, x1, y1), [(x, y) for x, y in points]


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
