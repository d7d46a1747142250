"""Which frames of a file are sampled, and which runs of frames clip models get."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from detector import media, signals
from detector.models.base import ModelSpec
from detector.pipeline import windows
from detector.pipeline.options import RunOptions
from detector.schema.analysis import Media, Modality, Settings

DENSE = 2.0
"""s between evenly spread timestamps up to which they stay: 64 s at the usual number. The
calibration was made on such clips."""
SIGNAL_RUN = windows.ClipShape(frames=16, step=0.08, recipe=signals.RECIPE)
"""What signals read where no model of clips is fed with such runs: as their reference was made."""


def plan(
    path: Path,
    info: Media,
    settings: Settings,
    specs: Sequence[ModelSpec],
    cancel: threading.Event,
    options: RunOptions,
    *,
    for_signals: bool,
) -> tuple[tuple[float, ...], list[windows.FrameWindow], dict[str, str]]:
    """Return the timestamps, the windows, and why a clip model gets none, by its id.

    Parameters
    ----------
    options : RunOptions
        Each of its `shots` gets a timestamp where they lie far apart and there are not too many.
    for_signals : bool
        Add runs for the signals that need them.
    """
    shapes: dict[windows.ClipShape, list[ModelSpec]] = defaultdict(list)
    for spec in specs:
        if spec.kind == "clip" and not options.frames_only:
            shapes[windows.ClipShape.of(spec, info.fps)].append(spec)
    if for_signals and not options.frames_only and not any(_for_signals(shape) for shape in shapes):
        shapes[SIGNAL_RUN] = []
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
    for (shape, fed), planned in zip(shapes.items(), plans, strict=False):
        if not fed:
            continue
        times = planned.windows or _spread(info, settings, shape)
        runs += [windows.FrameWindow(tuple(s.id for s in fed), shape.recipe, t) for t in times]
        if not times:
            why = f"it needs {shape.frames * shape.step:.1f} s of video"
            if info.kind == "image":
                why = "it judges motion, and this is a picture"
            unfit |= {spec.id: why for spec in fed}
    for shape, planned in zip(shapes, plans, strict=False):
        if for_signals and _for_signals(shape):
            runs += [windows.FrameWindow((), signals.RECIPE, times) for times in planned.windows]
            break
    return plans[0].timestamps, runs, unfit


def _for_signals(shape: windows.ClipShape) -> bool:
    """Whether the frames of its runs lie as far apart as those of the signals' reference."""
    return signals.STEP[0] <= shape.step <= signals.STEP[1]


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
    """One window over a part that is too short for a usual one, as published recipes for whole
    frames do. Models of faces were trained on one step and get none."""
    if shape.recipe.modality is Modality.FACE or info.kind == "image":
        return ()
    even = settings.model_copy(update={"sampling": "uniform", "frames": shape.frames})
    return (media.plan(info, even).timestamps,)
