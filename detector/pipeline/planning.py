"""Which frames of a file are sampled, and which runs of frames video models get."""

import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from detector import media
from detector.models.base import ModelSpec
from detector.pipeline import windows
from detector.pipeline.options import RunOptions
from detector.pipeline.scoring import fed
from detector.schema.analysis import Analysis, Coverage, Media, Modality, Settings
from detector.sentences import _

CLOSER = 480  # frames of a closer look, at most: two a second in four minutes

GROUP = 5.0
"""s from one key frame to the next, as is usual: with frames closer than that, all is decoded."""
PASSES = 3  # times that a closer look decodes a clip: for its shots, and twice for its frames
CLOSEST = 0.1  # s between two frames of a closer look; faces hardly change in less


def coverage(
    info: Media, settings: Settings, timestamps: Sequence[float], shots: Sequence[media.Shot] | None
) -> Coverage:
    """Return how much was sampled at `timestamps`, ascending, s; no `shots`: not searched."""
    frames = max(shown_frames(info, settings), len(timestamps))
    if not info.duration or info.kind == "image":
        return Coverage(sampled=len(timestamps), frames=frames, longest_gap=0.0)
    start, end = media.part(info.duration, settings)
    edges = [start, *timestamps, end]
    return Coverage(
        sampled=len(timestamps),
        frames=frames,
        longest_gap=round(max(b - a for a, b in pairwise(edges)), 3),
        shots=None if shots is None else len(shots),
        shots_seen=None if shots is None else sum(media.seen(shots, timestamps)),
    )


def shown_frames(info: Media, settings: Settings) -> int:
    """Return how many frames the requested part shows, about; 0 where nothing tells."""
    if not info.duration or info.kind == "image":
        return info.frame_count or 1
    start, end = media.part(info.duration, settings)
    if (start, end) == (0.0, info.duration) and info.frame_count is not None:
        return info.frame_count
    return round((end - start) * (info.fps or 0.0))


def estimate(analysis: Analysis, frames: int = CLOSER) -> float | None:
    """Return the seconds that looking closer, at so many `Settings.frames`, would take on the same
    machine, by a finished analysis of the same file with the same models; None where there is
    nothing closer to look at, or no time was measured."""
    info, times = analysis.media, analysis.timings
    sampled, total = len(analysis.timestamps), times.get("total", 0.0)
    if info.kind != "video" or not info.duration or not sampled or total <= 0:
        return None
    start, end = media.part(info.duration, analysis.settings)
    more = min(frames, round((end - start) / CLOSEST))
    if more <= sampled:
        return None
    # Decoding, finding faces and scoring run side by side: the slowest sets the pace. Of the
    # decoding, what lies between two frames grows no further once everything is decoded.
    gap = (end - start) / sampled
    decoded = times.get("decode", 0.0) * max(1.0, min(more / sampled, gap / GROUP))
    worked = (total - times.get("read", 0.0)) * more / sampled
    return round(times.get("read", 0.0) + PASSES * decoded + worked, 1)


START, LOADED = 10.0, 3.0
"""s of a core that a run and each of its models take before the first frame"""
LOOKED, LARGE = 0.1, 0.1
"""the same that a frame takes for its faces and for each model, and more for each megapixel"""
READ = 0.05
"""the same that a second of a file takes, and as much for each megapixel of its picture"""


def expected(info: Media, settings: Settings, models: int, frames: int) -> float:
    """Return the s of a core that a run with so many models and decoded frames takes, before
    anything was measured: what its budget is made of (`detector.pipeline.budget`)."""
    size = info.width * info.height / 1e6
    start, end = media.part(info.duration, settings) if info.duration else (0.0, 0.0)
    read = READ * (1.0 + size) * (end - start) * PASSES
    return START + models * LOADED + frames * (LOOKED * (1 + models) + LARGE * size) + read


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
    clips = [s for s in specs if s.kind == "video" and not options.frames_only]
    shapes = fed(clips, lambda spec: windows.ClipShape.of(spec, info.fps))
    # A plan by changes in the picture reads the whole clip: one plan for a shape, not one more.
    most = windows.count(settings)
    counts: list[tuple[int, int, float] | tuple[()]]
    counts = [(most, shape.frames, shape.step) for shape in shapes] or [()]
    closer = settings.sampling == "closer"
    timestamps, shots = options.timestamps, options.shots
    if timestamps is None and shots and (closer or sparse(info, settings)):
        even = media.plan(info, settings, (), path, cancel=cancel).timestamps
        most = len(even) + (settings.frames - len(even)) // 2 if closer else settings.frames
        timestamps = media.with_every_shot(even, shots, most)
    plans = [
        media.plan(info, settings, run, path, timestamps=timestamps, cancel=cancel)
        for run in counts
    ]
    anchor_every = max(1, min(windows.ANCHOR_EVERY, windows.held_frames(info.width, info.height)))
    runs: list[windows.FrameWindow] = []
    unfit: dict[str, str] = {}
    for (shape, ids), planned in zip(shapes.items(), plans, strict=False):
        times = planned.windows
        if not times and shape.modality is not Modality.FACE and info.kind != "image":
            # One window, spread over a short part; models of faces know one step.
            spread = settings.model_copy(update={"sampling": "uniform", "frames": shape.frames})
            times = (media.plan(info, spread).timestamps,)
        of = (shape.modality, anchor_every)
        runs += [windows.FrameWindow(ids, shape.recipe, t, *of) for t in times]
        if not times:
            why = _("it needs {step} s of video").format(step=f"{shape.frames * shape.step:.1f}")
            if info.kind == "image":
                why = _("it judges motion, and this is a picture")
            unfit |= dict.fromkeys(ids, why)
    return plans[0].timestamps, runs, unfit


def sparse(info: Media, settings: Settings) -> bool:
    """Return whether evenly spread timestamps lie so far apart that a shot may fall between
    them."""
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
    samples = min(settings.frames, shown_frames(info, settings) or settings.frames)
    return media.shots(path, info, part, samples, thorough=closer, cancel=cancel)
