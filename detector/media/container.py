"""Untrusted containers: opening, streams, packets and decoders. All use of libav is here."""

from __future__ import annotations

import heapq
import io
import os
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import av
from av.audio.stream import AudioStream
from av.codec.context import CodecContext, ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from detector.cores import usable_cores
from detector.errors import MediaError
from detector.large_frames import LARGE_FRAME
from detector.media.aspect import PixelAspect, plausible
from detector.media.boxes import boxes
from detector.media.files import ISO_BOXES, is_encrypted, is_jpeg, open_file, sniff
from detector.media.kinds import ACCEPTED, behind_bytes
from detector.media.limits import MAX_SIDE, MAX_VIDEO_PIXELS, SNIFF_BYTES
from detector.media.sei import Orientation, display_orientation
from detector.sentences import _

# Containers that hold their own samples. Everything that reads a list of other files, an address,
# a device or a picture sequence (hls, dash, concat, sdp, image2, lavfi ...) is left out.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,ivf,mxf,dv,wtv,nut,rm,"
    "dhav,hxvs,luodat,ifv,voc,dss,qcp,yuv4mpegpipe,mp3,wav,flac,aac,aiff,caf,amr,ac3,eac3,w64,au,"
    "nistsphere"
)
_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file", "enable_drefs": "0"}
_CODEC_OPTIONS = {"max_pixels": str(MAX_VIDEO_PIXELS)}
BARE = ("h264", "hevc", "mpegvideo", "m4v", "obu", "av1")
"""Demuxers of raw elementary streams, as recorders write them: no container, no timestamps."""
_BARE = {**_OPTIONS, "format_whitelist": ",".join(BARE)}
_MJPEG = {**_OPTIONS, "format_whitelist": "mjpeg"}
_RAW = {**_OPTIONS, "format_whitelist": "h264,hevc,mpegvideo"}
"""Options to identify the codec of a transport stream's key frame."""

RESTARTING = ("mpegts", "mpeg", "ogg")
"""Demuxers of containers that can be concatenated, so that timestamps restart within a file. Such
files are read from the beginning: a time is not a position in them."""
_RESTART = 0.4
"""s by which a timestamp must go back to count as a restart: more than frame reordering"""
_BEFORE_RESTART = 3
"""maximum packets between one marked corrupt at the end of a part and the next part"""
_BEFORE_KEY = 300  # packets, at most, between the beginning of a part and its first key frame
_PARAMETERS = 32
"""bytes at the beginning of a key frame, in which MPEG-2, H.264 and HEVC state the size"""

_SKIPPED = 10.0  # s that a clock has to jump ahead to count as restarted, as in FFmpeg

_UNSPECIFIED = 2  # of primaries, transfer functions and matrices (ITU-T H.273)
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_TRANSPARENT = ("mov", "matroska")
"""Demuxers of containers whose alpha planes viewers apply; in AVI they are often zeros."""

_COVER = 0.5  # maximum s of all pictures of a cover
_COVER_PICTURES = 12
_BEYOND_COVER = 1.0  # minimum s by which the other stream is longer

USUAL_RATE = 25.0  # default frames per second

_MAX_READ_ERRORS = 16
_MAX_THREADS, _FEW_THREADS = 4, 2
"""decoder threads, and those for large frames: each thread buffers one more frame"""


def _refuse_more(url: str, flags: int, options: dict[str, str]) -> None:
    raise PermissionError(f"refused to open {url!r}")


@contextmanager
def open_media(path: str | os.PathLike[str]) -> Iterator[InputContainer]:
    """Open an untrusted container; raise MediaError if it is refused or can't be parsed.

    libav receives the bytes of this one open file: it sees no name, opens nothing else, and uses
    only demuxers of self-contained formats."""
    with open_file(path) as file:
        if sniff(file) == "picture":
            raise MediaError(
                _("This is a picture, not a video."), code="unsupported", hint=ACCEPTED
            )
        if is_encrypted(file):
            text = _(
                "This file is encrypted (copy protection), so there is no picture or sound in "
                "it that we can read."
            )
            hint = _("Use a copy without protection, such as a recording of the screen.")
            raise MediaError(text, code="encrypted", hint=hint)
        container = _opened(file)
        try:
            if doubtful := _doubtful(container):
                covers = _covers(container, doubtful)
                container.close()
                container = _opened(file)  # not every demuxer finds its first packet again
                for index in covers:
                    container.streams[index].disposition |= Disposition.attached_pic
            yield container
        finally:
            container.close()


def _opened(file: BinaryIO) -> InputContainer:
    kinds = {box.kind for box in boxes(file, cut=True)}
    file.seek(0)
    head = file.read(SNIFF_BYTES)
    ways = [_OPTIONS] if head[4:8] in ISO_BOXES else [_OPTIONS, _BARE]
    if is_jpeg(head):  # its demuxer accepts anything with a JPEG in it
        ways = [_MJPEG]
    nameless = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell)
    problem: Exception | None = None
    for options in ways:
        file.seek(0)
        try:
            return av.open(
                nameless,  # so that libav judges by content alone
                mode="r",
                format="mjpeg" if options is _MJPEG else None,
                options=_CODEC_OPTIONS,
                container_options=options,
                io_open=_refuse_more,
                buffer_size=1 << 20,
            )
        except (av.error.FFmpegError, ValueError, OSError) as error:
            problem = error
    raise behind_bytes(head) or _unreadable(kinds) from problem


def _doubtful(container: InputContainer) -> set[int]:
    """Return the video streams of unknown length, which may be cover art."""
    moving = moving_pictures(container)
    if len(moving) + bool(sound_stream(container)) < 2:
        return set()
    doubtful = set()
    for stream in moving:  # span of the indexed pictures
        known = stream.index_entries
        ticks = known[-1].timestamp - known[0].timestamp if len(known) > 1 else 0
        if ticks * (stream.time_base or 0) <= _COVER:
            doubtful.add(stream.index)
    return doubtful


def _covers(container: InputContainer, doubtful: set[int]) -> set[int]:
    """Return the doubtful streams that end long before the others."""
    spans: dict[int, tuple[float, float]] = {}
    counts: Counter[int] = Counter()
    lengths: dict[int, float] = {}
    for packet in packets(container):
        counts[packet.stream_index] += 1
        if packet.pts is not None:
            time = float(packet.pts * packet.time_base)
            first, last = spans.get(packet.stream_index, (time, time))
            spans[packet.stream_index] = min(first, time), max(last, time)
        lengths = {index: last - first for index, (first, last) in spans.items()}
        doubtful = {
            index
            for index in doubtful
            if counts[index] <= _COVER_PICTURES and lengths.get(index, 0.0) <= _COVER
        }
        if not doubtful:
            return doubtful
    longest = max(lengths.values(), default=0.0)
    return {i for i in doubtful if counts[i] and longest - lengths.get(i, 0.0) >= _BEYOND_COVER}


def picture_stream(container: InputContainer) -> VideoStream:
    """Return the default video stream, or the largest; raise MediaError if there is none, its codec
    is unknown, or it is too large."""
    return chosen_picture(moving_pictures(container))


def chosen_picture(moving: Sequence[VideoStream]) -> VideoStream:
    """Return the analyzed stream of `moving_pictures`; raise as `picture_stream`."""
    if not moving:
        raise MediaError(_("There is no video in this file."), code="no_picture", hint=ACCEPTED)
    known = [stream for stream in moving if stream.codec_context is not None]
    if not known:
        text = _("We can't decode this kind of video.")
        raise MediaError(text, code="unsupported_codec", hint=_("Convert it to MP4 with H.264."))
    stream = max(known, key=_precedence)
    check_size(stream.codec_context.width, stream.codec_context.height)
    return stream


def _precedence(stream: VideoStream) -> tuple[bool, int, int]:
    context = stream.codec_context
    if stream.disposition & Disposition.default:
        return True, 0, -stream.index  # of several, players show the first
    return False, context.width * context.height, -stream.index


def moving_pictures(container: InputContainer) -> list[VideoStream]:
    """Return the video streams that are not cover art (`open_media` also marks unlabeled
    covers)."""
    return [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]


def sound_streams(container: InputContainer) -> list[AudioStream]:
    """Return the decodable audio streams, the default one first."""
    known = [stream for stream in container.streams.audio if stream.codec_context is not None]
    return sorted(known, key=lambda stream: not stream.disposition & Disposition.default)


def sound_stream(container: InputContainer) -> AudioStream | None:
    """Return the default audio stream."""
    return next(iter(sound_streams(container)), None)


def clock_origin(container: InputContainer) -> float:
    """Return the first timestamp of a file, s: that of its picture, else of its sound."""
    moving = moving_pictures(container)
    stream = chosen_picture(moving) if moving else sound_stream(container)
    if stream is None:
        return 0.0
    return float((stream.start_time or 0) * (stream.time_base or 0))


def packets(
    container: InputContainer,
    stream: VideoStream | AudioStream | None = None,
    damage: Callable[[float | None], None] = lambda time: None,
    foreign: Callable[[float | None], None] = lambda time: None,
) -> Iterator[Packet[Any]]:
    """Demux one stream (or all), reading on past errors; truncated packets are dropped.

    `damage` is called with the time of the first packet after a hole, or of the last before
    unreadable data; an early end is no hole. After a timestamp restart times continue. Packets end
    and `foreign` is called if a recording of another codec follows, or a container with a single
    clock begins again."""
    clock = _Clocks(demuxer(container))
    errors = 0
    hole = False
    latest: float | None = None
    while errors < _MAX_READ_ERRORS:
        try:
            source = container.demux(stream) if stream else container.demux()
            demuxed: Iterator[Packet[Any]] = (p for p in source if not _is_header(p))
            if demuxer(container) in BARE:
                demuxed = _numbered(demuxed)
            for packet, intact in clock.continued(demuxed):
                if packet.size == 0:
                    continue
                if not intact:
                    hole = True
                    continue
                if packet.pts is not None:
                    latest = float(packet.pts * packet.time_base)
                if hole:
                    damage(None if packet.pts is None else latest)
                errors, hole = 0, False
                yield packet
            if clock.foreign or (errors and clock.restarting):
                foreign(latest)
            return
        except av.error.EOFError:
            return
        except (av.error.FFmpegError, OSError, IndexError):
            # IndexError: PyAV does not support streams that appear later.
            errors += 1
            hole = True
    (foreign if clock.restarting else damage)(latest)


def _numbered(demuxed: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
    """Assign decoding times to packets of an elementary stream, by number and frame rate."""
    for number, packet in enumerate(demuxed):
        step = 1 / ((rate(packet.stream) or USUAL_RATE) * packet.time_base)
        packet.pts, packet.dts, packet.duration = None, round(number * step), round(step)
        yield packet


def _is_header(packet: Packet[Any]) -> bool:
    """Return True for a header between concatenated files (chained Ogg, ID3 tag)."""
    codec = packet.stream.codec_context
    begin = memoryview(packet)[:5].tobytes()
    match codec.name if codec is not None else "":
        case "theora":
            return begin[:1] >= b"\x80"
        case "vp8":
            return begin == b"OVP80"
        case "mp3" | "mp3float" | "aac":
            return begin[:3] == b"ID3"
    return False


class _Clocks:
    """Timestamp continuity of streams whose clocks may restart."""

    def __init__(self, name: str) -> None:
        self.restarting = name in RESTARTING
        self.foreign = False  # the rest belongs to another recording
        self._single = name == "matroska"
        self._shift: dict[int, int] = {}  # ticks added, by stream
        self._end: dict[int, int] = {}  # of the last packet, ticks
        self._heads: dict[int, bytes] = {}  # of the last key frame
        self._first: dict[int, int] = {}  # when the first key frame is shown, ticks

    def continued(self, demuxed: Iterator[Packet[Any]]) -> Iterator[tuple[Packet[Any], bool]]:
        """Yield packets and whether they are intact, ignoring corrupt marks before a restart."""
        waiting: list[Packet[Any]] = []
        entered = True  # False after a restart within a GOP, until its first key frame
        for packet in demuxed:
            restarts = self.restarting and self._move(packet)
            begins = restarts | self._changes(packet)
            if self._begins_again(packet) or (begins and _is_foreign(packet)):
                self.foreign = True
                break
            if begins or len(waiting) > (_BEFORE_RESTART if entered else _BEFORE_KEY):
                yield from ((one, begins or not one.is_corrupt) for one in waiting)
                waiting.clear()
            if isinstance(packet.stream, VideoStream):
                entered = packet.is_keyframe or (entered and not restarts)
            if waiting or packet.is_corrupt or not entered:
                waiting.append(packet)
            else:
                yield packet, True
        self.foreign |= not entered
        if entered:
            yield from ((packet, self.foreign or not packet.is_corrupt) for packet in waiting)

    def _changes(self, packet: Packet[Any]) -> bool:
        """Return True if a key frame has other parameters than before, such as another size."""
        if not (self.restarting and packet.is_keyframe and isinstance(packet.stream, VideoStream)):
            return False
        head = memoryview(packet)[:_PARAMETERS].tobytes()
        before = self._heads.get(packet.stream_index, head)
        self._heads[packet.stream_index] = head
        return head != before

    def _begins_again(self, packet: Packet[Any]) -> bool:
        """Return True if a Matroska key frame has the time of the first one."""
        if not (self._single and packet.is_keyframe and packet.pts is not None):
            return False
        if packet.stream_index in self._first:
            return packet.pts <= self._first[packet.stream_index]
        self._first[packet.stream_index] = packet.pts
        return False

    def _move(self, packet: Packet[Any]) -> bool:
        """Shift a packet's times behind those before; return True for a clock restart."""
        stated = packet.pts if packet.dts is None else packet.dts
        if stated is None:
            return False
        index = packet.stream_index
        shift = self._shift.get(index, 0)
        end = self._end.get(index, stated)
        ahead = (stated + shift - end) * packet.time_base
        restarts = ahead < -_RESTART or ahead > _SKIPPED
        if restarts:
            shift = self._shift[index] = end - stated
        length = packet.duration
        if not length and isinstance(packet.stream, VideoStream) and (usual := rate(packet.stream)):
            length = round(1 / (usual * packet.time_base))
        self._end[index] = max(end, stated + shift + (length or 0))
        if shift:
            packet.pts = None if packet.pts is None else packet.pts + shift
            packet.dts = None if packet.dts is None else packet.dts + shift
        return restarts


def _is_foreign(packet: Packet[Any]) -> bool:
    """Return True if a transport stream's key frame is of another codec than its stream."""
    try:
        with av.open(
            io.BytesIO(bytes(packet)), container_options=_RAW, io_open=_refuse_more
        ) as raw:
            codec = raw.streams[0].codec_context.codec
    except (av.error.FFmpegError, IndexError):
        return False
    return bool(codec.id != packet.stream.codec_context.codec.id)


def seek(container: InputContainer, stream: VideoStream | AudioStream, ticks: int) -> bool:
    """Seek to the key frame at or before `ticks` of the stream's clock; return False on failure."""
    try:
        container.seek(ticks, stream=stream)
    except (av.error.FFmpegError, OSError, OverflowError):  # times that lie can be any number
        return False
    return True


def unsmoothed(context: VideoCodecContext) -> None:
    """Disable the deblocking filter before the first packet: a fifth of a decoder's work, invisible
    in comparisons of small copies."""
    context.options = {**context.options, "skip_loop_filter": "all"}


class Decoder:
    """Decoder of a stream that returns each frame with its time on the stream's clock, s.

    `tolerant` conceals damage, on one thread, since the result varies with the number of threads;
    else damage raises at once. `beside` uses half of the cores: two threads on two cores take 0.81
    s of processor time for what one does in 0.69."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        *,
        tolerant: bool = False,
        beside: bool = False,
    ) -> None:
        self.context = _transparent(stream) or stream.codec_context
        if tolerant:
            self.context.thread_count = 1
        else:
            self.context.thread_type = ThreadType.AUTO
            cores = usable_cores()
            large = self.context.width * self.context.height > LARGE_FRAME
            most = _FEW_THREADS if large else _MAX_THREADS
            self.context.thread_count = min(most, max(1, cores // 2) if beside else cores)
            self.context.options = {**self.context.options, "err_detect": "explode"}
        self.base = float(stream.time_base or 1)
        self.step = 1.0 / (rate(stream) or USUAL_RATE)
        # AVI gives packets a decoding time only, and libav's guess for reordered frames is wrong;
        # elementary streams have none.
        # Frames come out in presentation order, so each takes the earliest unused time.
        self.reordered = demuxer(container) in BARE or (
            demuxer(container) == "avi" and self.context.has_b_frames > 0
        )
        # Matroska has none for pictures before its zero, which are not shown.
        self.untimed = demuxer(container) == "matroska"
        self.unused: list[float] = []
        self.latest: float | None = None
        self.codec = self.context.codec.canonical_name
        self.turned: Orientation | None = None  # by the stream itself, as far as it was read
        self.aspect = PixelAspect(container, stream)
        self.transparent = demuxer(container) in _TRANSPARENT and self.codec != "rawvideo"
        # Of the container: VP9 states no transfer function, and other streams often none.
        stated = stream.codec_context
        self.colors = (stated.color_primaries, stated.color_trc, stated.colorspace)
        self.context.copy_opaque = True  # from packets to their frames

    def tag(self, packet: Packet[Any]) -> None:
        """Apply a packet's orientation (SEI) and pixel aspect ratio to its picture and those after
        it. Called in file order, also for packets that are not decoded."""
        stated = display_orientation(memoryview(packet), self.codec)
        self.turned = self.turned if stated is None else stated
        # A list of its own, which PyAV frees with the packet (`detector.media.upright.Tag`).
        packet.opaque = [self.turned, self.aspect.follow(packet), self.transparent]

    def time_of(self, packet: Packet[Any]) -> float | None:
        """Return the presentation time of a packet (AVI, bare: decoding time); None without one."""
        ticks = packet.dts if self.reordered else packet.pts
        return None if ticks is None else ticks * self.base

    def length_of(self, packet: Packet[Any]) -> float:
        """Return the display duration of a packet's frame, s; by default one frame interval."""
        return packet.duration * self.base if packet.duration else self.step

    def decode(self, packet: Packet[Any] | None) -> list[tuple[float, VideoFrame]]:
        """Decode one packet, or None at the end; raise av.error.FFmpegError for damage."""
        if self.reordered and packet is not None and packet.dts is not None:
            heapq.heappush(self.unused, packet.dts * self.base)
        if packet is not None and packet.opaque is None:
            self.tag(packet)
        frames = self.context.decode(packet)
        if self.latest is None and self.untimed:
            frames = [frame for frame in frames if frame.pts is not None]
        for frame in frames:
            self._complete(frame)
        return [(self._stamp(frame), frame) for frame in frames]

    def _complete(self, frame: VideoFrame) -> None:
        """Add to a frame what only its container or its decoder states."""
        primaries, transfer, matrix = self.colors
        if frame.color_primaries == _UNSPECIFIED:
            frame.color_primaries = primaries
        if frame.color_trc == _UNSPECIFIED:
            frame.color_trc = transfer
        if frame.colorspace == _UNSPECIFIED:
            frame.colorspace = matrix
        if self.aspect.by_frame:
            aspect = plausible(self.context.sample_aspect_ratio)
            frame.opaque = [self.turned, aspect, self.transparent]

    def flush(self) -> None:
        """Reset the decoder before a key frame that does not follow the last packet."""
        self.context.flush_buffers()
        self.unused.clear()

    def _stamp(self, frame: VideoFrame) -> float:
        if self.reordered and self.unused:
            time = heapq.heappop(self.unused)
        elif frame.pts is not None:
            time = frame.pts * self.base
        else:  # a damaged transport stream may lose some
            time = 0.0 if self.latest is None else self.latest + self.step
        self.latest = time
        return time


def _transparent(stream: VideoStream) -> VideoCodecContext | None:
    """Return the decoder of a WebM with transparency, which libav's own ones ignore."""
    name = _ALPHA_DECODERS.get(stream.codec_context.codec.canonical_name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        return None
    context = cast(VideoCodecContext, CodecContext.create(name, "r"))
    context.width, context.height = stream.codec_context.width, stream.codec_context.height
    context.options = _CODEC_OPTIONS
    return context


def demuxer(container: InputContainer) -> str:
    """Return the short name of the demuxer in use, such as "mov" or "matroska"."""
    return container.format.name.split(",")[0]


def rate(stream: VideoStream) -> float | None:
    """Return the average frames per second; None without a plausible value."""
    bare = stream.container.format.name in BARE  # there the average is libav's own default
    average = None if bare else stream.average_rate
    for stated in (average, stream.guessed_rate, stream.base_rate):
        if stated and 0.01 <= stated <= 1000:
            return float(stated)
    return None


def check_size(width: int, height: int) -> None:
    """Raise MediaError for frames that are too large to decode."""
    if width * height > MAX_VIDEO_PIXELS or max(width, height) > MAX_SIDE:
        raise MediaError(
            _("This video has {width} × {height} pixels; the limit is {number} megapixels.").format(
                width=width, height=height, number=MAX_VIDEO_PIXELS // 1_000_000
            ),
            code="too_many_pixels",
            hint=_("Convert it to 4K or smaller."),
        )


def undecodable() -> MediaError:
    """Return the error for a container without a decodable picture."""
    text = _("We can't read this video: no picture in it can be decoded.")
    return MediaError(text, hint=_("Download or copy it again, or convert it to MP4."))


def _unreadable(kinds: Container[bytes]) -> MediaError:
    if b"mdat" in kinds and b"moov" not in kinds:
        text = _(
            "We can't read this video: its index is missing, as when a recording or a download "
            "is cut off."
        )
        return MediaError(text, code="index_missing", hint=_("Download or copy it again."))
    return MediaError(
        _("We can't read this file: it is damaged, or not a video or a picture."), hint=ACCEPTED
    )
