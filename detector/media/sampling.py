"""Which moments of a clip to look at. Works on times: frame counts in files are not trusted."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event

import cv2
import numpy as np

from detector.errors import UsageError
from detector.isolation import run_isolated
from detector.media.limits import WORKER_PASS_SECONDS
from detector.media.stills import decode_still
from detector.media.upright import Upright
from detector.media.video import pictures
from detector.schema.analysis import Media, Settings
from detector.sentences import _

_SCAN_STEP = 0.25  # Seconds between the pictures compared when looking for changes

_MAX_SCAN = 600
SCAN_SIZE = (64, 36)  # px of the copies that are compared
_BINS = 8
_EVEN = 0.25
"""Share of the key moments that is spread evenly, so that a still passage is looked at too."""


@dataclass(frozen=True)
class Plan:
    """Which times to decode, in seconds from the first frame."""

    timestamps: tuple[float, ...]  # Ascending; faces are looked for here
    windows: tuple[tuple[float, ...], ...] = ()
    """Runs for clip models. Each starts at one of the moments."""


def plan(
    media: Media,
    settings: Settings,
    windows: tuple[int, int, float] | tuple[()] = (),
    path: str | os.PathLike[str] | None = None,
    *,
    timestamps: Sequence[float] | None = None,
    cancel: Event | None = None,
) -> Plan:
    """Choose which times of a clip to decode; raise UsageError where the requested part is not in
    it.

    `settings.sampling`: "uniform" takes `frames` centers of equal parts; "fps" moments 1 / `fps`
    apart, spread evenly where that is more than `frames`; "keyframes" (needs `path`) more moments
    where color histograms change; "closer" evenly spread ones to begin with
    (`detector.pipeline.closer` adds the rest). `windows` (count, frames, step) asks for runs of
    times for clip models that start at a moment, stay in the clip and do not overlap. With
    `timestamps` only windows are planned."""
    if media.kind == "audio":
        return Plan(timestamps=())
    if media.kind == "image" or not media.duration:
        return Plan(timestamps=(0.0,))
    start, end = part(media.duration, settings)
    if timestamps is not None:
        timestamps = tuple(timestamps)
    elif settings.sampling == "fps":
        count = min(settings.frames, max(1, int((end - start) * settings.fps + 1e-6)))
        timestamps = centers(start, end, count)
    elif settings.sampling == "keyframes":
        if path is None:
            raise ValueError("sampling by key frames needs the path")
        arguments = media, (start, end), settings.frames
        timestamps = run_isolated(
            _by_change,
            path,
            *arguments,
            returns=tuple[float, ...],
            timeout=WORKER_PASS_SECONDS,
            cancel=cancel,
        )
    else:
        count = settings.frames if settings.sampling == "uniform" else _first_look(settings.frames)
        timestamps = centers(start, end, count)
    return Plan(timestamps, _runs(timestamps, end, *windows) if windows else ())


def part(duration: float, settings: Settings) -> tuple[float, float]:
    """Start and end of what was asked for, s. UsageError where that is not in the clip."""
    end = duration if settings.end is None else min(settings.end, duration)
    if settings.start >= duration:
        raise UsageError(
            _("The clip lasts {duration:.1f} s, so it can't be read from {start:.1f} s on.").format(
                duration=duration, start=settings.start
            ),
            hint="Choose an earlier start.",
        )
    if end <= settings.start:
        raise UsageError("The part ends before it starts.", hint="Choose a later end.")
    return settings.start, end


def _first_look(frames: int) -> int:
    """How many of so many moments are spread evenly, before the rest goes where scores move."""
    usual = Settings().frames
    return 3 * usual if frames >= 8 * usual else usual if frames >= 2 * usual else frames // 2 or 1


def centers(start: float, end: float, count: int) -> tuple[float, ...]:
    """Return the centers of equal parts, s."""
    part = (end - start) / count
    return tuple(start + (number + 0.5) * part for number in range(count))


def _by_change(
    path: str | os.PathLike[str],
    media: Media,
    part: tuple[float, float],
    count: int,
    *,
    cancel: Event | None = None,
) -> tuple[float, ...]:
    """Moments at equal shares of the summed histogram change."""
    start, end = part
    scan = centers(start, end, min(_MAX_SCAN, max(4 * count, int((end - start) / _SCAN_STEP))))
    scanned = [(t, _histogram(rgb)) for t, rgb in small_pictures(path, media, scan, cancel)]
    times, histograms = [time for time, _ in scanned], [histogram for _, histogram in scanned]
    if len(times) <= count:
        return tuple(times)
    change = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(histograms, axis=0)).sum(axis=1))])
    steady = np.linspace(0.0, 1.0, len(times))
    busy = change / change[-1] if change[-1] > 0 else steady
    total = _EVEN * steady + (1 - _EVEN) * busy
    shares = (np.arange(count) + 0.5) / count
    # The picture after a change is the new one, hence the right side.
    chosen = set(np.minimum(np.searchsorted(total, shares, side="right"), len(times) - 1).tolist())
    while len(chosen) < count:  # several shares in one change: look into the widest gaps instead
        place = np.array(sorted(chosen))
        gaps = np.abs(np.arange(len(times))[:, None] - place[None]).min(axis=1)
        chosen.add(int(gaps.argmax()))
    return tuple(times[number] for number in sorted(chosen))


def small_pictures(
    path: str | os.PathLike[str], media: Media, times: Sequence[float], cancel: Event | None
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield small copies of the pictures on screen at these times, upright, and when each comes."""
    if media.kind == "animation":
        for picture in decode_still(path, media, times, cancel=cancel):
            step = max(1, picture.rgb.shape[1] // SCAN_SIZE[0])
            yield picture.time, picture.rgb[::step, ::step]
        return
    upright = Upright(*SCAN_SIZE)
    for _index, time, frame in pictures(path, times, notes=[], cancel=cancel):
        yield time, upright(frame)


def _histogram(rgb: np.ndarray) -> np.ndarray:
    """Color histogram [bins ** 3] that sums to 1."""
    counts = cv2.calcHist([rgb], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3)
    histogram: np.ndarray = counts.ravel().astype(np.float64) / (rgb.shape[0] * rgb.shape[1])
    return histogram


def _runs(
    timestamps: tuple[float, ...], end: float, count: int, frames: int, step: float
) -> tuple[tuple[float, ...], ...]:
    """Spread up to `count` windows over the moments; none overlaps another or leaves the clip."""
    span = (frames - 1) * step
    possible = [moment for moment in timestamps if moment + span <= end + 1e-9]
    if not possible or count < 1:
        return ()
    room = possible[-1] - possible[0]
    fit = min(count, 1 + int(room / (span + step)))
    ideal = (
        np.linspace(possible[0], possible[-1], fit) if fit > 1 else [possible[len(possible) // 2]]
    )
    runs: list[tuple[float, ...]] = []
    for wish in ideal:
        first = min(possible, key=lambda moment: abs(moment - wish))
        if not runs or first > runs[-1][-1]:
            runs.append(tuple(first + number * step for number in range(frames)))
    return tuple(runs)
