"""Video encoding: pictures, each with its own time, as a stream of an output container."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

_CLOCK = 90_000  # ticks a second
_HD = 720
"""px of height from which colors without a label are read as BT.709 (`detector.media.upright`)."""
_BT709, _BT601 = 1, 6


class VideoWriter:
    """Encoder of pictures, uint8 [H, W, 3] RGB, in the color matrix that players assume for their
    height. `size` is (width, height), both even; `rate` is nominal, frames a second; `options` are
    the codec's."""

    def __init__(
        self,
        out: OutputContainer,
        codec: str,
        size: tuple[int, int],
        rate: float,
        options: Mapping[str, str],
    ) -> None:
        self._out, self._convert, self._last = out, VideoReformatter(), -1
        self._space = _BT709 if size[1] >= _HD else _BT601
        nominal = Fraction(rate).limit_denominator(1001)
        self._stream = cast(VideoStream, out.add_stream(codec, rate=nominal, options=dict(options)))
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _CLOCK)

    def add(self, rgb: np.ndarray, time: float) -> int:
        """Encode a picture at `time`, s, at least a tick after the last; return the bytes
        written."""
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
        picture = self._convert.reformat(picture, format="yuv420p", dst_colorspace=self._space)
        self._last = max(round(time * _CLOCK), self._last + 1)
        picture.pts, picture.time_base = self._last, Fraction(1, _CLOCK)
        return self._mux(picture)

    def close(self) -> None:
        """Write what the encoder still holds."""
        self._mux(None)

    def _mux(self, picture: VideoFrame | None) -> int:
        packets = self._stream.encode(picture)
        self._out.mux(packets)
        return sum(packet.size for packet in packets)


def write_mp4(
    path: Path,
    frames: Iterable[tuple[np.ndarray, float]],
    options: Mapping[str, str],
    rate: float = 30,
) -> int:
    """Write frames with their times (s, ascending) as H.264 that every browser plays, index in
    front, in the size of the first frame; return their number. Without frames no file is
    written."""
    frames = iter(frames)
    head = next(frames, None)
    if head is None:
        return 0
    height, width = (side // 2 * 2 for side in head[0].shape[:2])
    count = 0
    with av.open(str(path), "w", container_options={"movflags": "+faststart"}, format="mp4") as out:
        writer = VideoWriter(out, "libx264", (width, height), rate, options)
        for rgb, time in chain([head], frames):
            if rgb.shape[:2] != (height, width):
                rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
            writer.add(rgb, time)
            count += 1
        writer.close()
    return count
