"""A copy of a video that every browser plays: VP9 and Opus in WebM, at the same times.

For files that browsers don't play (AVI, WMV, MPEG-2, ProRes …), and for those that stand on their
head. It is made where the file is read, confined, from pictures that stand upright.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from detector.errors import Canceled, MediaError
from detector.isolation import run_isolated
from detector.media.container import open_media
from detector.media.limits import WORKER_PASS_SECONDS
from detector.media.upright import Upright
from detector.media.video import pictures
from detector.schema.analysis import Media

NAME = "playable.webm"
SIDE = 720
"""px of the shorter side, at most."""
LONGEST = 1200.0
"""s. A longer file gets no copy: encoding it would take as long as watching it."""
LARGEST = 256 * 1024**2
"""bytes; a copy that grows beyond is given up."""
RATE = 30.0
"""pictures a second, at most."""
_CLOCK = 1000
_SOUND = 48_000
_BT709, _BT601 = 1, 6
_HD = 720
_OPTIONS = {"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0", "row-mt": "1"}


def playable(
    path: str | os.PathLike[str], media: Media, folder: Path, *, cancel: Event | None = None
) -> Path:
    """Write the copy into a folder.

    Parameters
    ----------
    path : path
    media : Media
        From `probe`, or an analysis: what it says of `turned` is applied.
    folder : Path
        An empty one. The copy in it is as long as the file, and its times are the file's.
    cancel : threading.Event, optional

    Returns
    -------
    Path
        `folder / NAME`.

    Raises
    ------
    MediaError
        It is no video, too long ("too_long"), or can't be read; or the copy would be too large.
    Canceled
    """
    if media.kind != "video" or (media.duration or 0.0) > LONGEST:
        raise MediaError("There is no playable copy of files like this.", code="too_long")
    run_isolated(
        _write,
        path,
        media,
        folder,
        returns=int,
        writes=folder,
        timeout=WORKER_PASS_SECONDS,
        cancel=cancel,
    )
    return folder / NAME


def _write(
    path: str | os.PathLike[str], media: Media, folder: Path, *, cancel: Event | None = None
) -> int:
    width, height = (media.width, media.height)[:: -1 if media.turned % 180 else 1]
    shrink = min(1.0, SIDE / min(width, height))
    size = tuple(max(2, round(side * shrink) // 2 * 2) for side in (width, height))
    target = Path(folder) / NAME
    fps = min(media.fps or 25.0, RATE)
    step = 1.0 / fps if (media.fps or 25.0) > RATE else 0.5 / fps
    times = np.arange(0.0, (media.duration or 0.0) + step, step).tolist()
    upright, written = Upright(size[0], size[1]), 0
    # Sound is read by a second hand, so that neither waits in memory for the other.
    with av.open(str(target), "w") as out:
        shown = size if media.turned % 180 == 0 else size[::-1]
        stream = out.add_stream("libvpx-vp9", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height = shown
        stream.pix_fmt, stream.options = "yuv420p", {**_OPTIONS}
        stream.codec_context.time_base = Fraction(1, _CLOCK)
        stream.codec_context.thread_count = 2
        sound = _Sound(path, out)
        with sound:
            convert = VideoReformatter()
            space = _BT709 if shown[1] >= _HD else _BT601
            for _, time, frame in pictures(path, times, notes=[], cancel=cancel):
                rgb = np.ascontiguousarray(np.rot90(upright(frame), -media.turned // 90))
                picture = convert.reformat(
                    VideoFrame.from_ndarray(rgb, "rgb24"), format="yuv420p", dst_colorspace=space
                )
                picture.pts, picture.time_base = round(time * _CLOCK), Fraction(1, _CLOCK)
                encoded = stream.encode(picture)
                written += sum(packet.size for packet in encoded)
                out.mux(encoded)
                sound.until(time)
                if written > LARGEST:
                    raise MediaError("The playable copy would be too large.", code="too_large")
                if cancel is not None and cancel.is_set():
                    raise Canceled()
            sound.until(float("inf"))
        out.mux(stream.encode(None))
    return target.stat().st_size


class _Sound:
    """The first sound stream, decoded, and encoded as Opus; nothing where there is none, and as
    much as can be decoded."""

    def __init__(self, path: str | os.PathLike[str], out: OutputContainer) -> None:
        self._open = open_media(path)
        self._out = out
        self._reached = -1.0
        self._samples = 0

    def __enter__(self) -> None:
        container = self._open.__enter__()
        source = next((s for s in container.streams.audio if s.codec_context is not None), None)
        first = container.streams.video[0] if container.streams.video else None
        self._origin = float((first.start_time or 0) * (first.time_base or 0)) if first else 0.0
        self._frames: Iterator[AudioFrame] = iter(())
        if source is not None:
            self._stream = self._out.add_stream("libopus", rate=_SOUND)
            self._stream.codec_context.layout = "stereo"
            self._resample = AudioResampler("flt", "stereo", _SOUND, frame_size=_SOUND // 50)
            self._frames = container.decode(source)

    def __exit__(self, *error: object) -> None:
        self._open.__exit__(None, None, None)

    def until(self, time: float) -> None:
        """Write what is heard up to a time, s."""
        while self._reached < time:
            try:
                frame = next(self._frames, None)
                if frame is None:
                    if self._reached < float("inf") and hasattr(self, "_stream"):
                        self._out.mux(self._stream.encode(None))
                    self._reached = float("inf")
                    return
                at = (frame.time or 0.0) - self._origin
                if at < 0:
                    continue
                self._reached = at
                frame.pts = None
                for part in self._resample.resample(frame):
                    if self._samples == 0:
                        self._samples = round(at * _SOUND)
                    part.pts, part.time_base = self._samples, Fraction(1, _SOUND)
                    self._samples += part.samples
                    self._out.mux(self._stream.encode(part))
            except (av.error.FFmpegError, ValueError):
                self._frames = iter(())
