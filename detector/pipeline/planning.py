"""Sampling plan of a file: timestamps of its frames, windows of its video models, cost."""

import math
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from detector import media
from detector.decision.next_steps import CLOSER
from detector.models.base import ModelSpec
from detector.pipeline import windows
from detector.pipeline.options import RunOptions
from detector.pipeline.scoring import fed
from detector.schema.analysis import Analysis, Coverage, Media, Modality, Settings
from detector.sentences import _

GROUP = 5.0
"""s between two key frames, usually: with samples closer than that every frame is decoded"""
PASSES = 3  # decoding passes of a closer look: for its shots, and twice for its frames
CLOSEST = 0.1  # least s between two frames of a closer look: faces hardly change in less


def coverage(
    info: Media, settings: Settings, timestamps: Sequence[float], shots: Sequence[media.Shot] | None
) -> Coverage:
    """Return the coverage of `timestamps`, ascending, s; `shots` is None if not detected."""
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
    """Return the approximate number of frames of the requested part; 0 if unknown."""
    if not info.duration or info.kind == "image":
        return info.frame_count or 1
    start, end = media.part(info.duration, settings)
    if (start, end) == (0.0, info.duration) and info.frame_count is not None:
        return info.frame_count
    return round((end - start) * (info.fps or 0.0))


def estimate(analysis: Analysis, frames: int = CLOSER) -> float | None:
    """Return the seconds of a closer look at `frames` frames on this machine, by a finished
    analysis of the same file with the same models; None where there are no further frames or no
    time was measured."""
    info, times = analysis.media, analysis.timings
    sampled, total = len(analysis.timestamps), times.get("total", 0.0)
    if info.kind != "video" or not info.duration or not sampled or total <= 0:
        return None
    start, end = media.part(info.duration, analysis.settings)
    more = min(frames, round((end - start) / CLOSEST))
    if more <= sampled:
        return None
    # Decoding, face detection and scoring run concurrently: the slowest decides. Decoding time
    # stops growing once every frame is decoded.
    gap = (end - start) / sampled
    decoded = times.get("decode", 0.0) * max(1.0, min(more / sampled, gap / GROUP))
    worked = (total - times.get("read", 0.0)) * more / sampled
    return round(times.get("read", 0.0) + PASSES * decoded + worked, 1)


START, LOADED = 10.0, 3.0
"""core seconds of a run and of each of its models before the first frame"""
LOOKED, LARGE = 0.1, 0.1
"""core seconds of a frame for its faces and for each model, and for each megapixel"""
READ = 0.05
"""core seconds of a second of a file, and the same for each megapixel of its picture"""


def expected(info: Media, settings: Settings, models: int, frames: int) -> float:
    """Return a prior estimate of the core seconds of a run with so many models and decoded frames,
    for its budget (`detector.pipeline.budget`)."""
    size = info.width * info.height / 1e6
    start, end = media.part(info.duration, settings) if info.duration else (0.0, 0.0)
    read = READ * (1.0 + size) * (end - start) * PASSES
    return START + models * LOADED + frames * (LOOKED * (1 + models) + LARGE * size) + read


DENSE = 2.0
"""s between evenly spread timestamps up to which they are kept, as in the clips of the calibration:
64 s at the usual number"""
FURTHER = 11.0
"""s of film for each further timestamp beyond those 64: the longest unseen stretch grows to 10 s in
half an hour and never much beyond, and an analysis by about a second for each minute"""
MOST_EVEN = 720  # evenly spread timestamps of the longest films
FOR_SHOTS = 0.25  # of the evenly spread timestamps that shots without one may add


def plan(
    path: Path,
    info: Media,
    settings: Settings,
    specs: Sequence[ModelSpec],
    cancel: threading.Event,
    options: RunOptions,
) -> tuple[tuple[float, ...], list[windows.FrameWindow], dict[str, str]]:
    """Return timestamps, windows, and by model id why it has no window. Of sparse samples each shot
    gets one."""
    clips = [s for s in specs if s.kind == "video" and not options.frames_only]
    shapes = fed(clips, lambda spec: windows.ClipShape.of(spec, info.fps))
    # A plan by changes in the picture reads the whole clip: not one plan more than shapes.
    heavy = {spec.task for spec in specs if spec.weight}
    silent = {spec.id for spec in clips if not spec.weight and spec.task in heavy}
    quiet = [silent.issuperset(ids) for ids in shapes.values()]
    unasked = settings.models is None
    counts: list[tuple[int, int, float] | tuple[()]]
    counts = [
        (windows.count(settings, few=alone and unasked), shape.frames, shape.step)
        for shape, alone in zip(shapes, quiet, strict=True)
    ] or [()]
    closer = settings.sampling == "closer"
    timestamps, shots = options.timestamps, options.shots
    if timestamps is None and (closer or sparse(info, settings)):
        grown = settings.model_copy(update={"frames": samples(info, settings)})
        timestamps = media.plan(info, grown, (), path, cancel=cancel).timestamps
        more = (settings.frames - len(timestamps)) // 2 if closer else 0
        if grown.frames > settings.frames:
            more = int(FOR_SHOTS * len(timestamps))
        if shots:
            timestamps = media.with_every_shot(timestamps, shots, len(timestamps) + more)
    plans = [
        media.plan(info, settings, run, path, timestamps=timestamps, cancel=cancel)
        for run in counts
    ]
    anchor_every = max(1, min(windows.ANCHOR_EVERY, windows.held_frames(info.width, info.height)))
    runs: list[windows.FrameWindow] = []
    unfit: dict[str, str] = {}
    for (shape, ids), planned, alone in zip(shapes.items(), plans, quiet, strict=False):
        times = planned.windows
        if not times and shape.modality is not Modality.FACE and info.kind != "image":
            # One window, spread over a short part; models of faces need their own step.
            spread = settings.model_copy(update={"sampling": "uniform", "frames": shape.frames})
            times = (media.plan(info, spread).timestamps,)
        of = (shape.modality, anchor_every)
        runs += [windows.FrameWindow(ids, shape.recipe, t, *of, quiet=alone) for t in times]
        if not times:
            why = _("it needs {step} s of video").format(step=f"{shape.frames * shape.step:.1f}")
            if info.kind == "image":
                why = _("it judges motion, and this is a picture")
            unfit |= dict.fromkeys(ids, why)
    return plans[0].timestamps, runs, unfit


def samples(info: Media, settings: Settings) -> int:
    """Return the number of evenly spread timestamps: that of the settings, and more of a long film
    unless a person chose their number."""
    if not sparse(info, settings) or settings.frames != Settings().frames:
        return settings.frames
    start, end = media.part(info.duration or 0.0, settings)
    further = math.ceil((end - start - DENSE * settings.frames) / FURTHER)
    return min(MOST_EVEN, settings.frames + further)


def sparse(info: Media, settings: Settings) -> bool:
    """Return True if evenly spread timestamps are so far apart that they may miss a shot."""
    if info.kind != "video" or not info.duration or settings.sampling != "uniform":
        return False
    start, end = media.part(info.duration, settings)
    return (end - start) / settings.frames > DENSE


def shots(
    path: Path, info: Media, settings: Settings, cancel: threading.Event
) -> list[media.Shot] | None:
    """Return the shots of the part, if detecting them is cheap or the closer look needs them."""
    if info.kind != "video" or not info.duration:
        return None
    part = media.part(info.duration, settings)
    closer = settings.sampling == "closer"
    most = samples(info, settings)
    least = min(most, shown_frames(info, settings) or most)
    return media.shots(path, info, part, least, thorough=closer, cancel=cancel)
