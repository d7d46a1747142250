"""Pixel aspect ratios that a stream states anew at its key frames, as broadcasts do."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from detector.media.sei import units

_PARAMETERS: dict[str, Callable[[bytes], bool]] = {
    "h264": lambda unit: unit[0] & 31 == 7,
    "hevc": lambda unit: unit[0] >> 1 & 63 == 33,
    "mpeg1video": lambda unit: unit[0] == 0xB3,
    "mpeg2video": lambda unit: unit[0] in (0xB3, 0xB5),
    "mpeg4": lambda unit: 0x20 <= unit[0] <= 0x2F,
}
"""Which units of a key frame, without their start codes, state the shape of a pixel"""
_RESTATING = ("mpegts", "mpeg", "dv", "h264", "hevc", "mpegvideo", "m4v")
"""Demuxers of containers that state no shape: that of the stream holds, which may change."""
_SEARCHED = 4096  # bytes of a packet: parameters precede the picture
_MAX_KNOWN = 64
PLAUSIBLE = (0.25, 4.0)  # Pixel aspect ratios outside this range are taken for nonsense and ignored


class PixelAspect:
    """Pixel aspect ratio of a stream, width / height, updated with its packets in file order."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.current = plausible(stream.sample_aspect_ratio)
        self.codec = stream.codec_context.codec.canonical_name
        restates = container.format.name.split(",")[0] in _RESTATING
        self._parameters = _PARAMETERS.get(self.codec) if restates else None
        self.by_frame = restates and self.codec == "dvvideo"
        """each frame states its own, and is decoded at once"""
        self._known: dict[bytes, float] = {}

    def follow(self, packet: Packet[Any]) -> float:
        """Return the pixel aspect ratio of a packet's picture."""
        if self._parameters is None or not packet.is_keyframe:
            return self.current
        head = bytes(memoryview(packet)[:_SEARCHED])
        stated = b"".join(unit for unit in units(head) if self._parameters(unit))
        if not stated:
            return self.current
        if stated not in self._known:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[stated] = _decoded(packet, self.codec) or self.current
        self.current = self._known[stated]
        return self.current


def _decoded(packet: Packet[Any], codec: str) -> float | None:
    """Return the ratio that a decoder of its own reads from a key frame."""
    context = CodecContext.create(codec, "r")
    if not isinstance(context, VideoCodecContext):
        return None
    context.thread_count = 1
    try:
        context.decode(Packet(bytes(packet)))
        context.decode(None)
    except av.error.FFmpegError:
        return None
    return plausible(context.sample_aspect_ratio) if context.width else None


def plausible(stated: Fraction | None) -> float:
    """Return a stated pixel aspect ratio; 1 if there is none, or nonsense."""
    ratio = float(stated or 1)
    return ratio if PLAUSIBLE[0] <= ratio <= PLAUSIBLE[1] else 1.0
