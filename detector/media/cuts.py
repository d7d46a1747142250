"""Where a clip cuts from one shot to the next.

Two ways. The quick one compares key frames only: encoders put one at a cut, so an early key frame
is where to look, and hardly anything is decoded. It is taken where it costs little beside the
analysis. The thorough one reads the whole clip at a low rate. A shot shorter than the distance
between two compared pictures can be missed by either.
"""

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from threading import Event

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from detector import colors
from detector.errors import Canceled
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
from detector.media.sampling import SCAN_SIZE, centers, small_pictures
from detector.media.upright import Upright
from detector.schema.analysis import Media

STEP = 0.25  # s between the pictures that the thorough way compares
MAX_COMPARED = 2400  # pictures: ten minutes at `STEP`; a longer clip is compared at larger steps
INDEXED = ("mov", "matroska")  # Demuxers that land on the key frame they are sent to
MAX_READ_BYTES = 256 * 1024**2
"""bytes of a file without an index that are read through to find its key frames."""
SHARE = 0.1  # of the analysis that the quick way may cost, by the counts below
MOMENT_COSTS, PREDICTED_COSTS = 10.0, 0.3
"""What a looked-at moment (faces, models) and a predicted frame take, as megapixels of key frames
decoded and in shares of a key frame of the same size."""
MAX_GROUP, MAX_GROUP_FRAMES = 12.0, 310
"""s and frames. Key frames further apart (encoders' usual most are 250 and 300 frames) say nothing
about cuts."""
MARGIN = 0.5  # s by which pictures may be shown later than they are decoded
SAME_GAP = 0.05
"""s by which the distances of key frames may differ and still be the encoder's longest."""

Shot = tuple[float, float]
"""start and end, s. Between two shots, times whose shot is not known belong to neither."""


def shots(
    path: str | os.PathLike[str],
    media: Media,
    part: tuple[float, float],
    samples: int,
    *,
    thorough: bool = False,
    cancel: Event | None = None,
) -> list[Shot] | None:
    """Return the shots of a video within `part` (start, end), s; None where they were not searched.
    The quick way is held against the cost of `samples` moments; `thorough` reads the whole part.
    Raise MediaError, Canceled."""
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
    """Which shots have a moment in them."""
    times = np.asarray(timestamps, float)
    slack = 1e-3  # they are rounded where they are stored
    return [bool(((times >= a - slack) & (times <= b + slack)).any()) for a, b in shots]


def with_every_shot(
    timestamps: Sequence[float], shots: Sequence[Shot], most: int
) -> tuple[float, ...]:
    """Return the timestamps, with one in each shot, as far as `most` allows: a shot without one
    gets its middle, and what is too many is taken from where those of one shot are closest."""
    missed = [shot for shot, known in zip(shots, seen(shots, timestamps), strict=True) if not known]
    missed.sort(key=lambda shot: shot[0] - shot[1])  # the longest first
    times = sorted({*timestamps, *((a + b) / 2 for a, b in missed[: max(0, most - 1)])})
    while len(times) > most:
        inside = np.array([[a <= t <= b for t in times] for a, b in shots])
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
        early, due = _early(times, media.duration or 0.0)
        first = int(np.searchsorted(times, start, side="right")) - 1
        inside = np.arange(max(first, 0), int(np.searchsorted(times, end)))
        wanted = sorted({0, *inside.tolist()})  # times count from the first
        if not _affordable(len(wanted), len(keys), media, samples):
            # Where a key frame came when it was due there hardly was a cut.
            wanted = [n for n in wanted if n in (0, first) or early[n : n + 2].any()]
            if not (due and early.any() and _affordable(len(wanted), len(keys), media, samples)):
                return None
        pictures = list(_pictures(container, stream, keys, wanted, cancel))
    origin = pictures[0][1] if pictures else 0.0
    compared = [(time - origin, bool(early[n]), colors.of(rgb)) for n, time, rgb in pictures]
    return _split(compared, start, end)


def _keys(container: InputContainer, stream: VideoStream, size: int) -> list[int]:
    """Where the key frames are, in ticks of the stream; empty where that would take long to say."""
    if demuxer(container) == "mov":  # others learn theirs as they go
        return [entry.timestamp for entry in stream.index_entries if entry.is_keyframe]
    if size > MAX_READ_BYTES:
        return []
    return [
        packet.pts
        for packet in packets(container, stream)
        if packet.is_keyframe and packet.pts is not None
    ]


def _early(times: np.ndarray, duration: float) -> tuple[np.ndarray, bool]:
    """Return which key frames came early, and whether any regular distance between them is
    known."""
    gaps = np.diff([*times, duration])
    is_long = gaps >= gaps.max() - SAME_GAP
    due = bool(is_long[:-1].sum() > 1)
    return np.concatenate([[False], ~is_long[:-1] | (not due)]), due


def _affordable(compared: int, keys: int, media: Media, samples: int) -> bool:
    """Whether so many key frames cost little beside what a look at the samples does."""
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
        # The index has decoding times, and a seek goes by the later presentation times.
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
    """Return shots from pictures in order: (time, whether a change lies exactly there, colors)."""
    begun = start
    shots: list[Shot] = []
    for (before, _, here), (time, exact, there) in pairwise(compared):
        if colors.affinity(here, there) < colors.CUT and start < time < end:
            shots.append((begun, time if exact else max(begun, before)))
            begun = time
    return [*shots, (begun, end)]
