"""What stands beside and below the camera: the reading, the alarms, the last minute, the picture's
quality, the connection test. Drawn by itself twice a second while the camera is on."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import charts, labels, session, theme, url_state
from dashboard.charts import live as chart
from dashboard.components import camera, typography
from dashboard.components import cards as heads
from dashboard.components.lanes import zone_words
from dashboard.components.markup import show, tag
from dashboard.i18n import _, advice
from dashboard.pages.live import cards, choices, ice, link
from dashboard.pages.live.state import LivePageState, Phase
from dashboard.theme import ON_VIDEO
from detector.errors import InputError, UnmaskError
from detector.schema.analysis import Question, Settings
from service.live import recordings
from service.live.viewers import Keep, Viewer

if TYPE_CHECKING:
    from detector.live import Style

LINK = "live-browser"
"""Key of the part that runs in the browser."""
_DRAWN = "live-drawn"


def visit() -> LivePageState:
    """This browser tab's visit; it outlives a change of page."""
    state: LivePageState = st.session_state.setdefault("live-visit", LivePageState())
    return state


def seen() -> link.Seen | None:
    """What the browser said of its cameras."""
    return link.seen(LINK)


def drawn(visit: LivePageState) -> None:
    """The whole page is drawn for what holds now; `beside` asks for another when it no longer
    does."""
    st.session_state[_DRAWN] = _stamp(visit)


def _stamp(visit: LivePageState) -> tuple[object, ...]:
    return visit.phase, visit.trouble, visit.ask, seen(), _testing()


# --- beside it: now, alarms -----------------------------------------------------------------------


def beside(visit: LivePageState, servers: list[ice.Server]) -> None:
    """The link to the browser, the reading, the alarms. Keeps the visit's time."""
    visit.tick()
    viewer = visit.viewer
    state = viewer.state if viewer is not None and viewer.frames else None
    clock = _clock(viewer)
    with st.container(key="live-hidden"):
        link.mount(
            key=LINK,
            data={
                "ask": visit.ask,
                "asking": visit.phase is Phase.ASKING,
                "test": st.session_state.get("live-test", 0),
                "testing": _testing(),
                "camera": choices.camera_id(),
                "servers": servers,
                "say": cards.spoken(state, clock) if visit.busy else "",
            },
            on_seen=lambda: None,
            on_answer=_answered,
            on_tested=lambda: None,
        )
    if _stamp(visit) != st.session_state.get(_DRAWN):
        st.rerun()
    limits = state.reading.thresholds if state else choices.thresholds()
    live = state if visit.busy else None
    with st.container(border=True, key=f"verdict-{cards.slug(live)}-live", gap=None):
        show(cards.now(live, limits, running=visit.busy))
    wishes = viewer.wishes if viewer is not None else choices.wishes()
    with st.container(border=True, key="card-alarms", gap="small"):
        above = wishes.alarm_above if wishes.alarm_above is not None else limits.high
        show(
            cards.alarms_head(above, wishes.alarm_seconds),
            cards.alarms(state.alarms if state else (), state.time if state else 0.0, clock),
        )
        with st.container(horizontal=True, key="actions-live"):
            st.button(
                _("Keep these frames"),
                icon=":material/save:",
                key="live-keep-frames",
                disabled=viewer is None or not len(viewer.ring),
                on_click=_keep_frames,
                help=_("Analyzes the last 14 s with the models of the Analyze page."),
            )
            if state is not None and state.alarms:
                st.download_button(
                    _("Log"),
                    lambda: _log(viewer),
                    file_name=f"{recordings.session_name(viewer.began) if viewer else 'live'}.csv",
                    mime="text/csv",
                    icon=":material/download:",
                    on_click="ignore",
                    key="live-log",
                )
            choices.alarm(limits.high, disabled=visit.busy)
        if kept := st.session_state.get("live-kept"):
            going = _("The last seconds are being analyzed.")
            typography.caption(going)
            st.link_button(
                _("Open them in a new tab"),
                f"{url_state.site()}/?a={kept}",
                icon=":material/open_in_new:",
                type="tertiary",
            )
        if said := st.session_state.get("live-not-kept"):
            show(tag("p", said, cls="um-caption um-warn"))


def _answered() -> None:
    """The browser gave the camera or didn't."""
    current = visit()
    report = link.report(LINK, "answer")
    if report is not None and current.phase is Phase.ASKING:
        current.camera = choices.camera_id()
        current.answered(report, _open)


def _open() -> Viewer:
    """A place at the engine, with what is chosen now."""
    wishes = choices.wishes()
    person = session.current_user()
    if not person.may_analyze:
        raise InputError(
            _("Your account reads results and starts no analysis."),
            hint=_("Ask who runs this server for another role."),
        )
    st.session_state.pop("live-kept", None)
    st.session_state.pop("live-not-kept", None)
    return session.application().viewers.open(
        choices.settings(wishes),
        wishes,
        scope=session.record_scope(),
        film=recordings.film() if wishes.keep is Keep.VIDEO else None,
        style=_video_style(),
    )


@lru_cache(maxsize=1)
def _video_style() -> Style:
    """The colors of boxes over video."""
    from detector.live import Style  # brings torch, which a page need not wait for

    colors = {
        label: (int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16))
        for label, (color, _dash) in ON_VIDEO.items()
    }
    return Style(colors=colors, plate=(15, 18, 21))


def _keep_frames() -> None:
    viewer = visit().viewer
    if viewer is None:
        return
    st.session_state.pop("live-not-kept", None)
    try:
        clip, name = recordings.last_seconds(viewer)
        job = session.application().submit(
            session.request_context(), clip, name, Settings(), size=clip.getbuffer().nbytes
        )
    except UnmaskError as error:
        st.session_state["live-not-kept"] = advice(error)
        return
    st.session_state["live-kept"] = job.key


def _log(viewer: Viewer | None) -> str:
    if viewer is None:
        return ""
    out = io.StringIO()
    state = viewer.state
    rows = cards.log(state.alarms, state.time, _clock(viewer))
    csv.writer(out).writerows([cards.LOG, *rows])
    return out.getvalue()


def _clock(viewer: Viewer | None) -> cards.Clock:
    """Seconds of the session as the time on the person's wall."""
    offset = st.context.timezone_offset
    zone = timezone(timedelta(minutes=-offset)) if offset is not None else UTC
    began = viewer.began if viewer is not None else datetime.now(UTC)
    return lambda t: f"{(began + timedelta(seconds=t)).astimezone(zone):%H:%M:%S}"


# --- below: the last minute, the picture ----------------------------------------------------------


def below(visit: LivePageState) -> None:
    """Draw the last minute, under the picture."""
    viewer = visit.viewer
    state = viewer.state if viewer is not None and viewer.frames else None
    limits = state.reading.thresholds if state else choices.thresholds()
    question = (state.reading.question if state else None) or Question.MANIPULATION
    with st.container(border=True, key="card-minute", gap=None):
        legend = _(
            "dots: one scored frame · line: 3 s mean · the word waits, so that it doesn’t flicker"
        )
        heads.head(_("Last 60 seconds"), legend)
        beside, plot = st.columns([10, 90], gap=None)
        with beside, st.container(key="live-words"):
            show(zone_words(limits, chart.SIZE, labels.QUESTIONS[question].fake_short))
        with plot:
            st.plotly_chart(
                chart.figure(state, limits, theme.palette()),
                theme=None,
                config={**charts.CONFIG, "staticPlot": True},
                key="live-minute",
                alt=chart.finding(state, limits),
            )
    with st.container(border=True, key="card-image", gap=None):
        camera.quality(_("Image"), *cards.quality(state if visit.busy else None))


# --- the connection test --------------------------------------------------------------------------


def _testing() -> bool:
    tested = link.report(LINK, "tested")
    test = st.session_state.get("live-test", 0)
    return bool(test) and (tested is None or tested.get("test") != test)


@st.fragment
def connection(servers: list[ice.Server]) -> None:
    """Draw the test of the connection."""
    with st.container(border=True, key="card-connection", gap="small"):
        with st.container(horizontal=True, horizontal_alignment="distribute",
                          vertical_alignment="center", key="live-test-row"):  # fmt: skip
            what = _(
                "Tries the camera and the ways a video link can take from here. No picture is sent."
            )
            heads.introduced(_("Connection"), what)
            if st.button(_("Test it"), icon=":material/network_check:", key="live-test-button"):
                st.session_state["live-test"] = st.session_state.get("live-test", 0) + 1
                st.rerun()
        if _testing():
            text = _("Testing, up to 10 s.")
            typography.caption(text, announced=True)
        elif (tested := link.report(LINK, "tested")) is not None:
            local = session.is_loopback_client()
            found = link.findings(tested, servers, local)
            show(cards.connection(found, link.conclusion(found, local)))
