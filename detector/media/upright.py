"""Decoded frames as they are meant to be seen: turned, mirrored, with square pixels, in RGB."""

from __future__ import annotations

from typing import cast

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

_UNSPECIFIED, _BT709, _BT601 = 2, 1, 5  # swscale's numbers

_ASPECTS = (0.25, 4.0)
"""Pixel aspect ratios outside this range are taken for nonsense and ignored."""


def upright(
    frame: VideoFrame, width: int, height: int, scaler: VideoReformatter | None = None
) -> np.ndarray:
    """Convert a decoded frame to uint8 [height, width, 3] RGB as it is meant to be seen.

    Applies the display matrix (quarter turns and mirroring), and scales where the pixels are not
    square or a stream changes its size on the way.
    """
    transposed, flip_x, flip_y = orientation(frame)
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


def upright_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height with square pixels, after rotation. Pixels are only ever added."""
    width, height = frame.width, frame.height
    aspect = float(stream.sample_aspect_ratio or 1)
    if _ASPECTS[0] <= aspect <= _ASPECTS[1]:
        if aspect > 1:
            width = round(width * aspect)
        else:
            height = round(height / aspect)
    return (height, width) if orientation(frame)[0] else (width, height)


def orientation(frame: VideoFrame) -> tuple[bool, bool, bool]:
    """(transpose, then flip x, then flip y) from the display matrix, to the nearest quarter."""
    data = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    if data is None:
        return False, False, False
    a, b, _, c, d = (int(n) for n in np.frombuffer(bytes(data), dtype="<i4")[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, c < 0, b < 0
    return False, a < 0, d < 0
