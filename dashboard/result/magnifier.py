"""The magnifier: a part of one frame at full size and larger, frame by frame."""

from functools import partial

import numpy as np
import streamlit as st
from PIL import Image

from dashboard import labels
from dashboard.components import controls, typography
from dashboard.i18n import _
from dashboard.images import jpeg
from dashboard.result import pictures
from dashboard.result.linked import ResultViewState
from detector.errors import UnmaskError
from detector.schema.analysis import Box

ZOOMS = (1, 2, 4, 8)
SIDE = 720
"""px of the longer side of what is shown"""
USUAL_RATE = 25.0
"""frames per second where a file states none"""


def button(linked: ResultViewState, time: float, box: Box | None) -> None:
    """Draw what opens it on a moment, a face in the middle."""
    if controls.button(_("Magnify"), "zoom_in", linked.widget("magnify")):
        media = linked.original.media
        x0, y0, x1, y1 = box or (0, 0, media.width, media.height)
        state = st.session_state
        state[_key(linked, "time")] = time
        state[_key(linked, "x")] = round(50 * (x0 + x1) / media.width)
        state[_key(linked, "y")] = round(50 * (y0 + y1) / media.height)
        st.dialog(_("Magnifier"), width="large")(_draw)(linked)


def _draw(linked: ResultViewState) -> None:
    media, time = linked.original.media, float(st.session_state[_key(linked, "time")])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        zooms = {zoom: f"{zoom}×" for zoom in ZOOMS}
        zoom = controls.choose(_("Zoom"), zooms, 2, _key(linked, "zoom"))
        if media.kind != "image":
            for label, symbol, shortcut, frames in (
                (_("Frame before"), "arrow_back", "Left", -1),
                (_("Frame after"), "arrow_forward", "Right", 1),
            ):
                st.button(
                    label, key=_key(linked, shortcut), icon=f":material/{symbol}:",
                    shortcut=shortcut, on_click=partial(_step, linked, frames),
                )  # fmt: skip
            number = 1 + _number(linked, time)
            about = _("{time}, frame {number}").format(time=labels.clock(time), number=number)
            typography.caption(about, width="content")
    try:
        rgb = pictures.frame(linked.path, linked.original, time)
    except (UnmaskError, OSError):
        typography.alert(_("The frame can’t be read any more."))
        return
    x, y = (st.session_state[_key(linked, axis)] / 100 for axis in "xy")
    part = magnified(rgb, zoom, x, y)
    st.image(jpeg(part, 95), width="stretch", alt=_("A part of the frame, magnified"))
    if zoom > 1:
        across, down = st.columns(2)
        across.slider(_("From left to right"), 0, 100, key=_key(linked, "x"), format="%d%%")
        down.slider(_("From top to bottom"), 0, 100, key=_key(linked, "y"), format="%d%%")


def magnified(rgb: np.ndarray, zoom: int, x: float, y: float) -> np.ndarray:
    """Return a part of a frame around a place (0 to 1), pixels as they are and not smoothed."""
    height, width = rgb.shape[:2]
    across, down = max(1, width // zoom), max(1, height // zoom)
    left = min(max(0, round(x * width - across / 2)), width - across)
    top = min(max(0, round(y * height - down / 2)), height - down)
    part = rgb[top : top + down, left : left + across]
    scale = max(1, round(SIDE / max(part.shape[:2])))
    if zoom == 1:
        image = Image.fromarray(rgb)
        image.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
        return np.asarray(image)
    return np.ascontiguousarray(part.repeat(scale, axis=0).repeat(scale, axis=1))


def _step(linked: ResultViewState, frames: int) -> None:
    media, key = linked.original.media, _key(linked, "time")
    rate = media.fps or USUAL_RATE
    last = max(0.0, (media.duration or 0.0) - 0.5 / rate)
    # To the middle of the frame: a time at its edge may fall on the one before.
    number = _number(linked, float(st.session_state[key])) + frames
    st.session_state[key] = min(max(0.0, (number + 0.5) / rate), last)


def _number(linked: ResultViewState, time: float) -> int:
    """Return which frame is on screen at a time, from 0."""
    return int(time * (linked.original.media.fps or USUAL_RATE) + 1e-6)


def _key(linked: ResultViewState, part: str) -> str:
    return linked.widget(f"magnify.{part}")
