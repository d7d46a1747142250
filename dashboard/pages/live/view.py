"""The Live page: a reading that holds still long enough to be believed, and an alarm that doesn't
flicker.

The camera's link (streamlit-webrtc) lives in the page, which is drawn anew only when the visit
changes; what moves twice a second is in fragments that read the viewer's state.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ParamSpec

import streamlit as st
from PIL import Image
from streamlit_webrtc import WebRtcMode, webrtc_streamer

from dashboard import labels, session, theme
from dashboard.components import camera, page_header
from dashboard.components.markup import show
from dashboard.i18n import _, say
from dashboard.pages.live import cards, choices, ice, link, problems, side
from dashboard.pages.live.state import LivePageState, Phase
from service.live import recordings
from service.live.viewers import Keep, Viewer

P = ParamSpec("P")

TICK = 0.5
"""s between two looks at the state; a faster eye would only see the machine work."""
SIZE = {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 25, "max": 30}}
"""What is asked of the camera: a face of 40 px and more at arm's length, little to send."""


def draw() -> None:
    """Draw the page."""
    visit = side.visit()
    visit.tick()
    side.drawn(visit)
    servers = ice.servers(st.context.url)
    if not session.application().viewers.most:
        _head(visit, off=True)
        with st.container(key="live-camera"):
            _shown(problems.switched_off())
        return
    _head(visit)
    left, right = st.columns([860, 440], gap=20)
    with left:
        _camera(visit, servers)
    with right:
        _often(visit, side.beside)(visit, servers)
    _often(visit, side.below)(visit)
    if not visit.busy:
        side.connection(servers)


def _often(visit: LivePageState, part: Callable[P, None]) -> Callable[P, None]:
    """A part of the page that is drawn by itself, twice a second while the camera is on."""
    return st.fragment(part, run_every=TICK if visit.busy else None)


# --- the head: what happens to the pictures, the choices, Start -----------------------------------


def _head(visit: LivePageState, *, off: bool = False) -> None:
    wishes = visit.viewer.wishes if visit.viewer and visit.busy else choices.wishes()
    with page_header.row(_("Live"), [_privacy(visit, wishes.keep)]):
        if off:
            return
        seen = side.seen()
        choices.camera(seen.cameras if seen else (), disabled=visit.busy)
        choices.options(disabled=visit.busy, on_mirror=_mirror)
        if visit.busy:
            st.button(
                _("Stop"),
                icon=":material/stop_circle:",
                type="primary",
                key="live-stop",
                on_click=visit.stop,
            )
            return
        kept = bool(visit.viewer and visit.viewer.result)
        st.button(
            _("Start"),
            icon=":material/play_circle:",
            type="secondary" if kept else "primary",
            key="live-start",
            on_click=visit.start,
            disabled=link.trouble(seen) in problems.HOPELESS,
        )


def _privacy(visit: LivePageState, kept: Keep) -> str:
    """What happens to the pictures, as things are set now."""
    if kept is Keep.VIDEO:
        text = (
            _("The video is recorded {where}, and kept with the scores when you stop.")
            if visit.busy
            else _("The video will be recorded {where}, and kept with the scores when you stop.")
        )
    elif kept is Keep.SCORES:
        text = _(
            "No picture is recorded. Frames are scored {where} and forgotten; the scores are kept "
            "when you stop."
        )
    elif st.session_state.get("live-kept"):
        text = _("Nothing is recorded but the seconds you kept. Frames are scored {where}.")
    else:
        text = _("Nothing is recorded. Frames are scored {where} and forgotten.")
    where = _("on this computer") if session.is_loopback_client() else _("on this server")
    return text.format(where=where)


def _mirror() -> None:
    viewer = side.visit().viewer
    if viewer is not None:
        viewer.mirror = choices.wishes().mirror


# --- the camera -----------------------------------------------------------------------------------


def _camera(visit: LivePageState, servers: list[ice.Server]) -> None:
    viewer = visit.viewer
    camera = visit.camera if viewer is not None else choices.camera_id()
    with st.container(key="live-camera", gap=None):
        video = dict(SIZE) | ({"deviceId": {"exact": camera}} if camera else {})
        webrtc_streamer(
            # A key for each camera: the frame of the link remembers which it had under its key.
            key=f"live-link-{zlib.crc32(camera.encode()):x}",
            mode=WebRtcMode.SENDRECV,
            rtc_configuration={"iceServers": servers},
            media_stream_constraints={"video": video, "audio": False},
            desired_playing_state=visit.wanted,
            video_frame_callback=viewer.receive if viewer is not None else None,
            sendback_audio=False,
            media_toggle_controls=False,
            video_html_attrs={
                "autoPlay": True,
                "controls": False,
                "muted": True,
                "style": {
                    "width": "100%",
                    "aspectRatio": "4 / 3",
                    "maxHeight": "496px",
                    "objectFit": "contain",
                    "background": theme.VIDEO,
                },
            },
        )
        cover = _cover(visit)
        if cover is not None:
            _shown(cover)
    _often(visit, _foot)(visit)


def _shown(problem: problems.Problem) -> None:
    """Draw a problem in the camera's place."""
    camera.cover(problem.icon, problem.head, problem.text, over_frame=problem.over_frame)


def _cover(visit: LivePageState) -> problems.Problem | None:
    """What stands over the picture; nothing while there is one."""
    if visit.phase is Phase.LIVE:
        return None
    if visit.phase in problems.WAITING:
        return problems.WAITING[visit.phase]
    if visit.trouble is not None:
        return problems.problem(visit.trouble, visit.said)
    known = link.trouble(side.seen())
    if known is not None:
        return problems.problem(known)
    if visit.phase is Phase.ENDED and visit.viewer is not None:
        return _over(visit.viewer)
    return problems.off()


def _over(viewer: Viewer) -> problems.Problem:
    """What became of the session."""
    facts = _("{time} long, {frames}.").format(
        time=labels.clock(viewer.seconds, tenths=False),
        frames=labels.count(viewer.state.rates.scored, "scored frame", "scored frames"),
    )
    icon = "check"
    if viewer.problem is not None:
        icon = "error"
        kept = say(viewer.problem) or _("Something went wrong here; the log says more.")
    elif viewer.result is None:
        kept = _("Nothing of it was kept.")
    elif viewer.wishes.keep is Keep.VIDEO:
        kept = _("The scores and the video are kept.")
    else:
        kept = _("The scores are kept, and no picture.")
    return problems.Problem(icon, _("Session ended"), f"{facts} {kept}")


def _foot(visit: LivePageState) -> None:
    """Under the picture: how it goes, and what can be done with it."""
    viewer = visit.viewer
    running = viewer if visit.busy and viewer is not None and viewer.frames else None
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        key="live-foot",
    ):
        show(
            cards.foot(
                running.state if running else None,
                running.seconds if running else 0.0,
                lost=visit.phase is Phase.LOST,
            )
        )
        if running is not None:
            st.download_button(
                _("Snapshot"),
                lambda: _snapshot(running),
                file_name=f"{recordings.session_name(datetime.now(UTC))}.png",
                mime="image/png",
                icon=":material/photo_camera:",
                on_click="ignore",
                key="live-snapshot",
            )
        elif viewer is not None and viewer.result and not visit.busy:
            label, arrow = _("Open the analysis"), ":material/arrow_forward:"
            if st.button(label, icon=arrow, type="primary", key="live-open"):
                st.switch_page("pages/analyze.py", query_params={"a": viewer.result})


def _snapshot(viewer: Viewer) -> bytes:
    picture = viewer.picture()
    if picture is None:
        return b""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()
