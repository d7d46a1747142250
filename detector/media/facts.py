"""Video and audio metadata from packets and the first frame."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from detector.errors import MediaError
from detector.media.container import (
    BARE,
    RESTARTING,
    USUAL_RATE,
    Decoder,
    check_size,
    chosen_picture,
    demuxer,
    moving_pictures,
    open_media,
    packets,
    rate,
    seek,
    sound_stream,
    sound_streams,
    undecodable,
)
from detector.media.files import PICTURE_BRANDS, open_file
from detector.media.limits import SNIFF_BYTES
from detector.media.stated import Stated, dolby_profile, read_stated, unheard_kinds
from detector.media.upright import (
    HDR,
    UPRIGHT,
    by_display_matrix,
    rotation,
    shown_size,
    shows_through,
)
from detector.media.views import VIEWS, view_of
from detector.schema.analysis import Audio, Media
from detector.sentences import _

_PROBED_PACKETS = 300

_MAX_FRUITLESS = 2_000  # Packets read in search of the first frame that can be decoded

_TAIL = 1.0
"""Seconds before the stated end from which the last packets are read; some demuxers overshoot."""

_REORDER = 16  # The most frames that a codec here may put out of order


def probe_video(path: str | os.PathLike[str]) -> Media:
    """Return the metadata of a video or sound without name and hash: one frame is decoded, the rest
    is read from packets."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(SNIFF_BYTES)
    with open_media(path) as container:
        moving = moving_pictures(container)
        if not moving and (sound := sound_stream(container)):
            return _of_sound(container, sound, size, head)
        unheard = unheard_kinds(path, container)
        if not moving and unheard is not None:
            text = _("We can't decode this kind of sound{kinds}.")
            hint = _("Convert it to M4A (AAC), MP3 or WAV, with a program that plays it.")
            raise MediaError(text.format(kinds=unheard), code="unsupported_codec", hint=hint)
        stream = chosen_picture(moving)
        decoder = Decoder(container, stream, tolerant=True)
        joined: list[float | None] = []  # for each pass that ended before another recording
        opening = _Opening(container, stream, decoder, joined)
        frame = opening.frame
        if frame is None:
            raise undecodable()
        end, whole_end = _ends(path, container, stream, decoder, joined)
        start = opening.time
        duration = max(end - start, 0.0)
        fps = opening.rate(duration) or rate(stream)
        if duration == 0.0 and fps:
            duration = 1.0 / fps
        notes: list[str] = []
        stated = _stated(container, stream)
        reached = duration
        if stream.duration is None:  # Matroska's counts from the beginning of its clock
            reached = whole_end if start < (stated or 0.0) else whole_end - start
        estimated = demuxer(container) == "avi"  # by libav, if a file is truncated
        if stated is not None and not estimated and reached < stated - max(0.5, 0.02 * stated):
            notes.append(
                _(
                    "The file says it lasts {stated} s, but it stops after {duration} s: "
                    "the rest is missing or damaged."
                ).format(stated=f"{stated:.1f}", duration=f"{duration:.1f}")
            )
        if joined:
            notes.append(
                _("After {duration} s another recording was joined to this one that can't be "
                  "read with it; it was not looked at.").format(duration=f'{duration:.1f}')
            )  # fmt: skip
        if demuxer(container) in (*BARE, "mjpeg"):
            notes.append(
                _("It holds no times: {usual_rate} pictures a second are "
                  "assumed.").format(usual_rate=f'{rate(stream) or USUAL_RATE:g}')
            )  # fmt: skip
        told = read_stated(path, container, stream)
        dolby = told.dolby_profile or opening.dolby
        notes += _about_pictures(moving, stream, frame, told, dolby)
        view = view_of(frame, stream.metadata)
        notes += [VIEWS[view]] if view is not None else []
        if unheard is not None:
            text = _("Its sound is of a kind that we can't decode{kinds}: it was not heard.")
            notes.append(text.format(kinds=unheard))
        width, height = shown_size(frame)
        check_size(width, height)
        context = stream.codec_context
        return Media(
            name="",
            sha256="",
            kind="video",
            size=size,
            width=width,
            height=height,
            duration=duration,
            fps=fps,
            frame_count=opening.count or (round(duration * fps) if fps else None),
            variable_frame_rate=opening.uneven(),
            container=_container_name(container, head),
            codec=context.codec.canonical_name,
            pixel_format=context.pix_fmt,
            bit_rate=_bit_rate(container, stream, size, duration),
            interlaced=bool(frame.interlaced_frame),
            false_colors=dolby is not None,
            view=view,
            rotation=rotation(frame),
            turned_in_stream=opening.turns and by_display_matrix(frame) == UPRIGHT,
            audio=_audio(container),
            notes=notes,
        )


def _about_pictures(
    moving: Sequence[VideoStream],
    stream: VideoStream,
    frame: VideoFrame,
    told: Stated,
    dolby: int | None,
) -> Iterator[str]:
    if others := [s for s in moving if s.index != stream.index]:
        sizes = ", ".join(f"{s.width} × {s.height}" for s in others)
        yield _("There is more than one video in this file; not judged: {sizes} pixels.").format(
            sizes=sizes
        )
    if dolby is not None:
        yield _(
            "Its colors are coded in a way of Dolby Vision (profile {profile}) that can't be "
            "converted here: faces look purple and green, so they get no verdict."
        ).format(profile=dolby)
    elif note := HDR.get(frame.color_trc):
        yield note
    if told.shown is not None:
        width, height = told.shown
        yield _(
            "The file asks players to show only {width} × {height} of its pixels; the whole "
            "picture was judged, {coded} × {coded_}."
        ).format(width=width, height=height, coded=frame.width, coded_=frame.height)
    if shows_through(frame):
        yield _(
            "Parts of the picture are transparent: it was judged over white, as web pages show it."
        )
    if frame.interlaced_frame:
        yield _("The picture is interlaced: its fields were put together to judge it.")


class _Opening:
    """First frame, timestamps and frame count from the first packets of a stream."""

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        decoder: Decoder,
        joined: list[float | None],
    ) -> None:
        self.frame: VideoFrame | None = None
        self.time = 0.0
        self.times: list[float] = []
        self.complete = False
        self.dolby: int | None = None  # profile of Dolby Vision that can't be converted
        self.turns = False  # SEI orientation other than upright
        self.count = stream.frames
        demuxed = packets(container, stream, foreign=joined.append)
        for number, packet in enumerate(demuxed):
            time = decoder.time_of(packet)
            decoder.tag(packet)
            if self.dolby is None and packet.stream_index == stream.index:
                self.dolby = dolby_profile(packet, decoder.codec)
            self.turns |= decoder.turned not in (None, UPRIGHT)
            if time is not None and not packet.is_discard:
                self.times.append(time)
            if self.frame is None:
                self._decode(decoder, packet)
            if number >= (_PROBED_PACKETS if self.frame is not None else _MAX_FRUITLESS):
                break
        else:
            self.complete = True
        if self.frame is None:
            self._decode(decoder, None)
        if self.frame is not None:  # earlier pictures reference missing ones
            self.times = [time for time in self.times if time >= self.time]
        if self.complete:
            self.count = len(self.times)
        if not self.complete and demuxer(container) == "mov":  # its index knows the rest
            entries = [entry for entry in stream.index_entries if not entry.is_discard]
            self.times = [entry.timestamp * decoder.base for entry in entries]
            self.complete, self.count = True, len(entries)

    def _decode(self, decoder: Decoder, packet: Packet[Any] | None) -> None:
        try:
            for time, frame in decoder.decode(packet):
                if self.frame is None and not frame.is_corrupt:
                    self.time, self.frame = time, frame
        except av.error.FFmpegError:
            return

    def rate(self, duration: float) -> float | None:
        uneven = self.uneven()
        if self.complete and duration and uneven is not False:
            return len(self.times) / duration
        return (len(self.times) - 1) / (max(self.times) - min(self.times)) if uneven else None

    def uneven(self) -> bool | None:
        """Return True if frame intervals differ by more than rounding; None if unknown."""
        times = sorted(self.times)
        if not self.complete:  # with reordering, the last packets' neighbors are still missing
            times = times[:-_REORDER] or times
        gaps = np.diff(times)
        if len(gaps) < 2:
            return None
        return bool(gaps.max() - gaps.min() > 0.002)


def _ends(
    path: str | os.PathLike[str],
    container: InputContainer,
    stream: VideoStream,
    decoder: Decoder,
    joined: list[float | None],
) -> tuple[float, float]:
    """Return the end times of the picture and of the last stream, by the last packets, s."""
    if demuxer(container) in (*RESTARTING, *BARE):
        with open_media(path) as again:
            return _last_packets(again, stream, decoder, joined)
    start = stream.start_time or 0
    offsets = [start]
    stated = _stated(container, stream)
    if stated is not None:
        offsets.insert(0, start + int((stated - _TAIL) / decoder.base))
    for offset in offsets:
        if not seek(container, stream, offset):
            continue
        picture, whole = _last_packets(container, stream, decoder, joined)
        if picture > -math.inf:
            return picture, whole
    return 0.0, 0.0


def _last_packets(
    container: InputContainer, stream: VideoStream, decoder: Decoder, joined: list[float | None]
) -> tuple[float, float]:
    stated = _stated(container, stream)
    picture = last = whole = -math.inf
    for packet in packets(container, foreign=joined.append):
        if packet.stream_index == stream.index:
            time = decoder.time_of(packet)
            if time is not None:
                last = max(last, time)
                picture = max(picture, time + decoder.length_of(packet))
        elif packet.pts is not None:
            whole = max(whole, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    if stated is not None and demuxer(container) == "matroska" and last < stated < picture:
        picture = stated  # the last frame's length is libav's guess
    return picture, max(whole, picture)


def _stated(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the duration stated by the file, without libav's estimates."""
    if demuxer(container) in RESTARTING:
        return None
    if stream.duration:
        return stream.duration * float(stream.time_base or 1)
    if container.duration and demuxer(container) == "matroska":
        return container.duration / 1e6
    return None


def _bit_rate(
    container: InputContainer, stream: VideoStream, size: int, duration: float
) -> float | None:
    if stream.bit_rate:
        return float(stream.bit_rate)
    sound = sum(s.bit_rate or 0 for s in container.streams.audio if s.codec_context is not None)
    return max(size * 8 / duration - sound, 0.0) if duration else None


def _of_sound(container: InputContainer, stream: AudioStream, size: int, head: bytes) -> Media:
    """Return the metadata of an audio file, which may have cover art."""
    duration, unread = _sound_end(container, stream)
    for other in sound_streams(container)[1:]:  # a longer one may be the analyzed one
        duration = max(duration, _sound_end(container, other)[0])
    if duration <= 0:
        text = _("We can't read this sound: it holds nothing that can be decoded.")
        raise MediaError(text, hint=_("Download or copy it again, or convert it to MP3 or WAV."))
    audio = _audio(container)
    return Media(
        name="",
        sha256="",
        kind="audio",
        size=size,
        width=0,
        height=0,
        duration=duration,
        container=_container_name(container, head),
        codec=stream.codec_context.codec.canonical_name,
        bit_rate=float(stream.bit_rate) if stream.bit_rate else size * 8 / duration,
        audio=audio and audio.model_copy(update={"duration": duration}),
        notes=[
            _("The sound after {duration} s can't be read; it was not analyzed.").format(
                duration=f"{duration:.1f}"
            )
        ]
        * unread,
    )


def _sound_end(container: InputContainer, stream: AudioStream) -> tuple[float, bool]:
    """Return a sound's duration by its last packets, s, and whether unreadable data follow."""
    base = float(stream.time_base or 1)
    start = (stream.start_time or 0) * base
    stated = stream.duration * base if stream.duration else (container.duration or 0) / 1e6
    # From the beginning if concatenated: libav seeks only in the first part of a chained Ogg.
    joined = demuxer(container) in RESTARTING
    for at in (start,) if joined else (start + stated - _TAIL, start):
        if not joined and not seek(container, stream, int(at / base)):
            continue
        end = -math.inf
        unread: list[float | None] = []
        for packet in packets(container, stream, foreign=unread.append):
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * base)
        if end > start:
            return end - start, bool(unread)
    return 0.0, False


def _audio(container: InputContainer) -> Audio | None:
    stream = sound_stream(container)
    if stream is None:
        return None
    return Audio(
        codec=stream.codec_context.codec.canonical_name,
        channels=stream.codec_context.channels,
        sample_rate=stream.codec_context.sample_rate,
        duration=stream.duration * float(stream.time_base or 1) if stream.duration else None,
        tracks=len(sound_streams(container)),
    )


def _container_name(container: InputContainer, head: bytes) -> str:
    """Return the common name of the container; libav's demuxers serve several."""
    name = demuxer(container)
    if name == "mov":
        brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
        if brand in (b"M4A ", b"M4B "):
            return "m4a"
        if brand in PICTURE_BRANDS:
            return "heif"
        return "mov" if brand == b"qt  " else "3gp" if brand.startswith(b"3g") else "mp4"
    if name == "matroska":
        return "webm" if b"webm" in head[:64] else "mkv"
    return name
