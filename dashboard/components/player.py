"""Player of an uploaded file without a result."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from dashboard import url_state
from dashboard.components import style, typography
from dashboard.images import jpeg
from detector import media
from detector.errors import UnmaskError
from detector.schema.analysis import Media
from detector.sentences import _
from service.tasks import previews
from service.tasks.jobs import Job

PLAYS = {"h264", "vp8", "vp9", "av1", "theora", "hevc"}
"""Codecs to try a browser's player with. HEVC plays on some; where it doesn't, the browser says
so and the still frame takes over."""
CONTAINERS = {"mp4", "mov", "webm", "matroska", "ogg", "m4v"}
SHOWN_AS_IS = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif"}
"""Pictures every browser shows, and turns upright, by itself."""
SIDE = 1280
"""px of the longer side of a frame that stands for a file no browser plays."""


def plays(media: Media) -> bool:
    """Return whether browsers can play this file; a rotated one is played from its upright copy."""
    if media.turned or media.turned_in_stream:
        return False
    family = {part.strip() for part in media.container.lower().split(",")}
    return media.kind == "video" and media.codec.lower() in PLAYS and bool(family & CONTAINERS)


def draw(job: Job, info: Media) -> None:
    """Draw the media of a job, in the container `player`."""
    text = _("The file {name}")
    if info.kind != "audio":
        text = _("The file {name}, {width} by {height} px")
        style.player_shape(info.width, info.height)
    with st.container(key="player", gap="small"):
        media_of(job, info, text.format(name=job.name, width=info.width, height=info.height))


def media_of(job: Job, info: Media, alt: str, start: float = 0.0) -> None:
    """Draw the media of a job from `start` s on, or the first frame if no browser plays it."""
    source = url_state.file_url(job.address) or job.path
    if info.kind == "audio":
        st.audio(source, start_time=start, alt=alt)
    elif plays(info):
        st.video(source, start_time=start, alt=alt)
    elif info.kind == "video" and (copy := job.path.parent / previews.NAME).is_file():
        st.video(url_state.file_url(job.address, copy=True) or copy, start_time=start, alt=alt)
    elif info.kind != "video" and job.path.suffix in SHOWN_AS_IS:
        st.image(source, alt=alt, width="stretch")
    elif picture := _first_frame(job.path, info.model_dump_json()):
        st.image(picture, alt=alt, width="stretch")
        if info.kind == "video":
            why = _(
                "Browsers can’t play this format, so its first frame is shown: {codec} in "
                "{container}."
            ).format(codec=info.codec, container=info.container)
            typography.caption(why)


@lru_cache(maxsize=16)
def _first_frame(path: Path, described: str) -> bytes:
    """Return the first frame as JPEG; empty where it can't be read."""
    try:
        rgb = media.frame_at(path, Media.model_validate_json(described), 0.0).rgb
    except (UnmaskError, OSError):
        return b""
    image = Image.fromarray(rgb)
    image.thumbnail((SIDE, SIDE), reducing_gap=2)
    return jpeg(np.asarray(image), 88)
