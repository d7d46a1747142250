"""Frame conversion to upright RGB: rotation, square pixels, HDR to SDR, deinterlacing."""

from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideData, SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from detector.media.sei import UPRIGHT as UPRIGHT
from detector.media.sei import Orientation
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

_SAME_SHAPE = 0.02  # Part by which two aspect ratios may differ and be one: coded sizes are rounded

_ASPECTS = (0.25, 4.0)  # Pixel aspect ratios outside this range are taken for nonsense and ignored


class Upright:
    """Converter of one stream's decoded frames to upright uint8 [height, width, 3] RGB with square
    pixels.

    `averaged`: small copies are area-averaged. `framed`: the size is the stream's own; pictures of
    another shape are centered on a black canvas, and pictures are deinterlaced and mapped from HDR.
    `usual`: coded size of the first frame, if it is another."""

    def __init__(
        self,
        width: int,
        height: int,
        *,
        averaged: bool = False,
        framed: bool = False,
        usual: tuple[int, int] | None = None,
    ) -> None:
        self.size = width, height
        self.framed = framed
        self.usual = usual
        self.interpolation = Interpolation.AREA if averaged else Interpolation.BILINEAR
        self.scaler = VideoReformatter()
        self.stated: Orientation | None = None  # constant for a file
        self.mapping: tuple[tuple[object, ...], Graph] | None = None

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        if self.stated is None:
            self.stated = by_display_matrix(frame)
            if self.usual is not None and orientation(frame, self.stated)[0]:
                self.usual = self.usual[::-1]
        transposed, flip_x, flip_y = orientation(frame, self.stated)
        width, height = self.size[::-1] if transposed else self.size
        left = top = 0
        if self.framed and (inside := self._inside(frame, transposed)) is not None:
            left, top = (width - inside[0]) // 2, (height - inside[1]) // 2
            canvas = np.zeros((height, width, 3), np.uint8)
            width, height = inside
        else:
            canvas = None
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

    def _inside(self, frame: VideoFrame, transposed: bool) -> tuple[int, int] | None:
        """Return the size of a frame of another shape on the canvas; else None."""
        width, height = self.size
        shape = frame.width, frame.height
        if transposed:
            shape = shape[1], shape[0]
        if self.usual is None:  # pixels that are not square are widened along one side alone
            known = shape[0] == width or shape[1] == height
            self.usual = shape if known else (width, height)
        if abs(shape[0] * self.usual[1] / (shape[1] * self.usual[0]) - 1) <= _SAME_SHAPE:
            return None
        wide, tall = shape[0] * width / self.usual[0], shape[1] * height / self.usual[1]
        scale = min(width / wide, height / tall)
        inside = max(1, round(wide * scale)), max(1, round(tall * scale))
        return inside[::-1] if transposed else inside

    def _in_sdr(self, frame: VideoFrame) -> VideoFrame:
        """Map an HDR frame to BT.709: diffuse white of 203 cd/m² is white (ITU-R BT.2408)."""
        kind = frame.width, frame.height, frame.format.name, frame.color_trc
        if self.mapping is None or self.mapping[0] != kind:  # its table takes a second to compute
            mapping = (
                "in_color_matrix=bt2020:in_primaries=bt2020"
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


def upright_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Return width and height with square pixels, after rotation. Pixels are only ever added."""
    width, height = frame.width, frame.height
    aspect = float(stream.sample_aspect_ratio or 1)
    if _ASPECTS[0] <= aspect <= _ASPECTS[1]:
        if aspect > 1:
            width = round(width * aspect)
        else:
            height = round(height / aspect)
    return (height, width) if orientation(frame)[0] else (width, height)


def rotation(frame: VideoFrame) -> int:
    """Return the clockwise rotation in degrees that makes a frame upright, after any mirroring, as
    EXIF states it."""
    transposed, flip_x, flip_y = orientation(frame)
    return (90 if flip_x else 270) if transposed else 180 * flip_y


def orientation(frame: VideoFrame, by_file: Orientation | None = None) -> Orientation:
    """Return the orientation of a frame to the nearest quarter turn: that of the file
    (`by_display_matrix`), else of its stream (`Decoder.tag`)."""
    by_file = by_display_matrix(frame) if by_file is None else by_file
    turned = _streamed(frame)
    return turned if turned is not None and by_file == UPRIGHT else by_file


def _streamed(frame: VideoFrame) -> Orientation | None:
    turned = cast("list[bool] | None", frame.opaque)
    return None if turned is None else (turned[0], turned[1], turned[2])


def by_display_matrix(frame: VideoFrame) -> Orientation:
    """Return the orientation of the display matrix, unless it is the stream's own."""
    # `frame.side_data` makes a reference cycle: it keeps a frame, and the memory of all frames of
    # its decoder (250 MB of an 8K video), until garbage is collected.
    stated = SideDataContainer(frame)  # type: ignore[call-arg]  # its stub leaves the frame out
    data = cast("SideData | None", stated.get("DISPLAYMATRIX"))
    if data is None:
        return UPRIGHT
    a, b, _, c, d = (int(n) for n in np.frombuffer(bytes(data), dtype="<i4")[:5])
    found = (False, a < 0, d < 0)
    if abs(b) + abs(c) > abs(a) + abs(d):
        found = (True, c < 0, b < 0)
    return UPRIGHT if found == _streamed(frame) else found
