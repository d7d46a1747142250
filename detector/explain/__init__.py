"""Where a model looked: heatmaps of one face at one moment, made on demand.

A heatmap shows which places raised a score. It is no proof: a high score for a wrong reason has a
heatmap too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector import media, vision
from detector.decision import sigmoid
from detector.errors import UsageError
from detector.explain.picture import Heatmap, fit, on_frame, overlay, place_of, without
from detector.explain.ways import METHODS, Method, Tell, draw, methods
from detector.models import registry
from detector.models.base import Model
from detector.schema.analysis import (
    Analysis,
    Box,
    FrameSegment,
    Modality,
    ModelResult,
    Point,
    Subject,
)

__all__ = [
    "METHODS",
    "Effect",
    "Heatmap",
    "Method",
    "effect",
    "face_at",
    "find_track",
    "heatmap",
    "methods",
    "methods_of",
    "on_frame",
    "overlay",
    "without",
]

DRAWS = 5
"""random hidings that one hiding is held against."""


def face_at(track: Subject, time: float) -> FrameSegment:
    """Return the looked-at moment of a person that is nearest to a time."""
    return min(track.frames, key=lambda face: abs(face.time - time))


def find_track(analysis: Analysis, track_id: str) -> Subject:
    """Return the track with an id. UsageError when there is none."""
    for track in analysis.judged:
        if track.id == track_id:
            return track
    raise UsageError(f"There is no person {track_id} in this analysis.")


def methods_of(model_id: str, *, device: str = "cpu") -> list[Method]:
    """Return the ways to look into a model, the usual one first. Loads it."""
    return methods(registry.load_model(model_id, device=device))


def heatmap(  # noqa: PLR0913
    path: str | Path,
    analysis: Analysis,
    track_id: str,
    time: float,
    model_id: str,
    method_id: str | None = None,
    *,
    device: str = "cpu",
    tell: Tell | None = None,
) -> Heatmap | None:
    """Where `model_id` looked on a person's face at the moment nearest to `time`.

    Returns None when the model can't show it, is made for another modality, or a clip model has no
    window of this person.
    Decodes one frame (a clip model: one window) and runs one network, as often as the method says.

    Parameters
    ----------
    method_id : str, optional
        Key of `METHODS`; default: the usual one for this model.
    tell : callable, optional
        Told the share of the work done, 0..1; may raise to stop.

    Raises
    ------
    UsageError
        There is no such person, model or method, or the method does not suit the model.
    MediaError, ModelError
    """
    track = find_track(analysis, track_id)
    face = face_at(track, time)
    model = registry.load_model(model_id, device=device)
    method = _choose(model, method_id)
    if model.spec.modality not in (track.modality, Modality.FULL_FRAME):
        return None
    if model.spec.kind == "clip":
        return _clip_heatmap(path, analysis, track, face.time, model, method, tell)
    frame = media.frame_at(path, analysis.media, face.time)
    box = vision.box_for(model.spec.crop, face.box)
    crop = vision.cut(frame.rgb, box, model.spec.crop, face.landmarks)
    maps = draw(method, model, crop[None], tell)
    if maps is None:
        return None
    place = place_of(frame.rgb.shape, box, model.spec.crop, face.landmarks)
    return Heatmap(
        crop,
        fit(maps[0], crop),
        method.what.format(model.spec.plain or model.spec.title),
        method.id,
        place,
    )


def _choose(model: Model, method_id: str | None) -> Method:
    known = methods(model)
    if method_id is None:
        return known[0]
    for method in known:
        if method.id == method_id:
            return method
    names = ", ".join(method.id for method in known)
    raise UsageError(
        f"{model.spec.title} can't be looked into by {method_id!r}.", hint=f"It can by: {names}."
    )


def _clip_heatmap(
    path: str | Path,
    analysis: Analysis,
    track: Subject,
    time: float,
    model: Model,
    method: Method,
    tell: Tell | None,
) -> Heatmap | None:
    spec = model.spec
    beside = [s for s in analysis.subjects if s.modality is spec.modality]
    fed = track if track.modality is spec.modality else next(iter(beside), track)
    spans = [span for span in fed.spans if spec.id in span.logits]
    if not spans:
        return None
    window = min(spans, key=lambda span: abs(span.center - time))
    times = np.linspace(window.start, window.end, spec.clip_frames).tolist()
    frames = list(media.decode(path, analysis.media, times, notes=[]))
    crops, places = [], []
    for position in range(spec.clip_frames):
        frame = max((f for f in frames if f.index <= position), key=lambda f: f.index)
        box, landmarks = _between(track.frames, frame.time)
        crops.append(vision.cut(frame.rgb, box, spec.crop, landmarks))
        places.append((frame.rgb.shape, box, spec.crop, landmarks))
    batch = np.stack(crops)
    maps = draw(method, model, batch[None], tell)
    if maps is None:
        return None
    position = int(np.argmin([abs(t - time) for t in times]))
    steps = np.arange(len(crops)) * len(maps[0]) // len(crops)
    what = method.what.format(spec.plain or spec.title)
    return Heatmap(
        batch[position],
        fit(maps[0][steps[position]], batch[position]),
        f"{what}, {window.start:.1f} to {window.end:.1f} s",
        method.id,
        place_of(*places[position]),
        batch,
        maps[0][steps],
        tuple(times),
    )


def _between(looked: Sequence[FrameSegment], time: float) -> tuple[Box, list[Point]]:
    """Return a person's box and landmarks between two looked-at moments, on a straight line."""
    times = [face.time for face in looked]

    def at(columns: Sequence[Sequence[float]]) -> list[float]:
        return [float(np.interp(time, times, column)) for column in zip(*columns, strict=True)]

    x0, y0, x1, y1 = at([face.box for face in looked])
    points = [at([face.landmarks[i] for face in looked]) for i in range(len(looked[0].landmarks))]
    return (x0, y0, x1, y1), [(x, y) for x, y in points]


@dataclass(frozen=True)
class Effect:
    """What hiding the hottest places of a heatmap does to the score.

    Attributes
    ----------
    crop : uint8 array [S, S, 3]
        With these places blurred away.
    before, after : float
        The model's probability, calibrated where it is.
    at_random : float
        The same with as much hidden elsewhere, mean of `DRAWS`: what hiding does by itself.
    share : float
        How much was hidden, 0..1.
    """

    crop: np.ndarray
    before: float
    after: float
    at_random: float
    share: float


def effect(heat: Heatmap, model: ModelResult, *, share: float = 0.1, device: str = "cpu") -> Effect:
    """Hide the hottest places and score again. Runs the network `DRAWS` + 2 times.

    Raises
    ------
    UsageError, ModelError
    """
    network = registry.load_model(model.id, device=device)
    rng = np.random.default_rng(0)
    hidden = without(heat, share)
    elsewhere = [without(heat, share, rng) for _ in range(DRAWS)]
    items = [one.crop if one.run is None else one.run for one in (heat, hidden, *elsewhere)]
    scale, offset = (
        (model.calibration.scale, model.calibration.offset) if model.calibration else (1.0, 0.0)
    )
    before, after, *random = (
        sigmoid(scale * float(logit) + offset) for logit in network.score(np.stack(items))
    )
    return Effect(hidden.crop, before, after, float(np.mean(random)), share)
