"""Video, read with libav through PyAV. The only module that opens an untrusted container."""

from __future__ import annotations

import heapq
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import BinaryIO, cast

import av
import numpy as np
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from detector.errors import Canceled, MediaError
from detector.media.files import ACCEPTED, open_file, sniff, top_boxes
from detector.media.limits import MAX_SIDE, MAX_VIDEO_PIXELS
from detector.media.types import Frame
from detector.results import Audio, Media

# Containers that hold their own samples. Everything that reads a list of other files, an address,
# a device or a picture sequence (hls, dash, concat, sdp, image2, lavfi ...) is left out. Sound
# formats are in, so that we can say that there is no picture.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,ivf,mjpeg,mxf,dv,"
    "yuv4mpegpipe,gif,h264,hevc,m4v,obu,wtv,nut,rm,mp3,wav,flac,aac,aiff,caf,amr,ac3,eac3,w64,au"
)
_OPTIONS = {
    "format_whitelist": _CONTAINERS,
    "protocol_whitelist": "file",
    "enable_drefs": "0",
}
_CODEC_OPTIONS = {"max_pixels": str(MAX_VIDEO_PIXELS)}

_EPSILON = 0.0005
"""Half a millisecond: times that were rounded to a millisecond still find their frame."""

_MAX_HELD = 300
"""Packets kept back until it is known whether they are needed; bounds memory in long GOPs."""

_JUMP = 10.0
"""Seconds ahead from which seeking beats reading on."""

_JUMP_MARGIN = 1.0
"""Seek this much too early: some demuxers seek by decoding time, which runs ahead."""

_JUMPABLE = ("mov", "matroska")
"""Demuxers that always land on a key frame; others land in the middle of things."""

_MAX_READ_ERRORS = 16
_LOOKED_AT_PACKETS = 300
_MAX_FRUITLESS = 2_000
"""Packets read in search of the first frame that can be decoded."""

_REORDER = 16
"""The most frames that a codec here may put out of order."""

_MAX_THREADS = 4
_UNSPECIFIED, _BT709, _BT601 = 2, 1, 5  # swscale's numbers
_ASPECTS = (0.25, 4.0)
"""Pixel aspect ratios outside this range are taken for nonsense and ignored."""


class _Source:
    """An open file without a name, so that libav judges by content alone."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


def _refuse_more(url: str, flags: int, options: dict[str, str]) -> None:
    raise PermissionError(f"refused to open {url!r}")


@contextmanager
def open_media(path: str | os.PathLike[str]) -> Iterator[InputContainer]:
    """Open an untrusted container; the file and all of libav's state are closed on leaving.

    The file is opened here, once, and libav only gets its bytes: it never sees a name, may not
    open anything else, and may only use demuxers that hold their own samples.

    Raises
    ------
    MediaError
        When the file is not one, is refused, or can't be understood.
    """
    with open_file(path) as file:
        if sniff(file) == "picture":
            raise MediaError("This is a picture, not a video.", code="unsupported", hint=ACCEPTED)
        boxes = top_boxes(file)
        file.seek(0)
        try:
            container = av.open(
                _Source(file),
                mode="r",
                options=_CODEC_OPTIONS,
                container_options=_OPTIONS,
                io_open=_refuse_more,
                buffer_size=1 << 20,
            )
        except (av.error.FFmpegError, ValueError, PermissionError) as error:
            raise _unreadable(boxes) from error
        try:
            yield container
        finally:
            container.close()


def picture_stream(container: InputContainer) -> VideoStream:
    """Return the moving picture of a container: the largest that is not a cover.

    Raises
    ------
    MediaError
        There is none, its codec is unknown, or it is too large.
    """
    real = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not real:
        if container.streams.audio:
            raise MediaError(
                "This file has sound but no picture, so there is no face to look at.",
                code="no_picture",
                hint="Choose a video or a picture.",
            )
        raise MediaError("There is no video in this file.", code="no_picture", hint=ACCEPTED)
    known = [stream for stream in real if stream.codec_context is not None]
    if not known:
        raise MediaError(
            "We can't decode this kind of video.",
            code="unsupported_codec",
            hint="Convert it to MP4 with H.264.",
        )
    stream = max(known, key=lambda s: (s.codec_context.width * s.codec_context.height, -s.index))
    _check_size(stream.codec_context.width, stream.codec_context.height)
    return stream


def probe_video(
    path: str | os.PathLike[str], *, name: str, sha256: str, size: int, head: bytes
) -> Media:
    """Describe a video: one frame is decoded, the rest is read from packets.

    `head` is the file's beginning, from which the kind of container is named.
    """
    with open_media(path) as container:
        stream = picture_stream(container)
        opening = _Opening(container, stream)
        frame = opening.frame
        if frame is None:
            raise _undecodable()
        end, whole_end = _ends(container, stream)
        fps = _rate(stream)
        start = opening.time
        duration = max(end - start, 0.0)
        if duration == 0.0 and fps:
            duration = 1.0 / fps
        notes = []
        stated = _stated(container, stream)
        reached = duration if stream.duration is not None else whole_end - start
        if stated is not None and reached < stated - max(0.5, 0.02 * stated):
            notes.append(
                f"The file says it lasts {stated:.1f} s, but it stops after {duration:.1f} s: "
                "the rest is missing or damaged."
            )
        width, height = _upright_size(frame, stream)
        _check_size(width, height)
        audio = _audio(container)
        context = stream.codec_context
        return Media(
            name=name,
            sha256=sha256,
            kind="video",
            size=size,
            width=width,
            height=height,
            duration=duration,
            fps=fps,
            frame_count=stream.frames or (round(duration * fps) if fps else None),
            variable_frame_rate=opening.uneven(),
            container=_container_name(container, head),
            codec=context.codec.canonical_name,
            pixel_format=context.pix_fmt,
            bit_rate=_bit_rate(container, stream, size, duration),
            rotation=-frame.rotation % 360,
            audio=audio,
            notes=notes,
        )


def decode_video(
    path: str | os.PathLike[str],
    media: Media,
    times: Sequence[float],
    *,
    notes: list[str],
    cancel: Event | None = None,
    skip: bool = True,
) -> Iterator[Frame]:
    """Yield the frames on screen at `times`; see `detector.media.decode`."""
    scaler = VideoReformatter()
    for index, time, frame in pictures(path, times, notes=notes, cancel=cancel, skip=skip):
        yield Frame(index, time, upright(frame, media.width, media.height, scaler))


def pictures(
    path: str | os.PathLike[str],
    times: Sequence[float],
    *,
    notes: list[str],
    cancel: Event | None = None,
    skip: bool = True,
) -> Iterator[tuple[int, float, VideoFrame]]:
    """Yield (index, real time, decoded frame) for ascending times, converting nothing.

    Groups of pictures that hold no wanted time are not decoded, and far ones are not even read.

    Parameters
    ----------
    skip : bool
        False decodes every frame from the first on. The result is the same; tests compare them.
    """
    with open_media(path) as container:
        walk = _Walk(container, picture_stream(container), times, notes, cancel, skip)
        yield from walk.run()


class _Walk:
    """One pass through a video, from its first frame to the last wanted time.

    Packets are held back, undecoded, until one reaches past the wanted time. A key frame at or
    before the wanted time makes everything held, and all the decoder knows, unneeded.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        times: Sequence[float],
        notes: list[str],
        cancel: Event | None,
        skip: bool,
    ) -> None:
        self.container = container
        self.stream = stream
        self.wanted = deque(enumerate(times))
        self.notes = notes
        self.cancel = cancel
        self.decoder = _Decoder(container, stream)
        # AVI knows only decoding times, so a jump into a stream with reordered frames can't be
        # placed exactly: there, everything is decoded.
        self.skip = skip and not self.decoder.reordered
        self.jump = self.skip and _demuxer(container) in _JUMPABLE
        self.origin: float | None = None
        self.previous: tuple[float, VideoFrame] | None = None
        self.given: float | None = None
        self.floor = -math.inf
        self.end = 0.0
        self.damaged_at: float | None = None

    @property
    def target(self) -> float:
        """The next wanted time on the stream's own clock, seconds."""
        assert self.origin is not None
        return self.wanted[0][1] + _EPSILON + self.origin

    def run(self) -> Iterator[tuple[int, float, VideoFrame]]:
        """Answer the wanted times in order, then say what was damaged on the way."""
        yield from self._answers()
        if self.damaged_at is not None and not self.wanted:
            self.notes.append(
                f"The video is damaged near {self.damaged_at:.1f} s; we used what could be decoded."
            )

    def _answers(self) -> Iterator[tuple[int, float, VideoFrame]]:
        held: deque[Packet] = deque()
        reach = -math.inf  # latest time among the held packets
        packets = _packets(self.container, self.stream, self._damage)
        landed = False  # a jump was made and no key frame has been seen since
        while self.wanted:
            if self.cancel is not None and self.cancel.is_set():
                raise Canceled()
            packet = next(packets, None)
            if packet is None:
                if not landed:
                    break
                packets, landed = self._rewind(), False
                continue
            time = self.decoder.time_of(packet)
            if packet.is_keyframe and self.origin is not None and time is not None:
                if landed and time > self.target:
                    packets, landed = self._rewind(), False
                    continue
                if (self.skip or landed) and time <= self.target:
                    self.decoder.flush()
                    self.previous, self.floor, landed = None, time, False
                    held.clear()
                    reach = -math.inf
            if landed:
                continue
            held.append(packet)
            reach = max(reach, time if time is not None else math.inf)
            if time is not None and self.origin is not None:
                self.end = max(self.end, time + self.decoder.length_of(packet) - self.origin)
            full = len(held) >= _MAX_HELD or not self.skip
            while held and (full or self.origin is None or reach > self.target):
                yield from self._feed(held.popleft())
                if not self.wanted:
                    return
            if self._far(time):
                held.clear()
                reach, landed = -math.inf, True
                packets = self._seek(self.target - _JUMP_MARGIN)
        for packet in (*held, None):
            yield from self._feed(packet)
            if not self.wanted:
                return
        yield from self._finish()

    def _feed(self, packet: Packet | None) -> Iterator[tuple[int, float, VideoFrame]]:
        try:
            frames = self.decoder.decode(packet)
        except av.error.FFmpegError:
            self._damage(None if packet is None else self.decoder.time_of(packet))
            return
        for time, frame in frames:
            yield from self._take(time, frame)

    def _take(self, clock: float, frame: VideoFrame) -> Iterator[tuple[int, float, VideoFrame]]:
        if clock < self.floor - _EPSILON:
            return  # leading pictures of a key frame: they need what was skipped
        if self.origin is None:
            self.origin = clock
        time = clock - self.origin
        if self.previous is not None and time <= self.previous[0]:
            return
        while self.wanted and time > self.wanted[0][1] + _EPSILON:
            index, _ = self.wanted.popleft()
            chosen = self.previous if self.previous is not None else (time, frame)
            if chosen[0] != self.given:
                self.given = chosen[0]
                yield index, *chosen
        self.previous = (time, frame)

    def _finish(self) -> Iterator[tuple[int, float, VideoFrame]]:
        """The stream is over: the last frame answers what it was on screen for."""
        if self.previous is None and self.given is None:
            raise _undecodable()
        last = self.previous
        reached = max(self.end, 0.0 if last is None else last[0])
        if last is not None:
            while self.wanted and self.wanted[0][1] <= reached + _EPSILON:
                index, _ = self.wanted.popleft()
                if last[0] != self.given:
                    self.given = last[0]
                    yield index, *last
        if self.wanted:
            self.notes.append(
                f"The video stops after {reached:.1f} s: the rest is missing or damaged."
            )

    def _far(self, here: float | None) -> bool:
        if not (self.jump and self.wanted and here is not None and self.origin is not None):
            return False
        return self.target - here > _JUMP

    def _seek(self, clock: float) -> Iterator[Packet]:
        offset = int(clock / float(self.stream.time_base or 1))
        try:
            self.container.seek(offset, stream=self.stream)
        except av.error.FFmpegError:
            return self._rewind()
        return _packets(self.container, self.stream, self._damage)

    def _rewind(self) -> Iterator[Packet]:
        """A jump failed: read on from the start, without any more jumps."""
        self.jump = False
        self.container.seek(self.stream.start_time or 0, stream=self.stream)
        return _packets(self.container, self.stream, self._damage)

    def _damage(self, clock: float | None) -> None:
        if self.damaged_at is None:
            self.damaged_at = max(0.0, (clock or 0.0) - (self.origin or 0.0))


class _Decoder:
    """A stream's decoder, giving each frame its time on the stream's clock in seconds."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.context = stream.codec_context
        self.context.thread_type = ThreadType.AUTO
        self.context.thread_count = min(_MAX_THREADS, os.cpu_count() or 1)
        self.base = float(stream.time_base or 1)
        self.step = 1.0 / (_rate(stream) or 25.0)
        # AVI gives packets a decoding time only, and libav's guess for reordered frames is wrong.
        # Frames come out in order of presentation, so each takes the earliest time not yet used.
        self.reordered = _demuxer(container) == "avi" and self.context.has_b_frames > 0
        self.unused: list[float] = []
        self.latest: float | None = None

    def time_of(self, packet: Packet) -> float | None:
        """Presentation time of a packet (AVI: decoding time), None when it has none."""
        ticks = packet.dts if self.reordered else packet.pts
        return None if ticks is None else ticks * self.base

    def length_of(self, packet: Packet) -> float:
        """Seconds that a packet's frame is on screen; one step where the file doesn't say."""
        return packet.duration * self.base if packet.duration else self.step

    def decode(self, packet: Packet | None) -> list[tuple[float, VideoFrame]]:
        """Feed one packet, or None at the end; raises av.error.FFmpegError on damage."""
        if self.reordered and packet is not None and packet.dts is not None:
            heapq.heappush(self.unused, packet.dts * self.base)
        return [(self._stamp(frame), frame) for frame in self.context.decode(packet)]

    def flush(self) -> None:
        """Forget everything, before a key frame that does not follow what was fed last."""
        self.context.flush_buffers()
        self.unused.clear()

    def _stamp(self, frame: VideoFrame) -> float:
        if self.reordered and self.unused:
            time = heapq.heappop(self.unused)
        elif frame.pts is not None:
            time = frame.pts * self.base
        else:  # raw streams have no times: count
            time = 0.0 if self.latest is None else self.latest + self.step
        self.latest = time
        return time


class _Opening:
    """What the first packets and the first frame of a stream tell."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self.frame: VideoFrame | None = None
        self.time = 0.0
        self.times: list[float] = []
        decoder = _Decoder(container, stream)
        for number, packet in enumerate(_packets(container, stream)):
            time = decoder.time_of(packet)
            if time is not None:
                self.times.append(time)
            if self.frame is None:
                self._decode(decoder, packet)
            if number >= (_LOOKED_AT_PACKETS if self.frame is not None else _MAX_FRUITLESS):
                break
        if self.frame is None:
            self._decode(decoder, None)

    def _decode(self, decoder: _Decoder, packet: Packet | None) -> None:
        try:
            for time, frame in decoder.decode(packet):
                self.time, self.frame = time, frame
                return
        except av.error.FFmpegError:
            return

    def uneven(self) -> bool | None:
        """Whether the gaps between frames differ by more than containers round; None: unknown."""
        # The last packets are left out: with reordering, their neighbors are yet to come.
        times = sorted(self.times)[:-_REORDER] or sorted(self.times)
        gaps = np.diff(times)
        if len(gaps) < 2:
            return None
        return bool(gaps.max() - gaps.min() > 0.002)


def upright(
    frame: VideoFrame, width: int, height: int, scaler: VideoReformatter | None = None
) -> np.ndarray:
    """Convert a decoded frame to uint8 [height, width, 3] RGB as it is meant to be seen.

    Applies the display matrix (quarter turns and mirroring), and scales where the pixels are not
    square or a stream changes its size on the way.
    """
    transposed, flip_x, flip_y = _orientation(frame)
    if transposed:
        width, height = height, width
    # Unspecified colors are read as browsers do: high definition is BT.709, the rest BT.601.
    space = frame.colorspace
    if space == _UNSPECIFIED:
        space = _BT709 if frame.height >= 720 else _BT601
    scaler = scaler or VideoReformatter()
    picture = scaler.reformat(
        frame, width, height, "rgb24", src_colorspace=space, threads=1
    ).to_ndarray()
    if transposed:
        picture = picture.swapaxes(0, 1)
    if flip_x:
        picture = picture[:, ::-1]
    if flip_y:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def _orientation(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """(transpose, then flip x, then flip y) from the display matrix, to the nearest quarter."""
    data = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    if data is None:
        return False, False, False
    a, b, _, c, d = (int(n) for n in np.frombuffer(bytes(data), dtype="<i4")[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, c < 0, b < 0
    return False, a < 0, d < 0


def _upright_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height with square pixels, after rotation. Pixels are only ever added."""
    width, height = frame.width, frame.height
    aspect = float(stream.sample_aspect_ratio or 1)
    if _ASPECTS[0] <= aspect <= _ASPECTS[1]:
        if aspect > 1:
            width = round(width * aspect)
        else:
            height = round(height / aspect)
    return (height, width) if _orientation(frame)[0] else (width, height)


def _packets(
    container: InputContainer,
    stream: VideoStream | None,
    damage: Callable[[float | None], None] = lambda time: None,
) -> Iterator[Packet]:
    """Demux on past errors; cut-off packets are dropped, since what they give is chance."""
    errors = 0
    while errors < _MAX_READ_ERRORS:
        try:
            for packet in container.demux(stream) if stream else container.demux():
                if packet.size == 0:
                    continue
                if packet.is_corrupt:
                    damage(None if packet.pts is None else float(packet.pts * packet.time_base))
                    continue
                errors = 0
                yield packet
            return
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError):
            errors += 1
            damage(None)


def _ends(container: InputContainer, stream: VideoStream) -> tuple[float, float]:
    """When the picture ends, and when the last of all streams ends, on their clocks in seconds.

    Read from the last packets, since headers are often wrong; the whole file is read (but not
    decoded) when its end can't be found by seeking.
    """
    decoder = _Decoder(container, stream)
    start = stream.start_time or 0
    stated = _stated(container, stream)
    offsets = [start] if stated is None else [start + int(stated / decoder.base), start]
    for offset in offsets:
        try:
            container.seek(offset, stream=stream)
        except av.error.FFmpegError:
            continue
        picture = whole = -math.inf
        for packet in _packets(container, None):
            if packet.stream_index == stream.index:
                time = decoder.time_of(packet)
                if time is not None:
                    picture = max(picture, time + decoder.length_of(packet))
            elif packet.pts is not None:
                whole = max(whole, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if picture > -math.inf:
            return picture, max(whole, picture)
    return 0.0, 0.0


def _stated(container: InputContainer, stream: VideoStream) -> float | None:
    """The duration that the file claims; not the guesses that libav makes from the bit rate."""
    if stream.duration:
        return stream.duration * float(stream.time_base or 1)
    if container.duration and _demuxer(container) == "matroska":
        return container.duration / 1e6
    return None


def _rate(stream: VideoStream) -> float | None:
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0.01 <= rate <= 1000:
            return float(rate)
    return None


def _bit_rate(
    container: InputContainer, stream: VideoStream, size: int, duration: float
) -> float | None:
    if stream.bit_rate:
        return float(stream.bit_rate)
    sound = sum(s.bit_rate or 0 for s in container.streams.audio)
    return max(size * 8 / duration - sound, 0.0) if duration else None


def _audio(container: InputContainer) -> Audio | None:
    stream = next((s for s in container.streams.audio if s.codec_context is not None), None)
    if stream is None:
        return None
    return Audio(
        codec=stream.codec_context.codec.canonical_name,
        channels=stream.codec_context.channels,
        sample_rate=stream.codec_context.sample_rate,
        duration=stream.duration * float(stream.time_base or 1) if stream.duration else None,
    )


def _demuxer(container: InputContainer) -> str:
    return container.format.name.split(",")[0]


def _container_name(container: InputContainer, head: bytes) -> str:
    """A name a person knows; libav's demuxers serve several."""
    name = _demuxer(container)
    if name == "mov":
        brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
        return "mov" if brand == b"qt  " else "3gp" if brand.startswith(b"3g") else "mp4"
    if name == "matroska":
        return "webm" if b"webm" in head[:64] else "mkv"
    return name


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_VIDEO_PIXELS or max(width, height) > MAX_SIDE:
        raise MediaError(
            f"This video has {width} × {height} pixels; "
            f"the limit is {MAX_VIDEO_PIXELS // 1_000_000} megapixels.",
            code="too_many_pixels",
            hint="Convert it to 4K or smaller.",
        )


def _undecodable() -> MediaError:
    return MediaError(
        "We can't read this video: no picture in it can be decoded.",
        hint="Download or copy it again, or convert it to MP4.",
    )


def _unreadable(boxes: dict[bytes, tuple[int, int]]) -> MediaError:
    if b"mdat" in boxes and b"moov" not in boxes:
        return MediaError(
            "We can't read this video: its index is missing, as when a recording or a download "
            "is cut off.",
            code="index_missing",
            hint="Download or copy it again.",
        )
    return MediaError(
        "We can't read this file: it is damaged, or not a video or a picture.", hint=ACCEPTED
    )
