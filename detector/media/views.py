"""Pictures of several views: two for two eyes (stereo), or all directions (360 degrees)."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from detector.sentences import _

View = Literal["stereo", "spherical"]
VIEWS: dict[View, str] = {
    "stereo": _(
        "It holds two pictures in one, one for each eye (stereo): each person is in it twice, and "
        "may be squeezed, so faces get no verdict. Cut out one eye in its full width to have it "
        "judged."
    ),
    "spherical": _(
        "It holds a picture of all directions (360 degrees): faces in it are bent, so they get no "
        "verdict. Export a flat view of the person to have it judged."
    ),
}
_PACKED = (1, 2, 4, 5, 6, 7)
"""AVStereo3DType: side by side, top and bottom, checkerboard, quincunx, lines, columns"""
_FLAT = 4  # AVSphericalProjection: rectilinear
_STATED = re.compile(
    r"left_right|right_left|top_bottom|bottom_top|checkerboard|interleaved|anaglyph", re.IGNORECASE
)
_SPHERICAL_XMP = re.compile(
    rb"ProjectionType(?:>|\s*=\s*[\"'])\s*(?:equirectangular|cylindrical|cubemap|fisheye)", re.I
)
_PANORAMA = 1.9
"""least width by height of a picture of all directions; phones put the same words into panoramas of
any width, which are cut and not bent much"""


def view_of(frame: VideoFrame, stated: Mapping[str, str]) -> View | None:
    """Return the view of a video by its first frame and the tags of its stream; None for a usual
    one."""
    side: list[Any] = []
    with suppress(ValueError):  # PyAV knows no name of some kinds, such as EXIF in MJPEG
        side = list(frame.side_data)
    for data in side:
        kind = int.from_bytes(bytes(data)[:4], "little")
        if data.type is Type.STEREO3D and kind in _PACKED:
            return "stereo"
        if data.type is Type.SPHERICAL and kind != _FLAT:
            return "spherical"
    mode = {key.lower(): value for key, value in stated.items()}.get("stereo_mode", "")
    return "stereo" if _STATED.search(mode) else None


def view_of_still(xmp: bytes, width: int, height: int) -> View | None:
    """Return the view of a picture by its XMP (GPano) and its shape."""
    spherical = _SPHERICAL_XMP.search(xmp) is not None
    return "spherical" if spherical and width >= _PANORAMA * height else None
