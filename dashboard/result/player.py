"""The player with the boxes, and the people below it.

The moving parts are the evidence view's. Where a browser can't play the file, the frame at the
moment stands in the player's place, and everything else stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import evidence_view, series, server, words
from dashboard.charts import LaneSize
from dashboard.evidence_view import NARROW, WIDE
from dashboard.result import pictures
from dashboard.result.linked import Linked
from dashboard.series import Lane
from detector.errors import UnmaskError
from detector.results import Analysis, Media

if TYPE_CHECKING:
    from dashboard.result import Record

PLAYS = {"h264", "vp8", "vp9", "av1", "theora"}
"""Codecs that browsers decode. HEVC plays only on some: where it doesn't, the browser says so."""
TRIES = {"hevc", "h265"}
CONTAINERS = {"mp4", "mov", "webm", "matroska", "ogg", "m4v"}


def plays(media: Media) -> bool:
    """Whether to try a browser's player with this file."""
    family = {part.strip() for part in media.container.lower().split(",")}
    codec = media.codec.lower()
    codec = "vp8" if codec == "libvpx" else codec
    return media.kind == "video" and codec in PLAYS | TRIES and bool(family & CONTAINERS)


def draw(
    record: Record,
    analysis: Analysis,
    lanes: Sequence[Lane],
    sizes: Sequence[LaneSize],
    linked: Linked,
) -> None:
    """Draw player, boxes and strips into the container at hand."""
    path = record.path
    playable = plays(analysis.media) and not linked.unplayable
    with st.container(key=evidence_view.PLAYER, gap=None):
        if playable:
            st.video(server.file_url(record) or path, alt=alt(analysis))
        else:
            still(path, analysis, linked)
    if not playable and analysis.media.kind != "image":
        st.html(
            "<div class='um-caption'>This browser can’t play the file, so the frame at "
            f"{words.clock(linked.time)} is shown. The analysis read it in full.</div>"
        )
    end = series.length(analysis)
    wanted = {
        (lane.track.id, tile.index)
        for lane in lanes
        for count in (WIDE, NARROW)
        for tile in series.tiles(lane, count, end)
    }
    cut, ready = pictures.strip_pictures(path, analysis, wanted)
    evidence_view.evidence_view(
        evidence_view.view_data(
            analysis, lanes, sizes, time=linked.time, seek=linked.seek, pictures=cut
        ),
        key=linked.widget("view"),
        on_moment=linked.on_moment,
    )
    if not ready:
        _wait_for_strips(path, analysis, wanted)


def alt(analysis: Analysis) -> str:
    """The player in a sentence, for a screen reader."""
    people = [
        f"Person {t.id}: {words.STATES[t.label].words.lower()}" for t in analysis.tracks
    ]
    return f"The analyzed {analysis.media.kind}. {'; '.join(people)}."


def still(path: Path, analysis: Analysis, linked: Linked) -> None:
    """The frame at the moment; the evidence view draws the boxes over it."""
    try:
        rgb = pictures.whole_frame(path, analysis, linked.time, {}, side=1280)
    except (UnmaskError, OSError):
        st.html("<div class='um-missing'>This frame can’t be shown: the file is gone.</div>")
        return
    st.image(pictures.jpeg(rgb, 88), width="stretch", alt=alt(analysis))


@st.fragment(run_every=0.8)
def _wait_for_strips(path: Path, analysis: Analysis, wanted: set[pictures.Key]) -> None:
    """Draw the page once more when the face pictures are there."""
    if pictures.strip_pictures(path, analysis, wanted)[1]:
        st.rerun()
