"""A closer look: a second pass that adds timestamps where a person's score moves or is high.

The first pass is even, with a timestamp for every shot; the second keeps its results and fills the
most promising gaps. A frame counts for the time it stands for (`detector.decision.people`), so
that more frames at one place do not weigh more."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from detector import media
from detector.pipeline.options import RunOptions
from detector.pipeline.planning import CLOSEST
from detector.pipeline.progress import Observer, Progress
from detector.pipeline.run import RunRequest, run_analysis
from detector.schema.analysis import Analysis

BASE = 0.1  # What a gap without any score is worth beside one across which a score goes from 0 to 1


def look_closer(request: RunRequest, path: Path, name: str | None) -> Analysis:
    """Go through a file twice. Parameters as of `run_analysis`."""
    settings, observe = request.settings, request.observe
    relay = _ProgressRelay(observe or (lambda progress: None), settings.frames)
    quick = replace(request, observe=relay.first if observe else None, scores_only=True)
    first, run = run_analysis(quick, path, name, RunOptions(frames_only=True))
    info = first.media
    if info.kind == "audio":  # there are no frames to look at closer
        return first
    timestamps = tuple(first.timestamps)
    if info.duration and info.kind != "image":
        part = media.part(info.duration, settings)
        curves = [
            {face.time: face.score for face in track.frames if face.score is not None}
            for track in first.judged
        ]
        timestamps = refine(run.timestamps, curves, part, settings.frames)
    relay.begin(len(timestamps))
    thorough = replace(request, observe=relay.second if observe else None)
    again = replace(run.known(), timestamps=timestamps)
    out, _ = run_analysis(thorough, path, name, again)
    for stage, seconds in first.timings.items():
        out.timings[stage] = round(out.timings.get(stage, 0.0) + seconds, 3)
    for model, before in zip(out.models, first.models, strict=True):
        if before.seconds:
            model.seconds = (model.seconds or 0.0) + before.seconds
    return out


Gap = tuple[float, float, float, tuple[tuple[float, float], ...]]
"""To sort by, start and end in s, each person's scores at both."""


def refine(
    timestamps: Sequence[float],
    curves: Sequence[Mapping[float, float]],
    part: tuple[float, float],
    most: int,
) -> tuple[float, ...]:
    """Return the timestamps of sampled frames, ascending, s, and more of them where scores move or
    are high: `most` in all, within `part`. `curves`, one for each person: time, rounded to 0.1 ms
    -> score, 0..1."""
    times = [part[0], *timestamps, part[1]]
    lines = []
    for curve in curves:
        known = [curve.get(round(t, 4), np.nan) for t in timestamps]
        lines.append([known[0], *known, known[-1]] if known else [])
    gaps: list[Gap] = []
    for n, (a, b) in enumerate(pairwise(times)):
        heapq.heappush(gaps, _gap(a, b, tuple((line[n], line[n + 1]) for line in lines)))
    chosen = list(timestamps)
    while len(chosen) < most and gaps:
        _, a, b, ends = heapq.heappop(gaps)
        if b - a < 2 * CLOSEST:
            continue
        middle = (a + b) / 2
        chosen.append(middle)
        between = [float(np.nanmean(pair)) if not np.isnan(pair).all() else np.nan for pair in ends]
        left = tuple((x, m) for (x, _), m in zip(ends, between, strict=True))
        right = tuple((m, y) for (_, y), m in zip(ends, between, strict=True))
        heapq.heappush(gaps, _gap(a, middle, left))
        heapq.heappush(gaps, _gap(middle, b, right))
    return tuple(sorted(chosen))


def _gap(a: float, b: float, ends: tuple[tuple[float, float], ...]) -> Gap:
    """Return a gap with the scores at its ends, to sort: the most promising first."""
    promise = 0.0
    for pair in ends:
        known = [x for x in pair if not np.isnan(x)]
        if known:
            promise = max(promise, max(known) + (abs(known[0] - known[1]) if known[1:] else 0.0))
    return -(BASE + promise) * (b - a), a, b, ends


class _ProgressRelay:
    """One progress over both times through."""

    def __init__(self, observe: Observer, most: int) -> None:
        self._observe, self._most = observe, max(most, 1)
        self._begun = 0.0
        self._share = 0.5
        self._last: Progress | None = None

    def begin(self, frames: int) -> None:
        """Begin the second time, with so many frames in all."""
        self._most = max(frames, 1)
        if self._last is not None:
            self._begun = self._last.seconds.get("total", 0.0)
            self._share = min(0.5, self._last.sampled / self._most)

    def first(self, progress: Progress) -> None:
        """Hand on, as a part of the whole."""
        sound = progress.media is not None and progress.media.kind == "audio"
        share = 1.0 if sound else min(0.5, max(progress.sampled_total, 1) / self._most)
        fraction = share * progress.fraction
        self._report(replace(progress, fraction=fraction, sampled_total=self._most))

    def second(self, progress: Progress) -> None:
        """Hand on; what is known from the first time is shown until there is more."""
        last = self._last
        seconds = progress.seconds | {"total": progress.seconds.get("total", 0.0) + self._begun}
        fraction = self._share + (1 - self._share) * progress.fraction
        progress = replace(progress, fraction=fraction, seconds=seconds)
        if last is not None and progress.sampled < last.sampled and progress.fraction < 1:
            progress = replace(progress, sampled=last.sampled, models=last.models)
            progress.partial = last.partial
        self._report(progress)

    def _report(self, progress: Progress) -> None:
        if self._last is not None:
            progress = replace(progress, fraction=max(progress.fraction, self._last.fraction))
        partial = progress.partial or (self._last.partial if self._last else None)
        self._last = replace(progress, partial=partial)
        self._observe(progress)
