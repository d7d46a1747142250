"""Browser-playable copy of a video: VP9 and Opus in WebM, at the same times.

For formats that browsers don't play (AVI, WMV, MPEG-2, ProRes …) and for rotated files. It is
encoded in the sandboxed worker, from upright pictures."""

import contextlib
import math
import os
from collections import deque
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.container import OutputContainer

from detector.errors import Canceled, MediaError
from detector.isolation import run_isolated
from detector.media.container import clock_origin, open_media, sound_stream
from detector.media.limits import WORKER_PASS_SECONDS
from detector.media.upright import Upright
from detector.media.video import pictures
from detector.media.writer import VideoWriter
from detector.schema.analysis import Media
from detector.sentences import _

NAME = "playable.webm"
SIDE = 720  # px of the shorter side, at most
MAX_SECONDS = 1200.0
"""s. A longer file gets no copy: encoding would take as long as watching it."""
MAX_BYTES = 256 * 1024**2  # bytes; a larger copy is aborted
RATE = 30.0  # pictures a second, at most
_SOUND = 48_000
_OPTIONS = {
    "deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0", "row-mt": "1", "threads": "2",
}  # fmt: skip


def playable(
    path: str | os.PathLike[str], media: Media, folder: Path, *, cancel: Event | None = None
) -> Path:
    """Write a browser-playable copy into an empty folder, rotated by `media.turned`, with the
    file's times. Raise MediaError for no video, one that is too long or too narrow ("too_long") or
    too large a copy; Canceled."""
    long = (media.duration or 0.0) > MAX_SECONDS
    if media.kind != "video" or long or media.too_narrow:
        raise MediaError(_("There is no playable copy of files like this."), code="too_long")
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
    size = (max(2, round(width * shrink) // 2 * 2), max(2, round(height * shrink) // 2 * 2))
    target = Path(folder) / NAME
    fps = min(media.fps or 25.0, RATE)
    step = 1.0 / fps if (media.fps or 25.0) > RATE else 0.5 / fps
    times = np.arange(0.0, (media.duration or 0.0) + step, step).tolist()
    upright = Upright(*size, framed=True)
    written = 0
    # Sound is read through a second container, so that neither is buffered for the other.
    with av.open(str(target), "w") as out:
        shown = size if media.turned % 180 == 0 else size[::-1]
        writer = VideoWriter(out, "libvpx-vp9", shown, fps, _OPTIONS)
        with contextlib.closing(_transcode_sound(path, out)) as sound:
            heard = next(sound, math.inf)
            for _index, time, frame, _last in pictures(path, times, notes=[], cancel=cancel):
                written += writer.add(np.rot90(upright(frame), -media.turned // 90), time)
                while heard < time:
                    heard = next(sound, math.inf)
                if written > MAX_BYTES:
                    raise MediaError(_("The playable copy would be too large."), code="too_large")
                if cancel is not None and cancel.is_set():
                    raise Canceled()
            deque(sound, maxlen=0)  # the rest of it
        writer.close()
    return target.stat().st_size


def _transcode_sound(
    path: str | os.PathLike[str], out: OutputContainer
) -> Generator[float, None, None]:
    """Add the default audio stream as Opus, if any; yield its progress, s."""
    with open_media(path) as container:
        source = sound_stream(container)
        if source is None:
            return
        origin = clock_origin(container)
        stream = out.add_stream("libopus", rate=_SOUND)
        stream.codec_context.layout = "stereo"
        resampler = AudioResampler("flt", "stereo", _SOUND, frame_size=_SOUND // 50)
        samples = 0
        yield -1.0
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            for frame in container.decode(source):
                time = (frame.time or 0.0) - origin
                if time < 0:
                    continue
                frame.pts = None
                for part in resampler.resample(frame):
                    samples = samples or round(time * _SOUND)
                    part.pts, part.time_base = samples, Fraction(1, _SOUND)
                    samples += part.samples
                    out.mux(stream.encode(part))
                yield time
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            out.mux(stream.encode(None))
