"""The Live page: a smoothed reading and a stable alarm beside the camera's picture.

The WebRTC component (streamlit-webrtc) is part of the page, which reruns only when the visit's
phase changes; what moves twice a second is in fragments that read the viewer's state.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import ParamSpec

import streamlit as st
from PIL import Image
from streamlit_webrtc import AudioSinkTrack, WebRtcMode, webrtc_streamer

from dashboard import session, theme, url_state
from dashboard.components import camera, controls, page_header, typography
from dashboard.components.markup import show
from dashboard.pages.live import cards, choices, link, side, state
from dashboard.pages.live.problems import HOPELESS, Problem, problem
from dashboard.pages.live.state import LivePageState, Phase
from detector.presentation import live as presented
from detector.sentences import _, say
from service.live import viewers
from service.live.viewers import LiveOptions, SessionRetention, Viewer

P = ParamSpec("P")

TICK = 0.5
"""s between two looks at the state; a faster eye would only see the machine work."""
SIZE = {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 25, "max": 30}}
"""What is asked of the camera: a face of 40 px and more at arm's length, little to send."""


def draw() -> None:
    """Draw the page."""
    visit = state.visit()
    visit.tick()
    st.session_state[state.DRAWN] = side.stamp(visit)
    servers = link.ice_servers(st.context.url)
    if not session.application().viewers.capacity:
        _head(visit, off=True)
        with st.container(key="live-camera"):
            _cover(NOTICES["switched_off"])
        return
    _head(visit)
    if choices.shared():
        show(
            typography.concern(
                _("Everyone in the meeting must agree"),
                _(
                    "Their faces and voices are analyzed. Tell them before you press Start and get "
                    "their consent; many laws require it."
                ),
            )
        )
    if choices.by_address():
        choices.draw_address(disabled=visit.busy)
    left, right = st.columns([860, 440], gap=20)
    with left:
        _camera(visit, servers)
    with right:
        _often(visit, side.beside)(visit, servers)
    _often(visit, side.below)(visit)
    if not visit.busy:
        side.connection(servers)


def _often(visit: LivePageState, part: Callable[P, None]) -> Callable[P, None]:
    """Return a fragment that is redrawn twice a second while the camera is on."""
    return st.fragment(part, run_every=TICK if visit.busy else None)


# --- the head: what happens to the pictures, the choices, Start -----------------------------------


def _head(visit: LivePageState, *, off: bool = False) -> None:
    options = visit.viewer.options if visit.viewer and visit.busy else choices.options()
    with page_header.row(_("Live"), [_privacy(visit, options)]):
        if off:
            return
        seen = side.seen()
        choices.draw_source(shared=visit.busy and visit.shared, disabled=visit.busy)
        if not choices.shared():
            choices.draw_camera(seen.cameras if seen else (), disabled=visit.busy)
        choices.draw_options(disabled=visit.busy, on_mirror=_mirror)
        if visit.busy:
            controls.button(_("Stop"), "stop_circle", "live-stop", visit.stop, kind="primary")
            return
        controls.button(
            _("Start"),
            "play_circle",
            "live-start",
            partial(visit.watch, side.open_address)
            if choices.by_address()
            else partial(visit.start, choices.camera_id()),
            kind="secondary" if visit.viewer and visit.viewer.result else "primary",
            disabled=link.trouble(seen, shared=choices.shared()) in HOPELESS
            and not choices.by_address(),
        )


def _privacy(visit: LivePageState, options: LiveOptions) -> str:
    """Return how pictures and sound are treated under the present choices."""
    keep = options.keep
    if keep is SessionRetention.VIDEO:
        text = (
            _("The video is recorded {where}, and kept with the scores when you stop.")
            if visit.busy
            else _("The video will be recorded {where}, and kept with the scores when you stop.")
        )
    elif keep is SessionRetention.SCORES:
        text = _(
            "No picture is recorded. Frames are scored {where} and forgotten; the scores are kept "
            "when you stop."
        )
    elif st.session_state.get(state.KEPT_FRAMES):
        text = _("Nothing is recorded but the seconds you kept. Frames are scored {where}.")
    else:
        text = _("Nothing is recorded. Frames are scored {where} and forgotten.")
    if options.microphone:
        text = f"{text} {_('Sound is never kept.')}"
    where = _("on this computer") if session.is_loopback_client() else _("on this server")
    return text.format(where=where)


def _mirror() -> None:
    choices.keep_mirror()
    viewer = state.visit().viewer
    if viewer is not None:
        viewer.mirror = choices.options().mirror


# --- the camera -----------------------------------------------------------------------------------


def _camera(visit: LivePageState, servers: list[link.Server]) -> None:
    with st.container(key="live-camera", gap=None):
        if visit.remote if visit.busy else choices.by_address():
            _fetched(visit)
        else:
            _sent(visit, servers)
        if (cover := _problem(visit)) is not None:
            _cover(cover)
    _often(visit, _foot)(visit)


def _fetched(visit: LivePageState) -> None:
    """Draw the picture of a network camera."""
    if visit.phase in (Phase.LIVE, Phase.LOST) and visit.viewer is not None:
        address = f"{url_state.site()}/camera/{visit.viewer.token}"
        camera.picture(address, _("The camera’s picture with what was read in it"))


def _sent(visit: LivePageState, servers: list[link.Server]) -> None:
    """Draw the picture of a browser's camera as the server returns it with its overlay."""
    viewer = visit.viewer
    device = visit.camera if viewer is not None else choices.camera_id()
    video = dict(SIZE) | ({"deviceId": {"exact": device}} if device else {})
    heard = viewer.options.microphone if viewer is not None else choices.microphone()
    webrtc_streamer(
        # A key for each camera: the frame of the link remembers which it had under its key.
        key=f"live-link-{zlib.crc32(device.encode()):x}",
        mode=WebRtcMode.SENDRECV,
        rtc_configuration={"iceServers": servers},
        media_stream_constraints={"video": video, "audio": choices.SOUND if heard else False},
        desired_playing_state=visit.wanted,
        video_frame_callback=viewer.receive if viewer is not None else None,
        # A sink, since a track that is not sent back is asked for nothing.
        sink_audio_track=AudioSinkTrack(viewer.hear) if viewer is not None and heard else None,
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


def _cover(cover: Problem) -> None:
    camera.cover(cover.icon, say(cover.head), say(cover.text), over_frame=cover.over_frame)


def _problem(visit: LivePageState) -> Problem | None:
    """Return the message over the picture; none while there is a picture."""
    if visit.phase is Phase.LIVE:
        return None
    if visit.remote and visit.phase is Phase.CONNECTING:
        return NOTICES["calling"]
    if visit.phase is Phase.ASKING and visit.shared:
        return NOTICES["choosing"]
    if visit.phase in WAITING:
        return WAITING[visit.phase]
    if visit.trouble is not None:
        return problem(visit.trouble, visit.refusal)
    known = link.trouble(side.seen(), shared=choices.shared())
    if known is not None and not choices.by_address():
        return problem(known)
    if visit.phase is Phase.ENDED and visit.viewer is not None:
        return _ended(visit.viewer, sharing_ended=visit.sharing_ended)
    if choices.shared():
        return NOTICES["not_shared"]
    return NOTICES["not_watched" if choices.by_address() else "off"]


def _ended(viewer: Viewer, *, sharing_ended: bool) -> Problem:
    # As many as the analysis says that it looked at.
    kept = viewer.session.kept if viewer.result is not None else None
    facts = presented.extent(viewer.seconds, viewer.state.rates.scored, kept)
    if viewer.problem is not None:
        outcome = say(viewer.problem) or _("Something went wrong here; the log says more.")
    elif viewer.result is None:
        outcome = _("Nothing of it was kept.")
    elif viewer.options.keep is SessionRetention.VIDEO:
        outcome = _("The scores and the video are kept.")
    else:
        outcome = _("The scores are kept, and no picture.")
    icon = "check" if viewer.problem is None and viewer.failure is None else "error"
    why = f"{say(viewer.failure.message)} " if viewer.failure is not None else ""
    if sharing_ended:
        why = f"{_('Sharing was stopped, or the window was closed.')} "
    return Problem(icon, _("Session ended"), f"{why}{facts} {outcome}")


def _foot(visit: LivePageState) -> None:
    """Draw the line and the buttons under the picture."""
    viewer = visit.viewer
    running = viewer if visit.busy and viewer is not None and viewer.frames else None
    shown, seconds = (running.state, running.seconds) if running else (None, 0.0)
    with controls.apart("live-foot"):
        show(cards.foot(shown, seconds, lost=visit.phase is Phase.LOST))
        if running is not None:
            controls.download(
                _("Snapshot"),
                partial(_snapshot, running),
                f"{viewers.session_name(datetime.now(UTC))}.png",
                "live-snapshot",
                symbol="photo_camera",
            )
        elif viewer is not None and viewer.result and not visit.busy:
            label = _("Open the analysis")
            if controls.button(label, "arrow_forward", "live-open", kind="primary"):
                url_state.go_to("analyze", a=viewer.result)


def _snapshot(viewer: Viewer) -> bytes:
    picture = viewer.picture()
    if picture is None:
        return b""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


# --- before a picture comes -----------------------------------------------------------------------


WAITING = {
    Phase.ASKING: Problem(
        "videocam",
        _("Waiting for the camera"),
        _("The browser asks for your permission: choose Allow."),
    ),
    Phase.CONNECTING: Problem("sync", _("Connecting"), _("The video link comes up in about 3 s.")),
    Phase.RESTARTING: Problem(
        "sync", _("Connecting again"), _("The last try led nowhere, so here is another.")
    ),
    Phase.LOST: Problem(
        "sync_problem",
        _("The picture is lost"),
        _("Connecting again. The same session goes on when it comes back."),
        over_frame=True,
    ),
}
"""While a picture is on its way."""


NOTICES = {
    "choosing": Problem(
        "screen_share",
        _("Choose what to share"),
        _("The browser asks for a window, a tab or the screen: choose the meeting."),
    ),
    "calling": Problem(
        "sync", _("Connecting"), _("This server calls the camera, which has 10 s to answer.")
    ),
    "not_shared": Problem(
        "screen_share",
        _("Nothing is shared yet"),
        _("Press Start and choose the window or tab of the meeting. Keep its faces in view."),
    ),
    "not_watched": Problem(
        "videocam",
        _("The camera is not watched"),
        _("Give its address, such as rtsp://camera.example/stream, and press Start."),
    ),
    "off": Problem(
        "videocam",
        _("The camera is off"),
        _("Press Start and allow the camera. Point it at the face, with light on it."),
    ),
    "switched_off": Problem(
        "videocam_off",
        _("Live is switched off here"),
        _("Who runs this server allows no cameras. Clips and pictures can be analyzed as usual."),
    ),
}
"""While the browser asks for a window, or this server calls a camera; before anything was started;
and where no cameras are allowed."""
