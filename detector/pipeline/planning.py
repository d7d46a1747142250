"""Which frames of a file are sampled, and which runs of frames clip models get."""

import threading
from collections.abc import Sequence
from pathlib import Path

from detector import media
from detector.models.base import ModelSpec
from detector.pipeline import windows
from detector.pipeline.options import RunOptions
from detector.pipeline.scoring import fed
from detector.schema.analysis import Media, Modality, Settings

DENSE = 2.0
"""s between evenly spread timestamps up to which they stay: 64 s at the usual number. The
calibration was made on such clips."""


def plan(
    path: Path,
    info: Media,
    settings: Settings,
    specs: Sequence[ModelSpec],
    cancel: threading.Event,
    options: RunOptions,
) -> tuple[tuple[float, ...], list[windows.FrameWindow], dict[str, str]]:
    """Return timestamps, windows and missing windows by model; distant `shots` get one timestamp
    each."""
    clips = [s for s in specs if s.kind == "clip" and not options.frames_only]
    shapes = fed(clips, lambda spec: windows.ClipShape.of(spec, info.fps))
    # A plan by changes in the picture reads the whole clip: one plan for a shape, not one more.
    most = windows.count(settings)
    counts: list[tuple[int, int, float] | tuple[()]]
    counts = [(most, shape.frames, shape.step) for shape in shapes] or [()]
    closer = settings.sampling == "closer"
    timestamps, shots = options.timestamps, options.shots
    if timestamps is None and shots and (closer or sparse(info, settings)):
        even = media.plan(info, settings, (), path, cancel=cancel).timestamps
        most = len(even) + (settings.frames - len(even)) // 2 if closer else len(even)
        timestamps = media.with_every_shot(even, shots, most)
    plans = [
        media.plan(info, settings, run, path, timestamps=timestamps, cancel=cancel)
        for run in counts
    ]
    runs: list[windows.FrameWindow] = []
    unfit: dict[str, str] = {}
    for (shape, ids), planned in zip(shapes.items(), plans, strict=False):
        times = planned.windows or _spread(info, settings, shape)
        runs += [windows.FrameWindow(ids, shape.recipe, t) for t in times]
        if not times:
            why = f"it needs {shape.frames * shape.step:.1f} s of video"
            if info.kind == "image":
                why = "it judges motion, and this is a picture"
            unfit |= dict.fromkeys(ids, why)
    return plans[0].timestamps, runs, unfit


def sparse(info: Media, settings: Settings) -> bool:
    """Whether evenly spread timestamps lie so far apart that a shot may fall between them."""
    if info.kind != "video" or not info.duration or settings.sampling != "uniform":
        return False
    start, end = media.part(info.duration, settings)
    return (end - start) / settings.frames > DENSE


def shots(
    path: Path, info: Media, settings: Settings, cancel: threading.Event
) -> list[media.Shot] | None:
    """Return the shots of the part, where they cost little or every one was asked for."""
    if info.kind != "video" or not info.duration:
        return None
    part = media.part(info.duration, settings)
    closer = settings.sampling == "closer"
    return media.shots(path, info, part, settings.frames, thorough=closer, cancel=cancel)


def _spread(
    info: Media, settings: Settings, shape: windows.ClipShape
) -> tuple[tuple[float, ...], ...]:
    """Spread one window over a short part; models of faces know one step and get none."""
    if shape.recipe.modality is Modality.FACE or info.kind == "image":
        return ()
    even = settings.model_copy(update={"sampling": "uniform", "frames": shape.frames})
    return (media.plan(info, even).timestamps,)
