"""Where a model looked: heatmaps of one face at one moment, made on demand.

A heatmap shows which places raised a score. It is no proof: a high score for a wrong reason has a
heatmap too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detector import faces, media
from detector.errors import UsageError
from detector.models import registry
from detector.models.base import Model
from detector.results import Analysis, Box, FaceFrame, Track


@dataclass(frozen=True)
class Heatmap:
    """A crop as the model saw it, and where the model looked in it."""

    crop: np.ndarray
    """uint8 [S, S, 3] RGB"""
    map: np.ndarray
    """float32 [S, S], 0..1, scaled per picture: compare places, not strength"""
    caption: str


def face_at(track: Track, time: float) -> FaceFrame:
    """The looked-at moment of a person that is nearest to a time."""
    return min(track.faces, key=lambda face: abs(face.time - time))


def find_track(analysis: Analysis, track_id: str) -> Track:
    """The track with an id. UsageError when there is none."""
    for track in analysis.tracks:
        if track.id == track_id:
            return track
    raise UsageError(f"There is no person {track_id} in this analysis.")


def heatmap(
    path: str | Path,
    analysis: Analysis,
    track_id: str,
    time: float,
    model_id: str,
    *,
    device: str = "cpu",
) -> Heatmap | None:
    """Where `model_id` looked on a person's face at the moment nearest to `time`.

    Returns None when the model can't show it, or a clip model has no window of this person.
    Decodes one frame (a clip model: one window) and runs one network once.

    Raises
    ------
    UsageError, MediaError, ModelError
    """
    track = find_track(analysis, track_id)
    face = face_at(track, time)
    model = registry.load_model(model_id, device)
    if model.spec.kind == "clip":
        return _clip_heatmap(path, analysis, track, face.time, model)
    frame = media.frame_at(path, analysis.media, face.time)
    crop = faces.cut(frame.rgb, face.box, model.spec.crop)
    maps = model.explain(crop[None])
    if maps is None:
        return None
    return Heatmap(crop, _fit(maps[0], crop), f"what raised {model.spec.title}'s score")


def _clip_heatmap(
    path: str | Path, analysis: Analysis, track: Track, time: float, model: Model
) -> Heatmap | None:
    spec = model.spec
    windows = [w for w in track.windows if w.model == spec.id]
    if not windows:
        return None
    window = min(windows, key=lambda w: abs((w.start + w.end) / 2 - time))
    times = [window.start + i * spec.clip_step for i in range(spec.clip_frames)]
    frames = list(media.decode(path, analysis.media, times, notes=[]))
    crops = []
    for position in range(spec.clip_frames):
        frame = max((f for f in frames if f.index <= position), key=lambda f: f.index)
        crops.append(faces.cut(frame.rgb, _box_at(track.faces, frame.time), spec.crop))
    batch = np.stack(crops)
    maps = model.explain(batch[None])
    if maps is None:
        return None
    position = int(np.argmin([abs(t - time) for t in times]))
    step = position * len(maps[0]) // len(crops)
    caption = f"what raised {spec.title}'s score, {window.start:.1f} to {window.end:.1f} s"
    return Heatmap(batch[position], _fit(maps[0][step], batch[position]), caption)


def _box_at(looked: Sequence[FaceFrame], time: float) -> Box:
    """A person's box between two looked-at moments, on a straight line."""
    times = [face.time for face in looked]
    corners = zip(*(face.box for face in looked), strict=True)
    x0, y0, x1, y1 = (float(np.interp(time, times, corner)) for corner in corners)
    return x0, y0, x1, y1


def _fit(values: np.ndarray, crop: np.ndarray) -> np.ndarray:
    """A map at the size of its crop."""
    height, width = crop.shape[:2]
    resized = cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(resized, 0.0, 1.0)


def overlay(heat: Heatmap, alpha: float = 0.6) -> np.ndarray:
    """The map in the inferno colors over the darkened crop: uint8 [S, S, 3] RGB.

    Parameters
    ----------
    alpha : float
        0 shows the crop alone, 1 the map alone.
    """
    colors = cv2.applyColorMap((heat.map * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    dark = heat.crop.astype(np.float32) * (1 - 0.5 * alpha)
    weight = alpha * heat.map[..., None]
    return np.clip(dark * (1 - weight) + colors * weight, 0, 255).astype(np.uint8)
