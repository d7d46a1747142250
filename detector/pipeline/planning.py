"""Which moments of a file are looked at, and which runs of frames clip models get."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from detector import media, signals
from detector.models.base import ModelSpec
from detector.pipeline import windows
from detector.schema.analysis import Media, Modality, Settings

DENSE = 2.0
"""s between evenly spread moments up to which they stay where they are: 64 s at the usual number.
The calibration was made on such clips."""


def plan(  # noqa: PLR0913
    path: Path,
    info: Media,
    settings: Settings,
    specs: Sequence[ModelSpec],
    cancel: threading.Event,
    *,
    for_signals: bool,
    moments: Sequence[float] | None = None,
    shots: Sequence[media.Shot] | None = None,
) -> tuple[tuple[float, ...], list[windows.FrameWindow], dict[str, str]]:
    """The moments, the windows, and why a clip model gets none, by its id.

    Parameters
    ----------
    for_signals : bool
        Add runs for the signals that need them.
    moments : sequence of float, optional
        Chosen already.
    shots : sequence of (start, end), optional
        Each gets a moment where they lie far apart and there are not too many.
    """
    shapes: dict[windows.ClipShape, list[ModelSpec]] = defaultdict(list)
    for spec in specs:
        if spec.kind == "clip":
            shapes[windows.ClipShape.of(spec, info.fps)].append(spec)
    # A plan by changes in the picture reads the whole clip: one plan for a shape, not one more.
    most = windows.count(settings)
    wanted: list[tuple[int, int, float] | tuple[()]]
    wanted = [(most, shape.frames, shape.step) for shape in shapes] or [()]
    closer = settings.sampling == "closer"
    if moments is None and shots and (closer or sparse(info, settings)):
        even = media.plan(info, settings, (), path, cancel=cancel).moments
        most = len(even) + (settings.frames - len(even)) // 2 if closer else len(even)
        moments = media.with_every_shot(even, shots, most)
    plans = [
        media.plan(info, settings, run, path, moments=moments, cancel=cancel) for run in wanted
    ]
    runs: list[windows.FrameWindow] = []
    unfit: dict[str, str] = {}
    for (shape, fed), planned in zip(shapes.items(), plans, strict=False):
        times = planned.windows or _spread(info, settings, shape)
        runs += [windows.FrameWindow(tuple(s.id for s in fed), shape.recipe, t) for t in times]
        if not times:
            why = f"it needs {shape.frames * shape.step:.1f} s of video"
            if info.kind == "image":
                why = "it judges motion, and this is a picture"
            unfit |= {spec.id: why for spec in fed}
    # Signals read the runs whose frames lie as far apart as those of their reference.
    for shape, planned in zip(shapes, plans, strict=False):
        if for_signals and signals.STEP[0] <= shape.step <= signals.STEP[1]:
            runs += [windows.FrameWindow((), signals.RECIPE, times) for times in planned.windows]
            break
    return plans[0].moments, runs, unfit


def sparse(info: Media, settings: Settings) -> bool:
    """Whether evenly spread moments lie so far apart that a shot may fall between them."""
    if info.kind != "video" or not info.duration or settings.sampling != "uniform":
        return False
    start, end = media.part(info.duration, settings)
    return (end - start) / settings.frames > DENSE


def shots(
    path: Path, info: Media, settings: Settings, cancel: threading.Event
) -> list[media.Shot] | None:
    """The shots of the part, where they are found at little cost or every one was asked for."""
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
    return (media.plan(info, even).moments,)
