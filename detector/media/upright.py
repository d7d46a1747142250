"""Frame conversion to upright RGB: rotation, square pixels, HDR to SDR, deinterlacing."""

from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from detector.media.sei import BY_QUARTERS, Orientation
from detector.media.sei import UPRIGHT as UPRIGHT
from detector.sentences import _

_UNSPECIFIED, _BT709, _BT601 = 2, 1, 5  # swscale's numbers

HDR = {
    number: _("This is HDR ({kind}): it was mapped to the usual range of brightness, so its "
              "scores are less sure.").format(kind=kind)
    for number, kind in {16: "PQ", 18: "HLG"}.items()
}  # fmt: skip
"""Notes on transfer functions of high dynamic range, by libav's numbers"""
# As the scale filter calls them.
_TRANSFERS = {1: "bt709", 13: "iec61966-2-1", 16: "smpte2084", 18: "arib-std-b67"}
_PRIMARIES = {1: "bt709", 9: "bt2020", 11: "smpte431", 12: "smpte432"}

_MATRICES = {_BT709: "bt709", _BT601: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}

_SAME_SHAPE = 0.02  # Part by which two aspect ratios may differ and be one: coded sizes are rounded
_ROUNDED = 2  # px that a side may lack for the same reason

_LOOKED_AT, _OPAQUE = 640, 250
"""px of a side searched for transparency; levels of alpha from which on nothing shows through"""

Tag = tuple[Orientation | None, float, bool]
"""what a decoder knows of a frame beyond libav: the orientation that its stream states, its pixel
aspect ratio, and whether its transparency is real"""
UNTAGGED: Tag = (None, 1.0, False)


class Upright:
    """Converter of one stream's decoded frames to upright uint8 [height, width, 3] RGB with square
    pixels.

    `averaged`: small copies are area-averaged. `framed`: the size is the stream's own; pictures of
    another shape are centered on a black canvas, and pictures are deinterlaced and mapped from HDR.
    `aspect`: pixel aspect ratio of frames without a tag."""

    def __init__(
        self,
        width: int,
        height: int,
        *,
        averaged: bool = False,
        framed: bool = False,
        aspect: float = 1.0,
    ) -> None:
        self.size = width, height
        self.framed = framed
        self.aspect = aspect
        self.interpolation = Interpolation.AREA if averaged else Interpolation.BILINEAR
        self.scaler = VideoReformatter()
        self.stated: Orientation | None = None  # constant for a file
        self.mapping: tuple[tuple[object, ...], Graph] | None = None

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        if self.stated is None:
            self.stated = by_display_matrix(frame)
        transposed, flip_x, flip_y = orientation(frame, self.stated)
        width, height = self.size[::-1] if transposed else self.size
        left = top = 0
        if self.framed and (inside := self._inside(frame, transposed)) is not None:
            left, top = (width - inside[0]) // 2, (height - inside[1]) // 2
            canvas = np.zeros((height, width, 3), np.uint8)
            width, height = inside
        else:
            canvas = None
        alpha = self._alpha(frame, width, height)
        if self.framed and frame.interlaced_frame:
            frame = deinterlaced(frame)
        if self.framed and frame.color_trc in HDR:
            frame = self._in_sdr(frame)
        # Unspecified colors are read as browsers do: high definition is BT.709, the rest BT.601.
        space = frame.colorspace
        if space == _UNSPECIFIED:
            space = _BT709 if frame.height >= 720 else _BT601
        picture = self.scaler.reformat(
            frame, width, height, "rgb24", src_colorspace=space, threads=1,
            interpolation=self.interpolation,
        ).to_ndarray()  # fmt: skip
        if alpha is not None:
            picture = 255 - ((255 - picture).astype(np.uint16) * alpha // 255).astype(np.uint8)
        if canvas is not None:
            canvas[top : top + height, left : left + width] = picture
            picture = canvas
        if transposed:
            picture = picture.swapaxes(0, 1)
        if flip_x:
            picture = picture[:, ::-1]
        if flip_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)

    def _alpha(self, frame: VideoFrame, width: int, height: int) -> np.ndarray | None:
        """Return the opacity of a transparent picture at this size, uint16 [height, width, 1]."""
        if not is_transparent(frame):
            return None
        rgba = self.scaler.reformat(
            frame, width, height, "rgba", threads=1, interpolation=self.interpolation
        )
        return rgba.to_ndarray()[..., 3:].astype(np.uint16)

    def _inside(self, frame: VideoFrame, transposed: bool) -> tuple[int, int] | None:
        """Return the coded size of a frame of another shape on the canvas; else None."""
        width, height = self.size
        wide, tall = shown_size(frame, None if frame.opaque is not None else self.aspect)
        scale = min(width / wide, height / tall)
        across, down = max(1, round(wide * scale)), max(1, round(tall * scale))
        missing = max(width - across, height - down)
        if missing <= max(_ROUNDED, _SAME_SHAPE * (height if height > down else width)):
            return None
        return (down, across) if transposed else (across, down)

    def _in_sdr(self, frame: VideoFrame) -> VideoFrame:
        """Map an HDR frame to BT.709: diffuse white of 203 cd/m² is white (ITU-R BT.2408)."""
        primaries = _PRIMARIES.get(frame.color_primaries, "bt2020")
        matrix = _MATRICES.get(frame.colorspace, "bt2020")
        kind = frame.width, frame.height, frame.format.name, frame.color_trc, primaries, matrix
        if self.mapping is None or self.mapping[0] != kind:  # its table takes a second to compute
            mapping = (
                f"in_color_matrix={matrix}:in_primaries={primaries}"
                f":in_transfer={_TRANSFERS[frame.color_trc]}"
                ":out_color_matrix=bt709:out_primaries=bt709:out_transfer=bt709:out_range=tv"
                ":intent=relative_colorimetric"
            )
            self.mapping = kind, _graph(frame, ("scale", mapping), ("format", "yuv420p"))
        graph = self.mapping[1]
        graph.push(frame)
        return cast("VideoFrame", graph.pull())


def in_srgb(rgb: np.ndarray, primaries: int, transfer: int) -> np.ndarray:
    """Convert a picture, uint8 [H, W, 3], to sRGB; primaries and transfer are numbers of ITU-T
    H.273, unknown ones count as sRGB's."""
    known = _PRIMARIES.get(primaries, "bt709"), _TRANSFERS.get(transfer, "iec61966-2-1")
    if known[0] == "bt709" and transfer not in HDR:
        return rgb
    mapping = (
        f"in_primaries={known[0]}:in_transfer={known[1]}:out_primaries=bt709"
        ":out_transfer=iec61966-2-1:intent=relative_colorimetric"
    )
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), "rgb24")
    graph = _graph(frame, ("scale", mapping), ("format", "rgb24"))
    graph.push(frame)
    return cast("VideoFrame", graph.pull()).to_ndarray()


def _graph(frame: VideoFrame, *filters: tuple[str, str]) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
    )
    chain = (graph.add(name, arguments) for name, arguments in filters)
    graph.link_nodes(source, *chain, graph.add("buffersink"))
    graph.configure()
    return graph


def deinterlaced(frame: VideoFrame) -> VideoFrame:
    """Deinterlace a frame to its first field, interpolating the lines between. The filter gets the
    frame twice, since bwdif takes the first of a stream from its own lines alone."""
    try:
        graph = _graph(frame, ("bwdif", "mode=send_frame"))
        stamp = frame.pts
        for number in range(2):
            frame.pts = number
            graph.push(frame)
        frame.pts = stamp
        graph.push(None)
        whole = cast("VideoFrame", graph.pull())
    except av.error.FFmpegError:  # a format or size that the filter does not take
        return frame
    whole.colorspace, whole.color_range = frame.colorspace, frame.color_range
    return whole


def shown_size(frame: VideoFrame, aspect: float | None = None) -> tuple[int, int]:
    """Return width and height with square pixels, after rotation. Pixels are only ever added;
    `aspect` is that of a frame without a tag."""
    width, height = frame.width, frame.height
    aspect = tag_of(frame)[1] if aspect is None else aspect
    if aspect > 1:
        width = round(width * aspect)
    else:
        height = round(height / aspect)
    return (height, width) if orientation(frame)[0] else (width, height)


def tag_of(frame: VideoFrame) -> Tag:
    """Return what the decoder knows of a frame."""
    tag = cast("list[Any] | None", frame.opaque)
    return UNTAGGED if tag is None else (tag[0], tag[1], tag[2])


def is_transparent(frame: VideoFrame) -> bool:
    """Return True for a frame with an alpha plane that viewers apply."""
    return tag_of(frame)[2] and any(part.is_alpha for part in frame.format.components)


def shows_through(frame: VideoFrame) -> bool:
    """Return True if a part of a frame is transparent."""
    if not is_transparent(frame):
        return False
    width, height = min(frame.width, _LOOKED_AT), min(frame.height, _LOOKED_AT)
    rgba = frame.reformat(width, height, "rgba", interpolation=Interpolation.POINT)
    return bool(rgba.to_ndarray()[..., 3].min() < _OPAQUE)


def rotation(frame: VideoFrame) -> int:
    """Return the clockwise rotation in degrees that makes a frame upright, after any mirroring, as
    EXIF states it."""
    transposed, flip_x, flip_y = orientation(frame)
    return (90 if flip_x else 270) if transposed else 180 * flip_y


def orientation(frame: VideoFrame, by_file: Orientation | None = None) -> Orientation:
    """Return the orientation of a frame to the nearest quarter turn: that of the file
    (`by_display_matrix`), else of its stream (`Decoder.tag`)."""
    by_file = by_display_matrix(frame) if by_file is None else by_file
    turned = tag_of(frame)[0]
    return turned if turned is not None and by_file == UPRIGHT else by_file


def by_display_matrix(frame: VideoFrame) -> Orientation:
    """Return the orientation of the display matrix, unless it is the stream's own."""
    # `frame.side_data` makes a reference cycle: it keeps a frame, and the memory of all frames of
    # its decoder (250 MB of an 8K video), until garbage is collected.
    try:
        stated = SideDataContainer(frame)  # type: ignore[call-arg]  # its stub leaves the frame out
    except ValueError:  # data of a kind that PyAV does not know, such as EXIF in MJPEG
        return BY_QUARTERS[round(frame.rotation / 90) % 4]
    data = cast("SideData | None", stated.get("DISPLAYMATRIX"))
    if data is None:
        return UPRIGHT
    a, b, _, c, d = (int(n) for n in np.frombuffer(bytes(data), dtype="<i4")[:5])
    found = (False, a < 0, d < 0)
    if abs(b) + abs(c) > abs(a) + abs(d):
        found = (True, c < 0, b < 0)
    return UPRIGHT if found == tag_of(frame)[0] else found
