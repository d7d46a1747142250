"""Player with boxes, and the people below it.

The moving parts are the evidence view's. Where a browser can't play the file, the frame at the
moment stands in the player's place. An animation moves until a moment is chosen: no browser can
hold one at a frame. The simple player has no moving parts: it starts at the moment,
the boxes are in a still frame, and the faces are pictures with a button.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.charts import LaneSize
from dashboard.components import controls, figures, style, timeline, typography
from dashboard.components.markup import show
from dashboard.components.player import SHOWN_AS_IS, plays
from dashboard.components.timeline import evidence
from dashboard.components.timeline.evidence import NARROW, WIDE
from dashboard.images import jpeg
from dashboard.result import pictures
from dashboard.result.linked import ResultViewState, opening
from detector.presentation import lead, people, series
from detector.presentation.series import Lane
from detector.schema.analysis import Analysis
from detector.sentences import _
from detector.vision.boxes import FaceBox
from service.storage.uploads import retention

STILL_SIDE = 1280
"""px of the longer side of the frame in the player's place."""


def draw(
    analysis: Analysis,
    lanes: Sequence[Lane],
    sizes: Sequence[LaneSize],
    linked: ResultViewState,
    charted: Sequence[Lane],
) -> None:
    """Draw player, boxes and strips: `lanes` of people by the leading question; `charted` with
    their `sizes` have the moving cursor."""
    hidden = len(analysis.seen) - len(lanes)
    if not linked.path.is_file():
        _absent(analysis, linked)
        linked.more_button(hidden, "strips")
        return
    _player(analysis, linked)
    end = series.length(analysis)
    wanted = {
        (lane.track.id, tile.index)
        for lane in lanes
        for count in (WIDE, NARROW)
        for tile in series.tiles(lane, count, end)
    }
    cut, ready = pictures.strip_pictures(linked.path, analysis, wanted)
    if linked.simple:
        for lane in lanes:
            _simple_strip(analysis, lane, linked, cut)
    else:
        data = evidence.view_data(
            analysis,
            lanes,
            sizes,
            time=linked.time,
            seek=linked.seek,
            pictures=cut,
            charted=charted,
        )
        timeline.mount(data, key=linked.widget("view"), on_moment=linked.on_moment)
    linked.more_button(hidden, "strips")
    if not ready:
        _wait_for_strips(linked.path, analysis, wanted)


def _player(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the file in the browser's player, or the frame at the moment in its place."""
    path, media, previews = linked.path, analysis.media, session.application().previews
    as_it_is = plays(media)
    copy = previews.of(path, media) if media.kind == "video" and not as_it_is else None
    playable = (as_it_is or copy is not None) and not linked.unplayable
    shown_as_is = media.kind == "animation" and path.suffix in SHOWN_AS_IS
    style.player_shape(media.width, media.height)
    with st.container(key=timeline.PLAYER, gap=None):
        if playable:
            # Another start would be another element: the player would begin anew at each click.
            start = linked.time if linked.simple else 0.0
            url = url_state.file_url(linked.record.address, copy=copy is not None)
            st.video(url or copy or path, start_time=start, alt=people.spoken(analysis))
        if shown_as_is and not linked.simple and not _chosen(linked):
            with st.container(key="moving"):
                url = url_state.file_url(linked.record.address)
                st.image(url or path, width="stretch", alt=people.spoken(analysis))
        elif linked.simple or not playable:
            # The evidence view draws boxes over the frame; without it they are part of it.
            boxes = series.boxes_at(analysis, linked.time) if linked.simple else {}
            _still(analysis, linked, boxes)
    if shown_as_is and _chosen(linked):
        _play_again(linked)
    if playable or shown_as_is or media.kind == "image":
        return
    text = _(
        "This browser can’t play the file, so the frame at {time} is shown. The analysis read "
        "it in full."
    ).format(time=labels.clock(linked.time))
    if previews.pending(path):
        text += " " + _("Preparing a playable copy.")
    typography.caption(text)
    if not linked.unplayable:
        _wait_for_copy(path)


def _chosen(linked: ResultViewState) -> bool:
    """Return whether another moment than the opening one was chosen."""
    return bool(linked.seek) or linked.time != opening(linked.original)[0]


def _play_again(linked: ResultViewState) -> None:
    """Draw the time of an animation's frame, and the button that plays it."""

    def leave() -> None:
        linked.time, linked.person = opening(linked.original)
        linked.seek = 0

    with controls.apart("animation-still"):
        typography.caption(
            _("The frame at {time}.").format(time=labels.clock(linked.time)), width="content"
        )
        controls.button(
            _("Play the animation"), "play_arrow", linked.widget("moving"), leave, kind="tertiary"
        )


def _absent(analysis: Analysis, linked: ResultViewState) -> None:
    """Draw the thumbnail of a deleted file, and how to bring it back."""
    with st.container(border=True, key="card-absent", gap="small"):
        if picture := linked.record.picture:
            st.image(picture, alt=people.spoken(analysis), width=320)
        if not analysis.media.sha256:  # a live session
            head = _("Nothing was recorded")
            text = _("Only the session’s scores are stored.")
        elif session.application().replicates_media(session.request_context()):
            head = _("The file is not on this server")
            text = _("If your account has a copy, it is on its way: look again in a minute.")
        else:
            head = _("The file is not kept any more")
            text = _(
                "Files are deleted after {kept}, results later. Upload the same file once more to "
                "see its frames with this result."
            ).format(kept=labels.hours(retention().total_seconds() / 3600))
        show(typography.heading(head), typography.text(text))


def _still(analysis: Analysis, linked: ResultViewState, boxes: Mapping[str, FaceBox]) -> None:
    with figures.readable():
        shown = boxes.values()
        rgb = pictures.whole_frame(linked.path, analysis, linked.time, shown, STILL_SIDE)
        st.image(jpeg(rgb, 88), width="stretch", alt=people.spoken(analysis))


def _simple_strip(
    analysis: Analysis, lane: Lane, linked: ResultViewState, cut: Mapping[pictures.Key, str]
) -> None:
    person, who = lane.track.id, lead.name(lane.track)
    chip = people.chip(lane.track, analysis.verdict)
    st.markdown(f"**{labels.plain_markdown(who)}** · {chip.text}")
    grid = st.grid(NARROW, min_column_width=64, gap="xsmall")
    for tile in series.tiles(lane, NARROW, series.length(analysis)):
        time, said = lane.times[tile.index], people.at_moment(analysis, lane, tile.index)
        with grid.cell(), st.container(gap=None):
            if picture := cut.get((person, tile.index)):
                st.image(picture, width="stretch", alt=f"{who}, {labels.clock(time)}")
            st.button(
                f"{labels.look(said.state).glyph} {said.text}",
                on_click=linked.go,
                args=(time, person),
                key=linked.widget(f"tile.{person}.{tile.index}"),
                help=labels.plain_markdown(said.note),
                width="stretch",
            )


@st.fragment(run_every=1.0)
def _wait_for_copy(path: Path) -> None:
    """Rerun the page when a playable copy is ready or failed."""
    waited = st.session_state.setdefault("copies-awaited", set())
    if session.application().previews.pending(path):
        waited.add(path)
    elif path in waited:
        waited.discard(path)
        st.rerun()


@st.fragment(run_every=0.8)
def _wait_for_strips(path: Path, analysis: Analysis, wanted: set[pictures.Key]) -> None:
    if pictures.strip_pictures(path, analysis, wanted)[1]:
        st.rerun()
