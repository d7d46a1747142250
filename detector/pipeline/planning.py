"""Which moments of a file are looked at, and which runs of frames clip models get."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from detector import media, signals
from detector.models.base import ModelSpec
from detector.pipeline import windows
from detector.results import Media, Settings


def plan(
    path: Path,
    info: Media,
    settings: Settings,
    specs: Sequence[ModelSpec],
    cancel: threading.Event,
    *,
    for_signals: bool,
) -> tuple[tuple[float, ...], list[windows.Window], dict[str, str]]:
    """The moments, the windows, and why a clip model gets none, by its id.

    Parameters
    ----------
    for_signals : bool
        Add runs for the signals that need them.
    """
    shapes: dict[windows.Shape, list[ModelSpec]] = defaultdict(list)
    for spec in specs:
        if spec.kind == "clip":
            shapes[windows.Shape.of(spec, info.fps)].append(spec)
    # A plan by changes in the picture reads the whole clip: one plan for a shape, not one more.
    most = windows.count(settings)
    wanted: list[tuple[int, int, float] | tuple[()]]
    wanted = [(most, shape.frames, shape.step) for shape in shapes] or [()]
    plans = [media.plan(info, settings, run, path, cancel=cancel) for run in wanted]
    runs: list[windows.Window] = []
    unfit: dict[str, str] = {}
    for (shape, fed), planned in zip(shapes.items(), plans, strict=False):
        times = planned.windows or _spread(info, settings, shape)
        runs += [windows.Window(tuple(s.id for s in fed), shape.recipe, t) for t in times]
        if not times:
            why = f"it needs {shape.frames * shape.step:.1f} s of video"
            if info.kind == "image":
                why = "it judges motion, and this is a picture"
            unfit |= {spec.id: why for spec in fed}
    # Signals read the runs whose frames lie as far apart as those of their reference.
    for shape, planned in zip(shapes, plans, strict=False):
        if for_signals and signals.STEP[0] <= shape.step <= signals.STEP[1]:
            runs += [windows.Window((), signals.RECIPE, times) for times in planned.windows]
            break
    return plans[0].moments, runs, unfit


def _spread(info: Media, settings: Settings, shape: windows.Shape) -> tuple[tuple[float, ...], ...]:
    """One window over a part that is too short for a usual one, as published recipes for whole
    frames do. Models of faces were trained on one step and get none."""
    if not shape.whole or info.kind == "image":
        return ()
    even = settings.model_copy(update={"sampling": "uniform", "frames": shape.frames})
    return (media.plan(info, even).moments,)
