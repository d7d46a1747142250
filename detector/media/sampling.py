"""Frame sampling: timestamps to analyze, and shot boundaries.

Works on times: frame counts stated in files are not trusted."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Event

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from detector import colors
from detector.errors import Canceled, UsageError
from detector.isolation import run_isolated
from detector.media.container import (
    Decoder,
    demuxer,
    open_media,
    packets,
    picture_stream,
    seek,
    unsmoothed,
)
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
_STORED = 0.9  # of the pictures by the frame rate that an evenly timed file has at least
_EVEN = 0.25
"""Fraction of the key moments that is spaced evenly, so that static passages are covered too."""


@dataclass(frozen=True)
class Plan:
    """Times to decode, s from the first frame."""

    timestamps: tuple[float, ...]  # Ascending; faces are detected here
    windows: tuple[tuple[float, ...], ...] = ()
    """Windows of video models. Each starts at one of the timestamps."""


def plan(
    media: Media,
    settings: Settings,
    windows: tuple[int, int, float] | tuple[()] = (),
    path: str | os.PathLike[str] | None = None,
    *,
    timestamps: Sequence[float] | None = None,
    cancel: Event | None = None,
) -> Plan:
    """Choose the times of a clip to decode; raise UsageError if the requested part is not in it.

    `settings.sampling`: "uniform" takes the centers of `frames` equal parts; "fps" times 1 / `fps`
    apart, spaced evenly if that exceeds `frames`; "keyframes" (needs `path`) more times where color
    histograms change; "closer" evenly spaced ones to begin with (`detector.pipeline.analyzer` adds
    the rest). `windows` (count, frames, step) requests windows for video models that start at a
    timestamp, stay in the clip and do not overlap. With `timestamps` only windows are planned."""
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
    elif settings.sampling == "uniform" and path and _uneven(media):
        even = centers(start, end, settings.frames)
        timestamps = filled(even, [time for time, _size in stored(path, media, (start, end))])
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
        count, usual = settings.frames, Settings().frames
        if settings.sampling == "closer":  # the rest is added where scores change
            few = usual if count >= 2 * usual else count // 2 or 1
            count = 3 * usual if count >= 8 * usual else few
        timestamps = centers(start, end, count)
    return Plan(timestamps, _runs(timestamps, end, *windows) if windows else ())


def part(duration: float, settings: Settings) -> tuple[float, float]:
    """Return start and end of the requested part, s; raise UsageError if it is not in the clip."""
    end = duration if settings.end is None else min(settings.end, duration)
    if settings.start >= duration:
        text = _("The clip lasts {duration:.1f} s, so it can't be read from {start:.1f} s on.")
        hint = _("Choose an earlier start.")
        raise UsageError(text.format(duration=duration, start=settings.start), hint=hint)
    if end <= settings.start:
        raise UsageError(_("The part ends before it starts."), hint=_("Choose a later end."))
    return settings.start, end


def centers(start: float, end: float, count: int) -> tuple[float, ...]:
    """Return the centers of equal parts, s."""
    part = (end - start) / count
    return tuple(start + (number + 0.5) * part for number in range(count))


def every_frame(media: Media, end: float) -> tuple[float, ...]:
    """Return a time for each frame of a video or animation up to `end`, s."""
    return tuple(np.arange(0.0, end, 0.5 / (media.fps or 25.0)).tolist())


Stored = tuple[float, int]
"""display time of a stored picture, s; bytes of its changes, 0 for a key frame"""


def stored(
    path: str | os.PathLike[str],
    media: Media,
    part: tuple[float, float],
    *,
    cancel: Event | None = None,
) -> list[Stored]:
    """Return the pictures that a video stores within `part` (start, end), ascending; empty if
    listing them would take long. Raise MediaError, Canceled."""
    if media.kind != "video":
        return []
    found: list[Stored] = run_isolated(
        _stored, path, *(media, part), returns=list[Stored], cancel=cancel
    )
    return found


def _uneven(media: Media) -> bool:
    """Return True if some picture may be displayed for much longer than others."""
    count, usual = media.frame_count or 0, (media.fps or 0.0) * (media.duration or 0.0)
    return bool(media.variable_frame_rate) or count < _STORED * usual


def filled(even: Sequence[float], pictures: Sequence[float]) -> tuple[float, ...]:
    """Return timestamps, ascending, s, with duplicates of one stored picture (a screen recorder
    stores nothing while nothing changes) replaced by other stored pictures."""
    if not pictures:
        return tuple(even)
    shown = np.searchsorted(pictures, np.asarray(even) + 1e-6, side="right") - 1
    known = {
        max(int(number), 0): time for number, time in reversed([*zip(shown, even, strict=True)])
    }
    rest = [number for number in range(len(pictures)) if number not in known]
    more = min(len(even) - len(known), len(rest))
    chosen = {rest[int((n + 0.5) * len(rest) / more)] for n in range(more)}
    return tuple(sorted({*known.values(), *(pictures[number] for number in chosen)}))


def busiest(pictures: Sequence[Stored], count: int) -> tuple[float, ...]:
    """Return the times of at most `count` stored pictures: all, or those with the largest changes
    and those at equal shares of the summed changes."""
    if len(pictures) <= count:
        return tuple(time for time, _size in pictures)
    sizes = np.array([size for _time, size in pictures], float)
    largest = np.argsort(-sizes)[: count // 2]
    shares = (np.arange(count - len(largest)) + 0.5) / (count - len(largest)) * sizes.sum()
    chosen = {*largest.tolist(), *np.searchsorted(np.cumsum(sizes), shares).tolist()}
    return tuple(pictures[number][0] for number in sorted(chosen))


def _stored(
    path: str | os.PathLike[str],
    media: Media,
    part: tuple[float, float],
    *,
    cancel: Event | None = None,
) -> list[Stored]:
    if media.size > MAX_READ_BYTES:
        return []
    with open_media(path) as container:
        stream = picture_stream(container)
        decoder = Decoder(container, stream)
        found: list[Stored] = []
        sizes: list[int] = []
        for packet in packets(container, stream):
            if cancel is not None and cancel.is_set():
                raise Canceled()
            time = decoder.time_of(packet)
            if time is not None and not packet.is_discard:
                found.append((time, 0 if packet.is_keyframe else packet.size))
                sizes.append(packet.size)
    found.sort()
    if not any(size for _time, size in found):  # all are key frames
        usual = int(np.median(sizes)) if sizes else 0
        found = [(time, abs(size - usual)) for (time, _), size in zip(found, sizes, strict=True)]
    origin = found[0][0] if found else 0.0
    start, end = part
    return [(time - origin, size) for time, size in found if start <= time - origin < end]


def _by_change(
    path: str | os.PathLike[str],
    media: Media,
    part: tuple[float, float],
    count: int,
    *,
    cancel: Event | None = None,
) -> tuple[float, ...]:
    """Return times at equal shares of the summed histogram change."""
    start, end = part
    scan = centers(start, end, min(_MAX_SCAN, max(4 * count, int((end - start) / _SCAN_STEP))))
    times, histograms = [], []
    for time, rgb in small_pictures(path, media, scan, cancel):
        counts = cv2.calcHist([rgb], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3)
        times.append(time)
        histograms.append(counts.ravel().astype(np.float64) / (rgb.shape[0] * rgb.shape[1]))
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
    """Yield the time and a small, upright copy of the picture on screen at each of these times."""
    if media.kind == "animation":
        for picture in decode_still(path, media, times, cancel=cancel):
            step = max(1, picture.rgb.shape[1] // SCAN_SIZE[0])
            yield picture.time, picture.rgb[::step, ::step]
        return
    upright = Upright(*SCAN_SIZE)
    for _index, time, frame, _last in pictures(path, times, notes=[], cancel=cancel):
        yield time, upright(frame)


def _runs(
    timestamps: tuple[float, ...], end: float, count: int, frames: int, step: float
) -> tuple[tuple[float, ...], ...]:
    """Return up to `count` evenly spaced, non-overlapping windows that start at a timestamp."""
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


STEP = 0.25  # s between the pictures that the thorough method compares
MAX_COMPARED = 2400  # pictures: ten minutes at `STEP`; a longer clip is compared at larger steps
INDEXED = ("mov", "matroska")  # Demuxers that land on the key frame they are sent to
MAX_READ_BYTES = 256 * 1024**2
"""largest file without an index that is read completely to list its pictures"""
SHARE = 0.1  # of the analysis that the fast method may cost, by the figures below
MOMENT_COSTS, PREDICTED_COSTS = 10.0, 0.3
"""Cost of an analyzed frame (faces, models) in megapixels of decoded key frames, and of a predicted
frame relative to a key frame of the same size."""
MAX_GROUP, MAX_GROUP_FRAMES = 12.0, 310
"""s and frames. Key frames further apart (encoders' usual limits are 250 and 300 frames) carry no
information about cuts."""
MARGIN = 0.5  # s by which pictures may be shown later than they are decoded
SAME_GAP = 0.05
"""s by which the distances of key frames may differ and still be the encoder's maximum."""

Shot = tuple[float, float]
"""start and end, s. Times between two shots, if their shot is unknown, belong to neither."""


def shots(
    path: str | os.PathLike[str],
    media: Media,
    part: tuple[float, float],
    samples: int,
    *,
    thorough: bool = False,
    cancel: Event | None = None,
) -> list[Shot] | None:
    """Return the shots of a video within `part` (start, end), s; None if not searched. Raise
    MediaError, Canceled.

    The fast method compares key frames only: encoders insert one at a cut, so an early key frame is
    a candidate, and hardly anything is decoded. It is used if it is cheap relative to the analysis
    of `samples` frames. `thorough` decodes the whole part at a low rate. Either can miss a shot
    shorter than the distance between two compared pictures."""
    if media.kind != "video" or not media.duration:
        return None
    result: list[Shot] | None = run_isolated(
        _compared if thorough else _at_key_frames,
        path,
        *(media, part, samples),
        returns=list[Shot] | None,
        timeout=WORKER_PASS_SECONDS,
        cancel=cancel,
    )
    return result


def seen(shots: Sequence[Shot], timestamps: Sequence[float]) -> list[bool]:
    """Return for each shot whether a timestamp is in it."""
    times = np.asarray(timestamps, float)
    slack = 1e-3  # timestamps are stored rounded
    return [bool(((times >= a - slack) & (times <= b + slack)).any()) for a, b in shots]


def with_every_shot(
    timestamps: Sequence[float], shots: Sequence[Shot], most: int
) -> tuple[float, ...]:
    """Return at most `most` timestamps with one in each shot as far as possible: the middle of each
    uncovered shot is added, and surplus ones are removed where those of one shot are closest."""
    missed = [shot for shot, known in zip(shots, seen(shots, timestamps), strict=True) if not known]
    missed.sort(key=lambda shot: shot[0] - shot[1])  # the longest first
    times = sorted({*timestamps, *((a + b) / 2 for a, b in missed[: max(0, most - 1)])})
    starts, ends = np.array(shots, float).reshape(-1, 2).T[:, :, None]
    while len(times) > most:
        inside = (starts <= np.array(times)) & (np.array(times) <= ends)
        only = inside[inside.sum(axis=1) == 1].any(axis=0)
        edges = [2 * times[0] - times[1], *times, 2 * times[-1] - times[-2]]
        spare = [n for n in range(len(times)) if not only[n]] or range(len(times))
        times.pop(min(spare, key=lambda n: edges[n + 2] - edges[n]))
    return tuple(times)


def _compared(
    path: str | os.PathLike[str],
    media: Media,
    part: tuple[float, float],
    samples: int,
    *,
    cancel: Event | None = None,
) -> list[Shot]:
    start, end = part
    times = centers(start, end, max(1, min(MAX_COMPARED, int((end - start) / STEP))))
    compared = [
        (time, False, colors.of(rgb)) for time, rgb in small_pictures(path, media, times, cancel)
    ]
    return _split(compared, start, end)


def _at_key_frames(
    path: str | os.PathLike[str],
    media: Media,
    part: tuple[float, float],
    samples: int,
    *,
    cancel: Event | None = None,
) -> list[Shot] | None:
    start, end = part
    if not _affordable(1, 1, media, samples):  # if all were one group of pictures
        return None
    with open_media(path) as container:
        if demuxer(container) not in INDEXED:
            return None
        stream = picture_stream(container)
        base = float(stream.time_base or 1)
        keys = _keys(container, stream, media.size)
        if not keys:
            return None
        times = (np.array(keys) - keys[0]) * base
        gaps = np.diff([*times, media.duration])
        if gaps.max() > max(MAX_GROUP, MAX_GROUP_FRAMES / (media.fps or 25.0)):
            return None
        # Early key frames are candidates, if a regular interval is known.
        is_long = gaps >= gaps.max() - SAME_GAP
        due = bool(is_long[:-1].sum() > 1)
        early = np.concatenate([[False], ~is_long[:-1] | (not due)])
        first = int(np.searchsorted(times, start, side="right")) - 1
        inside = np.arange(max(first, 0), int(np.searchsorted(times, end)))
        wanted = sorted({0, *inside.tolist()})  # times count from the first
        if not _affordable(len(wanted), len(keys), media, samples):
            # A key frame at the regular interval is hardly a cut.
            wanted = [n for n in wanted if n in (0, first) or early[n : n + 2].any()]
            if not (due and early.any() and _affordable(len(wanted), len(keys), media, samples)):
                return None
        pictures = list(_pictures(container, stream, keys, wanted, cancel))
    origin = pictures[0][1] if pictures else 0.0
    compared = [(time - origin, bool(early[n]), colors.of(rgb)) for n, time, rgb in pictures]
    return _split(compared, start, end)


def _keys(container: InputContainer, stream: VideoStream, size: int) -> list[int]:
    """Return the key frames, in ticks of the stream; empty if listing them would take long."""
    if demuxer(container) == "mov":  # other demuxers build their index while reading
        return [entry.timestamp for entry in stream.index_entries if entry.is_keyframe]
    if size > MAX_READ_BYTES:
        return []
    return [
        packet.pts
        for packet in packets(container, stream)
        if packet.is_keyframe and packet.pts is not None
    ]


def _affordable(compared: int, keys: int, media: Media, samples: int) -> bool:
    """Return True if decoding these key frames is cheap relative to the analysis."""
    size = media.width * media.height / 1e6
    group = (media.duration or 0.0) * (media.fps or 0.0) / keys
    usual = samples * (MOMENT_COSTS + PREDICTED_COSTS * size * group / 2)
    return compared * size <= SHARE * usual


def _pictures(
    container: InputContainer,
    stream: VideoStream,
    keys: Sequence[int],
    wanted: Sequence[int],
    cancel: Event | None,
) -> Iterator[tuple[int, float, np.ndarray]]:
    """Yield (number, time on the stream's clock in s, small picture) of some key frames."""
    decoder = Decoder(container, stream, tolerant=True)
    unsmoothed(decoder.context)
    upright = Upright(*SCAN_SIZE)
    margin = int(MARGIN / decoder.base)
    indexed = demuxer(container) == "mov"
    for number in wanted:
        if cancel is not None and cancel.is_set():
            raise Canceled()
        # The index has decoding times, but a seek uses the later presentation times.
        room = keys[number + 1] - keys[number] if number + 1 < len(keys) else 2 * margin
        if not seek(container, stream, keys[number] + min(margin, room // 2)):
            continue
        packet = next(
            (
                packet
                for packet in packets(container, stream)
                if packet.is_keyframe and (packet.dts if indexed else packet.pts) == keys[number]
            ),
            None,
        )
        if packet is None:
            continue
        try:
            decoder.flush()
            frames = [*decoder.decode(packet), *decoder.decode(None)]
            decoder.flush()
        except av.error.FFmpegError:
            continue
        for time, frame in frames[:1]:
            yield number, time, upright(frame)


def _split(
    compared: Sequence[tuple[float, bool, np.ndarray]], start: float, end: float
) -> list[Shot]:
    """Return shots from pictures in order: (time, whether a cut is exactly there, colors)."""
    begun = start
    shots: list[Shot] = []
    for (before, _exact, here), (time, exact, there) in pairwise(compared):
        if colors.affinity(here, there) < colors.CUT and start < time < end:
            shots.append((begun, time if exact else max(begun, before)))
            begun = time
    return [*shots, (begun, end)]
